/** The run: one photo within the request, or one job for several photos. */

import { learn } from "./admission.js";
import * as api from "./api.js";
import { $, announce } from "./dom.js";
import * as editing from "./editing.js";
import { Problem } from "./http.js";
import { bytes, duration, lang, t } from "./i18n.js";
import * as settings from "./settings.js";
import { clearNotices, tell } from "./studio-notices.js";
import { enter, expand, isCounting, obstacle, tooSlow, wait } from "./studio-offer.js";
import { openSeveral, startOver } from "./studio-photos.js";
import { tick } from "./studio-progress.js";
import { compare, showOutcome, swapped } from "./studio-result.js";
import { count, expanded, fingerprint, megapixels, phase, state } from "./studio-state.js";
import { refresh, take } from "./usage.js";

/** What a result is called after its file: by what was done to it. @type {Record<string, string>} */
const SUFFIXES = { restore: "restored", edit: "edited" };

/** Start, unless something stands against it. */
export async function enhance() {
  const entry = settings.model();
  if (state.run || !count() || !entry || obstacle() || isCounting()) return;
  clearNotices();
  if (settings.wordless()) askWords();
  else if (state.batch || tooSlow()) await enhanceSeveral();
  else if (state.photo) await enhanceOne(state.photo, entry);
}

/** An edit without words is not even sent. */
function askWords() {
  if (phase() === "done" && !expanded()) expand(true);
  editing.missing(true);
}

/** A run that may have happened without an answer is sent again under the same key. @param {string} asked */
function keyFor(asked) {
  const key = state.pending?.fingerprint === asked ? state.pending.key : crypto.randomUUID();
  state.pending = { fingerprint: asked, key };
  return key;
}

/** @param {Photo} photo @param {Model} entry */
async function enhanceOne({ file }, { kind }) {
  const asked = fingerprint();
  const key = keyFor(asked);
  const total = settings.estimate(megapixels());
  const run = newRun({ total, hosted: settings.hosted(), kind, key });
  begin(run);
  if (state.compare) state.compare.root.hidden = true;
  const opening = run.hosted ? "progress.startedHosted" : "progress.startedOpen";
  announce(total ? t("progress.started", { time: duration(total, 0) }) : t(opening));
  const ticker = setInterval(tick, 200);
  tick();
  try {
    const answer = await api.generate({ file, key, ...settings.order() }, {
      signal: run.abort.signal,
      onUpload: (share) => {
        run.uploaded = share;
        if (share === 1) run.sent ??= performance.now();
        tick();
      },
      onQueue: (job) => (run.queued = job),
    });
    state.pending = null;
    await finish(answer, asked, run);
  } catch (error) {
    if (state.run === run) fail(error);
  } finally {
    clearInterval(ticker);
    if (state.run === run) state.run = null;
  }
}

/** Start one job for all photos, and go where it can be watched. */
export async function enhanceSeveral() {
  if (!state.batch && state.photo) await openSeveral([state.photo.file], true);
  const { batch } = state;
  if (!batch || state.run) return;
  const run = newRun({ total: null, hosted: false, kind: "" });
  begin(run);
  try {
    const job = await batch.run(settings.order(), { signal: run.abort.signal, onOrder: (key) => (run.key = key) });
    addEventListener("pageshow", (event) => event.persisted && startOver(), { once: true });
    location.assign(`/${lang}/jobs#${job.id}`);
  } catch (error) {
    if (state.run === run) fail(error);
  } finally {
    if (state.run === run) state.run = null;
  }
}

/**
 * Stop the run. It is told as stopped only once it is certain that nothing is charged; a run that ended first is shown.
 */
export async function cancel() {
  const { run } = state;
  if (!run || run.stopping) return;
  if (!run.key) { // files are being sent, nothing is ordered yet
    run.abort.abort();
    return;
  }
  run.stopping = true;
  $("cancel").setAttribute("aria-disabled", "true");
  tick();
  try {
    await (await import("./queue.js")).cancelOrdered(run.key);
    if (state.pending?.key === run.key) state.pending = null;
    run.abort.abort();
  } catch (problem) {
    const sent = run.sent ?? run.uploaded; // what never left for the server cannot run there
    if (problem.unanswered && !sent) run.abort.abort();
    else if (problem.code !== "job_finished" && state.run === run) tell(problem); // finished: its answer is on the way
  } finally {
    run.stopping = false;
    $("cancel").removeAttribute("aria-disabled");
  }
}

/** @param {Pick<Run, "total" | "hosted" | "kind" | "key">} facts @returns {Run} */
const newRun = (facts) => ({ abort: new AbortController(), started: performance.now(), uploaded: 0, ...facts });

/** @param {Run} run */
function begin(run) {
  state.run = run;
  state.wanted = false;
  enter("running");
  $("cancel").focus({ preventScroll: true });
}

/** @param {Result} answer @param {string} asked @param {Run} run */
async function finish(answer, asked, run) {
  const seconds = (performance.now() - run.started) / 1000;
  const predicted = answer.timings?.predict;
  const learns = !answer.deduplicated && predicted && megapixels() && !swapped(answer);
  if (learns) settings.learn(megapixels(), predicted / 1000);
  const outcome = { ...answer, fingerprint: asked, seconds, ...named() };
  state.outcome = outcome;
  const stage = await compare(outcome);
  if (run.abort.signal.aborted || state.compare !== stage) return;
  expand(false);
  enter("done");
  expand(false);
  showOutcome(outcome);
  stage.reveal();
  stage.focus();
  announce([t("outcome.announce", { time: duration(seconds) }), $("swapped").textContent].filter(Boolean).join(" "));
  if (answer.usage) take({ usage: answer.usage, monthlyUsage: answer.monthlyUsage ?? undefined });
  refresh();
  remember(answer.jobId);
}

/** What was done, and what the result's file is called after it. */
function named() {
  const { kind = "", scales = [] } = settings.model() ?? {};
  return { kind, suffix: SUFFIXES[kind] ?? (scales.length ? `${settings.chosen.scale}x` : "enhanced") };
}

/** The jobs page names the photo after its file. @param {string} jobId */
async function remember(jobId) {
  const kept = await import("./kept.js");
  if (jobId && state.photo) kept.remember(jobId, [{ name: state.photo.file.name }]);
}

/** @param {any} error */
function fail(error) {
  const { compare: stage, photo } = state;
  if (stage) stage.root.hidden = false;
  enter(state.outcome ? "done" : "ready");
  $("enhance").focus({ preventScroll: true });
  if (error.name === "AbortError" || error.code === "job_canceled") {
    state.pending = null;
    tell({ code: "canceled" });
    return;
  }
  const problem = error instanceof Problem ? error : new Problem("unknown", { message: String(error.message) });
  if (!problem.unanswered) state.pending = null;
  state.wanted = problem.code === "runs_paused";
  if (learn(problem)) return;
  if (problem.type === "rate_limit" || problem.code === "provider_throttled") wait(problem.retryAfter || 1, problem);
  if (problem.status === 429 || problem.status === 402) refresh();
  if (problem.code === "offline") addEventListener("online", () => enhance(), { once: true });
  tell(problem, problem.status === 413 && photo ? { size: bytes(photo.file.size) } : {});
}
