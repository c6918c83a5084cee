/** Back from the checkout: what became of it, and waiting until what was paid for is there. */

import { pause } from "./http.js";
import * as billing from "./billing.js";
import { lang, planName, t } from "./i18n.js";
import { say } from "./notices.js";
import { refresh } from "./usage.js";

/** Seconds between looking, half a minute in all. */
const PAUSES = [0, 1, 1, 2, 2, 3, 4, 5, 6, 6];
/** Where nobody knows what was bought: a purchase of this day counts. */
const UNKNOWN_MS = 864e5;
const ENDS = ["paid", "pending", "canceled", "failed"];

/** What the address says, once; empty when nobody comes back from a checkout. */
function outcome() {
  const asked = new URLSearchParams(location.search);
  const said = asked.get("checkout");
  if (said === null) return "";
  for (const name of ["checkout", "session_id"]) asked.delete(name);
  history.replaceState(null, "", location.pathname + (String(asked) && `?${asked}`) + location.hash);
  return ENDS.includes(said) ? said : "";
}

/**
 * Tell in `slot` how the checkout ended. `onArrival` is called when what was paid for is there; `elsewhere` are further
 * ways on then.
 * @param {Element} slot
 * @param {{onArrival: () => unknown, elsewhere?: WayOn[]}} options
 */
export async function tell(slot, { onArrival, elsewhere = [] }) {
  const said = outcome();
  if (!said) return;
  const what = billing.bought();
  /** @param {string} kind @param {string} name @param {Partial<Said>} [more] */
  const show = (kind, name, more) => {
    const texts = `billing.checkout.${name}`;
    say(slot, { kind, title: t(`${texts}.title`, values(what)), text: t(`${texts}.text`, values(what)), ...more });
  };
  if (said === "canceled" || said === "failed") {
    show(said === "failed" ? "danger" : "calm", said, { ways: ways() });
    return;
  }
  const look = async () => {
    show("waiting", said);
    const known = await arrived(what);
    if (known) {
      onArrival();
      show("done", what.plan ? "plan" : "credits", { ways: [...ways(), ...elsewhere], ...arrival(what, known) });
    } else show("waiting", said === "paid" ? "late" : said, { ways: [{ label: t("billing.ways.look"), act: look }] });
  };
  await look();
}

/** @param {Bought} what */
const values = ({ pack = 0, plan }) => ({ count: pack, plan: planName(plan ?? "") });

/** @param {Bought} what @param {Partial<Usage>} known @returns {Partial<Said>} */
function arrival({ pack, plan }, { credits }) {
  const available = t("billing.checkout.available", { count: credits?.available ?? 0 });
  if (plan) return {};
  return pack ? { text: available } : { title: t("billing.checkout.unknown"), text: available };
}

/** Back to the photos, where somebody came from there. @returns {WayOn[]} */
function ways() {
  const path = billing.back();
  return path ? [{ label: t("billing.ways.back"), href: path, act: billing.given }] : [];
}

/**
 * The usage once it is there; nothing when it did not come in time.
 * @param {Bought} what
 * @returns {Promise<Partial<Usage> | undefined>}
 */
async function arrived(what) {
  for (const seconds of PAUSES) {
    await pause(1000 * seconds);
    if (await isThere(what).catch(() => false)) return (await refresh()) ?? {};
  }
  return undefined;
}

/** @param {Bought} what */
async function isThere({ pack, plan, since = Date.now() - UNKNOWN_MS }) {
  const subscribed = async () => {
    const view = await billing.subscription();
    return billing.isRunning(view) && (!plan || view.plan === plan);
  };
  if (plan) return subscribed();
  const { entries } = await billing.ledger({ limit: 20 });
  return entries.some(({ kind, at }) => kind === "purchase" && at >= since) || (!pack && subscribed());
}

export const toStatement = () => ({ label: t("billing.ways.statement"), href: `/${lang}/account#statement` });
