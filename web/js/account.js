/** The account page: who is signed in, what is used, plan, credits and statement, API keys, a copy of everything, the end. */

import * as http from "./http.js";
import * as apikeys from "./apikeys.js";
import * as billing from "./billing.js";
import * as credits from "./credits.js";
import { $, announce, el, save } from "./dom.js";
import { lang, moment, moreTexts, planName, t } from "./i18n.js";
import * as plan from "./plan.js";
import * as problems from "./problems.js";
import { forgetMe, keep, me, paint, read, returnPath, startedFrom } from "./top.js";
import { onUsage, refresh, usage, watch } from "./usage.js";

const PROVIDERS = { google: "Google", github: "GitHub" };
const LINKING = "enhancer.linking";
const EXPORT = "/api/account/export";
const FAILURES = ["sign_in_unavailable", "identity_taken", "owner_blocked"];
const FINAL = ["no_subscription", "nothing_bought", "stripe_not_configured", "pack_not_configured"]; // another try ends the same
const STATES = ["loading", "guest", "user", "gone"];

let person = null;
let statement = null; // the module, once somebody looks at it
let leaving = false; // signing out or deleting is under way

// --- states

const state = () => $("main").dataset.state;

function enter(next) {
  console.assert(STATES.includes(next));
  $("main").dataset.state = next;
  $("wait").hidden = next !== "loading";
  for (const name of ["guest", "user", "gone"]) $(name).hidden = name !== next;
  $("headline").parentElement.hidden = next === "gone";
}

async function load() {
  const before = person;
  try {
    person = await me({ fresh: state() !== "loading" });
  } catch (problem) {
    return tell($("notice"), problem, load);
  }
  if (!person.signedIn) return before ? gone("guest") : enter("guest");
  if (!usage()) paint(person);
  showPerson();
  enter("user");
  tellLinked();
  watchStatement();
  if (!before) tellReturn();
  await Promise.all([loadBilling(), apikeys.load()]);
  showPlace();
  billing.afterPortal(plan.renew);
}

/** Plan and credits; what is for sale is a comfort here, and left out where it cannot be had. */
async function loadBilling() {
  try {
    const [view, sale] = await Promise.all([billing.subscription(), billing.prices({ knows: true }).catch(() => null)]);
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

/** Who is blocked has no usage, but may look, take their data and leave; anything else is told as well. */
async function tellUsage(known) {
  if (!known) await http.usage().catch((problem) => tell($("notice"), problem, async () => tellUsage(await refresh())));
}

/** Signed in or out in another tab: show what is true now. */
function follow({ ownerType }) {
  showGauges();
  credits.show();
  if (leaving || !["guest", "user"].includes(state()) || ownerType === state()) return;
  forgetMe();
  load();
}

/** Say what went wrong at `slot`; `again` does what failed once more. */
function tell(slot, problem, again) {
  if (!(problem instanceof http.Problem)) throw problem;
  const acts = {
    reload: () => location.reload(),
    portal: () => billing.openPortal().catch((other) => tell(slot, other)),
    retry: () => (problems.clear(slot), again()),
  };
  problems.show(slot, problem, { ways: waysOn(problem, again), label: (way) => t(`billing.ways.${way}`) ?? t(`actions.${way}`), act: (way) => acts[way]() });
  slot.firstElementChild.scrollIntoView({ block: "nearest" });
}

function waysOn({ type, code }, again) {
  if (type === "auth_error" || code === "csrf_token_invalid") return ["reload"];
  if (code === "subscription_exists") return ["portal"];
  return type === "forbidden" || FINAL.includes(code) || !again ? [] : ["retry"];
}

// --- who and how much

function showPerson() {
  const { name, email, plan, role, signIns } = person;
  $("face").textContent = initial(name || email);
  $("name").textContent = name || email || t("account.you");
  $("mail").textContent = name ? email : "";
  $("plan").textContent = role === "admin" ? `${planName(plan)} · ${t("account.admin")}` : planName(plan);
  $("sign-ins").replaceChildren(...Object.keys(PROVIDERS).map((provider) => wayIn(provider, signIns.includes(provider))));
}

const initial = (text) => ([...text][0] ?? "?").toUpperCase();

function wayIn(provider, known) {
  const [name, logo] = [PROVIDERS[provider], $("guest").querySelector(`[data-sign-in=${provider}] svg`).cloneNode(true)];
  if (known) return el("li", {}, logo, el("span", {}, name), el("span", { class: "badge" }, t("account.signIns.on")));
  const link = el("a", { class: "button", href: `/api/auth/${provider}/login?link=1&returnTo=/${lang}/account`, "data-link": provider }, t("account.signIns.add", { provider: name }));
  link.addEventListener("click", () => keep("sessionStorage", LINKING, provider));
  return el("li", {}, logo, el("span", {}, name), link);
}

/** A way to sign in that was just added is said once. */
function tellLinked() {
  const provider = read("sessionStorage", LINKING);
  keep("sessionStorage", LINKING, "");
  if (PROVIDERS[provider] && person.signIns.includes(provider)) calm(t("account.signIns.added", { provider: PROVIDERS[provider] }));
}

function calm(title, text = "") {
  $("notice").replaceChildren(el("div", { class: "notice calm" }, el("strong", {}, title), text && el("p", {}, text)));
  announce([title, text].filter(Boolean).join(" "));
}

function showGauges() {
  const { usage: day, monthlyUsage: month, entitlements } = usage();
  const all = [
    gauge(t("usage.today"), day, "usage.used", t("account.fresh", { when: moment(day.resetAt) })),
    month && gauge(t("usage.month"), month, "usage.usedCredits", t("account.fresh", { when: moment(month.resetAt) })),
  ];
  $("gauges").replaceChildren(...all.filter(Boolean));
  $("guest-gauges").replaceChildren(all[0].cloneNode(true));
  $("guest-day").textContent = t("account.guest.day", { count: day.limit, scale: entitlements?.maxUpscale ?? 2 });
}

function gauge(label, { used, limit, resetAt }, path, note) {
  const share = limit ? Math.min(100, Math.round((100 * used) / limit)) : 0;
  const fill = el("span");
  fill.style.setProperty("--done", share / 100);
  return el("div", { class: "gauge", "data-level": share >= 100 ? "critical" : share >= 90 ? "warn" : "" },
    el("p", { class: "gauge-head" }, el("b", {}, label), el("span", {}, t(path, { used, limit }))),
    el("div", { class: "bar", "aria-hidden": "true" }, fill), resetAt ? el("p", { class: "hint" }, note) : null);
}

// --- a sign-in that did not work

/** Say it, and take it out of the address; the page in the language that was read before. */
function tellFailure() {
  const asked = new URLSearchParams(location.search);
  const code = asked.get("signIn");
  if (!code) return;
  const before = startedFrom();
  const [, language] = before.match(/^\/(en|de)(?:\/|$)/) ?? [];
  if (language && language !== lang) return location.replace(`/${language}/account${location.search}`);
  history.replaceState(null, "", location.pathname);
  keep("sessionStorage", LINKING, "");
  if (before) returnPath(before);
  const known = FAILURES.includes(code);
  const texts = t("account.failed");
  const reason = Object.hasOwn(texts, asked.get("reason")) ? asked.get("reason") : "other";
  const told = known ? undefined : texts[reason];
  problems.show($("notice"), { code: known ? code : reason === "denied" ? "canceled" : "sign_in_failed" }, { ways: [], told });
}

// --- going

async function leave(button, action, slot) {
  if (leaving) return;
  leaving = true;
  button.setAttribute("aria-disabled", "true");
  problems.clear($("notice"), slot);
  try {
    await http.renewing(action);
    forgetMe();
    return true;
  } catch (problem) {
    tell(slot, problem, () => button.click());
  } finally {
    button.removeAttribute("aria-disabled");
    leaving = false;
  }
}

async function signOut(everywhere) {
  const path = `/api/auth/logout${everywhere ? "?everywhere=1" : ""}`;
  const done = await leave($(everywhere ? "sign-out-all" : "sign-out"), () => http.call(path, { method: "POST" }), $("notice"));
  if (!done) return;
  await gone("guest");
  calm(t(everywhere ? "account.signedOutAll" : "account.signedOut"), t("account.signedOutText"));
  $("headline").focus();
}

/** Nothing of the account stays on the page. */
async function gone(next) {
  person = null;
  for (const name of ["face", "name", "mail", "plan", "sign-ins"]) $(name).replaceChildren();
  [apikeys, plan, credits, statement].forEach((part) => part?.clear());
  problems.clear($("returned"));
  endAsk(false, false);
  enter(next);
  await refresh();
}

// --- a copy of everything

async function exportAll() {
  if (!$("packing").hidden) return;
  problems.clear($("data-notice"));
  packing(t("account.data.packing"));
  try {
    await exported();
    announce(t("account.data.done"));
  } catch (problem) {
    tell($("data-notice"), problem, exportAll);
  }
  packing("");
}

function packing(text) {
  $("packing").hidden = !text;
  $("packing-text").textContent = text;
  $("export").setAttribute("aria-disabled", String(Boolean(text)));
  if (text) announce(text);
}

/** At once where it is small; a large one is made in the background and comes as a link, which the browser follows itself. */
async function exported() {
  for (;;) {
    let answer;
    try {
      answer = await fetch(EXPORT, { redirect: "manual", cache: "no-store", headers: { "Accept-Language": lang } });
    } catch {
      throw new http.Problem(navigator.onLine === false ? "offline" : "network");
    }
    if (answer.type === "opaqueredirect") return el("a", { href: EXPORT, download: "" }).click();
    if (answer.ok && answer.status !== 202) return save(await answer.blob(), "image-enhancer", "export");
    if (answer.status !== 202) http.unwrap(answer.status, await answer.text(), (name) => answer.headers.get(name));
    packing(t("account.data.background"));
    await http.pause(1000 * (Number(answer.headers.get("Retry-After")) || 5));
  }
}

// --- the end

const wordIsRight = () => $("end-word").value.trim().toLocaleUpperCase(lang) === t("account.end.word");

function endAsk(on, focus = true) {
  $("end-form").hidden = !on;
  $("end-ask").hidden = on;
  $("end-open").setAttribute("aria-expanded", String(on));
  $("end-word").value = $("end-why").textContent = "";
  $("end-delete").setAttribute("aria-disabled", "true");
  if (focus) $(on ? "end-word" : "end-open").focus();
}

async function erase(event) {
  event.preventDefault();
  if (!wordIsRight()) {
    $("end-why").textContent = t("account.end.missing", { word: t("account.end.word") });
    return $("end-word").focus();
  }
  const [name] = (person.name || "").split(" ");
  if (!(await leave($("end-delete"), () => http.call("/api/account", { method: "DELETE" }), $("end-notice")))) return;
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
tellFailure();
load();
known.then(tellUsage);
