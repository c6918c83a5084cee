/** The pricing page: plans and packs as the API has them, the way to buy one, and the rules that hold for all. */

import * as billing from "./billing.js";
import { $, announce, el, icon } from "./dom.js";
import { lang, moreTexts, planName, t } from "./i18n.js";
import { say } from "./notices.js";
import * as problems from "./problems.js";
import { mark, radios } from "./radios.js";
import * as returned from "./returned.js";
import { returnPath } from "./top.js";
import { onUsage, refresh, watch } from "./usage.js";

const YES = "m5 12.5 4.5 4.5L19 7.5";
const NO = "M7 12h10";
const MONTHS = 12;
const LEAVING_MS = 8000;

let sale = null; // what the API has for sale
let view = null; // the reader's subscription; null for guests
let ownerType = "";
let interval = "monthly";
let busy = false;

// --- what there is

async function load() {
  try {
    const [found, mine] = await Promise.all([billing.prices(), ownerType === "user" ? billing.subscription() : null]);
    [sale, view] = [found, mine];
  } catch (problem) {
    $("main").dataset.state = "failed";
    return tell(problem, load);
  }
  problems.clear($("notice"));
  if (view?.interval) interval = view.interval;
  $("main").dataset.state = "ready";
  paint();
}

const onSale = () => [...sale.plans.flatMap(({ monthly, annual }) => [monthly, annual]), ...sale.packs].some((price) => price?.amount && price.available);

function paint() {
  if (!onSale()) say($("state"), { kind: "wait", ...text("closed"), quiet: true });
  else if (sale.testMode) say($("state"), { ...text("test"), quiet: true });
  else $("state").replaceChildren();
  paintIntervals();
  paintPlans();
  paintPacks();
  paintRules();
}

const text = (name) => ({ title: t(`billing.${name}.title`), text: t(`billing.${name}.text`) });

// --- plans

/** What a year saves against twelve months, in whole percent; 0 where there are not both. */
const saved = ({ monthly, annual }) => (monthly?.amount && annual?.amount ? Math.round(100 * (1 - annual.amount / (MONTHS * monthly.amount))) : 0);

function paintIntervals() {
  const most = Math.max(0, ...sale.plans.map(saved));
  $("intervals").hidden = !sale.plans.some(({ annual }) => annual);
  radios($("intervals"), ["monthly", "annual"].map((value) => ({
    value, content: [t(`pricing.${value}`), value === "annual" && most ? el("small", {}, t("pricing.saves", { percent: most })) : null].filter(Boolean),
  })), interval, (value) => {
    interval = value;
    mark($("intervals"), value);
    paintPlans();
  });
}

function paintPlans() {
  $("plans").replaceChildren(...sale.plans.map(planCard));
  $("plans").removeAttribute("aria-busy");
}

function planCard(plan) {
  const mine = (view?.plan ?? "") === plan.plan;
  return el("li", { class: "plan", "data-plan": plan.plan, "data-mine": mine ? "" : null },
    el("div", { class: "plan-head" }, el("h3", {}, planName(plan.plan)), mine ? el("span", { class: "badge" }, t("pricing.yours")) : null),
    el("div", { class: "plan-price" }, ...priceOf(plan)),
    el("div", { class: "plan-way" }, ...wayTo(plan, mine)),
    el("ul", { class: "features" }, ...features(plan)));
}

function priceOf(plan) {
  const price = plan[interval] ?? plan.monthly;
  if (!price) return [el("p", { class: "none" }, t("pricing.noPrice"))];
  if (!price.amount) return [el("p", { class: "amount" }, el("b", {}, t("pricing.free"))), el("p", { class: "hint" }, t("pricing.always"))];
  const annual = price === plan.annual;
  const perMonth = billing.money(annual ? price.amount / MONTHS : price.amount, price.currency);
  return [
    el("p", { class: "amount" }, el("b", {}, perMonth), " ", el("span", {}, t("pricing.aMonth"))),
    el("p", { class: "hint" }, annual ? t("pricing.billedAnnually", { amount: billing.money(price.amount, price.currency) }) : t("pricing.billedMonthly")),
  ];
}

/** The button of a card with what it needs to be understood. */
function wayTo(plan, mine) {
  const { plan: name } = plan;
  const price = plan[interval] ?? plan.monthly;
  const running = view && billing.isRunning(view);
  if (!price?.amount) {
    if (!view) return [button(`buy-${name}`, t("pricing.start"), () => askIn("", t("pricing.door.free")))];
    return [mine ? note(t("pricing.have")) : link(t(running && !view.cancelAt ? "pricing.leave" : "pricing.manage"), `/${lang}/account#plan-panel`)];
  }
  if (mine && running && view.interval === interval) return [link(t("pricing.manage"), `/${lang}/account#plan-panel`)];
  const label = t(mine && running ? `pricing.to.${interval}` : running ? "pricing.change" : "pricing.choose", { plan: planName(name) });
  const action = running ? () => go(`buy-${name}`, billing.openPortal) : () => choose(name);
  const closed = !price.available && !running;
  return [button(`buy-${name}`, label, closed ? null : action, running ? "" : "primary"), closed ? note(t("pricing.closed"), `buy-${name}-why`) : null];
}

const note = (said, id) => el("p", { class: "hint", id }, said);
const link = (label, href) => el("a", { class: "button", href }, label);

/** A button; without an action it says why it does nothing. */
function button(id, label, action, className = "") {
  const node = el("button", { class: `button ${className}`, type: "button", id, "aria-disabled": action ? null : "true", "aria-describedby": action ? null : `${id}-why` }, label);
  if (action) node.addEventListener("click", action);
  return node;
}

function features({ creditsPerMonth, imagesPerDay, maxUpscale, faceEnhance, maxInputMegapixels, jobsAtOnce }) {
  const lines = [
    [t("pricing.features.credits", { count: creditsPerMonth }), true],
    [t("pricing.features.images", { count: imagesPerDay }), true],
    [t("pricing.features.scale", { scale: maxUpscale }), true],
    [t(faceEnhance ? "pricing.features.face" : "pricing.features.noFace"), faceEnhance],
    [t("pricing.features.pixels", { megapixels: maxInputMegapixels }), true],
    [t("pricing.features.jobs", { count: jobsAtOnce }), true],
  ];
  return lines.map(([line, has]) => el("li", { class: has ? null : "not" }, icon(has ? YES : NO), el("span", {}, line)));
}

// --- packs

function paintPacks() {
  const each = ({ amount, pack }) => amount / pack;
  const [dearest] = [...sale.packs].sort((one, other) => each(other) - each(one));
  $("packs").replaceChildren(...sale.packs.map((pack) => packCard(pack, Math.round(100 * (1 - each(pack) / each(dearest))))));
  $("packs").removeAttribute("aria-busy");
  $("packs-expiry").textContent = t("pricing.packs.expiry", expiry());
}

const expiry = () => ({ months: sale.expiry.months, days: sale.expiry.days });

function packCard({ pack, amount, currency, available }, cheaper) {
  const id = `buy-pack-${pack}`;
  return el("li", { class: "pack", "data-pack": String(pack) },
    el("h3", {}, t("credits", { count: pack })),
    el("p", { class: "amount" }, el("b", {}, billing.money(amount, currency))),
    el("p", { class: "hint" }, billing.perCredit({ pack, amount, currency }), " ", t("pricing.packs.each"), cheaper > 0 ? el("span", { class: "badge" }, t("pricing.saves", { percent: cheaper })) : null),
    button(id, t("pricing.packs.buy", { count: pack }), available ? () => choosePack(pack) : null),
    available ? null : note(t("pricing.closed"), `${id}-why`));
}

// --- rules

function paintRules() {
  $("rule-expiry").textContent = t("pricing.rules.expiry", expiry());
  $("rule-failure").textContent = t("pricing.rules.failure", { count: sale.graceDays });
}

// --- buying

function choose(plan) {
  if (!view) return askIn(`#${plan}-${interval}`, t("pricing.door.go", { what: planName(plan) }));
  return go(`buy-${plan}`, () => billing.subscribe(plan, interval));
}

function choosePack(pack) {
  if (!view) return askIn(`#pack-${pack}`, t("pricing.door.go", { what: t("credits", { count: pack }) }));
  return go(`buy-pack-${pack}`, () => billing.buy(pack));
}

/** Leave for Stripe; the button says that it is under way. */
async function go(id, leave) {
  if (busy) return;
  busy = true;
  problems.clear($("notice"));
  $(id)?.setAttribute("aria-busy", "true");
  announce(t("billing.opening"));
  try {
    await leave();
    setTimeout(free, LEAVING_MS);
  } catch (problem) {
    free();
    tell(problem, () => $(id)?.click());
  }
}

/** The browser is gone by now, or it stays. */
function free() {
  busy = false;
  document.querySelectorAll(".button[aria-busy]").forEach((one) => one.removeAttribute("aria-busy"));
}

/** Sign in first, and come back to what was chosen. */
function askIn(hash, title) {
  returnPath(location.pathname + hash);
  $("door-title").textContent = title;
  $("door").showModal();
}

function tell(problem, again) {
  if (problem.type === "auth_error") return askIn("", t("pricing.door.ended"));
  problems.show($("notice"), problem, {
    ways: waysOn(problem, again), label: (way) => t(`billing.ways.${way}`) ?? t(`actions.${way}`),
    act: (way) => (problems.clear($("notice")), way === "portal" ? go("", billing.openPortal) : again()),
  });
  $("notice").firstElementChild.scrollIntoView({ block: "nearest" });
}

const waysOn = ({ code, type, unanswered }, again) =>
  (code === "subscription_exists" ? ["portal"] : again && (unanswered || code === "checkout_under_way" || ["provider_error", "server_error", "rate_limit"].includes(type)) && code !== "stripe_not_configured" ? ["retry"] : []);

// --- coming back

/** Signed in, the reader goes on with what was chosen before. */
function resume() {
  const [, name, rest] = location.hash.match(/^#(\w+)-(\w+)$/) ?? [];
  if (!view || !name) return;
  history.replaceState(null, "", location.pathname);
  const pack = name === "pack" && sale.packs.some((one) => String(one.pack) === rest);
  const plan = sale.plans.some((one) => one.plan === name && ["monthly", "annual"].includes(rest));
  if (!pack && !plan) return;
  if (plan) {
    interval = rest;
    paint();
  }
  const chosen = pack ? t("credits", { count: Number(rest) }) : planName(name);
  const target = document.querySelector(pack ? `[data-pack="${rest}"]` : `[data-plan="${name}"]`);
  say($("notice"), { kind: "done", title: t("pricing.resume.title"), text: t("pricing.resume.text", { what: chosen }) });
  target.scrollIntoView({ block: "center" });
  target.querySelector("a, button")?.focus({ preventScroll: true });
}

/** The subscription may have been changed in the portal. */
async function renew() {
  const found = view && (await billing.subscription().catch(() => view));
  if (JSON.stringify(found) === JSON.stringify(view)) return;
  view = found;
  paint();
  refresh();
}

/** Signed in or out, here or in another tab. */
async function follow(usage) {
  const before = ownerType;
  ownerType = usage.ownerType;
  if (!before || before === ownerType) return;
  view = null;
  await load();
}

function reset(event) {
  if (!event.persisted) return;
  free();
  load();
}

billing.keepBack(new URLSearchParams(location.search).get("returnTo"));
onUsage(follow);
addEventListener("pageshow", reset);
$("door-close").addEventListener("click", () => $("door").close());
$("door").addEventListener("click", (event) => event.target === $("door") && $("door").close());
const [known] = await Promise.all([watch(), moreTexts().catch(() => {})]);
ownerType = known?.ownerType ?? "guest";
await load();
resume();
returned.tell($("returned"), { onArrival: load, elsewhere: [returned.toStatement()] });
billing.afterPortal(renew);
