/** The jobs page: what is running and what is ready, kept up to date. */

import { learn, whenNeeded } from "./admission.js";
import * as api from "./api.js";
import { Card, jobName, statusOf } from "./card.js";
import { $, announce, rows } from "./dom.js";
import { Problem } from "./http.js";
import { modelName, modelSaid, moreTexts, number, t } from "./i18n.js";
import * as kept from "./kept.js";
import * as problems from "./problems.js";
import * as queue from "./queue.js";
import "./top.js";
import { onUsage, refresh, watch } from "./usage.js";

const OPEN = "queued,processing";
const ENDED = "succeeded,failed,canceled";
const OPEN_QUERY = { status: OPEN, limit: "50" };
const ENDED_QUERY = { status: ENDED, limit: "12" };
const IDLE_MS = 30_000;
const LOST_MS = 5000;

/** @type {Map<string, Card>} */
const cards = new Map();
/** @type {Map<string, Model>} */
const models = new Map();
/** Of retries that may have happened without an answer. @type {Map<string, string>} */
const keys = new Map();
/** @type {string | null} */
let cursor = null;
/** @type {number | undefined} */
let timer;
let started = false;
/** @type {import("./viewer.js").Viewer | null} */
let viewer = null;

// --- what is shown

const jobs = () => [...cards.values()].map(({ job }) => job);
/**
 * What a model is called, alone or `said` in a sentence; nothing until the catalogue is there.
 * @param {string} slug
 * @param {boolean} [said]
 */
function nameOf(slug, said) {
  if (!models.size) return "";
  return (said ? modelSaid : modelName)(models.get(slug) ?? { slug });
}

/** @param {Job} job */
function show(job) {
  const known = cards.get(job.id);
  const before = known && statusOf(known.job);
  const moved = !known || queue.isOpen(known.job) !== queue.isOpen(job);
  const card = known ?? new Card(job, { act, nameOf });
  cards.set(job.id, card);
  if (known) card.update(job);
  if (moved) place(card);
  const status = statusOf(job);
  if (!before || before === status) return;
  announce(t(`jobs.said.${status}`, { name: jobName(job) }));
  if (!queue.isOpen(job)) refresh();
}

/** Newest first; a card that moves keeps the focus it had. @param {Card} card */
function place({ root, job }) {
  const list = $(queue.isOpen(job) ? "ongoing-cards" : "finished-cards");
  const active = document.activeElement;
  const held = active instanceof HTMLElement && root.contains(active) ? active : null;
  const madeAt = (/** @type {Element} */ { id }) => cards.get(id)?.job.createdAt ?? Infinity;
  const after = [...list.children].find((other) => other !== root && madeAt(other) < job.createdAt);
  list.insertBefore(root, after ?? null);
  if (held) (held.isConnected && held.checkVisibility() ? held : root).focus({ preventScroll: true });
}

/** @param {string} id */
function drop(id) {
  cards.get(id)?.root.remove();
  cards.delete(id);
}

function paint() {
  const all = jobs();
  const open = all.filter(queue.isOpen);
  const ended = all.filter((job) => !queue.isOpen(job));
  const any = all.length > 0;
  $("main").dataset.state = started ? (any ? "filled" : "empty") : "loading";
  $("wait").hidden = started;
  $("blank").hidden = !started || any;
  $("ongoing").hidden = $("finished").hidden = !started || !any;
  $("idle").hidden = open.length > 0;
  $("none").hidden = ended.length > 0;
  $("stop-all").hidden = open.length < 2;
  $("more").hidden = !cursor;
  $("open-jobs").hidden = !open.length;
  $("open-jobs").textContent = open.length ? number(open.length) : "";
  paintCounts(open, ended);
}

/** @param {Job[]} list */
const photos = (list) => list.flatMap(({ items }) => items);
/** @param {Job[]} list @param {string} status one or several, with commas */
const count = (list, status) => photos(list).filter((item) => status.includes(item.status)).length;
/** A number of what is shown, which is not all. @param {number} value */
const about = (value) => (cursor && value ? t("jobs.more_count", { count: value }) : number(value));

/** @param {Job[]} open @param {Job[]} ended */
function paintCounts(open, ended) {
  counts("ongoing-counts", open.length > 0 && [
    ["photos", number(photos(open).length)], ["working", number(count(open, OPEN))],
    ["done", number(count(open, "succeeded"))], ["failed", number(count(open, "failed,canceled"))],
  ]);
  counts("finished-counts", ended.length > 0 && [
    ["jobs", about(ended.length)], ["photos", about(photos(ended).length)],
    ["failed", about(count(ended, "failed"))],
  ]);
}

/** @param {string} id @param {[string, string][] | false} pairs */
function counts(id, pairs) {
  $(id).hidden = !pairs;
  if (!pairs || $(id).dataset.shown === String(pairs)) return;
  $(id).dataset.shown = String(pairs);
  rows($(id), pairs.map(([name, value]) => [t(`jobs.counts.${name}`), value]));
}

// --- looking

/** Ask what is open; what was open and no longer is, has ended or is gone. */
async function look() {
  clearTimeout(timer);
  if (document.hidden) return;
  let wait;
  try {
    wait = started ? await lookAgain() : await lookFirst();
    problems.clear(...[$("notice")].filter((slot) => slot.querySelector("[data-code=offline], [data-code=network]")));
  } catch (problem) {
    wait = trouble(problem);
  }
  paint();
  clearTimeout(timer);
  timer = setTimeout(look, wait);
}

async function lookFirst() {
  const [open, ended] = await Promise.all([queue.list(OPEN_QUERY), queue.list(ENDED_QUERY)]);
  started = true;
  cursor = ended.nextCursor;
  [...open.jobs, ...ended.jobs].forEach(show);
  paint();
  const wanted = cards.get(location.hash.slice(1));
  wanted?.root.scrollIntoView({ block: "nearest" });
  return open.jobs.length ? Math.max(open.wait, ended.wait) : IDLE_MS;
}

async function lookAgain() {
  const before = jobs().filter(queue.isOpen);
  const open = await queue.list(OPEN_QUERY);
  open.jobs.forEach((job) => !isOlder(job) && show(job));
  const still = new Set(open.jobs.map(({ id }) => id));
  for (const { id } of before) if (!still.has(id)) await settle(id);
  if (!before.length && !open.jobs.length) (await queue.list(ENDED_QUERY)).jobs.forEach(show);
  return jobs().some(queue.isOpen) ? open.wait : IDLE_MS;
}

/** A list asked for before a retry or a stop may arrive after its answer. @param {Job} job */
const isOlder = (job) => (cards.get(job.id)?.job.updatedAt ?? 0) > job.updatedAt;

/** @param {string} id */
async function settle(id) {
  try {
    show(await queue.one(id));
  } catch (problem) {
    if (problem.code !== "not_found") throw problem;
    drop(id);
  }
}

/** @param {Problem} problem */
function trouble(problem) {
  if (problem.code === "rate_limited") return (problem.retryAfter || 5) * 1000;
  tell(problem, look);
  return problem.unanswered ? LOST_MS : IDLE_MS;
}

async function more() {
  $("more").setAttribute("aria-disabled", "true");
  try {
    const page = await queue.list({ ...ENDED_QUERY, cursor: cursor ?? "" });
    cursor = page.nextCursor;
    const [first] = page.jobs;
    page.jobs.forEach(show);
    paint();
    if (first) cards.get(first.id)?.root.focus({ preventScroll: true });
  } catch (problem) {
    tell(problem, more);
  } finally {
    $("more").removeAttribute("aria-disabled");
  }
}

// --- acting

/** @param {Trouble} problem @param {() => unknown} [again] */
function tell(problem, again) {
  const slot = $("notice");
  const take = (/** @type {string} */ way) => {
    if (way === "reload") location.reload();
    if (way !== "retry") return;
    problems.clear(slot);
    again?.();
  };
  problems.show(slot, problem, { act: take, ways: waysOf(problem, again) });
  slot.firstElementChild?.scrollIntoView({ block: "nearest" });
}

/**
 * On this page a way on is to try again or to reload; there are no settings to change.
 * @param {Trouble} problem
 * @param {() => unknown} [again]
 */
function waysOf({ type = "", code, status }, again) {
  if (code === "INSUFFICIENT_CREDITS") return [problems.toMore()];
  if (["auth_error", "forbidden"].includes(type)) return ["reload"];
  const mayPass = status === 0 || ["provider_error", "server_error"].includes(type) || code === "downloadFailed";
  return again && mayPass ? ["retry"] : [];
}

/** What the reader may want of a job. @type {Record<string, (job: Job, index: number) => Promise<void>>} */
const actions = {
  view: async (job, index) => {
    const { Viewer } = await import("./viewer.js");
    viewer ??= new Viewer({
      onClose: (seen, at) => cards.get(seen.id)?.opener(at).focus(), onProblem: (problem) => tell(problem),
    });
    viewer.open(job, index, nameOf);
  },
  stop: async (job) => show(await queue.cancel(job.id)),
  retry: async (job) => {
    const key = keys.get(job.id) ?? crypto.randomUUID();
    keys.set(job.id, key);
    try {
      show(await queue.retry(job.id, key));
      keys.delete(job.id);
    } catch (problem) {
      if (!problem.unanswered) keys.delete(job.id);
      throw problem;
    }
    refresh();
    cards.get(job.id)?.root.scrollIntoView({ block: "nearest" });
  },
  remove: async (job) => {
    await queue.remove(job.id).catch((problem) => {
      if (problem.code !== "not_found") throw problem;
    });
    const root = cards.get(job.id)?.root;
    const beside = root?.nextElementSibling ?? root?.previousElementSibling;
    const next = beside instanceof HTMLElement ? beside : $("finished-title");
    drop(job.id);
    kept.forget(job.id);
    paint();
    (next.checkVisibility() ? next : $("main")).focus();
    announce(t("jobs.said.deleted", { name: jobName(job) }));
  },
  download: async (job) => {
    const { download } = await import("./viewer.js");
    for (const [index, { output }] of job.items.entries()) if (output) await download(job, index);
  },
};

/** What new runs being paused was in the way of. @type {(() => unknown) | null} */
let refused = null;

/** @param {string} name @param {Job} job */
async function act(name, job, index = 0) {
  problems.clear($("notice"));
  refused = null;
  if (name !== "view") cards.get(job.id)?.rest(name);
  try {
    await actions[name](job, index);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (["job_finished", "job_open", "nothing_to_retry"].includes(problem.code)) await settle(job.id).catch(() => {});
    if (learn(problem)) {
      refused = () => act(name, job, index);
      return;
    }
    const lost = name === "download" && problem.code !== "offline";
    const told = lost ? { code: problem.code === "expired" ? "gone" : "downloadFailed" } : problem;
    tell(told, () => act(name, job, index));
    if (problem.status === 429 || problem.status === 402) refresh();
  } finally {
    cards.get(job.id)?.rest(null);
    paint();
    if (name !== "view") soon();
  }
}

async function stopAll() {
  $("stop-all").setAttribute("aria-disabled", "true");
  for (const job of jobs().filter(queue.isOpen)) await act("stop", job);
  $("stop-all").removeAttribute("aria-disabled");
  if (!$("stop-all").checkVisibility()) $("ongoing-title").focus();
}

function soon() {
  clearTimeout(timer);
  timer = setTimeout(look, 1000);
}

async function loadModels() {
  const list = await api.models().catch(() => []);
  for (const entry of list) models.set(entry.slug, entry);
  for (const card of cards.values()) card.update(card.job);
}

/** Files that the enhance page could not send are told here once. */
async function tellLeft() {
  const files = kept.takeLeft();
  if (files.length) problems.show($("left"), (await import("./batch.js")).leftOut(files), {});
}

whenNeeded(() => import("./launch.js"));
onUsage(() => cards.forEach((card) => card.showActions(card.job)));
addEventListener("reopened", () => refused?.());
$("more").addEventListener("click", more);
$("stop-all").addEventListener("click", stopAll);
document.addEventListener("visibilitychange", look);
addEventListener("online", look);
addEventListener("pageshow", (event) => event.persisted && look());
await moreTexts().catch(() => {});
look();
watch();
loadModels();
tellLeft();
