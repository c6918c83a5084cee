/** Edits: the sentence that says what should change, and the finer settings of models that have them. */

import { $, el, find } from "./dom.js";
import { number, t, table } from "./i18n.js";

const PROMPT_MAX = 500;
const COUNT_FROM = 400;
/** @param {number} value */
const percent = (value) => `${number(100 * value, 0)}\u202f%`;
/** What a model uses when nothing is sent, in the range the API takes. @type {Record<string, Slider>} */
const SLIDERS = {
  strength: { min: 0, max: 1, step: 0.05, usual: 0.3, said: percent },
  guidance: { min: 1, max: 12, step: 0.5, usual: 7.5, said: (value) => number(value) },
  steps: { min: 1, max: 20, step: 1, usual: 20, said: (value) => t("editing.stepsValue", { count: value }) },
};

/** The model whose fields are shown. @type {string | null} */
let shown = null;
/** @type {(changed: Partial<Chosen>) => void} */
let tell = () => {};
/** @type {Tuning} */
let values = {};

/**
 * Fields for `entry`; `onChange` is called with {prompt} or {tuning} when the reader changes something.
 * @param {Model} entry
 * @param {Chosen} chosen
 * @param {typeof tell} onChange
 */
export function show(entry, { prompt, tuning }, onChange) {
  tell = onChange;
  values = tuning;
  $("group-prompt").hidden = !entry.prompt;
  if (shown === entry.slug || !entry.prompt) return;
  shown = entry.slug;
  $("prompt").value = prompt;
  $("prompt").placeholder = entry.promptDefault ?? t("editing.example");
  $("prompt").setAttribute("aria-required", String(!entry.promptDefault));
  $("prompt-hint").textContent = t(entry.promptDefault ? "editing.empty" : "editing.hint");
  $("prompt").oninput = typed;
  missing(false);
  count();
  showTuning(entry.options ?? []);
}

/** Say that the sentence is missing, and go there; or take that back. @param {boolean} on */
export function missing(on) {
  $("prompt-missing").textContent = on ? t("editing.missing") : "";
  if (on) $("prompt").setAttribute("aria-invalid", "true");
  else $("prompt").removeAttribute("aria-invalid");
  if (on) focus();
}

export function focus() {
  $("prompt").focus({ preventScroll: true });
  $("group-prompt").scrollIntoView({ block: "nearest" });
}

function typed() {
  missing(false);
  count();
  tell({ prompt: $("prompt").value });
}

/** Near the end it is said how much fits. */
function count() {
  const { length } = $("prompt").value;
  $("prompt-hint").hidden = length >= COUNT_FROM;
  $("prompt-count").textContent = length < COUNT_FROM ? "" : t("editing.left", { count: PROMPT_MAX - length });
}

/** @param {string[]} options */
function showTuning(options) {
  $("tuning").hidden = !options.length;
  $("tuning").open = false;
  if (!options.length) return;
  const fields = Object.keys(SLIDERS).filter((name) => options.includes(name)).map(slider);
  if (options.includes("negative_prompt")) fields.unshift(negative());
  const reset = el("button", { type: "button", class: "link", id: "tuning-reset" }, t("editing.reset"));
  reset.addEventListener("click", () => {
    for (const name of Object.keys(values)) delete values[name];
    showTuning(options);
    $("tuning").open = true;
    tell({ tuning: values });
    find("summary", $("tuning")).focus();
  });
  $("tuning-fields").replaceChildren(...fields, reset);
  $("tuning-label").textContent = t("editing.more");
  paintChanged();
}

function negative() {
  const placeholder = t("editing.negative_example");
  const field = el("textarea", { id: "negative", rows: 2, maxLength: PROMPT_MAX, placeholder });
  field.value = String(values.negative_prompt ?? "");
  field.addEventListener("input", () => change("negative_prompt", field.value.trim() || undefined));
  return el("div", {}, el("label", { class: "label", for: "negative" }, t("editing.negative_prompt")), field);
}

/** @param {string} name */
function slider(name) {
  const { usual, said, min, max, step } = SLIDERS[name];
  const range = { min: String(min), max: String(max), step: String(step) };
  const field = el("input", { type: "range", id: `tune-${name}`, ...range });
  const output = el("output", { for: field.id });
  const paint = () => {
    output.textContent = said(Number(field.value));
    field.setAttribute("aria-valuetext", output.textContent);
  };
  field.value = String(values[name] ?? usual);
  field.addEventListener("input", () => {
    paint();
    change(name, Number(field.value) === usual ? undefined : Number(field.value));
  });
  paint();
  /** @type {string[]} */
  const ends = table(`editing.${name}Ends`);
  const label = el("label", { class: "label", for: field.id }, t(`editing.${name}`));
  return el("div", { class: "slider" }, label, output, field,
    ...ends.map((text) => el("small", { "aria-hidden": "true" }, text)));
}

/** @param {string} name @param {string | number | undefined} value */
function change(name, value) {
  if (value === undefined) delete values[name];
  else values[name] = value;
  paintChanged();
  tell({ tuning: values });
}

function paintChanged() {
  const { length } = Object.keys(values);
  $("tuning-changed").textContent = length ? t("editing.changed", { count: length }) : "";
  $("tuning-reset").hidden = !length;
}
