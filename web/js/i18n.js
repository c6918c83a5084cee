/** Texts, numbers and times in the language of the page. */

export const lang = document.documentElement.lang;
const texts = JSON.parse(document.getElementById("locale")?.textContent ?? "{}");
/** The reader's own variety of the page's language, for dates and numbers: "en-GB" on an English page. */
export const locale = navigator.languages.find((tag) => tag.split("-")[0] === lang) ?? lang;
const plurals = new Intl.PluralRules(lang);
/** @type {Record<string, Promise<void>>} */
const coming = {};

/**
 * Load texts that are not needed at first sight: those of every page, or of one `part` like "studio/". Asked for
 * again, they are there.
 */
export const moreTexts = (part = "") => (coming[part] ??= loadTexts(part).catch((error) => {
  delete coming[part];
  throw error;
}));

/** @param {string} part */
async function loadTexts(part) {
  const answer = await fetch(new URL(`./texts/${part}${lang}.json`, import.meta.url));
  for (const [name, text] of Object.entries(await answer.json())) {
    texts[name] = typeof text === "string" ? text : { ...text, ...texts[name] };
  }
}

/** The text, list or table at a dotted path, as it is written. @param {string} path @returns {any} */
export const table = (path) => path.split(".").reduce((node, key) => node?.[key], texts);

/**
 * The text at a dotted path; `{name}` is filled from `values`, `count` picks one/other. Undefined where there is none.
 * @param {string} path
 * @param {Record<string, any>} [values]
 * @returns {string}
 */
export function t(path, values = {}) {
  let text = table(path);
  if (text?.other && "count" in values) text = text[plurals.select(values.count)] ?? text.other;
  if (typeof text !== "string") return text;
  return text.replace(/\{\w+\}/g, (/** @type {string} */ hole) => format(values[hole.slice(1, -1)] ?? ""));
}

/** @param {unknown} value */
function format(value) {
  if (typeof value === "number") return number(value);
  return Array.isArray(value) ? list(value) : String(value);
}

/** @param {unknown[]} items */
const list = (items) => new Intl.ListFormat(locale, { type: "disjunction" }).format(items.map(String));

/** @param {number} value */
export const number = (value, digits = 1) =>
  new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);

/** Bytes as MB or kB, decimal as file managers show them. @param {number} count */
export function bytes(count) {
  const big = count >= 1e6;
  const unit = big ? "megabyte" : "kilobyte";
  const value = big ? count / 1e6 : Math.max(1, Math.round(count / 1e3));
  const maximumFractionDigits = value < 10 ? 1 : 0;
  return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits }).format(value);
}

/** Seconds in the largest sensible unit: "4.2 s", "3 min", "5 hr". @param {number} seconds */
export function duration(seconds, digits = seconds < 10 ? 1 : 0) {
  const unit = seconds < 90 ? "second" : seconds < 5400 ? "minute" : "hour";
  const size = { second: 1, minute: 60, hour: 3600 }[unit];
  const places = unit === "second" ? digits : 0;
  return new Intl.NumberFormat(locale, {
    style: "unit", unit, unitDisplay: "short", minimumFractionDigits: places, maximumFractionDigits: places,
  }).format(seconds / size);
}

/** A moment as "01:00 (in 5 hours)", with the weekday when it is not today or tomorrow. @param {number} epochMs */
export function moment(epochMs) {
  const far = epochMs - Date.now() > 36 * 3600e3;
  const clock = new Intl.DateTimeFormat(locale, far
    ? { weekday: "long", day: "numeric", month: "long" } : { timeStyle: "short" }).format(epochMs);
  const minutes = Math.max(1, Math.round((epochMs - Date.now()) / 60e3));
  const unit = minutes < 90 ? "minute" : minutes < 2880 ? "hour" : "day";
  const size = { minute: 1, hour: 60, day: 1440 }[unit];
  const relative = new Intl.RelativeTimeFormat(lang).format(Math.round(minutes / size), unit);
  return t("when.in", { clock, relative });
}

/** @param {number} width @param {number} height */
export const pixels = (width, height) => `${width}\u202f×\u202f${height}`;

/** "Guest", "Starter", else the plan's own name, capitalised. @param {string | null | undefined} plan */
export const planName = (plan) =>
  t(`plans.${plan || "free"}`) ?? String(plan).replace(/^./, (first) => first.toUpperCase());

/** A model's name in the reader's language; `said` is the one that fits into a sentence. @param {NamedModel} entry */
export const modelName = ({ alias, title, slug }) =>
  t(`models.${alias}.name`) ?? title ?? alias ?? slug.split(":")[0].split("/").at(-1) ?? slug;
/** @param {NamedModel} entry */
export const modelSaid = (entry) => t(`models.${entry.alias}.said`) ?? modelName(entry);
