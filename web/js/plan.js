/** The plan on the account page: what it is, until when, and the ways to change, pay for or end it. */

import * as billing from "./billing.js";
import { $, announce, el } from "./dom.js";
import { planName, t } from "./i18n.js";
import { say } from "./notices.js";
import * as problems from "./problems.js";
import { refresh } from "./usage.js";

const LATE = ["past_due", "unpaid", "paused"];

let view = null;
let sale = null;
let busy = false;
let tell = () => {};
let changed = () => {};

/** `onProblem(slot, problem, again)` says what went wrong; `onChange(view)` hears of every new state. */
export function listen({ onProblem, onChange }) {
  [tell, changed] = [onProblem, onChange];
  $("plan-end").addEventListener("close", () => $("plan-end").returnValue === "end" && end());
  addEventListener("pageshow", (event) => event.persisted && (busy = false));
}

/** Show it; `prices` are what the API has for sale, or null. */
export function show(found, prices) {
  [view, sale] = [found, prices];
  $("plan-wait").hidden = true;
  paint();
  changed(view);
}

/** Ask again; nothing moves when nothing has changed. */
export async function renew() {
  const found = await billing.subscription().catch(() => view);
  if (!view || JSON.stringify(found) === JSON.stringify(view)) return;
  show(found, sale);
  refresh();
}

export function clear() {
  view = null;
  for (const name of ["plan-name", "plan-state", "plan-price", "plan-when", "plan-ways", "plan-notice"]) $(name).replaceChildren();
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
  $("plan-state").replaceChildren(...(state ? [el("span", { class: "badge", "data-state": state }, t(`account.plan.states.${state}`))] : []));
  $("plan-price").textContent = price();
  $("plan-when").replaceChildren(...lines(state).map((line) => el("li", {}, line)));
  $("plan-ways").replaceChildren(...ways());
  if (state === "late") {
    say($("plan-notice"), {
      kind: "danger", quiet: true, title: t("account.plan.late.title"),
      text: view.graceUntil ? t("account.plan.late.text", { plan: planName(view.plan), day: billing.longDay(view.graceUntil) }) : t("account.plan.late.over"),
      ways: [{ id: "plan-pay", label: t("account.plan.pay"), act: () => leave("plan-pay") }],
    });
  } else $("plan-notice").replaceChildren();
}

function price() {
  const offer = view.interval && sale?.plans.find(({ plan }) => plan === view.plan)?.[view.interval];
  return offer?.amount ? t(`account.plan.${view.interval}`, { amount: billing.money(offer.amount, offer.currency) }) : "";
}

function lines(state) {
  const { cancelAt, currentPeriodEnd, nextPlan } = view;
  const said = [];
  if (state && cancelAt) said.push(t("account.plan.ends", { plan: planName(view.plan), day: billing.longDay(cancelAt), next: planName(nextPlan ?? "free") }));
  else if (nextPlan && currentPeriodEnd) said.push(t("account.plan.next", { plan: planName(nextPlan), day: billing.longDay(currentPeriodEnd) }));
  else if (["active", "trial"].includes(state) && currentPeriodEnd) said.push(t("account.plan.renews", { day: billing.longDay(currentPeriodEnd) }));
  else if (!state) said.push(t(view.plan === "free" ? "account.plan.none" : "account.plan.gift"));
  return said;
}

function ways() {
  const running = billing.isRunning(view);
  return [
    running ? button("plan-change", t("account.plan.change"), () => leave("plan-change"))
      : el("a", { class: "button primary", href: billing.pricing, id: "plan-see" }, t("account.plan.see")),
    running && view.cancelAt ? button("plan-keep", t("account.plan.keep", { plan: planName(view.plan) }), () => leave("plan-keep"), "primary") : null,
    running && !view.cancelAt ? button("plan-cancel", t("account.plan.cancel"), ask) : null,
    !running && view.manageable ? button("plan-bills", t("account.plan.bills"), () => leave("plan-bills")) : null,
  ].filter(Boolean);
}

function button(id, label, action, className = "") {
  const node = el("button", { class: `button ${className}`, type: "button", id }, label);
  node.addEventListener("click", action);
  return node;
}

// --- changing and ending

/** To the customer portal; the button says that it is under way. */
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
  const values = { plan: planName(view.plan), next: planName(view.nextPlan ?? "free"), day: last ? billing.longDay(last) : "" };
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
    if (problem.code === "no_subscription") billing.subscription().then((found) => show(found, sale), () => {});
  } finally {
    $("plan-cancel")?.removeAttribute("aria-busy");
    busy = false;
  }
}
