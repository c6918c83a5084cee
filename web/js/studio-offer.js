/** Before the run: its price, how long it takes, and what stands against it; and which part of the studio is shown. */

import { closed, learn } from "./admission.js";
import * as api from "./api.js";
import { $, find, rows } from "./dom.js";
import { duration, moment, t } from "./i18n.js";
import * as problems from "./problems.js";
import * as settings from "./settings.js";
import { clearNotices, label, takeWay } from "./studio-notices.js";
import { count, expanded, fingerprint, megapixels, phase, state } from "./studio-state.js";
import { usage, usedUp } from "./usage.js";

/** Ways on that are also shown beside a run that cannot start. */
const DETOURS = ["builtin", "buy", "plans", "signIn"];
const PHASES = ["empty", "ready", "running", "done"];
const QUOTE_DELAY_MS = 200;

/** @type {Map<string, Quote>} */
const quotes = new Map();
/** @type {{asked: string, data?: Quote} | null} */
let quoted = null;
/** @type {AbortController | null} */
let quoteAbort = null;
/** @type {number | undefined} */
let quoteTimer;
/** @type {number | undefined} */
let countdown;

// --- what is shown

/** @param {string} next */
export function enter(next) {
  console.assert(PHASES.includes(next));
  $("main").dataset.state = next;
  find(".welcome").hidden = next !== "empty";
  $("studio").hidden = next === "empty";
  $("preview").hidden = next === "done" || Boolean(state.batch);
  if (next === "empty") $("pick-hint").after($("launch"));
  else if ($("launch").parentElement !== $("panel")) $("settings").before($("launch"));
  if (next === "running") $("notice").replaceChildren();
  $("progress").hidden = next !== "running";
  $("result").hidden = next !== "done";
  if (next === "ready") expand(true);
  $("settings").hidden = next === "running" || (next === "done" && !expanded());
  paintRun();
}

/** Show or hide the settings beside a result. @param {boolean} on */
export function expand(on) {
  $("change").setAttribute("aria-expanded", String(on));
  $("change").textContent = t(on ? "hideSettings" : "changeSettings");
  $("settings").hidden = phase() === "done" && !on;
  paintRun();
}

/** The button with what is said beside it: price, time, size, and why it does nothing. */
export function paintRun() {
  const done = phase() === "done";
  const same = done && state.outcome?.fingerprint === fingerprint();
  $("run").hidden = phase() === "running" || (done && (!expanded() || same));
  if (!count()) return;
  rows($("quote"), quoteRows());
  const blocked = obstacle();
  const why = blocked || [tooSlow() && t("batch.background"), shrinking()].filter(Boolean).join(" ");
  $("enhance-why").classList.toggle("quiet", !blocked);
  const counting = isCounting();
  $("enhance").setAttribute("aria-disabled", String(Boolean(blocked) || counting || !settings.model()));
  if ($("enhance-why").textContent !== why) $("enhance-why").textContent = why;
  const way = blocked ? detour() : undefined;
  $("enhance-way").textContent = way ? label(way) : "";
  $("enhance-way").hidden = !way;
  $("enhance-label").textContent = counting ? t("enhanceIn", { time: duration(secondsLeft(), 0) })
    : state.batch ? t("batch.enhance", { count: count() }) : t(done ? "enhanceAgain" : "enhance");
}

/** @returns {(Row | Falsy)[]} */
function quoteRows() {
  const { batch } = state;
  const each = price();
  const seconds = settings.estimate(megapixels());
  const unknown = settings.hosted() ? "quote.hosted" : "quote.unknownTime";
  const size = settings.outcomeSize();
  return [
    [t("quote.price"), credits(each && Math.round(each * count() * 10) / 10)],
    batch && [t("batch.each"), credits(each)],
    [t("quote.time"), seconds ? t("quote.about", { time: duration(seconds, 0) }) : t(unknown)],
    !batch && size && [t("quote.size"), size],
  ];
}

/** @param {number | null} amount */
function credits(amount) {
  if (amount === null) return t("quote.pending");
  return amount ? t("credits", { count: amount }) : t("quote.free");
}

/** That the result will be smaller than the photo, as text; empty when it will not. */
function shrinking() {
  const { batch, photo } = state;
  const side = settings.shrinksTo(batch?.longest ?? Math.max(photo?.width ?? 0, photo?.height ?? 0));
  return side ? t("shrinks", { count: count(), side }) : "";
}

// --- price before the run

/** Ask for the price once the reader has stopped changing settings. */
export function quoteSoon() {
  clearTimeout(quoteTimer);
  quoteTimer = setTimeout(askQuote, QUOTE_DELAY_MS);
  paintRun();
}

export function forgetQuote() {
  quoted = null;
}

async function askQuote() {
  if (!count() || !settings.model() || closed()) return;
  quoteAbort?.abort();
  quoteAbort = new AbortController();
  const asked = question();
  const { width, height } = state.photo ?? {};
  const size = width ? { width, height } : {}; // the API takes no zeros, which say here that it is not known
  try {
    const data = quotes.get(asked) ?? (await api.quote({ ...settings.question(), ...size }, quoteAbort.signal));
    if (data.refusal && learn(data.refusal)) return;
    quotes.set(asked, data);
    quoted = { asked, data };
  } catch (problem) {
    if (problem.name === "AbortError") return;
    quoted = { asked };
  }
  paintRun();
}

/** What the price depends on. */
const question = () =>
  JSON.stringify([settings.question(), state.photo?.width, state.photo?.height, usage()?.plan]);

/** The quote for the settings as they are now; without data when it could not be had. */
const current = () => (settings.model() && quoted?.asked === question() ? quoted : null);

/** Credits for one photo; null before the quote is there. */
function price() {
  const quote = current();
  return quote?.data?.price.total ?? (quote ? settings.model()?.price ?? 1 : null);
}

// --- what stands against the run

/** Why the run cannot start now, as text; empty when it can. */
export function obstacle() {
  if (closed()) return problems.describe({ code: closed(), details: usage().access }).text;
  if (!settings.model()) return state.loaded ? t("why.model") : "";
  if (usedUp()) return t("why.quota", { when: moment(usage().usage.resetAt) });
  if (Date.now() < state.closedUntil) return t("why.quota", { when: moment(state.closedUntil) });
  if (state.batch) return state.batch.obstacle(price());
  const refusal = current()?.data?.refusal;
  return refusal && !tooSlow() ? problems.describe({ ...refusal, apiMessage: refusal.message }).text : "";
}

/** The name of a way round what stands against the run, or undefined. */
export function detour() {
  if (closed()) return wayRound({ code: closed(), details: usage().access });
  if (usedUp()) return usage().ownerType === "user" ? "plans" : "signIn";
  if (state.batch) return state.batch.lacks(price()) ? problems.toMore() : undefined;
  const refusal = current()?.data?.refusal;
  return refusal ? wayRound(refusal) : undefined;
}

/** @param {Trouble} problem */
const wayRound = (problem) => problems.waysOf(problem)
  .find((way) => DETOURS.includes(way) && problems.isWay(way, takeWay) && label(way));

/** Work that no single request finishes runs as a job, in the background. */
export const tooSlow = () => !state.batch && current()?.data?.refusal?.code === "needs_job";

/** Whether the run has to wait for some seconds, which are counted down. */
export const isCounting = () => Date.now() < state.blockedUntil;

const secondsLeft = () => Math.max(1, Math.ceil((state.blockedUntil - Date.now()) / 1000));

/**
 * Count down to the moment the run is possible again; a used-up day is told as a clock time instead.
 * @param {number} seconds
 * @param {Trouble} problem
 */
export function wait(seconds, problem) {
  if (problem.details?.resetAt) {
    state.closedUntil = problem.details.resetAt;
    paintRun();
    return;
  }
  state.blockedUntil = Date.now() + seconds * 1000;
  clearInterval(countdown);
  countdown = setInterval(() => {
    if (!isCounting()) {
      clearInterval(countdown);
      if ($("notice").querySelector("[data-code=rate_limited], [data-code=provider_throttled]")) clearNotices();
    }
    paintRun();
  }, 500);
  paintRun();
}
