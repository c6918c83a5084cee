/** Buying, subscribing and the statement: the billing API as the page uses it, and amounts of money. */

import { ask, call, pause, renewing } from "./http.js";
import { lang, locale } from "./i18n.js";
import { keep, read } from "./top.js";

const BASE = "/api/billing";
const BACK = "enhancer.back"; // in this tab: where somebody was who went to buy something
const CHECKOUT = "enhancer.checkout"; // in this tab: what is being bought
const PORTAL = "enhancer.portal"; // in this tab: the customer portal was opened
const PRICES = "enhancer.prices"; // in this tab: what was for sale, and when that was asked
const PRICES_MS = 600e3;
/** What the clocks of a checkout's two answers may differ. */
const SKEW_MS = 60e3;
const NEWS_SECONDS = [2, 3, 5];
/** A subscription that may be changed or cancelled, in Stripe's words. */
const RUNNING = ["active", "trialing", "past_due", "unpaid", "paused"];

export const CSV = `${BASE}/ledger?format=csv`;

/** {plans, packs, expiry, testMode, graceDays}; amounts in cents. What this tab `knows` may be some minutes old. */
export async function prices({ knows } = {}) {
  const { at = 0, data } = knows ? kept(PRICES) : {};
  if (Date.now() - at < PRICES_MS) return data;
  const found = await call(`${BASE}/prices`, { fresh: true });
  keep("sessionStorage", PRICES, JSON.stringify({ at: Date.now(), data: found }));
  return found;
}

/** {plan, status, interval, currentPeriodEnd, cancelAt, nextPlan, graceUntil, creditsRemaining, manageable, debt, blocked}. */
export const subscription = () => call(`${BASE}/subscription`, { fresh: true });
/** {entries, nextCursor, totals, expiring}, newest first. */
export const ledger = ({ limit, cursor }) => call(`${BASE}/ledger?${new URLSearchParams({ limit, ...(cursor && { cursor }) })}`, { fresh: true });
export const cancel = () => post("/cancel", {});

export const isRunning = ({ status }) => RUNNING.includes(status);

// --- leaving for Stripe

const intents = new Map();

const send = (path, order, headers) =>
  renewing(() => ask(BASE + path, { method: "POST", json: true, headers, body: JSON.stringify(order) }));
const post = async (path, order) => (await send(path, order)).data;

/**
 * A click that is repeated because nothing came of it carries the same key, so that it stays one checkout. What is
 * bought is kept for the return, with when that began by the clock of the API.
 */
async function checkout(path, order, what) {
  const intent = JSON.stringify([path, order]);
  if (!intents.has(intent)) intents.set(intent, crypto.randomUUID());
  try {
    const { data, header } = await send(path, order, { "Idempotency-Key": intents.get(intent) });
    intents.delete(intent);
    keep("sessionStorage", CHECKOUT, JSON.stringify({ ...what, since: (Date.parse(header("Date")) || Date.now()) - SKEW_MS }));
    location.assign(data.url);
  } catch (problem) {
    if (problem.status >= 400 && problem.status < 500 && problem.code !== "checkout_under_way") intents.delete(intent);
    throw problem;
  }
}

const here = () => location.pathname;

/** Go and buy a pack; the browser comes back to this page. */
export const buy = (pack) => checkout("/credits", { pack, returnTo: here() }, { pack });

/** Go and subscribe; the browser comes back to this page. */
export const subscribe = (plan, interval) => checkout("/session", { plan, interval, returnTo: here() }, { plan });

/** Go to the customer portal: plan, means of payment, invoices. */
export async function openPortal() {
  const { url } = await post("/portal", { returnTo: here() });
  keep("sessionStorage", PORTAL, "1");
  location.assign(url);
}

/** After a visit of the portal, news of it may still be on the way: `look` is called now and then for a while. */
export async function afterPortal(look) {
  if (!read("sessionStorage", PORTAL)) return;
  keep("sessionStorage", PORTAL, "");
  for (const seconds of NEWS_SECONDS) {
    await pause(1000 * seconds);
    await look();
  }
}

/** What this tab went to buy, once: {pack, since} or {plan, since}; empty when that is not known. */
export function bought() {
  const found = kept(CHECKOUT);
  keep("sessionStorage", CHECKOUT, "");
  return found;
}

function kept(name) {
  try {
    return JSON.parse(read("sessionStorage", name)) ?? {};
  } catch {
    return {};
  }
}

/** Remember where to go back to after buying; only a path of this page counts. */
export function keepBack(path) {
  if (/^\/(?![/\\])/.test(path ?? "") && new URL(path, location).origin === location.origin) keep("sessionStorage", BACK, path);
}

/** The path to go back to; empty when nobody came from anywhere. It is `given` once it has been followed. */
export const back = () => read("sessionStorage", BACK);
export const given = () => keep("sessionStorage", BACK, "");

// --- amounts

/** Cents as money: without decimals where there are none, with three where a credit costs less than a cent's tenth. */
export function money(cents, currency, digits = 2) {
  const whole = cents % 100 === 0;
  return new Intl.NumberFormat(locale, {
    style: "currency", currency: currency.toUpperCase(), currencyDisplay: "narrowSymbol", minimumFractionDigits: whole ? 0 : 2, maximumFractionDigits: whole ? 0 : digits,
  }).format(cents / 100);
}

export const perCredit = ({ amount, pack, currency }) => money(amount / pack, currency, 3);

const written = (style) => (epochMs) => new Intl.DateTimeFormat(locale, style).format(epochMs);
/** "20 December 2026", "20 Dec 2026", and with the time of day. */
export const longDay = written({ dateStyle: "long" });
export const day = written({ dateStyle: "medium" });
export const clock = written({ dateStyle: "medium", timeStyle: "short" });

export const pricing = `/${lang}/pricing`;
