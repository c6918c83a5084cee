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

/** What is for sale; amounts in cents. What this tab `knows` may be some minutes old. @returns {Promise<Prices>} */
export async function prices({ knows = false } = {}) {
  const { at = 0, data } = knows ? kept(PRICES) : { data: undefined };
  if (Date.now() - at < PRICES_MS) return data;
  const found = await call(`${BASE}/prices`, { fresh: true });
  keep("sessionStorage", PRICES, JSON.stringify({ at: Date.now(), data: found }));
  return found;
}

/** @returns {Promise<Subscription>} */
export const subscription = () => call(`${BASE}/subscription`, { fresh: true });
/**
 * A page of the statement, newest first.
 * @param {{limit: number, cursor?: string | null}} page
 * @returns {Promise<Statement>}
 */
export function ledger({ limit, cursor }) {
  const query = new URLSearchParams({ limit: String(limit), ...(cursor && { cursor }) });
  return call(`${BASE}/ledger?${query}`, { fresh: true });
}
/** @returns {Promise<Subscription>} */
export const cancel = () => post("/cancel", {});

/** @param {Subscription} view */
export const isRunning = ({ status }) => RUNNING.includes(status);

// --- leaving for Stripe

/** @type {Map<string, string>} */
const intents = new Map();

/** @param {string} path @param {object} order @param {Record<string, string>} [headers] */
const send = (path, order, headers) =>
  renewing(() => ask(BASE + path, { method: "POST", json: true, headers, body: JSON.stringify(order) }));
/** @param {string} path @param {object} order */
const post = async (path, order) => (await send(path, order)).data;

/**
 * A click that is repeated because nothing came of it carries the same key, so that it stays one checkout. What is
 * bought is kept for the return, with when that began by the clock of the API.
 * @param {string} path
 * @param {object} order
 * @param {Bought} what
 */
async function checkout(path, order, what) {
  const intent = JSON.stringify([path, order]);
  const key = intents.get(intent) ?? crypto.randomUUID();
  intents.set(intent, key);
  try {
    const { data, header } = await send(path, order, { "Idempotency-Key": key });
    intents.delete(intent);
    const since = (Date.parse(header("Date") ?? "") || Date.now()) - SKEW_MS;
    keep("sessionStorage", CHECKOUT, JSON.stringify({ ...what, since }));
    location.assign(data.url);
  } catch (problem) {
    if (problem.status >= 400 && problem.status < 500 && problem.code !== "checkout_under_way") intents.delete(intent);
    throw problem;
  }
}

const here = () => location.pathname;

/** Go and buy a pack; the browser comes back to this page. @param {number} pack */
export const buy = (pack) => checkout("/credits", { pack, returnTo: here() }, { pack });

/** Go and subscribe; the browser comes back to this page. @param {string} plan @param {string} interval */
export const subscribe = (plan, interval) => checkout("/session", { plan, interval, returnTo: here() }, { plan });

/** Go to the customer portal: plan, means of payment, invoices. */
export async function openPortal() {
  const { url } = await post("/portal", { returnTo: here() });
  keep("sessionStorage", PORTAL, "1");
  location.assign(url);
}

/**
 * After a visit of the portal, news of it may still be on the way: `look` is called now and then for a while.
 * @param {() => unknown} look
 */
export async function afterPortal(look) {
  if (!read("sessionStorage", PORTAL)) return;
  keep("sessionStorage", PORTAL, "");
  for (const seconds of NEWS_SECONDS) {
    await pause(1000 * seconds);
    await look();
  }
}

/** What this tab went to buy, once: {pack, since} or {plan, since}; empty when that is not known. @returns {Bought} */
export function bought() {
  const found = kept(CHECKOUT);
  keep("sessionStorage", CHECKOUT, "");
  return found;
}

/** @param {string} name @returns {any} */
function kept(name) {
  try {
    return JSON.parse(read("sessionStorage", name)) ?? {};
  } catch {
    return {};
  }
}

/** Remember where to go back to after buying; only a path of this page counts. @param {string | null} path */
export function keepBack(path) {
  const local = path && /^\/(?![/\\])/.test(path) && new URL(path, location.href).origin === location.origin;
  if (local) keep("sessionStorage", BACK, path);
}

/** The path to go back to; empty when nobody came from anywhere. It is `given` once it has been followed. */
export const back = () => read("sessionStorage", BACK);
export const given = () => keep("sessionStorage", BACK, "");

// --- amounts

/**
 * Cents as money: without decimals where there are none, with three where a credit costs less than a cent's tenth.
 * @param {number} cents
 * @param {string} currency
 */
export function money(cents, currency, digits = 2) {
  const whole = cents % 100 === 0;
  return new Intl.NumberFormat(locale, {
    style: "currency", currency: currency.toUpperCase(), currencyDisplay: "narrowSymbol",
    minimumFractionDigits: whole ? 0 : 2, maximumFractionDigits: whole ? 0 : digits,
  }).format(cents / 100);
}

/** @param {Omit<Pack, "available">} pack */
export const perCredit = ({ amount, pack, currency }) => money(amount / pack, currency, 3);

/** @param {Intl.DateTimeFormatOptions} style */
const written = (style) => (/** @type {number} */ epochMs) => new Intl.DateTimeFormat(locale, style).format(epochMs);
/** "20 December 2026", "20 Dec 2026", and with the time of day. */
export const longDay = written({ dateStyle: "long" });
export const day = written({ dateStyle: "medium" });
export const clock = written({ dateStyle: "medium", timeStyle: "short" });

export const pricing = `/${lang}/pricing`;
