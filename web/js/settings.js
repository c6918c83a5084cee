/** The choices: model, scale, quality, faces, prompt and its options. What the plan forbids is visible and says why. */

import { $, el } from "./dom.js";
import * as editing from "./editing.js";
import { pixels, planName, t } from "./i18n.js";
import * as picker from "./picker.js";
import { radios } from "./radios.js";
import { feature, usage } from "./usage.js";

const PRO_FACTOR = 2;
/** Seconds per megapixel of the embedded model before this browser has seen a run, and how much slower "pro" is. */
const EMBEDDED_SECONDS = 2.5;
const PRO_WORK = 45;
const OVERHEAD_SECONDS = 1.2;
const LEARN_MEGAPIXELS_MIN = 0.2;
const DEFAULT_SCALE = 2;
const STORE = "enhancer.settings";

/** @type {Model[]} */
let catalogue = [];
/** The photo's size. @type {Size | null} */
let size = null;
let changed = () => {};
/** @type {Chosen} */
export const chosen = { model: null, scale: DEFAULT_SCALE, quality: "standard", face: false, prompt: "", tuning: {} };

/** The model now chosen, or undefined. */
export const model = () => catalogue.find((entry) => entry.slug === chosen.model);

/**
 * A model of the catalogue by slug or alias; one that has gone keeps its name.
 * @param {string} name
 * @returns {NamedModel}
 */
export const named = (name) => catalogue.find(({ slug, alias }) => name === slug || name === alias) ?? { slug: name };

/** The model in our own Lambda, where it is another one than the chosen. */
export const builtin = () =>
  catalogue.find((entry) => entry.provider === "embedded" && entry.available && entry.slug !== chosen.model);

/** The model now chosen, where there has to be one. */
function needed() {
  const entry = model();
  if (!entry) throw new Error("no model is chosen");
  return entry;
}

/**
 * What the API gets: only options the chosen model has, and finer ones only where they were changed.
 * @returns {Order}
 */
export function order() {
  const entry = needed();
  return {
    model: entry.slug,
    scale: entry.scales?.length ? chosen.scale : undefined,
    quality: entry.qualities?.length > 1 ? chosen.quality : undefined,
    face_enhance: entry.face && chosen.face ? true : undefined,
    prompt: (entry.prompt && chosen.prompt.trim()) || undefined,
    ...Object.fromEntries(Object.entries(chosen.tuning).filter(([name]) => entry.options?.includes(name))),
  };
}

/** What a price depends on: the order without the reader's words. */
export function question() {
  const { model: slug, scale, quality, face_enhance } = order();
  return { model: slug, scale, quality, face_enhance, prompt: needed().prompt ? "-" : undefined };
}

/** The model needs to be told what to do, and was not. */
export function wordless() {
  const entry = model();
  return Boolean(entry?.prompt && !entry.promptDefault && !chosen.prompt.trim());
}

/** The model runs at a provider: how long that takes does not follow from the photo. */
export const hosted = () => (model()?.provider ?? "embedded") !== "embedded";

/** Seconds a run should take, or null when it cannot be known. @param {number} megapixels */
export function estimate(megapixels) {
  const entry = model();
  const rate = learnt()[learnKey()] ?? EMBEDDED_SECONDS;
  return entry && !hosted() && megapixels ? OVERHEAD_SECONDS + rate * megapixels * work() : null;
}

/**
 * Remember how long the model really took, so that the next estimate fits; tiny photos say little.
 * @param {number} megapixels
 * @param {number} seconds
 */
export function learn(megapixels, seconds) {
  const rates = learnt();
  const rate = seconds / (megapixels * work());
  if (hosted() || megapixels < LEARN_MEGAPIXELS_MIN || !(rate > 0 && rate < 60)) return;
  rates[learnKey()] = rates[learnKey()] ? 0.6 * rates[learnKey()] + 0.4 * rate : rate;
  save({ rates });
}

/** The embedded model enlarges by 6 and 8 in two passes, the second on 4 times as many pixels. "pro" is slow. */
const work = () => (chosen.scale > 4 ? 5 : 1) * (chosen.quality === "pro" ? PRO_WORK : 1);
const learnt = () => read().rates ?? {};
const learnKey = () => `${chosen.model} ${chosen.quality}`;

function read() {
  try {
    return JSON.parse(localStorage.getItem(STORE) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/** @param {Record<string, unknown>} values */
function save(values) {
  try {
    localStorage.setItem(STORE, JSON.stringify({ ...read(), ...values }));
  } catch { /* storage is off: the page works without */ }
}

/**
 * Show the catalogue; `onChange` is called after every change by the reader.
 * @param {Model[]} models
 * @param {() => void} onChange
 */
export function build(models, onChange) {
  catalogue = models;
  changed = onChange;
  const usable = catalogue.filter((entry) => entry.available);
  const stored = wired ? { ...chosen } : read();
  chosen.quality = stored.quality ?? "standard";
  chosen.scale = stored.scale ?? DEFAULT_SCALE;
  chosen.face = stored.face ?? false;
  chosen.model = (usable.find((entry) => entry.slug === stored.model) ?? usable[0])?.slug ?? null;
  wire();
  picker.show(catalogue, chosen.model, (slug) => set({ model: slug }));
  paint();
}

/** What a plan allows may be shown otherwise from now on. */
export const repaint = () => paint();

let wired = false;
function wire() {
  if (wired) return;
  wired = true;
  $("face").addEventListener("click", () => faceAllowed() && set({ face: !chosen.face }));
}

/** The photo's size, so that every scale can say what comes out. @param {Size | null} dimensions */
export function photoSize(dimensions) {
  size = dimensions;
  if (model()) paint();
}

/** @param {Partial<Chosen>} values */
export function set(values, { rebuild = true } = {}) {
  Object.assign(chosen, values);
  const { prompt, tuning, ...keep } = chosen;
  save(keep);
  if (rebuild) paint();
  changed();
}

/** @param {Model} entry @param {number} scale */
const scaleAllowed = (entry, scale) => !feature("planGating") || (entry.allowedScales ?? entry.scales).includes(scale);
const faceAllowed = () => !feature("planGating") || model()?.faceAllowed !== false;

function paint() {
  const entry = model();
  if (!entry) return;
  if (entry.scales?.length && !(entry.scales.includes(chosen.scale) && scaleAllowed(entry, chosen.scale))) {
    chosen.scale = entry.allowedScales?.[0] ?? DEFAULT_SCALE;
  }
  if (!entry.qualities?.includes(chosen.quality)) chosen.quality = "standard";
  if (!entry.face || !faceAllowed()) chosen.face = false;
  picker.show(catalogue, chosen.model, (slug) => set({ model: slug }));
  showScales(entry);
  showQualities(entry);
  showFace(entry);
  editing.show(entry, chosen, (values) => set(values, { rebuild: false }));
}

/** @param {Model} entry */
function showScales(entry) {
  $("group-scale").hidden = !entry.scales?.length;
  if (!entry.scales?.length) return;
  const options = entry.scales.map((scale) => ({
    value: scale, blocked: !scaleAllowed(entry, scale), content: [`${scale}×`],
    why: whyScale(entry, scale), title: t("upgrade"),
  }));
  radios($("scales"), options, chosen.scale, (scale) => set({ scale }), $("scale-why"));
}

/** @param {Model} entry @param {number} scale */
function whyScale(entry, scale) {
  const first = entry.scales.find((one) => !scaleAllowed(entry, one));
  const plan = scale === first && entry.requiredPlan;
  return plan ? t("scaleBlockedPlan", { scale, plan: planName(plan) })
    : t("scaleBlocked", { scale, plan: planName(usage()?.plan ?? usage()?.ownerType) });
}

/** @param {Model} entry */
function showQualities(entry) {
  $("group-quality").hidden = !(entry.qualities?.length > 1);
  const options = (entry.qualities ?? []).map((quality) => ({
    value: quality,
    content: [t(`qualities.${quality}`) ?? quality,
      quality === "pro" ? el("small", {}, t("qualityPrice", { factor: PRO_FACTOR })) : null],
  }));
  radios($("qualities"), options, chosen.quality, (quality) => set({ quality }));
}

/** @param {Model} entry */
function showFace(entry) {
  $("group-face").hidden = !entry.face;
  const blocked = !faceAllowed();
  const button = $("face");
  const why = $("face-why");
  button.setAttribute("aria-checked", String(chosen.face));
  button.setAttribute("aria-disabled", String(blocked));
  why.hidden = !blocked;
  why.textContent = blocked ? t("faceBlocked", { plan: planName(usage()?.plan ?? usage()?.ownerType) }) : "";
  button.title = blocked ? t("upgrade") : "";
  if (blocked) button.setAttribute("aria-describedby", "face-why");
  else button.removeAttribute("aria-describedby");
}

/** How many times larger a result is: as chosen, or what the model does by itself. @param {Model} entry */
const factor = (entry) => (entry.scales?.length ? chosen.scale : entry.factor ?? 1);

/** "3200 × 2134" for the settings as they are, or null where it does not follow from the photo. */
export function outcomeSize() {
  const entry = model();
  if (!size || !entry || factor(entry) < 2) return null;
  return pixels(size.width * factor(entry), size.height * factor(entry));
}

/**
 * The longest side that comes back, in pixels, when the model makes a photo with a side of `longest` smaller. Else 0.
 * @param {number} longest
 */
export function shrinksTo(longest) {
  const side = model()?.maxOutputSide ?? Infinity;
  return side < longest ? side : 0;
}
