/** How far the run is: the bar, the clock and what is said about them. */

import { $, find } from "./dom.js";
import { duration, t } from "./i18n.js";
import { state } from "./studio-state.js";

/** When a hosted model is late; what is usual is said in the texts. */
const HOSTED_LATE_SECONDS = 30;
/** How many times the estimate a run of the embedded model may take before it is called slow. */
const SLOW_FACTOR = 1.8;

/** @param {number | null | undefined} share from 0 to 1; nothing when it is not known */
export function showShare(share) {
  const unknown = share === null || share === undefined;
  $("bar").classList.toggle("open", unknown);
  if (unknown) {
    $("bar").removeAttribute("aria-valuenow");
    return;
  }
  $("bar").setAttribute("aria-valuenow", String(Math.round(100 * share)));
  find("span", $("bar")).style.setProperty("--done", String(share));
}

/** Show where the run is now. */
export function tick() {
  const { run } = state;
  if (!run) return;
  const uploading = !run.sent;
  const elapsed = (performance.now() - (run.sent ?? run.started)) / 1000;
  const late = Boolean(run.total && elapsed > run.total);
  $("progress-title").textContent = title(run, late);
  $("progress-clock").textContent = uploading ? `${Math.round(100 * run.uploaded)}\u202f%` : clock(run, elapsed);
  $("progress-note").textContent = t(note(run, elapsed));
  showShare(uploading ? run.uploaded : estimated(run, elapsed));
}

/** @param {Run} run @param {boolean} late */
function title(run, late) {
  if (run.stopping) return t("progress.stopping");
  if (!run.sent) return t("progress.upload");
  if (run.queued?.status === "queued") return t("progress.queue");
  return t(late ? "progress.finish" : `processing.${run.kind}`);
}

/** @param {Run} run @param {number} elapsed */
function clock({ total }, elapsed) {
  const values = { elapsed: duration(elapsed, 0), total: total ? duration(total, 0) : "" };
  return t(total ? "progress.clock" : "progress.clockOpen", values);
}

/** @param {Run} run @param {number} elapsed */
function note({ queued, hosted, total }, elapsed) {
  if (queued) return "batch.goesOn";
  const slow = hosted ? elapsed > HOSTED_LATE_SECONDS : total && elapsed > SLOW_FACTOR * total;
  if (slow) return "progress.slow";
  return hosted ? "progress.hosted" : "progress.note";
}

/**
 * Nine tenths of the bar are the estimate; what takes longer comes ever slower, and never quite to the end.
 * @param {Run} run
 * @param {number} elapsed
 */
function estimated({ total }, elapsed) {
  if (!total) return null;
  return Math.min(0.96, elapsed > total ? 0.9 + 0.06 * (1 - total / elapsed) : (0.9 * elapsed) / total);
}
