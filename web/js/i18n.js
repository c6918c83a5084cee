/** Texts, numbers and times in the language of the page. */

export const lang = document.documentElement.lang;
const texts = JSON.parse(document.getElementById("locale").textContent);
/** The reader's own variety of the page's language, for dates and numbers: "en-GB" on an English page. */
export const locale = navigator.languages.find((tag) => tag.split("-")[0] === lang) ?? lang;
const plurals = new Intl.PluralRules(lang);
let coming = null;

/** Load the texts that are not needed at first sight; asked for again, they are there. */
export const moreTexts = () => (coming ??= fetch(new URL(`./texts/${lang}.json`, import.meta.url))
  .then((answer) => answer.json())
  .then((found) => Object.entries(found).forEach(([name, text]) => (texts[name] = typeof text === "string" ? text : { ...text, ...texts[name] })))
  .catch((error) => {
    coming = null;
    throw error;
  }));

/** The text (or table) at a dotted path; `{name}` is filled from `values`, `count` picks one/other. */
export function t(path, values = {}) {
  let text = path.split(".").reduce((node, key) => node?.[key], texts);
  if (text?.other && "count" in values) text = text[plurals.select(values.count)] ?? text.other;
  if (typeof text !== "string") return text;
  return text.replace(/\{(\w+)\}/g, (hole, key) => format(values[key] ?? ""));
}

function format(value) {
  if (typeof value === "number") return number(value);
  return Array.isArray(value) ? list(value) : String(value);
}

const list = (items) => new Intl.ListFormat(locale, { type: "disjunction" }).format(items.map(String));

export const number = (value, digits = 1) =>
  new Intl.NumberFormat(locale, { maximumFractionDigits: digits }).format(value);

/** Bytes as MB or kB, decimal as file managers show them. */
export function bytes(count) {
  const big = count >= 1e6;
  const unit = big ? "megabyte" : "kilobyte";
  const value = big ? count / 1e6 : Math.max(1, Math.round(count / 1e3));
  return new Intl.NumberFormat(locale, { style: "unit", unit, maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}

/** Seconds in the largest sensible unit: "4.2 s", "3 min", "5 hr". */
export function duration(seconds, digits = seconds < 10 ? 1 : 0) {
  const [unit, size] = seconds < 90 ? ["second", 1] : seconds < 5400 ? ["minute", 60] : ["hour", 3600];
  const places = unit === "second" ? digits : 0;
  return new Intl.NumberFormat(locale, {
    style: "unit", unit, unitDisplay: "short", minimumFractionDigits: places, maximumFractionDigits: places,
  }).format(seconds / size);
}

/** A moment as "01:00 (in 5 hours)", with the weekday when it is not today or tomorrow. */
export function moment(epochMs) {
  const far = epochMs - Date.now() > 36 * 3600e3;
  const clock = new Intl.DateTimeFormat(locale, far
    ? { weekday: "long", day: "numeric", month: "long" } : { timeStyle: "short" }).format(epochMs);
  const minutes = Math.max(1, Math.round((epochMs - Date.now()) / 60e3));
  const [amount, unit] = minutes < 90 ? [minutes, "minute"] : minutes < 2880 ? [minutes / 60, "hour"] : [minutes / 1440, "day"];
  const relative = new Intl.RelativeTimeFormat(lang).format(Math.round(amount), unit);
  return t("when.in", { clock, relative });
}

export const pixels = (width, height) => `${width}\u202f×\u202f${height}`;

/** "Guest", "Starter", else the plan's own name, capitalised. */
export const planName = (plan) =>
  t(`plans.${plan || "free"}`) ?? plan[0].toUpperCase() + plan.slice(1);

/** A model's name in the reader's language; `said` is the one that fits into a sentence. */
export const modelName = ({ alias, title, slug }) => t(`models.${alias}.name`) ?? title ?? alias ?? slug.split(":")[0].split("/").at(-1);
export const modelSaid = (entry) => t(`models.${entry.alias}.said`) ?? modelName(entry);
