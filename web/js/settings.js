/** The choices: model, scale, quality, faces, prompt. What the plan forbids stays visible and says why. */

import { $, LOCK, el, icon } from "./dom.js";
import { number, pixels, planName, t } from "./i18n.js";
import { usage } from "./usage.js";

const PRO_FACTOR = 2;
/** Seconds per megapixel of the embedded model before this browser has seen a run, and how much slower "pro" is. */
const EMBEDDED_SECONDS = 2.5;
const PRO_WORK = 45;
const OVERHEAD_SECONDS = 1.2;
const LEARN_MEGAPIXELS_MIN = 0.2;
const DEFAULT_SCALE = 2;
const STORE = "enhancer.settings";

let catalogue = [];
let size = null;
let changed = () => {};
export const chosen = { model: null, scale: DEFAULT_SCALE, quality: "standard", face: false, prompt: "" };

/** The model now chosen, or undefined. */
export const model = () => catalogue.find((entry) => entry.slug === chosen.model);

/** A model's name in the reader's language. */
export const modelName = (entry) => t(`models.${entry.alias}.name`) ?? entry.title ?? entry.alias;

/** What the API gets: only options the chosen model has. */
export function order() {
  const entry = model();
  return {
    model: entry.slug,
    scale: entry.scales?.length ? chosen.scale : undefined,
    quality: entry.qualities?.length > 1 ? chosen.quality : undefined,
    face_enhance: entry.face && chosen.face ? true : undefined,
    prompt: entry.prompt ? chosen.prompt.trim() : undefined,
  };
}

/** Seconds a run should take, or null when it cannot be known. */
export function estimate(megapixels) {
  const entry = model();
  const rate = learnt()[learnKey()] ?? (entry?.provider === "embedded" ? EMBEDDED_SECONDS : null);
  return rate && megapixels ? OVERHEAD_SECONDS + rate * megapixels * work() : null;
}

/** Remember how long the model really took, so that the next estimate fits; tiny photos say little. */
export function learn(megapixels, seconds) {
  const rates = learnt();
  const rate = seconds / (megapixels * work());
  if (megapixels < LEARN_MEGAPIXELS_MIN || !(rate > 0 && rate < 60)) return;
  rates[learnKey()] = rates[learnKey()] ? 0.6 * rates[learnKey()] + 0.4 * rate : rate;
  save({ rates });
}

/** The embedded model enlarges by 6 and 8 in two passes, the second on 4 times the pixels; its larger network is slow. */
const work = () => (model()?.provider !== "embedded" ? 1 : (chosen.scale > 4 ? 5 : 1) * (chosen.quality === "pro" ? PRO_WORK : 1));
const learnt = () => read().rates ?? {};
const learnKey = () => `${chosen.model} ${chosen.quality}`;

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {};
  }
}

function save(values) {
  try {
    localStorage.setItem(STORE, JSON.stringify({ ...read(), ...values }));
  } catch { /* storage is off: the page works without */ }
}

/** Show the catalogue; `onChange` is called after every change by the reader. */
export function build(models, onChange) {
  catalogue = models;
  changed = onChange;
  wire();
  const usable = catalogue.filter((entry) => entry.available);
  const stored = read();
  Object.assign(chosen, { quality: stored.quality ?? "standard", scale: stored.scale ?? DEFAULT_SCALE, face: stored.face ?? false });
  chosen.model = (usable.find((entry) => entry.slug === stored.model) ?? usable[0])?.slug ?? null;
  showModels(usable);
  showLocked(catalogue.filter((entry) => !entry.available));
  paint();
}

let wired = false;
function wire() {
  if (wired) return;
  wired = true;
  $("prompt").addEventListener("input", () => set({ prompt: $("prompt").value }, { rebuild: false }));
  $("face").addEventListener("click", () => faceAllowed() && set({ face: !chosen.face }));
}

/** The photo's size, so that every scale can say what comes out. */
export function photoSize(dimensions) {
  size = dimensions;
  if (model()) paint();
}

export function set(values, { rebuild = true } = {}) {
  Object.assign(chosen, values);
  const { prompt, ...keep } = chosen;
  save(keep);
  if (rebuild) paint();
  changed();
}

const scaleAllowed = (entry, scale) => (entry.allowedScales ?? entry.scales).includes(scale);
const faceAllowed = () => model()?.faceAllowed !== false;

function paint() {
  const entry = model();
  if (!entry) return;
  if (entry.scales?.length && !(entry.scales.includes(chosen.scale) && scaleAllowed(entry, chosen.scale))) {
    chosen.scale = entry.allowedScales?.[0] ?? DEFAULT_SCALE;
  }
  if (!entry.qualities?.includes(chosen.quality)) chosen.quality = "standard";
  if (!entry.face || !faceAllowed()) chosen.face = false;
  for (const option of $("models").querySelectorAll("[role=radio]")) check(option, option.dataset.value === chosen.model);
  showScales(entry);
  showQualities(entry);
  showFace(entry);
  $("group-prompt").hidden = !entry.prompt;
}

function showModels(usable) {
  const box = $("models");
  box.removeAttribute("role");
  if (usable.length === 1) {
    box.replaceChildren(el("p", { class: "only" }, ...modelText(usable[0])));
    return;
  }
  radios(box, usable.map((entry) => ({
    value: entry.slug, className: "option",
    content: [el("i", { class: "dot", "aria-hidden": "true" }), ...modelText(entry)],
  })), chosen.model, (value) => set({ model: value }));
}

const modelText = (entry) => [
  el("b", {}, modelName(entry)),
  el("span", {}, t(`models.${entry.alias}.text`) ?? entry.provider ?? ""),
];

function showLocked(locked) {
  $("more-models").hidden = !locked.length;
  $("more-models-label").textContent = t("moreModels", { count: locked.length });
  $("locked-models").replaceChildren(...locked.map((entry) => el("li", { class: "locked" },
    icon(LOCK), el("b", {}, modelName(entry)),
    el("span", {}, t(`models.${entry.alias}.text`) ?? ""),
    el("span", { class: "reason" }, t(`reasons.${entry.reason}`, { plan: planName(entry.requiredPlan) }) ?? t("reasons.other")))));
}

function showScales(entry) {
  $("group-scale").hidden = !entry.scales?.length;
  if (!entry.scales?.length) return;
  const options = entry.scales.map((scale) => ({
    value: scale, blocked: !scaleAllowed(entry, scale), content: [`${scale}×`], why: whyScale(entry, scale),
  }));
  radios($("scales"), options, chosen.scale, (scale) => set({ scale }), "scale-why");
}

function whyScale(entry, scale) {
  const first = entry.scales.find((one) => !scaleAllowed(entry, one));
  const plan = scale === first && entry.requiredPlan;
  return plan ? t("scaleBlockedPlan", { scale, plan: planName(plan) })
    : t("scaleBlocked", { scale, plan: planName(usage()?.plan ?? usage()?.ownerType) });
}

function showQualities(entry) {
  $("group-quality").hidden = !(entry.qualities?.length > 1);
  const options = (entry.qualities ?? []).map((quality) => ({
    value: quality,
    content: [t(`qualities.${quality}`) ?? quality,
      quality === "pro" ? el("small", {}, t("qualityPrice", { factor: PRO_FACTOR })) : null],
  }));
  radios($("qualities"), options, chosen.quality, (quality) => set({ quality }));
}

function showFace(entry) {
  $("group-face").hidden = !entry.face;
  const blocked = !faceAllowed();
  const button = $("face");
  const why = $("face-why");
  button.setAttribute("aria-checked", String(chosen.face));
  button.setAttribute("aria-disabled", String(blocked));
  why.hidden = !blocked;
  why.textContent = blocked ? t("faceBlocked", { plan: planName(usage()?.plan ?? usage()?.ownerType) }) : "";
  if (blocked) button.setAttribute("aria-describedby", "face-why");
  else button.removeAttribute("aria-describedby");
}

const check = (option, on) => {
  option.setAttribute("aria-checked", String(on));
  option.tabIndex = on ? 0 : -1;
};

/**
 * A radio group: arrow keys move, allowed options are chosen on the way, blocked ones can be reached and say why
 * in the element `whyId`.
 */
function radios(box, options, value, choose, whyId) {
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.value : null;
  const why = whyId && $(whyId);
  const explain = (text) => why && (why.textContent = text ?? "", why.hidden = !text);
  const pick = (option) => (option.blocked ? explain(option.why) : (explain(""), choose(option.value)));
  const buttons = options.map((option) => {
    const button = el("button", {
      type: "button", role: "radio", class: option.className, "data-value": String(option.value),
      "aria-disabled": option.blocked ? "true" : null, "aria-describedby": option.blocked ? `${box.id}-${option.value}-why` : null,
    }, ...(option.blocked
      ? [el("span", { class: "with-lock" }, ...option.content, icon(LOCK, "lock")),
        el("span", { class: "sr", id: `${box.id}-${option.value}-why` }, option.why)]
      : option.content));
    check(button, option.value === value);
    button.addEventListener("click", () => pick(option));
    button.addEventListener("focus", () => explain(option.blocked ? option.why : ""));
    return button;
  });
  box.setAttribute("role", "radiogroup");
  if (box.id === "models") box.setAttribute("aria-label", t("model"));
  box.replaceChildren(...buttons);
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = buttons.indexOf(document.activeElement);
    const next = (at + step + options.length) % options.length;
    buttons[next].focus();
    if (!options[next].blocked) choose(options[next].value);
  };
  if (focused != null) buttons.find((button) => button.dataset.value === focused)?.focus();
}

/** "3200 × 2134" for the settings as they are, or null without a photo or scale. */
export function outcomeSize() {
  const entry = model();
  if (!size || !entry?.scales?.length) return null;
  return pixels(size.width * chosen.scale, size.height * chosen.scale);
}
