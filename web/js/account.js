/** The account page: who is signed in, what is used, signing out and deleting. Its panels are modules of their own. */

import * as http from "./http.js";
import * as apikeys from "./apikeys.js";
import * as billing from "./billing.js";
import * as credits from "./credits.js";
import { $, announce, el, find } from "./dom.js";
import { lang, moment, moreTexts, planName, t } from "./i18n.js";
import * as plan from "./plan.js";
import * as problems from "./problems.js";
import { forgetMe, keep, me, paint, read } from "./top.js";
import { onUsage, refresh, usage, watch } from "./usage.js";

/** @type {Record<string, string>} */
const PROVIDERS = { google: "Google", github: "GitHub" };
const LINKING = "enhancer.linking";
/** Another try ends the same. */
const FINAL = ["no_subscription", "nothing_bought", "stripe_not_configured", "pack_not_configured"];
const STATES = ["loading", "guest", "user", "gone"];

/** @type {Me | null} */
let person = null;
/** The module, once somebody looks at it. @type {typeof import("./statement.js") | null} */
let statement = null;
/** Signing out or deleting is under way. */
let leaving = false;

// --- states

const state = () => $("main").dataset.state ?? "";

/** @param {string} next */
function enter(next) {
  console.assert(STATES.includes(next));
  $("main").dataset.state = next;
  $("wait").hidden = next !== "loading";
  for (const name of ["guest", "user", "gone"]) $(name).hidden = name !== next;
  find(".desk-head").hidden = next === "gone";
}

async function load() {
  const before = person;
  try {
    person = await me({ fresh: state() !== "loading" });
  } catch (problem) {
    tell($("notice"), problem, load);
    return;
  }
  if (!person.signedIn) {
    if (before) await gone("guest");
    else enter("guest");
    return;
  }
  if (!usage()) paint(person);
  showPerson(person);
  enter("user");
  tellLinked(person);
  watchStatement();
  if (!before) tellReturn();
  await Promise.all([loadBilling(), apikeys.load()]);
  showPlace();
  billing.afterPortal(plan.renew);
}

/** Plan and credits; what is for sale is a comfort here, and left out where it cannot be had. */
async function loadBilling() {
  try {
    const asked = billing.prices({ knows: true }).catch(() => null);
    const [view, sale] = await Promise.all([billing.subscription(), asked]);
    credits.offer(sale);
    plan.show(view, sale);
  } catch (problem) {
    tell($("plan-problem"), problem, loadBilling);
  }
}

/** What was paid for is there: everything that shows it is asked for again. */
function renew() {
  plan.renew();
  statement?.load();
}

/** Somebody comes back from the checkout. */
async function tellReturn() {
  if (!new URLSearchParams(location.search).has("checkout")) return;
  const { tell: say } = await import("./returned.js");
  say($("returned"), { onArrival: renew });
}

/** The statement is loaded when it comes into view, so that a visit does not ask for what nobody looks at. */
function watchStatement() {
  const seen = new IntersectionObserver(async ([{ isIntersecting }]) => {
    if (!isIntersecting) return;
    seen.disconnect();
    const module = await import("./statement.js").catch(() => null);
    if (!statement) module?.listen(tell);
    statement = module;
    statement?.load();
  }, { rootMargin: "200px" });
  seen.observe($("statement"));
}

/** The panel that the address names is in view, now that it is there. */
function showPlace() {
  $(location.hash.slice(1))?.scrollIntoView({ block: "start" });
}

/**
 * Who is blocked has no usage, but may look, take their data and leave; anything else is told as well.
 * @param {Usage | null} known
 */
async function tellUsage(known) {
  if (known) return;
  await http.usage().catch((problem) => tell($("notice"), problem, async () => tellUsage(await refresh())));
}

/** Signed in or out in another tab: show what is true now. @param {Usage} usage */
function follow({ ownerType }) {
  showGauges();
  credits.show();
  if (leaving || !["guest", "user"].includes(state()) || ownerType === state()) return;
  forgetMe();
  load();
}

/** Say what went wrong at `slot`; `again` does what failed once more. @type {Tell} */
function tell(slot, problem, again) {
  if (!(problem instanceof http.Problem)) throw problem;
  /** @type {Record<string, () => unknown>} */
  const acts = {
    reload: () => location.reload(),
    portal: () => billing.openPortal().catch((other) => tell(slot, other)),
    retry: () => {
      problems.clear(slot);
      return again?.();
    },
  };
  const label = (/** @type {string} */ way) => t(`billing.ways.${way}`) ?? t(`actions.${way}`);
  problems.show(slot, problem, { ways: waysOn(problem, again), label, act: (way) => acts[way]() });
  slot.firstElementChild?.scrollIntoView({ block: "nearest" });
}

/** @param {Trouble} problem @param {() => unknown} [again] */
function waysOn({ type, code }, again) {
  if (type === "auth_error" || code === "csrf_token_invalid") return ["reload"];
  if (code === "subscription_exists") return ["portal"];
  return type === "forbidden" || FINAL.includes(code) || !again ? [] : ["retry"];
}

// --- who and how much

/** @param {Me} person */
function showPerson({ name = "", email = "", plan: bought, role, signIns }) {
  $("face").textContent = initial(name || email);
  $("name").textContent = name || email || t("account.you");
  $("mail").textContent = name ? email : "";
  $("plan").textContent = role === "admin" ? `${planName(bought)} · ${t("account.admin")}` : planName(bought);
  const waysIn = Object.keys(PROVIDERS).map((provider) => wayIn(provider, signIns.includes(provider)));
  $("sign-ins").replaceChildren(...waysIn);
}

/** @param {string} text */
const initial = (text) => ([...text][0] ?? "?").toUpperCase();

/** A way to sign in: added, or to be added. @param {string} provider @param {boolean} on */
function wayIn(provider, on) {
  const name = PROVIDERS[provider];
  const logo = find(`[data-sign-in=${provider}] svg`, $("guest")).cloneNode(true);
  if (on) return el("li", {}, logo, el("span", {}, name), el("span", { class: "badge" }, t("account.signIns.on")));
  const add = el("button", { class: "button", "data-link": provider }, t("account.signIns.add", { provider: name }));
  add.addEventListener("click", () => connect(provider));
  return el("li", {}, logo, el("span", {}, name), add);
}

/** @param {string} provider */
async function connect(provider) {
  try {
    const module = await import("./connect.js").catch(() => null);
    if (!module) throw http.unreachable();
    await module.leave(provider, LINKING);
  } catch (problem) {
    tell($("notice"), problem, () => connect(provider));
  }
}

/** A way to sign in that was just added is said once. @param {Me} person */
function tellLinked({ signIns }) {
  const provider = read("sessionStorage", LINKING);
  keep("sessionStorage", LINKING, "");
  const name = PROVIDERS[provider];
  if (name && signIns.includes(provider)) calm(t("account.signIns.added", { provider: name }));
}

/** @param {string} title */
function calm(title, text = "") {
  const more = text ? el("p", {}, text) : "";
  $("notice").replaceChildren(el("div", { class: "notice calm" }, el("strong", {}, title), more));
  announce([title, text].filter(Boolean).join(" "));
}

function showGauges() {
  const { usage: day, monthlyUsage: month, entitlements } = usage();
  const today = gauge(t("usage.today"), day, "usage.used");
  $("gauges").replaceChildren(today);
  if (month) $("gauges").append(gauge(t("usage.month"), month, "usage.usedCredits"));
  $("guest-gauges").replaceChildren(today.cloneNode(true));
  $("guest-day").hidden = usage().access?.admitted === false;
  $("guest-day").textContent = t("account.guest.day", { count: day.limit, scale: entitlements?.maxUpscale ?? 2 });
}

/** @param {string} label @param {Period} period @param {string} path the text of what is used */
function gauge(label, { used, limit, resetAt }, path) {
  const share = limit ? Math.min(100, Math.round((100 * used) / limit)) : 0;
  const fill = el("span");
  fill.style.setProperty("--done", String(share / 100));
  const note = resetAt ? el("p", { class: "hint" }, t("account.fresh", { when: moment(resetAt) })) : null;
  return el("div", { class: "gauge", "data-level": share >= 100 ? "critical" : share >= 90 ? "warn" : "" },
    el("p", { class: "gauge-head" }, el("b", {}, label), el("span", {}, t(path, { used, limit }))),
    el("div", { class: "bar", "aria-hidden": "true" }, fill), note);
}

/** A sign-in that did not work is told by a module of its own. */
async function tellFailure() {
  if (!new URLSearchParams(location.search).has("signIn")) return;
  const module = await import("./refused.js").catch(() => null);
  keep("sessionStorage", LINKING, "");
  await module?.tell($("notice"));
}

// --- going

/** @param {HTMLElement} button @param {() => Promise<unknown>} action @param {HTMLElement} slot */
async function leave(button, action, slot) {
  if (leaving) return false;
  leaving = true;
  button.setAttribute("aria-disabled", "true");
  problems.clear($("notice"), slot);
  try {
    await http.renewing(action);
    forgetMe();
    return true;
  } catch (problem) {
    tell(slot, problem, () => button.click());
    return false;
  } finally {
    button.removeAttribute("aria-disabled");
    leaving = false;
  }
}

/** @param {boolean} everywhere */
async function signOut(everywhere) {
  const path = `/api/auth/logout${everywhere ? "?everywhere=1" : ""}`;
  const button = $(everywhere ? "sign-out-all" : "sign-out");
  const done = await leave(button, () => http.call(path, { method: "POST" }), $("notice"));
  if (!done) return;
  await gone("guest");
  calm(t(everywhere ? "account.signedOutAll" : "account.signedOut"), t("account.signedOutText"));
  $("headline").focus();
}

/** Nothing of the account stays on the page. @param {string} next */
async function gone(next) {
  person = null;
  for (const name of ["face", "name", "mail", "plan", "sign-ins"]) $(name).replaceChildren();
  [apikeys, plan, credits, statement].forEach((part) => part?.clear());
  problems.clear($("returned"));
  endAsk(false, false);
  enter(next);
  await refresh();
}

let failures = 0;

/** A copy of everything; its module comes when asked for, after a failure under another name, as in main.js. */
async function exportAll() {
  const module = await (failures ? import(`./export.js?${failures}`) : import("./export.js")).catch(() => null);
  if (module) await module.exportAll(tell);
  else tell($("data-notice"), http.unreachable(), exportAll);
  if (!module) failures++;
}

// --- the end

const wordIsRight = () => $("end-word").value.trim().toLocaleUpperCase(lang) === t("account.end.word");

/** @param {boolean} on */
function endAsk(on, focus = true) {
  $("end-form").hidden = !on;
  $("end-ask").hidden = on;
  $("end-open").setAttribute("aria-expanded", String(on));
  $("end-word").value = $("end-why").textContent = "";
  $("end-delete").setAttribute("aria-disabled", "true");
  if (focus) $(on ? "end-word" : "end-open").focus();
}

/** @param {Event} event */
async function erase(event) {
  event.preventDefault();
  if (!wordIsRight()) {
    $("end-why").textContent = t("account.end.missing", { word: t("account.end.word") });
    $("end-word").focus();
    return;
  }
  const [name] = (person?.name ?? "").split(" ");
  const remove = () => http.call("/api/account", { method: "DELETE" });
  if (!(await leave($("end-delete"), remove, $("end-notice")))) return;
  $("gone-title").textContent = name ? t("account.gone.titleName", { name }) : t("account.gone.title");
  const left = gone("gone");
  $("gone-title").focus();
  await left;
}

// --- wiring

function listen() {
  $("sign-out").addEventListener("click", () => signOut(false));
  $("sign-out-all").addEventListener("click", () => signOut(true));
  $("export").addEventListener("click", exportAll);
  $("end-open").addEventListener("click", () => endAsk(true));
  $("end-keep").addEventListener("click", () => endAsk(false));
  $("end-form").addEventListener("submit", erase);
  $("end-form").addEventListener("keydown", (event) => event.key === "Escape" && endAsk(false));
  $("end-word").addEventListener("input", () => {
    $("end-why").textContent = "";
    $("end-delete").setAttribute("aria-disabled", String(!wordIsRight()));
  });
  [apikeys, credits].forEach((part) => part.listen(tell));
  plan.listen({ onProblem: tell, onChange: credits.show });
  addEventListener("pageshow", (event) => event.persisted && load());
}

listen();
onUsage(follow);
const known = watch();
await moreTexts().catch(() => {});
await tellFailure();
load();
known.then(tellUsage);
