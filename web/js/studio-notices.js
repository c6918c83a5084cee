/** What the studio tells: problems, each with the ways on that exist here. */

import { $ } from "./dom.js";
import { t } from "./i18n.js";
import * as problems from "./problems.js";
import * as settings from "./settings.js";

/** @type {Record<string, (event?: Event) => unknown>} */
let ways = {};

/** @param {typeof ways} known what happens when the reader takes a way, by its name */
export const setWays = (known) => (ways = known);

/** @param {string} way @param {Event} [event] */
export const takeWay = (way, event) => ways[way]?.(event);

/** What a way on is called; null where it does not exist. @param {string} way */
export function label(way) {
  const entry = settings.model();
  if ((way === "builtin" && !settings.builtin()) || (way === "prompt" && !entry?.prompt)) return null;
  return t(`actions.${way}_${entry?.kind}`) ?? t(`actions.${way}`);
}

/** @param {Trouble} problem @param {Details} [extra] @param {Element} [slot] */
export function tell(problem, extra, slot = $("notice")) {
  problems.show(slot, problem, { extra, label, act: takeWay });
  slot.firstElementChild?.scrollIntoView({ block: "nearest" });
}

export const clearNotices = () => problems.clear($("notice"), $("notice-empty"));
