/** One job as a card: its photos as a mosaic, how far it is, and what can be done with it. */

import { closed } from "./admission.js";
import { $, INFO, WARNING, announce, el, find, icon } from "./dom.js";
import { locale, number, pixels, t, table } from "./i18n.js";
import { lookOf, nameOf as fileName } from "./kept.js";
import { describe } from "./problems.js";
import { isOpen } from "./queue.js";

const PHOTO =
  "M6 5h12a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2ZM4.500 16.500l4-4a1.500 1.500 0 0 1 2 0l6 6";
const DONE = "m5.500 12.500 4.500 4.500 8.500-9.500";
const STOPPED = "M8 8h8v8H8z";
const WAITING = "M12 7.500V12l3 2M12 3.500a8.500 8.500 0 1 0 0 17 8.500 8.500 0 0 0 0-17Z";
const BIN = "M5 7h14M10 7V5h4v2M7 7l1 12h8l1-12M10.500 11v4.500M13.500 11v4.500";
const DOWNLOAD = "M12 4v10.500m0 0 4-4m-4 4-4-4M5 19.500h14";
/** @type {Record<string, string>} */
const ICONS = { download: DOWNLOAD, remove: BIN };
/** @type {Record<string, string>} */
const SYMBOLS = { queued: WAITING, succeeded: DONE, partly: WARNING, failed: WARNING, canceled: STOPPED };

/** The name a photo had as a file, else its number. @param {Job} job @param {number} index */
export const photoName = (job, index) => fileName(job.id, index)
  ?? (job.items.length > 1 ? t("jobs.photo", { number: index + 1 }) : t("jobs.photos", { count: 1 }));

/** @param {Job} job */
export const jobName = (job) =>
  (job.items.length > 1 ? t("jobs.photos", { count: job.items.length }) : photoName(job, 0));

/** @param {Job} job */
export const failedItems = (job) => job.items.filter(({ status }) => status === "failed" || status === "canceled");

/** The job's status; one that has both good and bad photos is "partly" done. @param {Job} job */
export const statusOf = (job) => (job.status === "succeeded" && failedItems(job).length ? "partly" : job.status);

/**
 * That another model made an item than was asked for, as [asked, ran]; null for all others.
 * @param {Item} item
 * @param {Job} job
 * @returns {Swap | null}
 */
export const swapOf = ({ status, model }, { requestedModel }) =>
  (status === "succeeded" && model && requestedModel && model !== requestedModel ? [requestedModel, model] : null);

/** The same as a sentence about `count` photos. @param {Swap} swap @param {NameOf} nameOf @param {number} [count] */
export const swapText = ([asked, ran], nameOf, count = 1) =>
  (nameOf(asked) ? t("swapped", { count, asked: nameOf(asked), ran: nameOf(ran, true) }) : "");

/**
 * Why an item failed, in the page's words; in the API's where its details lack what the page's would name.
 * @param {Item} item
 */
export function reason({ status, error }) {
  const code = error?.code ?? (status === "canceled" ? "job_canceled" : "job_failed");
  const { details = {}, message = "" } = error ?? {};
  const own = table(`jobs.problems.${code}`) ?? table(`errors.${code}`);
  if (!own) return { title: t("jobs.status.failed"), text: message };
  if (Object.keys(details).length) return describe({ code, details, apiMessage: message });
  const whole = (/** @type {string} */ text) => (text.includes("{") ? "" : text);
  return { title: whole(own.title) || t("jobs.status.failed"), text: whole(own.text) || message };
}

/** "14:05" today, else with the date. @param {number} epochMs */
function moment(epochMs) {
  const today = new Date(epochMs).toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(locale, today ? { timeStyle: "short" }
    : { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }).format(epochMs);
}

/** Set a text that has changed. @param {Element} node @param {string} text */
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Put photos that share a reason into one group, each with the photos' names. Nobody reads a code: the first stands.
 * @template {object} R
 * @param {Job} job
 * @param {(item: Item) => R | null} reasonFor null for a photo that has none
 */
function grouped(job, reasonFor) {
  /** @type {Map<string, R & {names: string[]}>} */
  const groups = new Map();
  job.items.forEach((item, index) => {
    const why = reasonFor(item);
    if (!why) return;
    const key = JSON.stringify({ ...why, code: "" });
    const group = groups.get(key) ?? { ...why, names: [] };
    group.names.push(photoName(job, index));
    groups.set(key, group);
  });
  return [...groups.values()];
}

export class Card {
  /**
   * `act(name, job, detail)` is told what the reader wants; `nameOf(slug, said)` says what a model is called.
   * @param {Job} job
   * @param {{act: CardAct, nameOf: NameOf}} page
   */
  constructor(job, { act, nameOf }) {
    this.job = job;
    this.act = act;
    this.nameOf = nameOf;
    /** The call about this job that is under way. @type {string | null} */
    this.busy = null;
    /** It is asked whether to delete the job. */
    this.asking = false;
    /** The status that the badge shows. */
    this.shown = "";
    this.badge = el("p", { class: "status" });
    this.title = el("h3", { class: "card-title", id: `title-${job.id}` });
    this.meta = el("p", { class: "card-meta" });
    this.tiles = job.items.map((_, index) => this.tile(index));
    const tiles = this.tiles.map(({ root }) => root);
    this.sheet = el("ul", { class: "mosaic", "data-count": String(tiles.length) }, ...tiles);
    this.fill = el("span");
    const range = { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" };
    this.bar = el("div", { class: "bar", ...range }, this.fill);
    this.clock = el("p", { class: "card-clock" });
    this.progress = el("div", { class: "card-progress" }, this.clock, this.bar);
    this.reasons = el("ul", { class: "reasons", "aria-label": t("jobs.reasons") });
    this.swaps = el("ul", { class: "reasons swaps" });
    this.actions = el("div", { class: "card-actions", role: "group" });
    this.root = el("li", { class: "card", id: job.id, tabIndex: -1, "aria-labelledby": this.title.id },
      this.sheet, el("div", { class: "card-text" },
        this.badge, this.title, this.meta, this.progress, this.swaps, this.reasons, this.actions));
    this.root.addEventListener("keydown", (event) => event.key === "Escape" && this.asking && this.ask(false));
    this.update(job);
  }

  /** @param {Job} job */
  update(job) {
    this.job = job;
    const status = statusOf(job);
    this.root.dataset.status = status;
    if (this.shown !== status) {
      const pulse = () => el("i", { class: "pulse", "aria-hidden": "true" });
      const sign = status === "processing" ? pulse() : icon(SYMBOLS[status]);
      this.badge.replaceChildren(sign, t(`jobs.status.${status}`));
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

  /** @param {Job} job */
  facts({ model, params, items, charge, createdAt, ...job }) {
    const [{ output }] = items;
    const { scale, quality } = params ?? {};
    const size = items.length === 1 && output ? pixels(output.width, output.height) : scale && `${scale}×`;
    const price = charge?.total ? t("credits", { count: charge.total }) : t("jobs.nothing");
    const paid = !isOpen(job) && t("jobs.charge", { text: price });
    const pro = quality === "pro" && t("qualities.pro");
    return [this.nameOf(model), size, pro, paid, moment(createdAt)].filter(Boolean).join(" · ");
  }

  // --- photos

  /** @param {number} index */
  tile(index) {
    const picture = el("img", { alt: "", loading: "lazy", decoding: "async" });
    const [scan, sign, brackets] = ["scan", "tile-sign", "brackets"]
      .map((name) => el("span", { class: name, "aria-hidden": "true" }));
    const blank = el("span", { class: "tile-blank" }, icon(PHOTO));
    const button = el("button", { type: "button", class: "tile" }, picture, blank, scan, sign, brackets);
    picture.addEventListener("error", () => button.classList.remove("seen"));
    picture.addEventListener("load", () => button.classList.add("seen"));
    button.addEventListener("click", () => this.openable(index) && this.act("view", this.job, index));
    return { root: el("li", {}, button), button, picture, sign };
  }

  /** @param {number} index */
  openable(index) {
    return !isOpen(this.job.items[index]);
  }

  /** @param {ReturnType<Card["tile"]>} tile @param {Item} item @param {number} index */
  paint({ button, picture, sign }, item, index) {
    const look = lookOf(this.job.id, index) ?? item.input?.url ?? item.output?.url;
    if (look && picture.getAttribute("src") !== look) picture.src = look;
    if (button.dataset.status !== item.status) {
      button.dataset.status = item.status;
      const symbol = item.status === "processing" ? null : SYMBOLS[item.status];
      sign.replaceChildren(...(symbol ? [icon(symbol)] : []));
    }
    button.setAttribute("aria-disabled", String(!this.openable(index)));
    const [name, status] = [photoName(this.job, index), t(`jobs.status.${item.status}`)];
    button.setAttribute("aria-label", this.openable(index) ? t("jobs.view", { name, status }) : `${name}, ${status}`);
  }

  // --- how far it is

  /** @param {Job} job */
  showProgress(job) {
    this.progress.hidden = !isOpen(job);
    if (!isOpen(job)) return;
    const { done = 0, failed = 0, total = job.items.length, percent = 0 } = job.progress ?? {};
    put(this.clock, t("jobs.progress", { done: done + failed, total, percent: number(percent, 0) }));
    this.bar.setAttribute("aria-label", t("jobs.progressLabel", { name: jobName(job) }));
    this.bar.setAttribute("aria-valuenow", String(percent));
    this.fill.style.setProperty("--done", String(percent / 100));
    this.bar.classList.toggle("open", percent === 0 && job.status === "processing");
  }

  /** Photos that the same other model made share one line. @param {Job} job */
  showSwaps(job) {
    const groups = grouped(job, (item) => {
      const swap = swapOf(item, job);
      return swap && { swap };
    });
    const said = groups.map(({ swap, names }) => ({ text: swapText(swap, this.nameOf, names.length), names }));
    const lines = said.filter(({ text }) => text);
    this.swaps.hidden = !lines.length;
    if (this.swaps.dataset.shown === JSON.stringify(lines)) return;
    this.swaps.dataset.shown = JSON.stringify(lines);
    this.swaps.replaceChildren(...lines.map(({ text, names }) =>
      el("li", {}, icon(INFO), el("p", {}, this.files(names), text))));
  }

  /** Photos that failed for the same reason share one line. @param {Job} job */
  showReasons(job) {
    const groups = grouped(job, (item) =>
      (item.status === "failed" ? { ...reason(item), code: item.error?.code ?? "" } : null));
    this.reasons.hidden = !groups.length;
    if (this.reasons.dataset.shown === JSON.stringify(groups)) return;
    this.reasons.dataset.shown = JSON.stringify(groups);
    this.reasons.replaceChildren(...groups.map(({ title, text, code, names }) => el("li", { "data-code": code },
      icon(WARNING), el("p", {}, el("b", {}, title), this.files(names), text))));
  }

  /** Which photos a line is about, where there are several. @param {string[]} names */
  files(names) {
    return this.job.items.length > 1 ? el("span", { class: "file" }, names.join(", ")) : null;
  }

  // --- what can be done

  /** @param {Job} job */
  showActions(job) {
    const failed = failedItems(job).length;
    const good = job.items.length - failed;
    const ended = [...(good ? ["view", "download"] : []), ...(failed ? ["retry"] : []), "remove"];
    const wanted = isOpen(job) ? ["stop"] : ended;
    const signature = `${wanted} ${this.busy ?? ""} ${this.asking ?? ""} ${failed} ${closed()}`;
    if (this.actions.dataset.shown === signature) return;
    this.actions.dataset.shown = signature;
    this.actions.setAttribute("aria-label", t("jobs.actions", { name: jobName(job) }));
    const active = document.activeElement;
    const held = this.actions.contains(active) && active?.getAttribute("data-act");
    const buttons = () => wanted.map((name) => this.button(name, job, failed));
    this.actions.replaceChildren(...(this.asking ? this.question() : buttons()));
    if (!held) return;
    const same = find(`[data-act=${held}]`, this.actions) ?? find("button", this.actions);
    same?.focus({ preventScroll: true });
  }

  /** @param {string} name @param {Job} job @param {number} failed */
  button(name, job, failed) {
    /** @type {Record<string, () => string>} */
    const labels = {
      stop: () => t(this.busy ? "jobs.stopping" : "jobs.stop"), view: () => t("jobs.compare"),
      download: () => t(job.items.length - failed > 1 ? "jobs.downloadAll" : "download"),
      retry: () => (job.status === "canceled" ? t("jobs.again") : t("jobs.retry", { count: failed })),
      remove: () => t("jobs.remove"),
    };
    const removes = name === "remove";
    const stopped = name === "retry" && closed() ? "gate-title" : null;
    const button = el("button", {
      type: "button", class: `button ${removes ? "quiet" : ""}`, "data-act": name, "aria-describedby": stopped,
      "aria-disabled": this.busy || stopped ? "true" : null, title: removes ? labels.remove() : null,
    }, ICONS[name] ? icon(ICONS[name]) : null, el("span", { class: removes ? "sr" : "" }, labels[name]()));
    const first = job.items.findIndex(({ status }) => status === "succeeded");
    button.addEventListener("click", () => {
      if (this.busy) return;
      if (stopped) $(stopped)?.focus();
      else if (removes) this.ask(true);
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

  /** @param {boolean} on */
  ask(on) {
    this.asking = on;
    this.showActions(this.job);
    find(on ? "[data-act=no]" : "[data-act=remove]", this.actions).focus();
    if (on) announce(t("jobs.removeSure"));
  }

  /** While a call about this job is under way its buttons rest. @param {string | null} name */
  rest(name) {
    this.busy = name;
    this.showActions(this.job);
  }

  /** The button that opened a photo, so that focus can return to it. @param {number} index */
  opener(index) {
    return this.tiles[index].button;
  }
}
