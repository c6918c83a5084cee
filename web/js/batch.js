/** Several photos at once: the contact sheet in the studio, their uploads, and one job for all of them. */

import { upload } from "./api.js";
import { Problem, pause, renewing } from "./http.js";
import { $, announce, el, icon } from "./dom.js";
import { bytes, t } from "./i18n.js";
import { leave, remember } from "./kept.js";
import { describe } from "./problems.js";
import { create } from "./queue.js";
import { photoSize } from "./settings.js";
import { usage } from "./usage.js";

export const PHOTOS_MAX = 10;
const FILE_BYTES_MAX = 25e6;
const UPLOADS_AT_ONCE = 3;
const UPLOAD_KEPT_MS = 9 * 60e3;
const LOOK_PIXELS = 320;
const CROSS = "M7 7l10 10M17 7 7 17";
/** Nobody else's photo is held up by these; anything else ends the run. */
const ONE_FILE_ONLY = new Set([400, 413, 415]);

export class Batch {
  /** `studio` is what the page can do: {enter, tell, clearNotices, startOver, open, quoteSoon, showShare}. */
  constructor(studio) {
    this.photos = [];
    this.studio = studio;
    this.root = el("ul", { class: "contact", "aria-label": t("batch.photos") });
    const sheet = $("batch-style") ?? el("link", { id: "batch-style", rel: "stylesheet", href: new URL("../css/batch.css", import.meta.url).href });
    document.head.append(sheet);
    $("stage").append(this.root);
    $("stage").parentElement.parentElement.style.removeProperty("--ratio");
    photoSize(null);
  }

  /** Take files in and say which were left out. One that stays alone is opened as a single photo. */
  async open(files, alone) {
    const { clearNotices, enter, open, startOver, tell } = this.studio;
    clearNotices();
    const adding = this.add(files);
    enter("ready");
    const left = await adding;
    if (this.closed) return;
    const [only] = this.files;
    if (!this.count || (this.count === 1 && !alone)) startOver(false);
    if (this.closed && only) await open([only]);
    if (left.length) tell(leftOut(left), {}, only ? $("notice") : $("notice-empty"));
    if (only) $("enhance").focus({ preventScroll: true });
  }

  close() {
    this.closed = true;
    this.root.remove();
    $("other").textContent = t("otherPhoto");
  }

  /** What stands against the run, as text: refused here, before anything is uploaded. */
  obstacle(price) {
    const { usage: day } = usage() ?? {};
    const left = day && day.limit - day.used;
    if (left < this.count) return t("batch.quota", { count: left, surplus: this.count - left });
    const details = this.lacks(price);
    return details ? describe({ code: "INSUFFICIENT_CREDITS", details }).text : "";
  }

  /** The credits that are required and available, when those are too few; else null. */
  lacks(price) {
    const { monthlyUsage: month, credits } = usage() ?? {};
    const required = tenths(price * this.count);
    const available = month && tenths(month.limit - month.used + (credits?.blocked ? 0 : credits?.available ?? 0));
    return available < required ? { required, available } : null;
  }

  changed() {
    if (this.closed) return;
    if (!this.count && $("main").dataset.state === "ready") return this.studio.startOver();
    this.root.dataset.count = this.count;
    $("meta-name").textContent = t("batch.count", { count: this.count });
    $("meta-facts").textContent = bytes(this.bytes);
    $("other").textContent = t("batch.add");
    this.studio.quoteSoon();
  }

  get count() {
    return this.photos.length;
  }

  get files() {
    return this.photos.map(({ file }) => file);
  }

  get bytes() {
    return this.photos.reduce((sum, { file }) => sum + file.size, 0);
  }

  /** The longest side of all photos, in pixels. */
  get longest() {
    return Math.max(0, ...this.photos.flatMap(({ width, height }) => [width ?? 0, height ?? 0]));
  }

  get megapixels() {
    return this.photos.reduce((sum, { width, height }) => sum + (width ? (width * height) / 1e6 : 0), 0);
  }

  /** Take files in; returns why some were left out, as [{name, problem}]. */
  async add(files) {
    const left = [];
    for (const file of files) {
      const problem = await refusal(file);
      if (problem) left.push({ name: file.name, ...problem });
      else if (this.count >= PHOTOS_MAX) left.push({ name: file.name, code: "too_many" });
      else if (!this.files.some((one) => same(one, file))) this.append(file);
    }
    this.changed();
    for (const photo of [...this.photos]) if (!photo.seen) await this.look(photo);
    if (this.count) this.changed();
    return left;
  }

  append(file) {
    const photo = { file, seen: false };
    const remove = el("button", { type: "button", class: "contact-remove", "aria-label": t("batch.remove", { name: file.name }) }, icon(CROSS));
    remove.addEventListener("click", () => this.remove(photo));
    photo.tile = el("li", { class: "contact-tile" },
      el("span", { class: "contact-look" }, icon("M4 6.500h16v11H4zm1 10 4-4 3 3 3.500-3.500 3.500 3.500")),
      el("span", { class: "contact-name" }, file.name), el("span", { class: "contact-size" }, bytes(file.size)), remove,
      el("span", { class: "brackets", "aria-hidden": "true" }));
    this.photos.push(photo);
    this.root.append(photo.tile);
  }

  remove(photo) {
    const at = this.photos.indexOf(photo);
    this.photos.splice(at, 1);
    photo.tile.remove();
    this.root.querySelectorAll(".contact-remove")[Math.min(at, this.count - 1)]?.focus();
    this.changed();
  }

  /** Paint a small picture of it, and learn its size; what the browser cannot decode may still work. */
  async look(photo) {
    photo.seen = true;
    const url = URL.createObjectURL(photo.file);
    const image = new Image();
    image.src = url;
    try {
      await image.decode();
      const { naturalWidth: width, naturalHeight: height } = image;
      const scale = Math.min(1, LOOK_PIXELS / Math.max(width, height));
      const canvas = el("canvas", { width: Math.ceil(width * scale), height: Math.ceil(height * scale) });
      canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
      Object.assign(photo, { width, height, look: canvas.toDataURL("image/webp", 0.75) });
      photo.tile.querySelector(".contact-look").replaceChildren(el("img", { src: photo.look, alt: "" }));
    } catch {
      photo.tile.classList.add("blind");
      photo.tile.title = t("noPreview");
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  /** Upload what is not there yet and start one job with `order`. */
  async run({ prompt, model, ...params }, signal) {
    const left = [];
    const waiting = this.photos.filter(({ sentAt }) => !(Date.now() - sentAt < UPLOAD_KEPT_MS));
    for (const photo of waiting) Object.assign(photo, { share: 0, key: null });
    const report = () => this.report();
    report();
    announce(t("progress.upload"));
    const worker = async () => {
      for (let photo = waiting.shift(); photo; photo = waiting.shift()) {
        photo.tile.dataset.state = "sending";
        try {
          photo.key = await this.send(photo, { signal, onUpload: (share) => ((photo.share = share), report()) });
          photo.sentAt = Date.now();
          photo.tile.dataset.state = "sent";
        } catch (problem) {
          delete photo.tile.dataset.state;
          if (!ONE_FILE_ONLY.has(problem.status)) throw problem;
          photo.tile.dataset.state = "refused";
          left.push({ name: photo.file.name, code: problem.code, details: problem.details, apiMessage: problem.apiMessage, problem });
        }
        report();
      }
    };
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, worker));
    const ready = this.photos.filter(({ key }) => key);
    if (!ready.length) throw left[0].problem;
    const items = ready.map(({ key }) => ({ uploadKey: key, prompt: prompt || undefined }));
    const order = { model, params, items };
    const asked = JSON.stringify(order);
    if (this.asked !== asked) Object.assign(this, { asked, idempotencyKey: crypto.randomUUID() });
    const job = await create({ key: this.idempotencyKey, ...order }).catch((problem) => this.forget(problem));
    remember(job.id, ready.map(({ file, look }) => ({ name: file.name, look })));
    leave(left.map(({ problem, ...told }) => told));
    return job;
  }

  report() {
    const sent = this.photos.filter(({ key }) => key).length;
    $("progress-title").textContent = t("progress.upload");
    $("progress-clock").textContent = t("batch.sent", { sent, count: this.count });
    $("progress-note").textContent = t("batch.note");
    this.studio.showShare(this.photos.reduce((sum, { file, key, share }) => sum + file.size * (key ? 1 : share), 0) / this.bytes);
  }

  /** One upload; a call too many in this minute waits for the next. */
  async send({ file }, options) {
    for (;;) {
      try {
        return await renewing(() => upload(file, options));
      } catch (problem) {
        if (problem.code !== "rate_limited") throw problem;
        await pause((problem.retryAfter || 5) * 1000, options.signal);
      }
    }
  }

  forget(problem) {
    if (!problem.unanswered) this.asked = null;
    if (problem.code === "upload_not_found") for (const photo of this.photos) photo.sentAt = 0;
    throw problem instanceof Problem ? problem : new Problem("unknown", { message: problem.message });
  }
}

const tenths = (credits) => Math.round(credits * 10) / 10;
const same = (one, other) => one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;

/** Why a file cannot even be sent, or null. */
async function refusal(file) {
  if (file.type && !file.type.startsWith("image/")) return { code: "image_format_unsupported" };
  if (file.size > FILE_BYTES_MAX) return { code: "too_big_here" };
  try {
    await file.slice(0, 16).arrayBuffer();
  } catch {
    return { code: "unreadable_here" };
  }
  return file.size ? null : { code: "empty_file" };
}

/** A problem that tells which files were left out, and each one's reason. */
export function leftOut(files) {
  const beyond = files.filter(({ code }) => code === "too_many").length;
  const lines = files.filter(({ code }) => code !== "too_many").map((file) => `${file.name}: ${describe(file).title}`);
  if (beyond) lines.unshift(t("batch.tooMany", { limit: PHOTOS_MAX, count: beyond }));
  return { code: "leftOut", details: { count: files.length, lines: lines.join("\n") } };
}
