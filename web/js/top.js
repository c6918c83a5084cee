/** The head of every page: where we are, the language, the card with what is left, and who is here. */

import { $, find } from "./dom.js";
import * as http from "./http.js";
import { lang, t } from "./i18n.js";
import { onUsage } from "./usage.js";

/** In this tab: where the last sign-in began. In this browser: that somebody was signed in, so that nothing jumps. */
const STARTED = "enhancer.started";
const KNOWN = "enhancer.known";

/** Mark the link to where we are. @param {Links} links @param {string} name @param {string} [value] */
const current = (links, name, value) => links.forEach((link) =>
  link.dataset[name] === value && link.setAttribute("aria-current", name === "place" ? "page" : "true"));

/** @type {Links} */
const langs = document.querySelectorAll("[data-lang]");
current(document.querySelectorAll("a[data-place]"), "place", document.body.dataset.place);
current(langs, "lang", lang);

// --- leaving with photos that were chosen

let told = false;

/**
 * Follow a link, and take photos along that were chosen but not enhanced; `main.js` opens them again. One that `waits`
 * is not followed during a run, which would break off, nor at once when photos would be lost: the text's name then.
 * @param {MouseEvent} event
 * @param {{href: string}} link
 */
export async function follow(event, link, { waits = false } = {}) {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return "";
  /** @type {Luggage} */
  const luggage = { files: [], prompt: "", running: false };
  dispatchEvent(new CustomEvent("leaving", { detail: luggage }));
  if (waits && luggage.running) {
    event.preventDefault();
    return "running";
  }
  if (!luggage.files.length) return "";
  event.preventDefault();
  const kept = await import("./carry.js")
    .then(({ carry }) => carry(luggage)).then(() => true, () => false);
  if (!kept && waits && !told) {
    told = true;
    return "unkept";
  }
  location.assign(link.href);
  return "";
}

for (const link of langs) {
  link.addEventListener("click", (event) => {
    document.cookie = `lang=${link.dataset.lang}; Path=/; Max-Age=31536000; SameSite=Lax`;
    follow(event, link);
  });
}

// --- signing in

let back = location.pathname + location.hash;

/** The path to come back to from the next sign-in, when it is not this one. @param {string} path */
export function returnPath(path) {
  back = path;
  aim();
}
export const startedFrom = () => read("sessionStorage", STARTED);

/** Storage that is switched off remembers nothing. @param {StoreName} store @param {string} name */
export function read(store, name) {
  try {
    return window[store].getItem(name) ?? "";
  } catch {
    return "";
  }
}

/** @param {StoreName} store @param {string} name @param {string} value */
export function keep(store, name, value) {
  try {
    if (value) window[store].setItem(name, value);
    else window[store].removeItem(name);
  } catch { /* it is only for comfort */ }
}

/** @type {Links} */
const doors = document.querySelectorAll("[data-sign-in]");
const aim = () => doors.forEach((link) => {
  link.href = `/api/auth/${link.dataset.signIn}/login?returnTo=${encodeURIComponent(back)}`;
});
aim();

for (const link of doors) {
  link.addEventListener("click", async (event) => {
    keep("sessionStorage", STARTED, back);
    const note = find("[data-note]", link.parentElement?.parentElement ?? document);
    const why = await follow(event, link, { waits: true });
    note.textContent = why ? t(`leaving.${why}`) : "";
  });
}

/** Open the card with the ways to sign in, as a notice offers it. @param {Event} event */
export function openSignIn(event) {
  event.stopPropagation();
  $("who").open = true;
  find("a", $("who")).focus();
  $("who").scrollIntoView({ block: "nearest" });
}

// --- who is here

/** @type {Promise<Me> | null} */
let asked = null;

/** Who is signed in, asked for once. */
export function me({ fresh = false } = {}) {
  if (asked && !fresh) return asked;
  asked = http.me().catch((problem) => {
    asked = null;
    throw problem;
  });
  return asked;
}

export const forgetMe = () => (asked = null);

/**
 * Show who is here; what the usage says is enough, and where it says nothing, who asked knows.
 * @param {Pick<Usage, "ownerType">} usage
 */
export async function paint({ ownerType }) {
  const user = ownerType === "user";
  keep("localStorage", KNOWN, user ? "1" : "");
  /** @type {Partial<Me>} */
  const { name = "", email = "" } = user ? await me().catch(() => ({})) : {};
  const shown = name || email;
  $("me-face").textContent = ([...shown][0] ?? "·").toUpperCase();
  $("me-name").textContent = shown;
  $("me").hidden = !user;
  $("who").hidden = user;
}

$("who").hidden = Boolean(read("localStorage", KNOWN));
$("me").hidden = !$("who").hidden;
onUsage(paint);

// --- cards that open

/** @param {string} selector @returns {NodeListOf<HTMLDetailsElement>} */
const opened = (selector) => document.querySelectorAll(selector);

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const card of opened(".usage[open]")) {
    card.open = false;
    if (card.contains(document.activeElement)) find("summary", card).focus();
  }
});
document.addEventListener("click", (event) => {
  const target = /** @type {Node} */ (event.target);
  for (const card of opened(".usage[open], .keys[open]")) if (!card.contains(target)) card.open = false;
});
