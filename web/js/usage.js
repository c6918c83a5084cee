/** What is left today: the pill in the head and its card. */

import * as http from "./http.js";
import { $, el, rows } from "./dom.js";
import { moment, number, planName, t } from "./i18n.js";

const FRAMES_MAX = 10;
/** @type {((usage: Usage) => unknown)[]} */
const listeners = [];
/**
 * What the API said last; null before it said anything.
 * @type {any}
 */
let current = null;
/** @type {number | undefined} */
let timer;

/** The usage; null before it is known. @returns {Usage} */
export const usage = () => current;
/** @param {(usage: Usage) => unknown} listener */
export const onUsage = (listener) => listeners.push(listener);

/** Today's photos are used up. */
export const usedUp = () => Boolean(current) && current.usage.used >= current.usage.limit;

/** Whether a part of the page is switched on, as the API says. @param {"creditsCta" | "planGating"} name */
export const feature = (name) => Boolean(current?.features?.[name]);

/** The reader has bought or got credits, or owes some. */
export const ownsCredits = () => Object.values(current?.credits ?? {}).some((value) => value > 0);

/** Ask again; a failure keeps what was known. @returns {Promise<Usage | null>} */
export async function refresh() {
  try {
    take(await http.usage());
  } catch {
    if (!current) $("usage-text").textContent = "–";
    if (!current) $("usage").title = t("toasts.loadUsageError");
  }
  return current;
}

/** Take fresh numbers, also from the answer of a run. @param {Partial<Usage>} data */
export function take(data) {
  current = { ...current, ...data };
  paint();
  listeners.forEach((listener) => listener(current));
  clearTimeout(timer);
  const wait = current.usage.resetAt - Date.now() + 1500;
  if (wait > 0 && wait < 864e5) timer = setTimeout(refresh, wait);
}

function paint() {
  const { used, limit, resetAt } = current.usage;
  const out = current.access?.admitted === false;
  const left = out ? 0 : Math.max(0, limit - used);
  const plan = planName(current.plan ?? current.ownerType);
  $("usage").dataset.level = out ? "" : left === 0 ? "critical" : used / limit >= 0.9 ? "warn" : "";
  $("usage").removeAttribute("title");
  $("usage-plan").textContent = plan;
  $("usage-text").textContent = left ? t("usage.left", { count: left }) : t(out ? "usage.closed" : "usage.none");
  frames(limit - left, limit);
  rows($("usage-rows"), [
    [t("usage.today"), out ? t("usage.closed") : t("usage.used", { used, limit })],
    !out && [t("usage.reset"), moment(resetAt)],
    current.monthlyUsage && [t("usage.month"), t("usage.usedCredits", current.monthlyUsage)],
    credits(current.credits),
  ]);
}

/** One frame per photo, like a film counter; a bar when there are many. @param {number} used @param {number} limit */
function frames(used, limit) {
  const box = $("usage-frames");
  const few = limit <= FRAMES_MAX;
  box.classList.toggle("bar", !few);
  if (few) {
    const left = limit - used;
    box.replaceChildren(...Array.from({ length: limit }, (_, at) => el("i", { class: at < left ? "" : "used" })));
  } else {
    box.style.setProperty("--left", `${Math.max(0, 100 - Math.round((100 * used) / limit))}%`);
    box.replaceChildren(el("i"));
  }
}

/** @param {Partial<Usage["credits"]>} [credits] @returns {Row | null} */
function credits({ available = 0, held = 0 } = {}) {
  if (!available && !held) return null;
  const text = number(available) + (held ? ` (${t("usage.held", { count: held })})` : "");
  return [t("usage.credits"), text];
}

/** Load now and whenever the page comes back into view. */
export function watch() {
  let last = 0;
  const again = () => {
    if (document.visibilityState === "hidden" || Date.now() - last < 5000) return;
    last = Date.now();
    refresh();
  };
  addEventListener("focus", again);
  document.addEventListener("visibilitychange", again);
  addEventListener("pageshow", (event) => event.persisted && again());
  last = Date.now();
  return refresh();
}
