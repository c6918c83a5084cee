/** One job as a card: its photos as a mosaic, how far it is, and what can be done with it. */

import { INFO, WARNING, announce, el, icon } from "./dom.js";
import { locale, number, t } from "./i18n.js";
import { lookOf, nameOf } from "./kept.js";
import { describe } from "./problems.js";
import { isOpen } from "./queue.js";

const PHOTO = "M6 5h12a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2ZM4.500 16.500l4-4a1.500 1.500 0 0 1 2 0l6 6";
const DONE = "m5.500 12.500 4.500 4.500 8.500-9.500";
const STOPPED = "M8 8h8v8H8z";
const WAITING = "M12 7.500V12l3 2M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17Z";
const BIN = "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.500 11v4.500M13.500 11v4.500";
const DOWNLOAD = "M12 4v10.500m0 0 4-4m-4 4-4-4M5 19.500h14";
const ICONS = { download: DOWNLOAD, remove: BIN };
const SYMBOLS = { queued: WAITING, succeeded: DONE, partly: WARNING, failed: WARNING, canceled: STOPPED };

/** The name a photo had as a file, else its number. */
export const photoName = (job, index) => nameOf(job.id, index)
  ?? (job.items.length > 1 ? t("jobs.photo", { number: index + 1 }) : t("jobs.photos", { count: 1 }));

export const jobName = (job) => (job.items.length > 1 ? t("jobs.photos", { count: job.items.length }) : photoName(job, 0));

export const failedItems = (job) => job.items.filter(({ status }) => status === "failed" || status === "canceled");

/** The job's status; one that has both good and bad photos is "partly" done. */
export const statusOf = (job) => (job.status === "succeeded" && failedItems(job).length ? "partly" : job.status);

/** That another model made an item than was asked for, as [asked, ran]; null for all others. */
export const swapOf = ({ status, model }, { requestedModel }) =>
  (status === "succeeded" && model && requestedModel && model !== requestedModel ? [requestedModel, model] : null);

/** The same as a sentence about `count` photos. */
export const swapText = ([asked, ran], nameOf, count = 1) =>
  (nameOf(asked) ? t("swapped", { count, asked: nameOf(asked), ran: nameOf(ran, true) }) : "");

/** Why an item failed, in the page's words; in the API's where its details lack what the page's would name. */
export function reason({ status, error }) {
  const code = error?.code ?? (status === "canceled" ? "job_canceled" : "job_failed");
  const own = t(`jobs.problems.${code}`) ?? t(`errors.${code}`);
  if (!own) return { title: t("jobs.status.failed"), text: error?.message ?? "" };
  const { details } = error ?? {};
  if (details && Object.keys(details).length) return describe({ code, details, apiMessage: error.message });
  const whole = (text) => (text.includes("{") ? "" : text);
  return { title: whole(own.title) || t("jobs.status.failed"), text: whole(own.text) || error?.message || "" };
}

/** "14:05" today, else with the date. */
function moment(epochMs) {
  const today = new Date(epochMs).toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(locale, today ? { timeStyle: "short" } : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(epochMs);
}

const put = (node, text) => node.textContent !== text && (node.textContent = text);

export class Card {
  /** `act(name, job, detail)` is told what the reader wants; `nameOf(slug, said)` says what a model is called. */
  constructor(job, { act, nameOf }) {
    this.act = act;
    this.nameOf = nameOf;
    this.badge = el("p", { class: "status" });
    this.title = el("h3", { class: "card-title", id: `title-${job.id}` });
    this.meta = el("p", { class: "card-meta" });
    this.tiles = job.items.map((_, index) => this.tile(index));
    this.sheet = el("ul", { class: "mosaic", "data-count": String(job.items.length) }, ...this.tiles.map(({ root }) => root));
    this.fill = el("span");
    this.bar = el("div", { class: "bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, this.fill);
    this.clock = el("p", { class: "card-clock" });
    this.progress = el("div", { class: "card-progress" }, this.clock, this.bar);
    this.reasons = el("ul", { class: "reasons", "aria-label": t("jobs.reasons") });
    this.swaps = el("ul", { class: "reasons swaps" });
    this.actions = el("div", { class: "card-actions", role: "group" });
    this.root = el("li", { class: "card", id: job.id, tabIndex: -1, "aria-labelledby": this.title.id },
      this.sheet, el("div", { class: "card-text" }, this.badge, this.title, this.meta, this.progress, this.swaps, this.reasons, this.actions));
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && this.asking && this.ask(false));
    this.update(job);
  }

  update(job) {
    this.job = job;
    const status = statusOf(job);
    this.root.dataset.status = status;
    if (this.shown !== status) {
      this.badge.replaceChildren(status === "processing" ? el("i", { class: "pulse", "aria-hidden": "true" }) : icon(SYMBOLS[status]), t(`jobs.status.${status}`));
      this.shown = status;
    }
    put(this.title, jobName(job));
    this.title.title = jobName(job);
    put(this.meta, this.facts(job));
    this.tiles.forEach((tile, index) => this.paint(tile, job.items[index], index));
    this.showProgress(job);
    this.showSwaps(job);
    this.showReasons(job);
    this.showActions(job);
  }

  facts({ model, params = {}, items, charge, createdAt, ...job }) {
    const [{ output }] = items;
    const size = items.length === 1 && output ? `${output.width}\u202f×\u202f${output.height}` : params.scale && `${params.scale}×`;
    const paid = !isOpen(job) && t("jobs.charge", { text: charge?.total ? t("credits", { count: charge.total }) : t("jobs.nothing") });
    return [this.nameOf(model), size, params.quality === "pro" && t("qualities.pro"), paid, moment(createdAt)].filter(Boolean).join(" · ");
  }

  // --- photos

  tile(index) {
    const picture = el("img", { alt: "", loading: "lazy", decoding: "async" });
    const button = el("button", { type: "button", class: "tile" }, picture, el("span", { class: "tile-blank" }, icon(PHOTO)),
      el("span", { class: "scan", "aria-hidden": "true" }), el("span", { class: "tile-sign", "aria-hidden": "true" }), el("span", { class: "brackets", "aria-hidden": "true" }));
    picture.addEventListener("error", () => button.classList.remove("seen"));
    picture.addEventListener("load", () => button.classList.add("seen"));
    button.addEventListener("click", () => this.openable(index) && this.act("view", this.job, index));
    return { root: el("li", {}, button), button, picture };
  }

  openable(index) {
    return !isOpen(this.job.items[index]);
  }

  paint({ button, picture }, item, index) {
    const look = lookOf(this.job.id, index) ?? item.input?.url ?? item.output?.url;
    if (look && picture.getAttribute("src") !== look) picture.src = look;
    if (button.dataset.status !== item.status) {
      button.dataset.status = item.status;
      const symbol = item.status === "processing" ? null : SYMBOLS[item.status];
      button.querySelector(".tile-sign").replaceChildren(...(symbol ? [icon(symbol)] : []));
    }
    button.setAttribute("aria-disabled", String(!this.openable(index)));
    const label = t("jobs.view", { name: photoName(this.job, index), status: t(`jobs.status.${item.status}`) });
    button.setAttribute("aria-label", this.openable(index) ? label : `${photoName(this.job, index)}, ${t(`jobs.status.${item.status}`)}`);
  }

  // --- how far it is

  showProgress(job) {
    this.progress.hidden = !isOpen(job);
    if (!isOpen(job)) return;
    const { done = 0, failed = 0, total = job.items.length, percent = 0 } = job.progress ?? {};
    put(this.clock, t("jobs.progress", { done: done + failed, total, percent: number(percent, 0) }));
    this.bar.setAttribute("aria-label", t("jobs.progressLabel", { name: jobName(job) }));
    this.bar.setAttribute("aria-valuenow", String(percent));
    this.fill.style.setProperty("--done", percent / 100);
    this.bar.classList.toggle("open", percent === 0 && job.status === "processing");
  }

  /** Photos that the same other model made share one line. */
  showSwaps(job) {
    const groups = new Map();
    job.items.forEach((item, index) => {
      const swap = swapOf(item, job);
      if (swap) groups.set(String(swap), { swap, names: [...(groups.get(String(swap))?.names ?? []), photoName(job, index)] });
    });
    const lines = [...groups.values()].map(({ swap, names }) => ({ text: swapText(swap, this.nameOf, names.length), names })).filter(({ text }) => text);
    this.swaps.hidden = !lines.length;
    if (this.swaps.dataset.shown === JSON.stringify(lines)) return;
    this.swaps.dataset.shown = JSON.stringify(lines);
    this.swaps.replaceChildren(...lines.map(({ text, names }) => el("li", {}, icon(INFO),
      el("p", {}, job.items.length > 1 ? el("span", { class: "file" }, names.join(", ")) : null, text))));
  }

  /** Photos that failed for the same reason share one line. */
  showReasons(job) {
    const groups = new Map();
    job.items.forEach((item, index) => {
      if (item.status !== "failed") return;
      const why = reason(item);
      const key = JSON.stringify(why);
      if (!groups.has(key)) groups.set(key, { ...why, code: item.error?.code ?? "", names: [] });
      groups.get(key).names.push(photoName(job, index));
    });
    const signature = JSON.stringify([...groups.values()]);
    this.reasons.hidden = !groups.size;
    if (this.reasons.dataset.shown === signature) return;
    this.reasons.dataset.shown = signature;
    this.reasons.replaceChildren(...[...groups.values()].map(({ title, text, code, names }) => el("li", { "data-code": code }, icon(WARNING),
      el("p", {}, el("b", {}, title), job.items.length > 1 ? el("span", { class: "file" }, names.join(", ")) : null, text))));
  }

  // --- what can be done

  showActions(job) {
    const failed = failedItems(job).length;
    const good = job.items.length - failed;
    const wanted = isOpen(job) ? ["stop"] : [good && "view", good && "download", failed && "retry", "remove"].filter(Boolean);
    const signature = `${wanted} ${this.busy ?? ""} ${this.asking ?? ""} ${failed}`;
    if (this.actions.dataset.shown === signature) return;
    this.actions.dataset.shown = signature;
    this.actions.setAttribute("aria-label", t("jobs.actions", { name: jobName(job) }));
    const held = this.actions.contains(document.activeElement) && document.activeElement.dataset.act;
    this.actions.replaceChildren(...(this.asking ? this.question() : wanted.map((name) => this.button(name, job, failed))));
    if (held) (this.actions.querySelector(`[data-act=${held}]`) ?? this.actions.querySelector("button"))?.focus({ preventScroll: true });
  }

  button(name, job, failed) {
    const labels = {
      stop: () => t(this.busy ? "jobs.stopping" : "jobs.stop"), view: () => t("jobs.compare"),
      download: () => t(job.items.length - failed > 1 ? "jobs.downloadAll" : "download"),
      retry: () => (job.status === "canceled" ? t("jobs.again") : t("jobs.retry", { count: failed })), remove: () => t("jobs.remove"),
    };
    const button = el("button", { type: "button", class: `button ${name === "remove" ? "quiet" : ""}`, "data-act": name, "aria-disabled": this.busy ? "true" : null, title: name === "remove" ? labels.remove() : null },
      ICONS[name] ? icon(ICONS[name]) : null, el("span", { class: name === "remove" ? "sr" : "" }, labels[name]()));
    const first = job.items.findIndex(({ status }) => status === "succeeded");
    button.addEventListener("click", () => {
      if (this.busy) return;
      if (name === "remove") this.ask(true);
      else this.act(name, this.job, first);
    });
    return button;
  }

  /** Nothing brings a deleted photo back, so it is asked once, in place. */
  question() {
    const yes = el("button", { type: "button", class: "button danger", "data-act": "yes" }, t("jobs.removeYes"));
    const no = el("button", { type: "button", class: "button", "data-act": "no" }, t("jobs.removeNo"));
    yes.addEventListener("click", () => this.act("remove", this.job));
    no.addEventListener("click", () => this.ask(false));
    return [el("p", { class: "card-question" }, t("jobs.removeSure")), no, yes];
  }

  ask(on) {
    this.asking = on;
    this.showActions(this.job);
    this.actions.querySelector(on ? "[data-act=no]" : "[data-act=remove]").focus();
    if (on) announce(t("jobs.removeSure"));
  }

  /** While a call about this job is under way its buttons rest. */
  rest(name) {
    this.busy = name;
    this.showActions(this.job);
  }

  /** The button that opened a photo, so that focus can return to it. */
  opener(index) {
    return this.tiles[index].button;
  }
}
