/** What is said in a box without being an error: calm, or with a warning. */

import { $, announce, CLOCK, el, icon, INFO, WARNING } from "./dom.js";

export const DONE = "m8 12.2 2.8 2.8L16 9.500M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z";
/** @type {Record<string, string>} */
const SYMBOLS = { done: DONE, calm: INFO, waiting: CLOCK, wait: WARNING, danger: WARNING };
/** @type {Record<string, string>} */
const LOOKS = { done: "calm done", calm: "calm", waiting: "calm", wait: "wait", danger: "" };

/**
 * Show {kind, title, text, ways} in `slot`; a way is {label, href} or {label, act}, and may carry an `id`. Quiet when
 * it is part of a panel, else it is announced.
 * @param {Element} slot
 * @param {Said} said
 */
export function say(slot, { kind = "calm", title, text = "", ways = [], quiet }) {
  slot.replaceChildren(el("div", { class: `notice ${LOOKS[kind]}`, "data-kind": kind },
    icon(SYMBOLS[kind]), el("strong", {}, title), text ? el("p", {}, text) : null,
    ways.length ? el("div", { class: "ways" }, ...ways.map(way)) : null));
  if (!quiet && kind === "danger") $("alert").textContent = `${title}. ${text}`;
  else if (!quiet) announce([title, text].filter(Boolean).join(" "));
}

/** @param {WayOn} way */
function way({ label, href, act, id }) {
  const button = { class: "button", type: "button", id };
  const node = href ? el("a", { class: "button", href, id }, label) : el("button", button, label);
  if (act) node.addEventListener("click", act);
  return node;
}
