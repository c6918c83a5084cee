/** Several photos at once: the contact sheet in the studio, their uploads, and one job for all of them. */

import { upload } from "./api.js";
import { Problem, pause, renewing } from "./http.js";
import { $, announce, el, find, icon } from "./dom.js";
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
const PICTURE = "M4 6.500h16v11H4zm1 10 4-4 3 3 3.500-3.500 3.500 3.500";
const CROSS = "M7 7l10 10M17 7 7 17";
/** Nobody else's photo is held up by these; anything else ends the run. */
const ONE_FILE_ONLY = new Set([400, 413, 415]);

export class Batch {
  /** @param {Studio} studio */
  constructor(studio) {
    /** @type {SheetPhoto[]} */
    this.photos = [];
    this.studio = studio;
    this.closed = false;
    /** The order that was sent last, and its key: the same is sent again under the same key. */
    this.asked = "";
    this.idempotencyKey = "";
    this.root = el("ul", { class: "contact", "aria-label": t("batch.photos") });
    const { href } = new URL("../css/batch.css", import.meta.url);
    document.head.append($("batch-style") ?? el("link", { id: "batch-style", rel: "stylesheet", href }));
    $("stage").append(this.root);
    $("studio").style.removeProperty("--ratio");
    photoSize(null);
  }

  /**
   * Take files in and say which were left out. One that stays alone is opened as a single photo.
   * @param {File[]} files
   * @param {boolean} [alone]
   */
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

  /** What stands against the run, as text: refused here, before anything is uploaded. @param {number | null} price */
  obstacle(price) {
    const { usage: day } = usage() ?? {};
    const left = day ? day.limit - day.used : Infinity;
    if (left < this.count) return t("batch.quota", { count: left, surplus: this.count - left });
    const details = this.lacks(price);
    return details ? describe({ code: "INSUFFICIENT_CREDITS", details }).text : "";
  }

  /** The credits that are required and available, when those are too few; else null. @param {number | null} price */
  lacks(price) {
    const { monthlyUsage: month, credits } = usage() ?? {};
    if (!month) return null;
    const required = tenths((price ?? 0) * this.count);
    const bought = credits?.blocked ? 0 : credits?.available ?? 0;
    const available = tenths(month.limit - month.used + bought);
    return available < required ? { required, available } : null;
  }

  changed() {
    if (this.closed) return;
    if (!this.count && $("main").dataset.state === "ready") {
      this.studio.startOver();
      return;
    }
    this.root.dataset.count = String(this.count);
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
    return this.photos.reduce((sum, { width = 0, height = 0 }) => sum + (width * height) / 1e6, 0);
  }

  /** Take files in; returns why some were left out, as [{name, problem}]. @param {File[]} files */
  async add(files) {
    /** @type {LeftFile[]} */
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

  /** @param {File} file */
  append(file) {
    const label = t("batch.remove", { name: file.name });
    const remove = el("button", { type: "button", class: "contact-remove", "aria-label": label }, icon(CROSS));
    const tile = el("li", { class: "contact-tile" },
      el("span", { class: "contact-look" }, icon(PICTURE)),
      el("span", { class: "contact-name" }, file.name), el("span", { class: "contact-size" }, bytes(file.size)), remove,
      el("span", { class: "brackets", "aria-hidden": "true" }));
    const photo = { file, tile, seen: false };
    remove.addEventListener("click", () => this.remove(photo));
    this.photos.push(photo);
    this.root.append(tile);
  }

  /** @param {SheetPhoto} photo */
  remove(photo) {
    const at = this.photos.indexOf(photo);
    this.photos.splice(at, 1);
    photo.tile.remove();
    /** @type {NodeListOf<HTMLElement>} */
    const others = this.root.querySelectorAll(".contact-remove");
    others[Math.min(at, this.count - 1)]?.focus();
    this.changed();
  }

  /**
   * Paint a small picture of it, and learn its size; what the browser cannot decode may still work.
   * @param {SheetPhoto} photo
   */
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
      canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
      Object.assign(photo, { width, height, look: canvas.toDataURL("image/webp", 0.75) });
      find(".contact-look", photo.tile).replaceChildren(el("img", { src: photo.look, alt: "" }));
    } catch {
      photo.tile.classList.add("blind");
      photo.tile.title = t("noPreview");
    } finally {
      URL.revokeObjectURL(url);
    }
  }

  /**
   * Upload what is not there yet and start one job with `order`; `onOrder` is told its key before.
   * @param {Order} order
   * @param {{signal: AbortSignal, onOrder: (key: string) => void}} options
   */
  async run({ prompt, model, ...params }, { signal, onOrder }) {
    const refused = await this.sendAll(signal);
    const ready = this.photos.filter(({ key }) => key);
    if (!ready.length) throw refused[0].problem;
    const items = ready.map(({ key }) => ({ uploadKey: key, prompt: prompt || undefined }));
    const job = await this.submit({ model, params, items }, onOrder);
    if (signal.aborted) {
      this.asked = "";
      throw new DOMException("aborted", "AbortError");
    }
    remember(job.id, ready.map(({ file, look }) => ({ name: file.name, look })));
    leave(refused.map(({ name, problem: { code, details, apiMessage } }) => ({ name, code, details, apiMessage })));
    return job;
  }

  /** Send what is not there yet; returns the files that were refused. @param {AbortSignal} signal */
  async sendAll(signal) {
    /** @type {{name: string, problem: Problem}[]} */
    const refused = [];
    const waiting = this.photos.filter(({ sentAt = 0 }) => Date.now() - sentAt >= UPLOAD_KEPT_MS);
    for (const photo of waiting) Object.assign(photo, { share: 0, key: null });
    this.report();
    announce(t("progress.upload"));
    const worker = async () => {
      for (let photo = waiting.shift(); photo; photo = waiting.shift()) {
        const problem = await this.sendOne(photo, signal);
        if (problem) refused.push({ name: photo.file.name, problem });
        this.report();
      }
    };
    await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, worker));
    return refused;
  }

  /**
   * Send one file; returns the problem of one that is refused by itself.
   * @param {SheetPhoto} photo
   * @param {AbortSignal} signal
   */
  async sendOne(photo, signal) {
    const { dataset } = photo.tile;
    dataset.state = "sending";
    const onUpload = (/** @type {number} */ share) => {
      photo.share = share;
      this.report();
    };
    try {
      photo.key = await this.send(photo.file, { signal, onUpload });
      photo.sentAt = Date.now();
      dataset.state = "sent";
      return null;
    } catch (problem) {
      delete dataset.state;
      if (!ONE_FILE_ONLY.has(problem.status)) throw problem;
      dataset.state = "refused";
      return problem;
    }
  }

  /**
   * Start the job; the same order is sent again under the same key.
   * @param {{model: string, params: object, items: object[]}} order
   * @param {(key: string) => void} onOrder
   */
  async submit(order, onOrder) {
    const asked = JSON.stringify(order);
    if (this.asked !== asked) [this.asked, this.idempotencyKey] = [asked, crypto.randomUUID()];
    onOrder(this.idempotencyKey);
    try {
      return await create({ key: this.idempotencyKey, ...order });
    } catch (problem) {
      if (!problem.unanswered) this.asked = "";
      if (problem.code === "upload_not_found") for (const photo of this.photos) photo.sentAt = 0;
      throw problem instanceof Problem ? problem : new Problem("unknown", { message: problem.message });
    }
  }

  report() {
    const sent = this.photos.filter(({ key }) => key).length;
    $("progress-title").textContent = t("progress.upload");
    $("progress-clock").textContent = t("batch.sent", { sent, count: this.count });
    $("progress-note").textContent = t("batch.note");
    const done = this.photos.reduce((sum, { file, key, share = 0 }) => sum + file.size * (key ? 1 : share), 0);
    this.studio.showShare(done / this.bytes);
  }

  /**
   * One upload; a call too many in this minute waits for the next.
   * @param {File} file
   * @param {Watch} options
   * @returns {Promise<string>}
   */
  async send(file, options) {
    for (;;) {
      try {
        return await renewing(() => upload(file, options));
      } catch (problem) {
        if (problem.code !== "rate_limited") throw problem;
        await pause((problem.retryAfter || 5) * 1000, options.signal);
      }
    }
  }
}

/** @param {number} credits */
const tenths = (credits) => Math.round(credits * 10) / 10;
/** @param {File} one @param {File} other */
const same = (one, other) =>
  one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;

/** Why a file cannot even be sent, or null. @param {File} file @returns {Promise<Trouble | null>} */
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

/** A problem that tells which files were left out, and each one's reason. @param {LeftFile[]} files */
export function leftOut(files) {
  const beyond = files.filter(({ code }) => code === "too_many").length;
  const lines = files.filter(({ code }) => code !== "too_many").map((file) => `${file.name}: ${describe(file).title}`);
  if (beyond) lines.unshift(t("batch.tooMany", { limit: PHOTOS_MAX, count: beyond }));
  return { code: "leftOut", details: { count: files.length, lines: lines.join("\n") } };
}
