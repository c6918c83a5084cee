/** Bought credits on the account page: what there is, what is going to expire, what stands against spending, and more. */

import * as billing from "./billing.js";
import { $, announce, el, rows } from "./dom.js";
import { number, t } from "./i18n.js";
import { say } from "./notices.js";
import * as problems from "./problems.js";
import { usage } from "./usage.js";

/** So long before they expire it is more than a line. */
const SOON_MS = 14 * 864e5;

let view = null;
let busy = false;
let tell = () => {};

export function listen(onProblem) {
  tell = onProblem;
  addEventListener("pageshow", (event) => event.persisted && (busy = false));
}

/** The packs that are for sale; nothing when the API has none. */
export function offer(sale) {
  const packs = sale?.packs.filter(({ available }) => available) ?? [];
  $("packs").replaceChildren(...packs.map(({ pack, amount, currency }) => {
    const button = el("button", { class: "button pack-button", type: "button", id: `buy-pack-${pack}` },
      el("b", {}, t("credits", { count: pack })), el("span", {}, billing.money(amount, currency)));
    button.addEventListener("click", () => buy(pack));
    return el("li", {}, button);
  }));
  $("packs-title").hidden = !packs.length;
  $("packs-none").hidden = Boolean(packs.length);
  $("test-mode").hidden = !(sale?.testMode && packs.length);
}

/** Numbers of the usage once they are known, with what the subscription's `found` says about debt. */
export function show(found = view) {
  view = found;
  const known = usage()?.credits;
  const { available = 0, held = 0, expiringNext, debt = view?.debt ?? 0, blocked = view?.blocked ?? false } = known ?? {};
  warn({ debt, blocked, expiringNext });
  if (!known) return;
  rows($("credits-rows"), [
    [t("account.credits.available"), el("b", {}, number(available))],
    held ? [t("account.credits.held"), number(held)] : null,
    debt ? [t("account.credits.debt"), el("span", { class: "debt" }, number(-debt))] : null,
    expiringNext ? [t("account.credits.expires"), t("account.credits.expiring", { count: expiringNext.credits, day: billing.longDay(expiringNext.at) })] : null,
  ]);
}

function warn({ debt, blocked, expiringNext }) {
  const slot = $("credits-warning");
  if (debt || blocked) say(slot, { kind: "danger", quiet: true, ...hold(debt) });
  else if (expiringNext && expiringNext.at - Date.now() < SOON_MS) {
    say(slot, { kind: "wait", quiet: true, title: t("account.credits.soon.title", { count: expiringNext.credits }), text: t("account.credits.soon.text", { day: billing.longDay(expiringNext.at) }) });
  } else slot.replaceChildren();
}

const hold = (debt) => ({
  title: t(`account.credits.${debt ? "owed" : "disputed"}.title`), text: t(`account.credits.${debt ? "owed" : "disputed"}.text`, { count: debt }),
});

export function clear() {
  view = null;
  for (const name of ["credits-rows", "credits-warning", "credits-problem", "packs"]) $(name).replaceChildren();
}

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
