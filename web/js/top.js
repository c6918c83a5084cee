/** The head of every page: where we are, the language, the card with what is left. */

import { $ } from "./dom.js";
import { lang } from "./i18n.js";

const current = (links, name, value) => links.forEach((link) =>
  link.dataset[name] === value && link.setAttribute("aria-current", name === "place" ? "page" : "true"));

const langs = document.querySelectorAll("[data-lang]");
current(document.querySelectorAll("a[data-place]"), "place", document.body.dataset.place);
current(langs, "lang", lang);
for (const link of langs) {
  link.addEventListener("click", () => {
    document.cookie = `lang=${link.dataset.lang}; Path=/; Max-Age=31536000; SameSite=Lax`;
  });
}
document.addEventListener("keydown", (event) => event.key === "Escape" && ($("usage").open = false));
document.addEventListener("click", (event) => {
  for (const card of document.querySelectorAll(".usage[open], .keys[open]")) if (!card.contains(event.target)) card.open = false;
});
