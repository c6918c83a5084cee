/** The plan on the account page: what it is, until when, and the ways to change, pay for or end it. */

import * as billing from "./billing.js";
import { $, announce, el } from "./dom.js";
import { planName, t } from "./i18n.js";
import { say } from "./notices.js";
import * as problems from "./problems.js";
import { refresh, usage } from "./usage.js";

const LATE = ["past_due", "unpaid", "paused"];

/** The subscription. Nothing but `renew` looks at it before `show` has set it. @type {Subscription} */
let view = /** @type {any} */ (null);
/** @type {Prices | null} */
let sale = null;
let busy = false;
/** @type {Tell} */
let tell = () => {};
/** @type {(view: Subscription) => void} */
let changed = () => {};

/**
 * `onProblem(slot, problem, again)` says what went wrong; `onChange(view)` hears of every new state.
 * @param {{onProblem: Tell, onChange: typeof changed}} listeners
 */
export function listen({ onProblem, onChange }) {
  [tell, changed] = [onProblem, onChange];
  $("plan-end").addEventListener("close", () => $("plan-end").returnValue === "end" && end());
  addEventListener("pageshow", (event) => {
    if (event.persisted) busy = false;
  });
}

/**
 * Show it; `prices` are what the API has for sale, or null.
 * @param {Subscription} found
 * @param {Prices | null} prices
 */
export function show(found, prices) {
  [view, sale] = [found, prices];
  $("plan-wait").hidden = true;
  paint();
  changed(view);
}

/** Ask again; nothing moves when nothing has changed. */
export async function renew() {
  const found = await billing.subscription().catch(() => view);
  if (view && usage()?.plan !== found.plan) refresh();
  if (!view || JSON.stringify(found) === JSON.stringify(view)) return;
  show(found, sale);
}

export function clear() {
  view = /** @type {any} */ (null);
  for (const name of ["name", "state", "price", "when", "ways", "notice"]) $(`plan-${name}`).replaceChildren();
}

/** What the subscription is like in one word: "ending" when it ends at a known date. */
function standing() {
  if (!billing.isRunning(view)) return view.status === "incomplete" ? "open" : "";
  if (LATE.includes(view.status)) return "late";
  return view.cancelAt ? "ending" : view.status === "trialing" ? "trial" : "active";
}

function paint() {
  const state = standing();
  $("plan-name").textContent = planName(view.plan);
  $("plan-state").replaceChildren();
  const badge = { class: "badge", "data-state": state };
  if (state) $("plan-state").append(el("span", badge, t(`account.plan.states.${state}`)));
  $("plan-price").textContent = price();
  $("plan-when").replaceChildren(...lines(state).map((line) => el("li", {}, line)));
  $("plan-ways").replaceChildren(...ways());
  if (state === "late") sayLate();
  else $("plan-notice").replaceChildren();
}

/** A payment did not come. */
function sayLate() {
  const { plan, graceUntil: last } = view;
  say($("plan-notice"), {
    kind: "danger", quiet: true, title: t("account.plan.late.title"),
    text: last ? t("account.plan.late.text", { plan: planName(plan), day: billing.longDay(last) })
      : t("account.plan.late.over"),
    ways: [{ id: "plan-pay", label: t("account.plan.pay"), act: () => leave("plan-pay") }],
  });
}

function price() {
  const { interval } = view;
  const offer = interval && sale?.plans.find(({ plan }) => plan === view.plan)?.[interval];
  return offer?.amount ? t(`account.plan.${interval}`, { amount: billing.money(offer.amount, offer.currency) }) : "";
}

/** @param {string} state */
function lines(state) {
  const { cancelAt, currentPeriodEnd, nextPlan } = view;
  const day = currentPeriodEnd && billing.longDay(currentPeriodEnd);
  const after = { plan: planName(view.plan), next: planName(nextPlan ?? "free") };
  if (state && cancelAt) return [t("account.plan.ends", { ...after, day: billing.longDay(cancelAt) })];
  if (nextPlan && day) return [t("account.plan.next", { plan: planName(nextPlan), day })];
  if (["active", "trial"].includes(state) && day) return [t("account.plan.renews", { day })];
  return state ? [] : [t(view.plan === "free" ? "account.plan.none" : "account.plan.gift")];
}

function ways() {
  const portal = (/** @type {string} */ id, /** @type {string} */ label, className = "") =>
    button(id, label, () => leave(id), className);
  if (billing.isRunning(view)) {
    const keep = t("account.plan.keep", { plan: planName(view.plan) });
    return [
      portal("plan-change", t("account.plan.change")),
      view.cancelAt ? portal("plan-keep", keep, "primary") : button("plan-cancel", t("account.plan.cancel"), ask),
    ];
  }
  const see = el("a", { class: "button primary", href: billing.pricing, id: "plan-see" }, t("account.plan.see"));
  return view.manageable ? [see, portal("plan-bills", t("account.plan.bills"))] : [see];
}

/** @param {string} id @param {string} label @param {() => unknown} action */
function button(id, label, action, className = "") {
  const node = el("button", { class: `button ${className}`, type: "button", id }, label);
  node.addEventListener("click", action);
  return node;
}

// --- changing and ending

/** To the customer portal; the button says that it is under way. @param {string} id */
async function leave(id) {
  if (busy) return;
  busy = true;
  problems.clear($("plan-problem"));
  $(id)?.setAttribute("aria-busy", "true");
  announce(t("billing.opening"));
  try {
    await billing.openPortal();
  } catch (problem) {
    tell($("plan-problem"), problem, () => leave(id));
  } finally {
    $(id)?.removeAttribute("aria-busy");
    busy = false;
  }
}

/** Ending is asked about, and the answer is known before: the day it ends, and what stays. */
function ask() {
  const last = standing() === "late" ? view.graceUntil : view.currentPeriodEnd;
  const day = last ? billing.longDay(last) : "";
  const values = { plan: planName(view.plan), next: planName(view.nextPlan ?? "free"), day };
  $("plan-end-title").textContent = t("account.plan.end.title", values);
  $("plan-end-text").textContent = t(values.day ? "account.plan.end.text" : "account.plan.end.soon", values);
  $("plan-end-keep").textContent = t("account.plan.end.keep", values);
  $("plan-end").returnValue = "";
  $("plan-end").showModal();
  $("plan-end-keep").focus();
}

async function end() {
  if (busy) return;
  busy = true;
  problems.clear($("plan-problem"));
  $("plan-cancel")?.setAttribute("aria-busy", "true");
  try {
    show(await billing.cancel(), sale);
    announce(lines(standing()).join(" "));
    $("plan-title").focus();
  } catch (problem) {
    tell($("plan-problem"), problem, end);
    const isOver = problem.code === "no_subscription";
    if (isOver) billing.subscription().then((found) => show(found, sale), () => {});
  } finally {
    $("plan-cancel")?.removeAttribute("aria-busy");
    busy = false;
  }
}
