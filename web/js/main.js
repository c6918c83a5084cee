/** The first page: the way in, a sample, what is left today. What a photo needs is loaded when one is about to come. */

import { closed, whenNeeded } from "./admission.js";
import { models } from "./api.js";
import { Compare } from "./compare.js";
import { $, el, find } from "./dom.js";
import { moreTexts, t } from "./i18n.js";
import "./top.js";
import { onUsage, usage, usedUp, watch } from "./usage.js";

const CARRIED = "enhancer.carried"; // as in carry.js, which is there only when needed

/** @type {Promise<(files: File[]) => Promise<void>> | null} */
let loading = null;
/** @type {Promise<Model[] | null>} */
let catalogue = Promise.resolve(null);
let failures = 0;

/** The studio with its texts, once. A failure may be tried again, under another name: browsers remember failures. */
const studio = () => (loading ??= loadStudio().catch((error) => {
  loading = null;
  failures++;
  throw error;
}));

async function loadStudio() {
  const module = failures ? import(`./studio.js?${failures}`) : import("./studio.js");
  const [loaded, known] = await Promise.all([module, catalogue, moreTexts(), moreTexts("studio/")]);
  loaded.start(known);
  return loaded.open;
}

/** @param {Iterable<File>} files */
async function open(files) {
  const images = [...files];
  if (!images.length) return;
  $("pick").setAttribute("aria-busy", "true");
  const take = await studio().catch(() => null);
  $("pick").removeAttribute("aria-busy");
  await (take ?? lost)(images);
}

/** No connection, and the studio is not there yet: its own notices are not either. @param {File[]} images */
function lost(images) {
  const code = navigator.onLine ? "network" : "offline";
  const [title, text] = ["title", "text"].map((part) => t(`errors.${code}.${part}`));
  const notice = el("div", { class: "notice", "data-code": code }, el("strong", {}, title), el("p", {}, text));
  $("notice-empty").replaceChildren(notice);
  $("alert").textContent = `${title}. ${text}`;
  addEventListener("online", () => open(images), { once: true });
}

function listen() {
  const ahead = () => studio().catch(() => {});
  for (const name of ["pointerover", "focus"]) $("pick").addEventListener(name, ahead, { once: true });
  addEventListener("dragenter", ahead, { once: true });
  for (const name of ["pick", "other"]) $(name).addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    open($("file").files ?? []);
    $("file").value = "";
  });
  addEventListener("paste", (event) => open(event.clipboardData?.files ?? []));
  listenDrop();
}

function listenDrop() {
  /** @param {DragEvent} event */
  const carries = (event) => event.dataTransfer?.types.includes("Files") && $("main").dataset.state !== "running";
  let depth = 0;
  addEventListener("dragenter", (event) => {
    if (!carries(event)) return;
    depth++;
    $("curtain").hidden = false;
  });
  addEventListener("dragleave", (event) => {
    if (!carries(event)) return;
    depth = Math.max(0, depth - 1);
    if (!depth) $("curtain").hidden = true;
  });
  addEventListener("dragover", (event) => carries(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    depth = 0;
    $("curtain").hidden = true;
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    open(event.dataTransfer.files);
  });
}

async function showDemo() {
  const { before = "", after = "", width, height } = $("demo").dataset;
  const demo = new Compare(find(".stage", $("demo")));
  await demo.show({ before, after, width: Number(width), height: Number(height) });
  demo.reveal();
}

/** A used-up day is said before anybody goes to look for a photo. */
async function warnEarly() {
  const slot = $("notice-empty");
  const told = () => slot.querySelector("[data-code=daily_quota_exceeded]");
  const late = usedUp() && !closed();
  if ($("main").dataset.state !== "empty" || late === Boolean(told())) return;
  const [problems] = await Promise.all([import("./problems.js"), moreTexts()]);
  const problem = { code: "daily_quota_exceeded", details: usage().usage };
  if (!late) problems.clear(...[slot].filter(told));
  else if (!slot.firstElementChild) problems.show(slot, problem, { quiet: true });
}

/** Photos that were chosen before a sign-in or another language, and what should change in them. */
async function unpack() {
  const { unpack: found } = await import("./carry.js");
  const { files = [], prompt } = (await found().catch(() => null)) ?? {};
  await open(files);
  if (!files.length || !prompt) return;
  $("prompt").value = prompt;
  $("prompt").dispatchEvent(new Event("input"));
}

function carried() {
  try {
    return sessionStorage.getItem(CARRIED);
  } catch {
    return null;
  }
}

onUsage(warnEarly);
whenNeeded(() => import("./launch.js"));
listen();
catalogue = watch().then(models).catch(() => null);
showDemo();
if (carried()) unpack();
