/** The jobs page: what is running and what is ready, kept up to date. */

import * as api from "./api.js";
import { Card, jobName, statusOf } from "./card.js";
import { $, announce, rows } from "./dom.js";
import { Problem } from "./http.js";
import { modelName, modelSaid, moreTexts, number, t } from "./i18n.js";
import * as kept from "./kept.js";
import * as problems from "./problems.js";
import * as queue from "./queue.js";
import "./top.js";
import { refresh, watch } from "./usage.js";

const OPEN = "queued,processing";
const ENDED = "succeeded,failed,canceled";
const PAGE = 12;
const IDLE_MS = 30_000;
const LOST_MS = 5000;

const cards = new Map();
const models = new Map();
const keys = new Map(); // of retries that may have happened without an answer
let cursor = null;
let timer = null;
let started = false;
let viewer = null;

// --- what is shown

const jobs = () => [...cards.values()].map(({ job }) => job);
/** What a model is called, alone or `said` in a sentence; nothing until the catalogue is there. */
const nameOf = (slug, said) => (models.size ? (said ? modelSaid : modelName)(models.get(slug) ?? { slug }) : "");

function show(job) {
  const card = cards.get(job.id);
  const before = card && statusOf(card.job);
  const moved = !card || queue.isOpen(card.job) !== queue.isOpen(job);
  if (card) card.update(job);
  else cards.set(job.id, new Card(job, { act, nameOf }));
  if (moved) place(cards.get(job.id));
  const status = statusOf(job);
  if (!before || before === status) return;
  announce(t(`jobs.said.${status}`, { name: jobName(job) }));
  if (!queue.isOpen(job)) refresh();
}

/** Newest first; a card that moves keeps the focus it had. */
function place({ root, job }) {
  const list = $(queue.isOpen(job) ? "ongoing-cards" : "finished-cards");
  const held = root.contains(document.activeElement) && document.activeElement;
  const after = [...list.children].find((other) => other !== root && cards.get(other.id).job.createdAt < job.createdAt);
  list.insertBefore(root, after ?? null);
  if (held) (held.isConnected && held.checkVisibility() ? held : root).focus({ preventScroll: true });
}

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
  const photos = (list) => list.flatMap(({ items }) => items);
  const count = (list, status) => photos(list).filter((item) => status.includes(item.status)).length;
  const about = (value) => (cursor && value ? t("jobs.more_count", { count: value }) : number(value));
  counts("ongoing-counts", open.length && [
    ["photos", number(photos(open).length)], ["working", number(count(open, OPEN))],
    ["done", number(count(open, "succeeded"))], ["failed", number(count(open, "failed,canceled"))],
  ]);
  counts("finished-counts", ended.length && [
    ["jobs", about(ended.length)], ["photos", about(photos(ended).length)], ["failed", about(count(ended, "failed"))],
  ]);
}

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
  const [open, ended] = await Promise.all([queue.list({ status: OPEN, limit: 50 }), queue.list({ status: ENDED, limit: PAGE })]);
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
  const open = await queue.list({ status: OPEN, limit: 50 });
  open.jobs.forEach((job) => !isOlder(job) && show(job));
  const still = new Set(open.jobs.map(({ id }) => id));
  for (const { id } of before) if (!still.has(id)) await settle(id);
  if (!before.length && !open.jobs.length) (await queue.list({ status: ENDED, limit: PAGE })).jobs.forEach(show);
  return jobs().some(queue.isOpen) ? open.wait : IDLE_MS;
}

/** A list asked for before a retry or a stop may arrive after its answer. */
const isOlder = (job) => cards.get(job.id)?.job.updatedAt > job.updatedAt;

async function settle(id) {
  try {
    show(await queue.one(id));
  } catch (problem) {
    if (problem.code !== "not_found") throw problem;
    drop(id);
  }
}

function trouble(problem) {
  if (problem.code === "rate_limited") return (problem.retryAfter || 5) * 1000;
  tell(problem, { again: look });
  return problem.unanswered ? LOST_MS : IDLE_MS;
}

async function more() {
  $("more").setAttribute("aria-disabled", "true");
  try {
    const page = await queue.list({ status: ENDED, limit: PAGE, cursor });
    cursor = page.nextCursor;
    const [first] = page.jobs;
    page.jobs.forEach(show);
    paint();
    if (first) cards.get(first.id).root.focus({ preventScroll: true });
  } catch (problem) {
    tell(problem, { again: more });
  } finally {
    $("more").removeAttribute("aria-disabled");
  }
}

// --- acting

function tell(problem, { again, slot = $("notice") } = {}) {
  problems.show(slot, problem, { act: (way) => ({ reload: () => location.reload(), retry: () => (problems.clear(slot), again?.()) })[way]?.(), ways: waysOf(problem, again) });
  slot.firstElementChild.scrollIntoView({ block: "nearest" });
}

/** On this page a way on is to try again or to reload; there are no settings to change. */
const waysOf = ({ type, code, unanswered }, again) =>
  (code === "INSUFFICIENT_CREDITS" ? ["buy"] : ["auth_error", "forbidden"].includes(type) ? ["reload"] : again && (unanswered || ["provider_error", "server_error"].includes(type) || code === "downloadFailed") ? ["retry"] : []);

const actions = {
  view: async (job, index) => {
    const { Viewer } = await import("./viewer.js");
    viewer ??= new Viewer({ onClose: (seen, at) => cards.get(seen.id)?.opener(at).focus(), onProblem: (problem) => tell(problem) });
    viewer.open(job, index, nameOf);
  },
  stop: async (job) => show(await queue.cancel(job.id)),
  retry: async (job) => {
    keys.set(job.id, keys.get(job.id) ?? crypto.randomUUID());
    try {
      show(await queue.retry(job.id, keys.get(job.id)));
      keys.delete(job.id);
    } catch (problem) {
      if (!problem.unanswered) keys.delete(job.id);
      throw problem;
    }
    refresh();
    cards.get(job.id).root.scrollIntoView({ block: "nearest" });
  },
  remove: async (job) => {
    await queue.remove(job.id).catch((problem) => {
      if (problem.code !== "not_found") throw problem;
    });
    const { root } = cards.get(job.id);
    const next = (root.nextElementSibling ?? root.previousElementSibling ?? $("finished-title"));
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

async function act(name, job, detail) {
  const card = cards.get(job.id);
  problems.clear($("notice"));
  if (name !== "view") card.rest(name);
  try {
    await actions[name](job, detail);
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (["job_finished", "job_open", "nothing_to_retry"].includes(problem.code)) await settle(job.id).catch(() => {});
    tell(name === "download" && problem.code !== "offline" ? { code: problem.code === "expired" ? "gone" : "downloadFailed" } : problem, { again: () => act(name, job, detail) });
    if (problem.status === 429 || problem.status === 402) refresh();
  } finally {
    if (cards.has(job.id)) card.rest(null);
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
