/**
 * Launches in steps: in place of what starts a run, who may at the moment and how to get in, or that new runs are
 * paused; and to guests with few photos a day how many. It follows the usage; photos and settings stay as they are.
 */

import { closed, scarce } from "./admission.js";
import { $, CLOCK, INFO, LOCK, announce, el, icon } from "./dom.js";
import { lang, moreTexts, t } from "./i18n.js";
import { isWay, wayOn } from "./problems.js";
import { follow } from "./top.js";
import { onUsage, refresh, usage } from "./usage.js";

/** So long after a look the next one follows: while new runs are paused, and while others are let in first. */
const PAUSED_MS = 30e3, WAITING_MS = 60e3;
/** Who has to wait for long is looked after less often, but so often at least. */
const SLOWEST_MS = 600e3;
/** Where the focus goes when what held it is gone: the first that is there. */
const ENTRIES = ["enhance", "pick", "main"];

/** What lets in who is not yet, by what they need. @type {Record<string, string[]>} */
const WAYS = {
  sign_in: ["signIn", "photos"], invitation: ["signIn", "photos"], paid_plan: ["plans", "signIn", "photos"],
  paused: ["retry", "photos"],
};

/** @type {Promise<void> | null} */
let started = null;
/** What is shown, with all it depends on. */
let shown = "";
let looks = 0;
/** @type {number | undefined} */
let timer;

/** Follow the usage from now on; a failure may be tried again. */
export const start = () => (started ??= begin().catch(() => {
  started = null;
}));

async function begin() {
  const { href } = new URL("../css/launch.css", import.meta.url);
  const style = el("link", { rel: "stylesheet", href });
  document.head.append(style);
  const styled = new Promise((done) => (style.onload = style.onerror = done));
  await Promise.all([styled, moreTexts(), moreTexts("launch/")]);
  document.addEventListener("visibilitychange", lookLater);
  onUsage(paint);
  paint();
}

function paint() {
  const code = closed();
  const { access, ownerType, usage: day } = usage();
  const now = code && JSON.stringify([code, access.phase, access.needs, ownerType]);
  if (!code) looks = 0;
  lookLater();
  if (now !== shown) {
    const [before, held] = [shown, document.activeElement];
    shown = now;
    $("gate").replaceChildren(...(code ? content(code, access) : []));
    $("gate").hidden = !code;
    if (code) $("main").dataset.closed = code;
    else delete $("main").dataset.closed;
    say(code, before);
    if (held && held !== document.body && !held.checkVisibility()) refocus();
  }
  if ($("scarce")) paintScarce(day.limit);
}

/** @param {string} code @param {string} before */
function say(code, before) {
  if (code) announce([...$("gate").querySelectorAll("h2, p")].map(({ textContent }) => textContent).join(" "));
  else if (before) announce(t("launch.open"));
}

function refocus() {
  const target = shown ? $("gate-title") : ENTRIES.map((id) => $(id)).find((one) => one?.checkVisibility());
  target?.focus({ preventScroll: true });
}

/** @param {string} code @param {Access} access */
function content(code, { phase, needs }) {
  const paused = code === "runs_paused";
  const reader = usage().ownerType;
  const way = paused ? "" : t(`launch.way.${needs}_${reader}`);
  const lines = [t(`launch.who.${paused ? "paused" : phase}`), way].filter((line) => line);
  const known = WAYS[paused ? "paused" : needs ?? ""] ?? WAYS.paid_plan;
  const ways = known.filter((one) => isWay(one, act) && !isHere(one));
  const buttons = ways.map((one, at) => {
    const node = wayOn(one, t(`actions.${one}`), act);
    node.classList.toggle("primary", at === 0);
    node.dataset.way = one;
    return node;
  });
  return [
    icon(paused ? CLOCK : LOCK, "gate-icon"),
    el("h2", { id: "gate-title", tabIndex: -1 }, t(`launch.title.${paused ? "paused" : "closed"}`)),
    ...lines.map((line) => el("p", {}, line)),
    buttons.length ? el("div", { class: "ways" }, ...buttons) : null,
    el("p", { class: "hint", id: "gate-note" }, t("launch.stays")),
  ].filter((node) => node !== null);
}

/** On the page of the photos nothing leads there. @param {string} way */
const isHere = (way) => way === "photos" && document.body.dataset.place === "jobs";

/** @param {string} way @param {any} [event] */
async function act(way, event) {
  if (way === "retry") {
    await again();
    return;
  }
  const href = `/${lang}/jobs`; // the photos that were chosen come along, and back
  await follow(event, { href });
  if (!event.defaultPrevented) location.assign(href);
}

/** Look at once, and go on with what was refused. */
async function again() {
  const button = $("gate").querySelector("[data-way=retry]");
  button?.setAttribute("aria-busy", "true");
  await refresh();
  button?.removeAttribute("aria-busy");
  if (closed()) {
    $("gate-note").textContent = t("launch.still");
    announce(t("launch.still"));
  } else dispatchEvent(new Event("reopened"));
}

/** Ask again by and by, after a refusal when it says so; not while nobody looks at the page. */
function lookLater() {
  clearTimeout(timer);
  const code = closed();
  if (!code || document.hidden) return;
  const paused = (usage().access.retryAfter ?? 0) * 1000 || PAUSED_MS;
  timer = setTimeout(look, code === "runs_paused" ? paused : Math.min(SLOWEST_MS, WAITING_MS * 2 ** looks));
}

async function look() {
  looks++;
  await refresh();
  lookLater();
}

// --- guests with few photos a day

let asked = false;

/** @param {number} limit */
async function paintScarce(limit) {
  $("main").toggleAttribute("data-scarce", scarce());
  $("scarce").hidden = !scarce() || !$("scarce").firstElementChild;
  if (!scarce() || asked) return;
  asked = true;
  const sale = await import("./billing.js").then(({ prices }) => prices({ knows: true })).catch(() => null);
  const free = sale?.plans.find(({ plan }) => plan === "free");
  const { imagesPerDay: images = 0, creditsPerMonth: count = 0 } = free ?? {};
  const more = images > limit ? t("launch.more", { images, count }) : t("launch.moreSomehow");
  const signIn = wayOn("signIn", t("actions.signIn"));
  $("scarce").replaceChildren(icon(INFO), el("strong", {}, t("launch.scarce", { count: limit })),
    el("p", {}, more), el("div", { class: "ways" }, signIn));
  $("scarce").hidden = !scarce();
}
