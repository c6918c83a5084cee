/** Who may run something at the moment: what the launch allows, as the usage says it or a refusal. */

import { onUsage, take, usage, usedUp } from "./usage.js";

/** What refuses any new run of this reader: a code of the API, or "" for nothing. */
export function closed() {
  const { admitted = true, paused = false } = usage()?.access ?? {};
  if (!admitted) return "not_in_cohort";
  return paused ? "runs_paused" : "";
}

/** A guest with so few photos a day that it is said before the first, with what signing in brings. */
export function scarce() {
  const { ownerType, usage: day, access } = usage() ?? {};
  return ownerType === "guest" && !closed() && !usedUp() && (day.limit < 2 || access?.phase === "I2");
}

/**
 * A run was refused because of the launch: from now on that is known. Says whether that was the reason.
 * @param {Pick<Trouble, "code" | "details" | "retryAfter">} problem
 */
export function learn({ code, details, retryAfter }) {
  if (!usage() || !["not_in_cohort", "runs_paused"].includes(code)) return false;
  const now = code === "runs_paused" ? { admitted: true, paused: true, retryAfter } : { ...details, admitted: false };
  take({ access: { ...usage().access, ...now } });
  return true;
}

/**
 * What says so comes when it is needed, and follows by itself from then on; without it the server refuses.
 * @param {() => Promise<{start: () => unknown}>} load
 */
export const whenNeeded = (load) => onUsage(() => {
  if (closed() || scarce()) load().then(({ start }) => start(), () => {});
});
