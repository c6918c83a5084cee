/** The pricing page: plans and packs as the API has them, the way to buy one, and the rules that hold for all. */

import * as billing from "./billing.js";
import { $, announce, el, find, icon } from "./dom.js";
import { lang, moreTexts, planName, t } from "./i18n.js";
import { say } from "./notices.js";
import * as problems from "./problems.js";
import { mark, radios } from "./radios.js";
import * as returned from "./returned.js";
import { returnPath } from "./top.js";
import { feature, onUsage, ownsCredits, refresh, usage as lastUsage, watch } from "./usage.js";

const YES = "m5 12.5 4.5 4.5L19 7.5";
const NO = "M7 12h10";
const MONTHS = 12;
const LEAVING_MS = 8000;

/** What the API has for sale. Nothing is painted before it is known. @type {Prices} */
let sale = /** @type {any} */ (null);
/** The reader's subscription; null for guests. @type {Subscription | null} */
let view = null;
let ownerType = "";
/** @type {"monthly" | "annual"} */
let interval = "monthly";
let busy = false;
/** Whether credits are offered. */
let offered = false;

// --- what there is

async function load() {
  try {
    const mine = ownerType === "user" ? billing.subscription() : null;
    [sale, view] = await Promise.all([billing.prices(), mine]);
  } catch (problem) {
    $("main").dataset.state = "failed";
    tell(problem, load);
    return;
  }
  problems.clear($("notice"));
  if (view?.interval) interval = view.interval;
  $("main").dataset.state = "ready";
  paint();
}

function onSale() {
  const plans = sale.plans.flatMap(({ monthly, annual }) => [monthly, annual]);
  return [...plans, ...packs()].some((price) => price?.amount && price.available);
}

/** The packs that are offered: none where credits are not. */
const packs = () => (feature("creditsCta") ? sale.packs : []);

function paint() {
  if (!onSale()) say($("state"), { kind: "wait", ...text("closed"), quiet: true });
  else if (sale.testMode) say($("state"), { ...text("test"), quiet: true });
  else $("state").replaceChildren();
  paintIntervals();
  paintPlans();
  paintPacks();
  paintRules();
}

/** @param {string} name */
const text = (name) => ({ title: t(`billing.${name}.title`), text: t(`billing.${name}.text`) });

// --- plans

/** What a year saves against twelve months, in whole percent; 0 where there are not both. @param {Plan} plan */
function saved({ monthly, annual }) {
  if (!monthly?.amount || !annual?.amount) return 0;
  return Math.round(100 * (1 - annual.amount / (MONTHS * monthly.amount)));
}

function paintIntervals() {
  const most = Math.max(0, ...sale.plans.map(saved));
  $("intervals").hidden = !sale.plans.some(({ annual }) => annual);
  const saves = most ? el("small", {}, t("pricing.saves", { percent: most })) : null;
  /** @type {Choice<typeof interval>[]} */
  const choices = [
    { value: "monthly", content: [t("pricing.monthly")] }, { value: "annual", content: [t("pricing.annual"), saves] },
  ];
  radios($("intervals"), choices, interval, (value) => {
    interval = value;
    mark($("intervals"), value);
    paintPlans();
  });
}

function paintPlans() {
  $("plans").replaceChildren(...sale.plans.map(planCard));
  $("plans").removeAttribute("aria-busy");
}

/** @param {Plan} plan */
function planCard(plan) {
  const mine = (view?.plan ?? "") === plan.plan;
  return el("li", { class: "plan", "data-plan": plan.plan, "data-mine": mine ? "" : null },
    el("div", { class: "plan-head" }, el("h3", {}, planName(plan.plan)),
      mine ? el("span", { class: "badge" }, t("pricing.yours")) : null),
    el("div", { class: "plan-price" }, ...priceOf(plan)),
    el("div", { class: "plan-way" }, ...wayTo(plan, mine)),
    el("ul", { class: "features" }, ...features(plan)));
}

/** @param {Plan} plan */
function priceOf(plan) {
  const price = plan[interval] ?? plan.monthly;
  if (!price) return [el("p", { class: "none" }, t("pricing.noPrice"))];
  const hint = (/** @type {string} */ said) => el("p", { class: "hint" }, said);
  const amount = (/** @type {string} */ said) => el("p", { class: "amount" }, el("b", {}, said));
  if (!price.amount) return [amount(t("pricing.free")), hint(t("pricing.always"))];
  const annual = price === plan.annual;
  const perMonth = billing.money(annual ? price.amount / MONTHS : price.amount, price.currency);
  return [
    el("p", { class: "amount" }, el("b", {}, perMonth), " ", el("span", {}, t("pricing.aMonth"))),
    hint(annual ? t("pricing.billedAnnually", { amount: billing.money(price.amount, price.currency) })
      : t("pricing.billedMonthly")),
  ];
}

/** The button of a card with what it needs to be understood. @param {Plan} plan @param {boolean} mine */
function wayTo(plan, mine) {
  const { plan: name } = plan;
  const price = plan[interval] ?? plan.monthly;
  const running = view && billing.isRunning(view);
  const panel = `/${lang}/account#plan-panel`;
  if (!price?.amount) {
    if (!view) return [button(`buy-${name}`, t("pricing.start"), () => askIn("", t("pricing.door.free")))];
    if (mine) return [note(t("pricing.have"))];
    return [link(t(running && !view.cancelAt ? "pricing.leave" : "pricing.manage"), panel)];
  }
  if (mine && running && view?.interval === interval) return [link(t("pricing.manage"), panel)];
  const path = running ? (mine ? `pricing.to.${interval}` : "pricing.change") : "pricing.choose";
  const label = t(path, { plan: planName(name) });
  const action = running ? () => go(`buy-${name}`, billing.openPortal) : () => choose(name);
  const closed = !price.available && !running;
  return [
    button(`buy-${name}`, label, closed ? null : action, running ? "" : "primary"),
    closed ? note(t("pricing.closed"), `buy-${name}-why`) : null,
  ];
}

/** @param {string} said @param {string} [id] */
const note = (said, id) => el("p", { class: "hint", id }, said);
/** @param {string} label @param {string} href */
const link = (label, href) => el("a", { class: "button", href }, label);

/**
 * A button; without an action it says why it does nothing.
 * @param {string} id
 * @param {string} label
 * @param {(() => unknown) | null} action
 */
function button(id, label, action, className = "") {
  const closed = action ? {} : { "aria-disabled": "true", "aria-describedby": `${id}-why` };
  const node = el("button", { class: `button ${className}`, type: "button", id, ...closed }, label);
  if (action) node.addEventListener("click", action);
  return node;
}

/** @param {Plan} plan */
function features({ creditsPerMonth, imagesPerDay, maxUpscale, faceEnhance, maxInputMegapixels, jobsAtOnce }) {
  /** @type {[string, boolean][]} */
  const lines = [
    [t("pricing.features.credits", { count: creditsPerMonth }), true],
    [t("pricing.features.images", { count: imagesPerDay }), true],
    [t("pricing.features.scale", { scale: maxUpscale }), true],
    [t(faceEnhance ? "pricing.features.face" : "pricing.features.noFace"), faceEnhance],
    [t("pricing.features.pixels", { megapixels: maxInputMegapixels }), true],
    [t("pricing.features.jobs", { count: jobsAtOnce }), true],
  ];
  return lines.map(([line, has]) =>
    el("li", { class: has ? null : "not" }, icon(has ? YES : NO), el("span", {}, line)));
}

// --- packs

function paintPacks() {
  offered = feature("creditsCta");
  $("packs-sale").hidden = !offered;
  $("lead").textContent = t(offered ? "pricing.lead" : "pricing.leadPlans");
  for (const id of ["rule-credits", "rule-expires"]) $(id).hidden = !offered && !ownsCredits();
  const each = (/** @type {Pack} */ { amount, pack }) => amount / pack;
  const [dearest] = [...packs()].sort((one, other) => each(other) - each(one));
  const cheaper = (/** @type {Pack} */ pack) => Math.round(100 * (1 - each(pack) / each(dearest)));
  $("packs").replaceChildren(...packs().map((pack) => packCard(pack, cheaper(pack))));
  $("packs").removeAttribute("aria-busy");
  $("packs-expiry").textContent = t("pricing.packs.expiry", expiry());
}

const expiry = () => ({ months: sale.expiry.months, days: sale.expiry.days });

/** @param {Pack} pack @param {number} cheaper */
function packCard({ pack, amount, currency, available }, cheaper) {
  const id = `buy-pack-${pack}`;
  const saves = cheaper > 0 ? el("span", { class: "badge" }, t("pricing.saves", { percent: cheaper })) : null;
  return el("li", { class: "pack", "data-pack": String(pack) },
    el("h3", {}, t("credits", { count: pack })),
    el("p", { class: "amount" }, el("b", {}, billing.money(amount, currency))),
    el("p", { class: "hint" }, billing.perCredit({ pack, amount, currency }), " ", t("pricing.packs.each"), saves),
    button(id, t("pricing.packs.buy", { count: pack }), available ? () => choosePack(pack) : null),
    available ? null : note(t("pricing.closed"), `${id}-why`));
}

// --- rules

function paintRules() {
  $("rule-expiry").textContent = t("pricing.rules.expiry", expiry());
  $("rule-failure").textContent = t("pricing.rules.failure", { count: sale.graceDays });
}

// --- buying

/** @param {string} plan */
function choose(plan) {
  if (!view) askIn(`#${plan}-${interval}`, t("pricing.door.go", { what: planName(plan) }));
  else go(`buy-${plan}`, () => billing.subscribe(plan, interval));
}

/** @param {number} pack */
function choosePack(pack) {
  if (!view) askIn(`#pack-${pack}`, t("pricing.door.go", { what: t("credits", { count: pack }) }));
  else go(`buy-pack-${pack}`, () => billing.buy(pack));
}

/** Leave for Stripe; the button says that it is under way. @param {string} id @param {() => unknown} leave */
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

/** Sign in first, and come back to what was chosen. @param {string} hash @param {string} title */
function askIn(hash, title) {
  returnPath(location.pathname + hash);
  $("door-title").textContent = title;
  $("door").showModal();
}

/** @param {any} problem @param {() => unknown} again */
function tell(problem, again) {
  if (problem.type === "auth_error") {
    askIn("", t("pricing.door.ended"));
    return;
  }
  problems.show($("notice"), problem, {
    ways: waysOn(problem), label: (way) => t(`billing.ways.${way}`) ?? t(`actions.${way}`),
    act: (way) => {
      problems.clear($("notice"));
      if (way === "portal") go("", billing.openPortal);
      else again();
    },
  });
  $("notice").firstElementChild?.scrollIntoView({ block: "nearest" });
}

/** @param {import("./http.js").Problem} problem */
function waysOn({ code, type, unanswered }) {
  if (code === "subscription_exists") return ["portal"];
  if (code === "stripe_not_configured") return [];
  const passes = ["provider_error", "server_error", "rate_limit"].includes(type);
  return unanswered || code === "checkout_under_way" || passes ? ["retry"] : [];
}

// --- coming back

/** Signed in, the reader goes on with what was chosen before. */
function resume() {
  const [, name, rest] = location.hash.match(/^#(\w+)-(\w+)$/) ?? [];
  if (!view || !name) return;
  history.replaceState(null, "", location.pathname);
  const pack = name === "pack" && packs().some((one) => String(one.pack) === rest);
  const plan = sale.plans.some((one) => one.plan === name && ["monthly", "annual"].includes(rest));
  if (!pack && !plan) return;
  if (plan) {
    interval = rest === "annual" ? rest : "monthly";
    paint();
  }
  const chosen = pack ? t("credits", { count: Number(rest) }) : planName(name);
  const target = find(pack ? `[data-pack="${rest}"]` : `[data-plan="${name}"]`);
  const said = t("pricing.resume.text", { what: chosen });
  say($("notice"), { kind: "done", title: t("pricing.resume.title"), text: said });
  target.scrollIntoView({ block: "center" });
  find("a, button", target)?.focus({ preventScroll: true });
}

/** The subscription may have been changed in the portal. */
async function renew() {
  const found = view && (await billing.subscription().catch(() => view));
  if (found && lastUsage()?.plan !== found.plan) refresh(); // it may have been asked a moment before the change
  if (JSON.stringify(found) === JSON.stringify(view)) return;
  view = found;
  paint();
}

/** Signed in or out, here or in another tab; and whether credits are offered. @param {Usage} usage */
async function follow(usage) {
  const before = ownerType;
  ownerType = usage.ownerType;
  if (sale && offered !== feature("creditsCta")) paint();
  if (!before || before === ownerType) return;
  view = null;
  await load();
}

/** @param {PageTransitionEvent} event */
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
