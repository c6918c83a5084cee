/** Photos come in: one, or several that share the settings; and everything is given up for the next. */

import * as api from "./api.js";
import { $ } from "./dom.js";
import { bytes, pixels } from "./i18n.js";
import * as settings from "./settings.js";
import { clearNotices, tell } from "./studio-notices.js";
import { enter, forgetQuote, quoteSoon } from "./studio-offer.js";
import { showShare } from "./studio-progress.js";
import { phase, state } from "./studio-state.js";

const FILE_BYTES_MAX = 25e6;
const UNKNOWN_RATIO = 1.5;

/** @param {File[]} images */
export async function open(images) {
  const [file] = images;
  if (!file || phase() === "running") return;
  if (images.length > 1 || state.batch) {
    await openSeveral(images);
    return;
  }
  clearNotices();
  const slot = phase() === "empty" ? $("notice-empty") : $("notice");
  const facts = { name: file.name, size: bytes(file.size), limit: bytes(FILE_BYTES_MAX) };
  if (file.size > FILE_BYTES_MAX) tell({ code: "too_big_here" }, facts, slot);
  else if (file.size === 0) tell({ code: "empty_file" }, facts, slot);
  else await openOne(file);
}

/** @param {File} file */
async function openOne(file) {
  startOver(false);
  const url = URL.createObjectURL(file);
  state.photo = { file, url, ...(await measure(url)) };
  showPhoto(state.photo);
  enter("ready");
  quoteSoon();
  $("enhance").focus({ preventScroll: true });
  if (!state.loaded) await load();
}

/**
 * Several photos share the settings and become one job; more may be added to those that are there.
 * @param {File[]} files
 * @param {boolean} [alone] also a single one becomes a job
 */
export async function openSeveral(files, alone) {
  const { Batch } = await import("./batch.js");
  if (!state.batch) {
    startOver(false);
    state.batch = new Batch({ enter, tell, clearNotices, startOver, open, quoteSoon, showShare });
  }
  await state.batch.open(files, alone);
  if (!state.loaded) await load();
}

/** Width and height as seen; zeros when this browser cannot decode the file. @param {string} url */
async function measure(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return { width: image.naturalWidth, height: image.naturalHeight };
  } catch {
    return { width: 0, height: 0 };
  }
}

/** @param {Photo} photo */
function showPhoto({ file, url, width, height }) {
  const shown = Boolean(width);
  $("photo").hidden = !shown;
  $("no-preview").hidden = shown;
  if (shown) $("photo").src = url;
  $("studio").style.setProperty("--ratio", String(shown ? width / height : UNKNOWN_RATIO));
  $("meta-name").textContent = file.name;
  const facts = [shown && pixels(width, height), kindOf(file), bytes(file.size)];
  $("meta-facts").textContent = facts.filter(Boolean).join(" · ");
  settings.photoSize(shown ? { width, height } : null);
}

/** "JPEG" or "WebP", from the type that the browser gives a file. @param {File} file */
function kindOf({ type }) {
  const [, kind = ""] = type.split("/");
  return kind.replace(/^(jpeg|png|avif|heic)$/, (name) => name.toUpperCase()).replace("webp", "WebP");
}

/** Give up photos, run and result. */
export function startOver(focus = true) {
  state.run?.abort.abort();
  state.compare?.remove();
  if (state.photo) URL.revokeObjectURL(state.photo.url);
  state.batch?.close();
  Object.assign(state, { batch: null, compare: null, photo: null, outcome: null, pending: null, wanted: false });
  forgetQuote();
  clearNotices();
  enter("empty");
  if (focus) $("pick").focus();
}

// --- the catalogue, which photos wait for

/** @param {Model[]} models */
export function know(models) {
  settings.build(models, quoteSoon);
  state.loaded = true;
  quoteSoon();
}

export async function load() {
  clearNotices();
  try {
    know(await api.models());
  } catch (problem) {
    tell(problem.code === "offline" ? problem : { code: "loadModelsError", type: "server_error" });
  }
}
