/** API keys on the account page: what there is, a new one with its secret shown once, and revoking. */

import { call, renewing } from "./http.js";
import { $, announce, el, find } from "./dom.js";
import { locale, t } from "./i18n.js";
import * as problems from "./problems.js";
import { refresh } from "./usage.js";

const KEYS = "/api/auth/keys";
const CAP_MAX = 1_000_000;
const COPIED_MS = 2500;

/** @type {Key[]} */
let keys = [];
/** The key whose end is asked about. @type {string | null} */
let asking = null;
let busy = false;
/** @type {Tell} */
let tell = () => {};

/** `onProblem(slot, problem, again)` says what went wrong. @param {Tell} onProblem */
export function listen(onProblem) {
  tell = onProblem;
  $("key-new").addEventListener("click", () => form($("key-form").hidden));
  $("key-cancel").addEventListener("click", () => form(false));
  $("key-form").addEventListener("submit", make);
  $("key-form").addEventListener("keydown", (event) => event.key === "Escape" && form(false));
  for (const name of ["key-name", "key-cap", "key-scopes"]) $(name).addEventListener("input", () => why(name, ""));
  $("secret-copy").addEventListener("click", () => copy("secret-copy", "secret-text", "account.keys.copy"));
  $("curl-copy").addEventListener("click", () => copy("curl-copy", "curl", "account.keys.copyCurl"));
  $("secret-done").addEventListener("click", () => {
    forget();
    $("keys-title").focus();
  });
}

export async function load() {
  try {
    ({ keys } = await call(KEYS, { fresh: true }));
    paint();
  } catch (problem) {
    tell($("keys-notice"), problem, load);
  }
}

/** Nothing of the keys stays on the page. */
export function clear() {
  keys = [];
  forget();
  form(false, false);
  paint();
}

// --- the list

function paint() {
  $("keys-none").hidden = keys.length > 0;
  $("keylist").replaceChildren(...keys.map(row));
}

/** @param {number} epochMs */
const day = (epochMs) => new Intl.DateTimeFormat(locale, { dateStyle: "medium" }).format(epochMs);
/** @param {number} epochMs */
const clock = (epochMs) => new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(epochMs);

/** @param {Key} key */
function row(key) {
  const { id, name, scopes, hint, createdAt, lastUsedAt, monthlyCredits, usedThisMonth } = key;
  const facts = [
    t("account.keys.created", { day: day(createdAt) }),
    lastUsedAt ? t("account.keys.lastUsed", { when: clock(lastUsedAt) }) : t("account.keys.neverUsed"),
    monthlyCredits === null ? t("account.keys.used", { count: usedThisMonth })
      : t("account.keys.usedOf", { used: usedThisMonth, limit: monthlyCredits }),
  ];
  const revokes = () => [button("ask", t("account.keys.revoke"), () => ask(id), "", name)];
  return el("li", { class: "keyrow", "data-id": id, "aria-labelledby": `name-${id}` },
    el("p", { class: "keyname" },
      el("b", { id: `name-${id}` }, name), " ", el("code", { title: t("account.keys.hint") }, `…${hint}`)),
    el("p", { class: "scopes" },
      ...scopes.map((scope) => el("span", { class: "badge" }, t(`account.scopes.${scope}.name`)))),
    el("p", { class: "about" }, ...facts.map((fact) => el("span", {}, fact))),
    el("div", { class: "keyacts" }, ...(asking === id ? question(key) : revokes())));
}

/**
 * @param {string} act
 * @param {string} text
 * @param {() => unknown} action
 * @param {string} [className]
 * @param {string} [name]
 */
function button(act, text, action, className = "", name) {
  const node = el("button", { type: "button", class: `button ${className}`, "data-act": act },
    text, name ? el("span", { class: "sr" }, ` ${name}`) : null);
  node.addEventListener("click", action);
  return node;
}

/** @param {Key} key */
const question = ({ id, name }) => [
  el("p", {}, t("account.keys.sure")), button("no", t("account.keys.keep"), () => ask(null, id), "", name),
  button("yes", t("account.keys.revokeYes"), () => revoke(id), "danger", name),
];

/** Programs stop at once when a key ends, so it is asked first, in place. @param {string | null} id */
function ask(id, before = "") {
  asking = id;
  paint();
  find(`.keyrow[data-id="${CSS.escape(id ?? before)}"] [data-act=${id ? "no" : "ask"}]`)?.focus();
  if (id) announce(t("account.keys.sure"));
}

/** @param {string} id */
async function revoke(id) {
  if (busy) return;
  busy = true;
  problems.clear($("keys-notice"));
  const index = keys.findIndex((key) => key.id === id);
  const { name } = keys[index];
  try {
    await renewing(() => call(`${KEYS}/${encodeURIComponent(id)}`, { method: "DELETE" })).catch((problem) => {
      if (problem.code !== "not_found") throw problem;
    });
    keys = keys.filter((key) => key.id !== id);
    asking = null;
    paint();
    /** @type {NodeListOf<HTMLElement>} */
    const left = document.querySelectorAll(".keyrow [data-act=ask]");
    (left[Math.min(index, keys.length - 1)] ?? $("keys-title")).focus();
    announce(t("account.keys.revoked", { name }));
  } catch (problem) {
    tell($("keys-notice"), problem, () => revoke(id));
  } finally {
    busy = false;
  }
}

// --- a new one

/** @param {boolean} on */
function form(on, focus = true) {
  $("key-form").hidden = !on;
  $("key-new").hidden = on;
  $("key-new").setAttribute("aria-expanded", String(on));
  if (on) forget();
  if (!on) $("key-form").reset();
  for (const name of ["key-name", "key-cap", "key-scopes"]) why(name, "");
  problems.clear($("keys-notice"));
  if (focus) $(on ? "key-name" : "key-new").focus();
}

/** @param {string} name @param {string} text */
function why(name, text) {
  $(`${name}-why`).textContent = text;
  if (text && $(name).matches("input")) $(name).setAttribute("aria-invalid", "true");
  else $(name).removeAttribute("aria-invalid");
}

/** What is asked for, or null when something is missing; that is said and focused. */
function asked() {
  const name = $("key-name").value.trim();
  /** @type {NodeListOf<HTMLInputElement>} */
  const checked = $("key-scopes").querySelectorAll("input:checked");
  const scopes = [...checked].map(({ value }) => value);
  const cap = $("key-cap").value.trim();
  const monthlyCredits = cap ? Number(cap) : undefined;
  const fine = !cap || (Number.isInteger(Number(cap)) && Number(cap) >= 1 && Number(cap) <= CAP_MAX);
  why("key-name", name ? "" : t("account.keys.nameMissing"));
  why("key-scopes", scopes.length ? "" : t("account.keys.scopesMissing"));
  why("key-cap", fine ? "" : t("account.keys.capWrong"));
  const first = !name ? $("key-name") : !scopes.length ? find("input", $("key-scopes")) : fine ? null : $("key-cap");
  first?.focus();
  return first ? null : { name, scopes, monthlyCredits };
}

/** @param {Event} [event] */
async function make(event) {
  event?.preventDefault();
  const order = busy ? null : asked();
  if (!order) return;
  busy = true;
  $("key-make").setAttribute("aria-disabled", "true");
  problems.clear($("keys-notice"));
  try {
    const body = JSON.stringify(order);
    const { secret, ...key } = await renewing(() => call(KEYS, { method: "POST", json: true, body }));
    keys = [key, ...keys];
    form(false, false);
    paint();
    reveal(key, secret);
    refresh();
  } catch (problem) {
    tell($("keys-notice"), problem, make);
  } finally {
    busy = false;
    $("key-make").removeAttribute("aria-disabled");
  }
}

/**
 * Quotes, slashes and `$` cannot stand in a key or in our own origin, so this needs no escaping.
 * @param {Key} key
 * @param {string} secret
 */
function curl({ scopes }, secret) {
  const start = `curl -H "Authorization: Bearer ${secret}"`;
  const api = `${location.origin}/api/ai-image`;
  if (scopes.includes("generate")) return `${start} -F image=@photo.jpg -F scale=2 ${api}/generate`;
  return scopes.includes("read") ? `${start} ${api}/usage` : "";
}

/** @param {Key} key @param {string} secret */
function reveal(key, secret) {
  $("secret-title").textContent = t("account.keys.made", { name: key.name });
  $("secret-text").textContent = secret;
  $("curl").textContent = curl(key, secret);
  $("secret-try").hidden = !$("curl").textContent;
  $("secret").hidden = false;
  $("secret-title").focus();
}

function forget() {
  $("secret").hidden = true;
  for (const name of ["secret-title", "secret-text", "curl"]) $(name).textContent = "";
}

/** @param {string} id @param {string} from @param {string} label */
async function copy(id, from, label) {
  try {
    await navigator.clipboard.writeText($(from).textContent ?? "");
    $(id).textContent = t("account.keys.copied");
    announce(t("account.keys.copied"));
    setTimeout(() => ($(id).textContent = t(label)), COPIED_MS);
  } catch { // not allowed here: selected, so that the keys of the system copy it
    getSelection()?.selectAllChildren($(from));
    announce(t("account.keys.select"));
  }
}
