/**
 * The studio: a photo comes in, is enhanced, compared and saved. This module wires the parts; `studio-state.js` holds
 * what they share.
 */

import { closed } from "./admission.js";
import { models } from "./api.js";
import { $ } from "./dom.js";
import * as editing from "./editing.js";
import { lang } from "./i18n.js";
import * as problems from "./problems.js";
import * as settings from "./settings.js";
import { clearNotices, setWays, takeWay } from "./studio-notices.js";
import { detour, expand, paintRun, quoteSoon } from "./studio-offer.js";
import { know, load, startOver } from "./studio-photos.js";
import { download, showAgain } from "./studio-result.js";
import { cancel, enhance, enhanceSeveral } from "./studio-run.js";
import { expanded, phase, state } from "./studio-state.js";
import { follow, openSignIn } from "./top.js";
import { feature, onUsage, usage } from "./usage.js";

export { open } from "./studio-photos.js";

/** Change settings as a notice offers it. @param {Partial<Chosen>} values */
function choose(values) {
  settings.set(values);
  clearNotices();
  $("enhance").focus();
}

/** To what is for sale, with the photos that were chosen. @param {any} event */
async function shop(event) {
  const href = problems.toPricing();
  await follow(event, { href });
  location.assign(href);
}

/** The settings again, beside a result. */
const showSettings = () => phase() === "done" && expand(true);

/** What happens when the reader takes a way on. */
const WAYS = {
  retry: () => (state.loaded ? (phase() === "done" ? download() : enhance()) : load()),
  runAgain: () => enhance(),
  showAgain,
  other: () => $("file").click(),
  reload: () => location.reload(),
  buy: shop,
  plans: shop,
  signIn: (/** @type {any} */ event) => openSignIn(event),
  photos: () => location.assign(`/${lang}/jobs`),
  background: enhanceSeveral,
  builtin: () => {
    settings.set({ model: settings.builtin()?.slug });
    clearNotices();
    showSettings();
    $("enhance").focus();
  },
  prompt: () => {
    showSettings();
    editing.focus();
    $("prompt").select();
  },
  scale2: () => choose({ scale: 2 }),
  cheapest: () => choose({ scale: 2, quality: "standard", face: false }),
  standard: () => choose({ quality: "standard" }),
};

function listen() {
  $("enhance").addEventListener("click", enhance);
  $("enhance-way").addEventListener("click", (event) => takeWay(detour() ?? "", event));
  $("settings").addEventListener("submit", (event) => event.preventDefault());
  $("cancel").addEventListener("click", cancel);
  $("change").addEventListener("click", () => expand(!expanded()));
  $("start-over").addEventListener("click", () => startOver());
  $("download").addEventListener("click", download);
  addEventListener("leaving", ({ detail }) => {
    const files = state.batch?.files ?? (state.photo ? [state.photo.file] : []);
    const ready = phase() === "ready";
    const { prompt } = settings.chosen;
    Object.assign(detail, { running: phase() === "running", files: ready ? files : [], prompt });
  });
  addEventListener("reopened", () => state.wanted && enhance());
  document.addEventListener("keydown", (event) => {
    const saves = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s" && phase() === "done";
    if (saves && !event.defaultPrevented) download(event);
  });
}

/** For whom the models were asked. @type {string | undefined} */
let offered;

/** Whether controls beyond the plan are blocked. */
let gated = false;

/** What a plan offers is asked for anew when it is another one or the launch lets in. @param {Usage} known */
async function renew({ plan, ownerType }) {
  const now = JSON.stringify([plan, ownerType, closed()]);
  const before = offered;
  const gates = feature("planGating");
  offered = now;
  if (before && before !== now && state.loaded) await models().then(know, () => {});
  else if (gates !== gated) {
    settings.repaint();
    quoteSoon();
  }
  gated = gates;
}

/** Be ready for photos, which `open` takes. @param {Model[] | null} known null when they could not be had yet */
export function start(known) {
  setWays(WAYS);
  onUsage(paintRun);
  onUsage(renew);
  if (usage()) renew(usage());
  listen();
  if (known) know(known);
}
