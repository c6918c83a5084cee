/** The studio: a photo comes in, is enhanced, compared and saved. */

import * as api from "./api.js";
import { Compare } from "./compare.js";
import { $, INFO, announce, el, icon, rows, save } from "./dom.js";
import * as editing from "./editing.js";
import { Problem } from "./http.js";
import { bytes, duration, lang, modelName, modelSaid, moment, pixels, t } from "./i18n.js";
import * as problems from "./problems.js";
import * as settings from "./settings.js";
import { follow } from "./top.js";
import { onUsage, refresh, take, usage, usedUp } from "./usage.js";

const FILE_BYTES_MAX = 25e6;
/** When a hosted model is late; what is usual is said in the texts. */
const HOSTED_LATE_SECONDS = 30;
/** What a result is called after its file: by what was done to it. */
const SUFFIXES = { restore: "restored", edit: "edited" };
/** Ways on that are also shown beside a run that cannot start. */
const DETOURS = ["builtin", "buy", "plans"];
const PHASES = ["empty", "ready", "running", "done"];

let photo = null; // {file, url, width, height}
let batch = null; // several photos instead of the one
let outcome = null; // the answer of the last run, with the settings it was made with
let run = null; // {abort, key, started, total, ticker}
let pending = null; // {fingerprint, key}: a run that may have happened without an answer
let quoted = null; // {fingerprint, data | problem}
let compare = null;
let blockedUntil = 0;
let closedUntil = 0; // the day's photos, of this reader or of the network, are used up until then
let countdown = null;
let loaded = false;

// --- states

const phase = () => $("main").dataset.state;

function enter(next) {
  console.assert(PHASES.includes(next));
  $("main").dataset.state = next;
  document.querySelector(".welcome").hidden = next !== "empty";
  $("studio").hidden = next === "empty";
  $("preview").hidden = next === "done" || Boolean(batch);
  if (next === "running") $("notice").replaceChildren();
  $("progress").hidden = next !== "running";
  $("result").hidden = next !== "done";
  if (next === "ready") expand(true);
  $("settings").hidden = next === "running" || (next === "done" && !expanded());
  paintRun();
}

const expanded = () => $("change").getAttribute("aria-expanded") === "true";

function expand(on) {
  $("change").setAttribute("aria-expanded", String(on));
  $("change").textContent = t(on ? "hideSettings" : "changeSettings");
  $("settings").hidden = phase() === "done" && !on;
  paintRun();
}

/** How many photos the next run is about. */
const count = () => batch?.count ?? (photo ? 1 : 0);

const fingerprint = () => JSON.stringify([settings.model() && settings.order(), photo?.file.name, photo?.file.size, photo?.file.lastModified]);

// --- a photo comes in

export async function open(images) {
  const [file] = images;
  if (!file || phase() === "running") return;
  if (images.length > 1 || batch) return openSeveral(images);
  clearNotices();
  const slot = phase() === "empty" ? $("notice-empty") : $("notice");
  const size = bytes(file.size);
  if (file.size > FILE_BYTES_MAX) {
    return tell({ code: "too_big_here" }, { name: file.name, size, limit: bytes(FILE_BYTES_MAX) }, slot);
  }
  if (file.size === 0) return tell({ code: "empty_file" }, { name: file.name }, slot);
  startOver(false);
  const url = URL.createObjectURL(file);
  photo = { file, url, ...(await measure(url)) };
  showPhoto();
  enter("ready");
  quoteSoon();
  $("enhance").focus({ preventScroll: true });
  if (!loaded) await load();
}

/** Several photos share the settings and become one job; more may be added to those that are there. */
async function openSeveral(files, alone) {
  const { Batch } = await import("./batch.js");
  if (!batch) {
    startOver(false);
    batch = new Batch({ enter, tell, clearNotices, startOver, open, quoteSoon, showShare });
  }
  await batch.open(files, alone);
  if (!loaded) await load();
}

/** Width and height as seen, or nothing when this browser cannot decode the file. */
async function measure(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return { width: image.naturalWidth, height: image.naturalHeight };
  } catch {
    return {};
  }
}

function showPhoto() {
  const { file, url, width, height } = photo;
  const shown = Boolean(width);
  $("photo").hidden = !shown;
  $("no-preview").hidden = shown;
  if (shown) $("photo").src = url;
  $("stage").parentElement.parentElement.style.setProperty("--ratio", shown ? width / height : 1.5);
  $("meta-name").textContent = file.name;
  const kind = (file.type.split("/")[1] ?? "").replace(/^(jpeg|png|avif|heic)$/, (name) => name.toUpperCase()).replace("webp", "WebP");
  $("meta-facts").textContent = [shown && pixels(width, height), kind, bytes(file.size)].filter(Boolean).join(" · ");
  settings.photoSize(shown ? { width, height } : null);
}

const megapixels = () => batch?.megapixels ?? (photo?.width ? (photo.width * photo.height) / 1e6 : 0);

function startOver(focus = true) {
  run?.abort.abort();
  compare?.remove();
  if (photo) URL.revokeObjectURL(photo.url);
  batch?.close();
  batch = null;
  compare = photo = outcome = pending = quoted = null;
  clearNotices();
  enter("empty");
  if (focus) $("pick").focus();
}

// --- price before the run

const quotes = new Map();
let quoteTimer = null;
let quoteAbort = null;

function quoteSoon() {
  clearTimeout(quoteTimer);
  quoteTimer = setTimeout(askQuote, 200);
  paintRun();
}

async function askQuote() {
  if (!count() || !settings.model()) return;
  quoteAbort?.abort();
  quoteAbort = new AbortController();
  const asked = questionNow();
  const { width, height } = photo ?? {};
  try {
    const data = quotes.get(asked) ?? (await api.quote({ ...settings.question(), width, height }, quoteAbort.signal));
    quotes.set(asked, data);
    quoted = { fingerprint: asked, data };
  } catch (problem) {
    if (problem.name === "AbortError") return;
    quoted = { fingerprint: asked, problem };
  }
  paintRun();
}

const questionNow = () => JSON.stringify([settings.question(), photo?.width, photo?.height, usage()?.plan]);

/** The quote for the settings as they are now. */
const current = () => (settings.model() && quoted?.fingerprint === questionNow() ? quoted : null);

/** Credits for one photo; null before the quote is there. */
const price = () => current()?.data?.price.total ?? (current() ? settings.model()?.price ?? 1 : null);

const credits = (amount) => (amount == null ? t("quote.pending") : amount ? t("credits", { count: amount }) : t("quote.free"));

/** Why the run cannot start now, as text; empty when it can. */
function obstacle() {
  const entry = settings.model();
  if (!entry) return loaded ? t("why.model") : "";
  if (usedUp()) return t("why.quota", { when: moment(usage().usage.resetAt) });
  if (Date.now() < closedUntil) return t("why.quota", { when: moment(closedUntil) });
  if (batch) return batch.obstacle(price());
  const refusal = current()?.data?.refusal;
  return refusal && !tooSlow() ? problems.describe({ ...refusal, apiMessage: refusal.message }).text : "";
}

/** The name of a way round what stands against the run, or undefined. */
function detour() {
  if (usedUp()) return usage().ownerType === "user" ? "plans" : undefined;
  if (batch) return batch.lacks(price()) ? "buy" : undefined;
  const refusal = current()?.data?.refusal;
  return refusal && problems.waysOf(refusal).find((way) => DETOURS.includes(way) && label(way));
}

/** Work that no single request finishes runs as a job, in the background. */
const tooSlow = () => !batch && current()?.data?.refusal?.code === "needs_job";

function paintRun() {
  const state = phase();
  const same = state === "done" && outcome?.fingerprint === fingerprint();
  $("run").hidden = state === "running" || (state === "done" && (!expanded() || same));
  if (!count()) return;
  const seconds = settings.estimate(megapixels());
  rows($("quote"), [
    [t("quote.price"), credits(price() && Math.round(price() * count() * 10) / 10)],
    batch && [t("batch.each"), credits(price())],
    [t("quote.time"), seconds ? t("quote.about", { time: duration(seconds, 0) }) : t(settings.hosted() ? "quote.hosted" : "quote.unknownTime")],
    !batch && settings.outcomeSize() && [t("quote.size"), settings.outcomeSize()],
  ]);
  const blocked = obstacle();
  const shrinks = settings.shrinksTo(batch?.longest ?? Math.max(photo?.width ?? 0, photo?.height ?? 0));
  const why = blocked || [tooSlow() && t("batch.background"), shrinks && t("shrinks", { count: count(), side: shrinks })].filter(Boolean).join(" ");
  $("enhance-why").classList.toggle("quiet", !blocked);
  const counting = Date.now() < blockedUntil;
  $("enhance").setAttribute("aria-disabled", String(Boolean(blocked) || counting || !settings.model()));
  if ($("enhance-why").textContent !== why) $("enhance-why").textContent = why;
  const way = blocked && detour();
  $("enhance-way").textContent = way ? label(way) : "";
  $("enhance-way").hidden = !way;
  $("enhance-label").textContent = counting ? t("enhanceIn", { time: duration(left(), 0) })
    : batch ? t("batch.enhance", { count: count() }) : t(state === "done" ? "enhanceAgain" : "enhance");
}

// --- the run

/** An edit without words is not even sent. */
function askWords() {
  if (phase() === "done" && !expanded()) expand(true);
  editing.missing(true);
}

async function enhance() {
  if (run || !count() || !settings.model() || obstacle() || Date.now() < blockedUntil) return;
  clearNotices();
  if (settings.wordless()) return askWords();
  if (batch || tooSlow()) return enhanceSeveral();
  const asked = fingerprint();
  const key = pending?.fingerprint === asked ? pending.key : crypto.randomUUID();
  pending = { fingerprint: asked, key };
  run = { abort: new AbortController(), started: performance.now(), total: settings.estimate(megapixels()), hosted: settings.hosted(), kind: settings.model().kind, uploaded: 0 };
  const mine = run;
  if (compare) compare.root.hidden = true;
  enter("running");
  $("cancel").focus({ preventScroll: true });
  announce(mine.total ? t("progress.started", { time: duration(mine.total, 0) }) : t(mine.hosted ? "progress.startedHosted" : "progress.startedOpen"));
  run.ticker = setInterval(tick, 200);
  tick();
  try {
    const answer = await api.generate({ file: photo.file, key, ...settings.order() }, {
      signal: mine.abort.signal,
      onUpload: (share) => ((mine.uploaded = share), share === 1 && (mine.sent ??= performance.now()), tick()),
      onQueue: (job) => (mine.queued = job),
    });
    pending = null;
    await finish(answer, asked, mine);
  } catch (error) {
    if (run === mine) fail(error);
  } finally {
    clearInterval(mine.ticker);
    if (run === mine) run = null;
  }
}

/** Start one job for all photos, and go where it can be watched. */
async function enhanceSeveral() {
  if (!batch) await openSeveral([photo.file], true);
  if (!batch || run) return;
  const mine = (run = { abort: new AbortController() });
  enter("running");
  $("cancel").focus({ preventScroll: true });
  try {
    const job = await batch.run(settings.order(), mine.abort.signal);
    addEventListener("pageshow", (event) => event.persisted && startOver(), { once: true });
    location.assign(`/${lang}/jobs#${job.id}`);
  } catch (error) {
    if (run === mine) fail(error);
  } finally {
    if (run === mine) run = null;
  }
}

function showShare(share) {
  const open = share == null;
  $("bar").classList.toggle("open", open);
  if (open) return $("bar").removeAttribute("aria-valuenow");
  $("bar").setAttribute("aria-valuenow", Math.round(100 * share));
  $("bar").firstElementChild.style.setProperty("--done", share);
}

function tick() {
  if (!run) return;
  const uploading = !run.sent;
  const elapsed = (performance.now() - (run.sent ?? run.started)) / 1000;
  const late = run.total && elapsed > run.total;
  const share = uploading ? run.uploaded : run.total && Math.min(0.96, late ? 0.9 + 0.06 * (1 - run.total / elapsed) : (0.9 * elapsed) / run.total);
  $("progress-title").textContent = t(uploading ? "progress.upload" : run.queued?.status === "queued" ? "progress.queue" : late ? "progress.finish" : `processing.${run.kind}`);
  const clock = { elapsed: duration(elapsed, 0), total: run.total && duration(run.total, 0) };
  $("progress-clock").textContent = uploading ? `${Math.round(100 * run.uploaded)}\u202f%` : t(run.total ? "progress.clock" : "progress.clockOpen", clock);
  const slow = run.hosted ? elapsed > HOSTED_LATE_SECONDS : late && elapsed > 1.8 * run.total;
  $("progress-note").textContent = t(run.queued ? "batch.goesOn" : slow ? "progress.slow" : run.hosted ? "progress.hosted" : "progress.note");
  showShare(share);
}

async function finish(answer, asked, mine) {
  const seconds = (performance.now() - mine.started) / 1000;
  const predicted = answer.timings?.predict;
  if (!answer.deduplicated && predicted && megapixels() && !swapped(answer)) settings.learn(megapixels(), predicted / 1000);
  const { kind, scales } = settings.model();
  outcome = { ...answer, fingerprint: asked, seconds, kind, suffix: SUFFIXES[kind] ?? (scales?.length ? `${settings.chosen.scale}x` : "enhanced") };
  const before = photo.width ? photo.url : answer.originalUrl;
  compare?.remove();
  const stage = new Compare($("stage"), { onDownload: download, onBroken: () => broken(stage) });
  compare = stage;
  $("stage").parentElement.parentElement.style.setProperty("--ratio", answer.width / answer.height);
  await stage.show({ before, after: answer.imageUrl, width: answer.width, height: answer.height });
  if (mine.abort.signal.aborted || compare !== stage) return;
  expand(false);
  enter("done");
  expand(false);
  showOutcome();
  stage.reveal();
  stage.focus();
  announce([t("outcome.announce", { time: duration(seconds) }), $("swapped").textContent].filter(Boolean).join(" "));
  if (answer.usage) take({ usage: answer.usage, monthlyUsage: answer.monthlyUsage ?? undefined });
  refresh();
  import("./kept.js").then(({ remember }) => answer.jobId && remember(answer.jobId, [{ name: photo?.file.name }]));
}

/** Another model ran than was asked for. */
const swapped = ({ model, requestedModel }) => Boolean(requestedModel && model && model !== requestedModel);

/** Which model made it and what was paid, where another was asked for. */
function showSwap() {
  const { model, requestedModel, charge, deduplicated } = outcome;
  const other = swapped(outcome);
  $("swapped").hidden = !other;
  if (!other) return $("swapped").replaceChildren();
  const told = t("swapped", { count: 1, asked: modelName(settings.named(requestedModel)), ran: modelSaid(settings.named(model)) });
  const total = deduplicated ? 0 : charge?.total;
  $("swapped").replaceChildren(icon(INFO), el("span", {}, `${told} ${total ? t("paid", { price: t("credits", { count: total }) }) : t("paidNothing")}`));
}

function showOutcome() {
  const { width, height, charge, deduplicated, seconds, model } = outcome;
  showSwap();
  $("result-title").textContent = t(`outcome.title.${outcome.kind}`);
  const nothing = deduplicated ? t("outcome.none") : t("outcome.zero");
  const total = charge?.total ?? 0;
  const paid = charge?.creditsPortion ? t("creditsSplit", { plan: charge.planPortion, bought: charge.creditsPortion }) : t("credits", { count: total });
  const resultBytes = performance.getEntriesByName(new URL(outcome.imageUrl, location).href).at(-1)?.encodedBodySize;
  rows($("result-rows"), [
    [t("outcome.dimensions"), change(photo.width && pixels(photo.width, photo.height), pixels(width, height))],
    resultBytes && [t("outcome.file"), change(bytes(photo.file.size), bytes(resultBytes))],
    [t("outcome.time"), duration(seconds)],
    model && [t("outcome.model"), modelName(settings.named(model))],
    [t("outcome.charge"), total && !deduplicated ? paid : nothing],
  ]);
  $("download").href = downloadUrl();
  $("result").classList.remove("fresh");
  void $("result").offsetWidth;
  $("result").classList.add("fresh");
}

const change = (from, to) => (from ? el("span", {}, `${from} `, el("span", { class: "arrow" }, "→"), ` ${to}`) : to);

function fail(error) {
  if (compare) compare.root.hidden = false;
  enter(outcome ? "done" : "ready");
  $("enhance").focus({ preventScroll: true });
  if (error.name === "AbortError") return tell({ code: "canceled" });
  const problem = error instanceof Problem ? error : new Problem("unknown", { message: String(error.message) });
  if (!problem.unanswered) pending = null;
  if (problem.type === "rate_limit" || problem.code === "provider_throttled") wait(problem.retryAfter || 1, problem);
  if (problem.status === 429 || problem.status === 402) refresh();
  if (problem.code === "offline") addEventListener("online", () => enhance(), { once: true });
  const size = problem.status === 413 && photo ? { size: bytes(photo.file.size) } : {};
  tell(problem, { ...size });
}

/** The result cannot be shown: it is gone, or it did not come and may be asked for again. */
async function broken(stage) {
  if (compare !== stage) return;
  const made = outcome;
  const code = await api.whyBroken(made.imageUrl);
  if (compare === stage && outcome === made) code === "expired" ? expired() : tell({ code });
}

function expired() {
  compare.remove();
  compare = outcome = null;
  enter("ready");
  tell({ code: "expired" });
}

/** Ask for the picture under another address: browsers remember failures. */
async function showAgain() {
  clearNotices();
  const { imageUrl, originalUrl, width, height } = outcome;
  const after = `${imageUrl}${imageUrl.includes("?") ? "&" : "?"}again=${Date.now()}`;
  await compare.show({ before: photo.width ? photo.url : originalUrl, after, width, height });
  compare?.focus();
}

/** Count down to the moment the run is possible again; a used-up day is told as a clock time instead. */
function wait(seconds, problem) {
  if (problem.details?.resetAt) {
    closedUntil = problem.details.resetAt;
    return paintRun();
  }
  blockedUntil = Date.now() + seconds * 1000;
  clearInterval(countdown);
  countdown = setInterval(() => {
    if (Date.now() >= blockedUntil) {
      clearInterval(countdown);
      if ($("notice").querySelector("[data-code=rate_limited], [data-code=provider_throttled]")) clearNotices();
    }
    paintRun();
  }, 500);
  paintRun();
}

const left = () => Math.max(1, Math.ceil((blockedUntil - Date.now()) / 1000));

// --- notices

const ways = {
  retry: () => (loaded ? (phase() === "done" ? download() : enhance()) : load()),
  runAgain: () => enhance(),
  showAgain: () => showAgain(),
  other: () => $("file").click(),
  reload: () => location.reload(),
  buy: (event) => shop(event),
  plans: (event) => shop(event),
  photos: () => location.assign(`/${lang}/jobs`),
  background: () => enhanceSeveral(),
  builtin: () => (settings.set({ model: settings.builtin().slug }), clearNotices(), phase() === "done" && expand(true), $("enhance").focus()),
  prompt: () => (phase() === "done" && expand(true), editing.focus(), $("prompt").select()),
  scale2: () => (settings.set({ scale: 2 }), clearNotices(), $("enhance").focus()),
  cheapest: () => (settings.set({ scale: 2, quality: "standard", face: false }), clearNotices(), $("enhance").focus()),
  standard: () => (settings.set({ quality: "standard" }), clearNotices(), $("enhance").focus()),
};

/** To what is for sale, with the photos that were chosen. */
async function shop(event) {
  const href = problems.toPricing();
  await follow(event, { href });
  location.assign(href);
}

/** What a way on is called; null where it does not exist. */
function label(way) {
  const kind = settings.model()?.kind;
  if ((way === "builtin" && !settings.builtin()) || (way === "prompt" && !settings.model()?.prompt)) return null;
  return t(`actions.${way}_${kind}`) ?? t(`actions.${way}`);
}

function tell(problem, extra, slot = $("notice")) {
  problems.show(slot, problem, { extra, label, act: (way) => ways[way]() });
  slot.firstElementChild?.scrollIntoView({ block: "nearest" });
}

const clearNotices = () => problems.clear($("notice"), $("notice-empty"));

// --- download

const downloadUrl = () => outcome.imageUrl + (outcome.imageUrl.includes("?") ? "&" : "?") + "download=1";

async function download(event) {
  event?.preventDefault();
  if (!outcome) return;
  clearNotices();
  try {
    save(await api.fetchResult(downloadUrl()), photo.file.name, outcome.suffix);
  } catch (problem) {
    if (problem.code === "expired") expired();
    else if (problem.code === "network" && !problem.status) location.assign(downloadUrl());
    else tell({ code: "downloadFailed" });
  }
}

// --- wiring

function listen() {
  $("enhance").addEventListener("click", enhance);
  $("enhance-way").addEventListener("click", (event) => ways[detour()]?.(event));
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  $("cancel").addEventListener("click", () => run?.abort.abort());
  $("change").addEventListener("click", () => expand(!expanded()));
  $("start-over").addEventListener("click", () => startOver());
  $("download").addEventListener("click", download);
  addEventListener("leaving", ({ detail }) => {
    const files = batch?.files ?? (photo ? [photo.file] : []);
    Object.assign(detail, { running: phase() === "running", files: phase() === "ready" ? files : [], prompt: settings.chosen.prompt });
  });
  document.addEventListener("keydown", (event) => {
    const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s" && phase() === "done";
    if (saves && !event.defaultPrevented) download(event);
  });
}

function know(models) {
  settings.build(models, quoteSoon);
  loaded = true;
  quoteSoon();
}

async function load() {
  clearNotices();
  try {
    know(await api.models());
  } catch (problem) {
    tell(problem.code === "offline" ? problem : { code: "loadModelsError", type: "server_error" });
  }
}

/** Be ready for photos, which `open` takes; `models` is empty when they could not be had yet. */
export function start(models) {
  onUsage(paintRun);
  listen();
  if (models) know(models);
}
