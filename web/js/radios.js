/** Radio groups of buttons: arrow keys move, what is blocked can be reached and says why. */

import { LOCK, el, icon } from "./dom.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** Mark the button with this value as chosen. @param {HTMLElement} box @param {unknown} value */
export function mark(box, value) {
  /** @type {NodeListOf<HTMLElement>} */
  const all = box.querySelectorAll("[role=radio]");
  const buttons = [...all];
  const chosen = buttons.find((button) => button.dataset.value === String(value)) ?? buttons[0];
  for (const button of buttons) {
    button.setAttribute("aria-checked", String(button.dataset.value === String(value)));
    button.tabIndex = button === chosen ? 0 : -1;
  }
}

/**
 * Fill `box` with options [{value, content, className, blocked, why}]. Arrow keys choose allowed options on the way;
 * the reason of a blocked one is shown in the element `why`.
 * @template V
 * @param {HTMLElement} box
 * @param {Choice<V>[]} options
 * @param {V | null | undefined} value
 * @param {(value: V) => unknown} choose
 * @param {HTMLElement} [why]
 */
export function radios(box, options, value, choose, why) {
  const held = document.activeElement;
  const focused = box.contains(held) && held instanceof HTMLElement ? held.dataset.value : undefined;
  const explain = (text = "") => {
    if (why) [why.textContent, why.hidden] = [text, !text];
  };
  /** @param {Choice<V>} option */
  const pick = (option) => {
    explain(option.blocked ? option.why : "");
    if (!option.blocked) choose(option.value);
  };
  const buttons = options.map((option) => {
    const reason = `${box.id}-${option.value}-why`;
    const button = el("button", {
      type: "button", role: "radio", class: option.className, "data-value": String(option.value),
      title: option.blocked ? option.title : null,
      "aria-disabled": option.blocked ? "true" : null, "aria-describedby": option.blocked ? reason : null,
    }, ...(option.blocked
      ? [
        el("span", { class: "with-lock" }, ...option.content, icon(LOCK, "lock")),
        el("span", { class: "sr", id: reason }, option.why),
      ]
      : option.content));
    button.addEventListener("click", () => pick(option));
    button.addEventListener("focus", () => explain(option.blocked ? option.why : ""));
    return button;
  });
  box.setAttribute("role", "radiogroup");
  box.replaceChildren(...buttons);
  mark(box, value);
  box.onkeydown = (event) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const from = buttons.findIndex((button) => button === document.activeElement);
    const at = (from + step + options.length) % options.length;
    buttons[at].focus();
    if (!options[at].blocked) choose(options[at].value);
  };
  if (focused !== undefined) buttons.find((button) => button.dataset.value === focused)?.focus();
}
