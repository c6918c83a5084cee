/** Bought credits on the account page: what there is, what expires, what stands against spending, and buying more. */

import * as billing from "./billing.js";
import { $, announce, el, rows } from "./dom.js";
import { number, t } from "./i18n.js";
import { say } from "./notices.js";
import * as problems from "./problems.js";
import { feature, ownsCredits, usage } from "./usage.js";

/** So long before they expire it is more than a line. */
const SOON_MS = 14 * 864e5;

/** @type {Subscription | null} */
let view = null;
/** @type {Prices | null} */
let sale = null;
/** Whether credits were offered when they were last shown. @type {boolean | undefined} */
let offered;
let busy = false;
/** @type {Tell} */
let tell = () => {};

/** @param {Tell} onProblem */
export function listen(onProblem) {
  tell = onProblem;
  addEventListener("pageshow", (event) => {
    if (event.persisted) busy = false;
  });
}

/** The packs that are for sale; nothing when the API has none. @param {Prices | null} found */
export function offer(found) {
  sale = found;
  const packs = (feature("creditsCta") && sale?.packs.filter(({ available }) => available)) || [];
  $("packs").replaceChildren(...packs.map(({ pack, amount, currency }) => {
    const button = el("button", { class: "button pack-button", type: "button", id: `buy-pack-${pack}` },
      el("b", {}, t("credits", { count: pack })), el("span", {}, billing.money(amount, currency)));
    button.addEventListener("click", () => buy(pack));
    return el("li", {}, button);
  }));
  $("packs-title").hidden = !packs.length;
  $("packs-none").hidden = Boolean(packs.length) || !feature("creditsCta");
  offered = feature("creditsCta");
  $("test-mode").hidden = !(sale?.testMode && packs.length);
}

/** Numbers of the usage once they are known, with what the subscription's `found` says about debt. */
export function show(found = view) {
  view = found;
  const known = usage()?.credits;
  const { available = 0, held = 0, expiringNext } = known ?? {};
  const { debt = view?.debt ?? 0, blocked = view?.blocked ?? false } = known ?? {};
  warn({ debt, blocked, expiringNext });
  $("credits").hidden = !feature("creditsCta") && !ownsCredits() && !blocked;
  $("plan-panel").classList.toggle("wide", $("credits").hidden);
  if (offered !== undefined && offered !== feature("creditsCta")) offer(sale);
  if (!known) return;
  rows($("credits-rows"), [
    [t("account.credits.available"), el("b", {}, number(available))],
    held ? [t("account.credits.held"), number(held)] : null,
    debt ? [t("account.credits.debt"), el("span", { class: "debt" }, number(-debt))] : null,
    expiringNext ? [t("account.credits.expires"), t("account.credits.expiring", expiry(expiringNext))] : null,
  ]);
}

/** @param {{debt: number, blocked: boolean, expiringNext?: Expiring}} known */
function warn({ debt, blocked, expiringNext }) {
  const slot = $("credits-warning");
  if (debt || blocked) say(slot, { kind: "danger", quiet: true, ...hold(debt) });
  else if (expiringNext && expiringNext.at - Date.now() < SOON_MS) {
    const values = expiry(expiringNext);
    const [title, text] = [t("account.credits.soon.title", values), t("account.credits.soon.text", values)];
    say(slot, { kind: "wait", quiet: true, title, text });
  } else slot.replaceChildren();
}

/** @param {NonNullable<Expiring>} next */
const expiry = ({ credits, at }) => ({ count: credits, day: billing.longDay(at) });

/** Why credits cannot be spent. @param {number} debt */
function hold(debt) {
  const texts = `account.credits.${debt ? "owed" : "disputed"}`;
  return { title: t(`${texts}.title`), text: t(`${texts}.text`, { count: debt }) };
}

export function clear() {
  view = null;
  for (const name of ["credits-rows", "credits-warning", "credits-problem", "packs"]) $(name).replaceChildren();
}

/** @param {number} pack */
async function buy(pack) {
  if (busy) return;
  busy = true;
  problems.clear($("credits-problem"));
  const button = $(`buy-pack-${pack}`);
  button.setAttribute("aria-busy", "true");
  announce(t("billing.opening"));
  try {
    await billing.buy(pack);
  } catch (problem) {
    tell($("credits-problem"), problem, () => buy(pack));
  } finally {
    button.removeAttribute("aria-busy");
    busy = false;
  }
}
