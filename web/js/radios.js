/** Radio groups of buttons: arrow keys move, what is blocked can be reached and says why. */

import { LOCK, el, icon } from "./dom.js";

/** Mark the button with this value as chosen. */
export function mark(box, value) {
  const buttons = [...box.querySelectorAll("[role=radio]")];
  const chosen = buttons.find((button) => button.dataset.value === String(value)) ?? buttons[0];
  for (const button of buttons) {
    button.setAttribute("aria-checked", String(button.dataset.value === String(value)));
    button.tabIndex = button === chosen ? 0 : -1;
  }
}

/**
 * Fill `box` with options [{value, content, className, blocked, why}]. Arrow keys choose allowed options on the way;
 * the reason of a blocked one is shown in the element `why`.
 */
export function radios(box, options, value, choose, why) {
  const focused = box.contains(document.activeElement) ? document.activeElement.dataset.value : null;
  const explain = (text) => why && (why.textContent = text ?? "", why.hidden = !text);
  const pick = (option) => (option.blocked ? explain(option.why) : (explain(""), choose(option.value)));
  const buttons = options.map((option) => {
    const reason = `${box.id}-${option.value}-why`;
    const button = el("button", {
      type: "button", role: "radio", class: option.className, "data-value": String(option.value),
      "aria-disabled": option.blocked ? "true" : null, "aria-describedby": option.blocked ? reason : null,
    }, ...(option.blocked
      ? [el("span", { class: "with-lock" }, ...option.content, icon(LOCK, "lock")), el("span", { class: "sr", id: reason }, option.why)]
      : option.content));
    button.addEventListener("click", () => pick(option));
    button.addEventListener("focus", () => explain(option.blocked ? option.why : ""));
    return button;
  });
  box.setAttribute("role", "radiogroup");
  box.replaceChildren(...buttons);
  mark(box, value);
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = (buttons.indexOf(document.activeElement) + step + options.length) % options.length;
    buttons[at].focus();
    if (!options[at].blocked) choose(options[at].value);
  };
  if (focused != null) buttons.find((button) => button.dataset.value === focused)?.focus();
}
