/** The result: compared with the photo, what it cost, and the ways to save it. */

import * as api from "./api.js";
import { Compare } from "./compare.js";
import { $, INFO, el, icon, rows, save } from "./dom.js";
import { bytes, duration, modelName, modelSaid, pixels, t } from "./i18n.js";
import * as settings from "./settings.js";
import { clearNotices, tell } from "./studio-notices.js";
import { enter } from "./studio-offer.js";
import { state } from "./studio-state.js";

/** Another model ran than was asked for. @param {Result} result */
export const swapped = ({ model, requestedModel }) => Boolean(requestedModel && model && model !== requestedModel);

/**
 * Show it beside the photo. Resolves to the stage once both are painted.
 * @param {Outcome} outcome
 */
export async function compare(outcome) {
  state.compare?.remove();
  /** @type {Compare} */
  const stage = new Compare($("stage"), { onDownload: download, onBroken: () => broken(stage) });
  state.compare = stage;
  const { imageUrl: after, width, height } = outcome;
  $("studio").style.setProperty("--ratio", String(width / height));
  await stage.show({ before: before(outcome), after, width, height });
  return stage;
}

/** The photo as chosen, or the stored original where this browser cannot show the file. @param {Outcome} outcome */
const before = ({ originalUrl }) => (state.photo?.width ? state.photo.url : originalUrl);

/** @param {Outcome} outcome */
export function showOutcome(outcome) {
  showSwap(outcome);
  $("result-title").textContent = t(`outcome.title.${outcome.kind}`);
  rows($("result-rows"), outcomeRows(outcome));
  $("download").href = downloadUrl(outcome);
  $("result").classList.remove("fresh");
  void $("result").offsetWidth;
  $("result").classList.add("fresh");
}

/** @param {Outcome} outcome @returns {(Row | Falsy)[]} */
function outcomeRows({ width, height, seconds, model, imageUrl, ...outcome }) {
  const { photo } = state;
  const loaded = performance.getEntriesByName(new URL(imageUrl, location.href).href).at(-1);
  const size = loaded instanceof PerformanceResourceTiming && loaded.encodedBodySize;
  return [
    [t("outcome.dimensions"), change(photo?.width && pixels(photo.width, photo.height), pixels(width, height))],
    size && photo && [t("outcome.file"), change(bytes(photo.file.size), bytes(size))],
    [t("outcome.time"), duration(seconds)],
    model && [t("outcome.model"), modelName(settings.named(model))],
    [t("outcome.charge"), paid(outcome)],
  ];
}

/** @param {Pick<Outcome, "charge" | "deduplicated">} outcome */
function paid({ charge, deduplicated }) {
  if (deduplicated) return t("outcome.none");
  if (!charge?.total) return t("outcome.zero");
  const { planPortion: plan, creditsPortion: bought } = charge;
  return bought ? t("creditsSplit", { plan, bought }) : t("credits", { count: charge.total });
}

/** @param {string | Falsy} from @param {string} to */
const change = (from, to) =>
  (from ? el("span", {}, `${from} `, el("span", { class: "arrow" }, "→"), ` ${to}`) : to);

/** Which model made it and what was paid, where another was asked for. @param {Outcome} outcome */
function showSwap(outcome) {
  const { model, requestedModel, charge, deduplicated } = outcome;
  const other = swapped(outcome);
  $("swapped").hidden = !other;
  $("swapped").replaceChildren();
  if (!other) return;
  const names = { asked: modelName(settings.named(requestedModel)), ran: modelSaid(settings.named(model)) };
  const total = deduplicated ? 0 : charge?.total;
  const price = total ? t("paid", { price: t("credits", { count: total }) }) : t("paidNothing");
  $("swapped").append(icon(INFO), el("span", {}, `${t("swapped", { count: 1, ...names })} ${price}`));
}

// --- when it does not come

/** The result cannot be shown: it is gone, or it did not come and may be asked for again. @param {Compare} stage */
async function broken(stage) {
  const { outcome } = state;
  if (state.compare !== stage || !outcome) return;
  const code = await api.whyBroken(outcome.imageUrl);
  if (state.compare !== stage || state.outcome !== outcome) return;
  if (code === "expired") expired();
  else tell({ code });
}

function expired() {
  state.compare?.remove();
  state.compare = state.outcome = null;
  enter("ready");
  tell({ code: "expired" });
}

/** Ask for the picture under another address: browsers remember failures. */
export async function showAgain() {
  clearNotices();
  const { outcome } = state;
  if (!outcome) return;
  const { width, height } = outcome;
  const after = withQuery(outcome.imageUrl, `again=${Date.now()}`);
  await state.compare?.show({ before: before(outcome), after, width, height });
  state.compare?.focus();
}

// --- download

/** @param {string} url @param {string} query */
const withQuery = (url, query) => `${url}${url.includes("?") ? "&" : "?"}${query}`;

/** @param {Outcome} outcome */
const downloadUrl = ({ imageUrl }) => withQuery(imageUrl, "download=1");

/** Save the result under the photo's own name. @param {Event} [event] */
export async function download(event) {
  event?.preventDefault();
  const { outcome, photo } = state;
  if (!outcome || !photo) return;
  clearNotices();
  try {
    save(await api.fetchResult(downloadUrl(outcome)), photo.file.name, outcome.suffix);
  } catch (problem) {
    if (problem.code === "expired") expired();
    else if (problem.code === "network" && !problem.status) location.assign(downloadUrl(outcome));
    else tell({ code: "downloadFailed" });
  }
}
