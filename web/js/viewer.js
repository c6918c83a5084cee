/** One photo in full view, before and after, and the way to the next. */

import { fetchResult, whyBroken } from "./api.js";
import { photoName, reason, swapOf, swapText } from "./card.js";
import { Compare, doneBy, focusable } from "./compare.js";
import { WARNING, el, find, icon, save } from "./dom.js";
import { pixels, t } from "./i18n.js";
import { isOpen } from "./queue.js";

/** @type {Record<string, number>} */
const STEPS = { ArrowLeft: -1, ArrowUp: -1, PageUp: -1, ArrowRight: 1, ArrowDown: 1, PageDown: 1 };
const BACK = "m14.500 6-6 6 6 6";
const NEXT = "m9.500 6 6 6-6 6";
const CLOSE = "M6.500 6.500l11 11M17.500 6.500l-11 11";
const DOWNLOAD = "M12 4v10.500m0 0 4-4m-4 4-4-4M5 19.500h14";

/** @param {NonNullable<Item["output"]>} output */
export const downloadUrl = ({ url }) => `${url}${url.includes("?") ? "&" : "?"}download=1`;

/** Save an item's result under the photo's own name. @param {Job} job @param {number} index */
export async function download(job, index) {
  const { output } = job.items[index];
  if (!output) return;
  const blob = await fetchResult(downloadUrl(output));
  save(blob, photoName(job, index), suffix(job));
}

/** What a result is called after its file: by what was done to it. @param {Job} job */
function suffix({ params }) {
  const { scale, prompt } = params ?? {};
  if (scale && scale > 1) return `${scale}x`;
  return prompt ? "edited" : "enhanced";
}

export class Viewer {
  /**
   * `onClose(job, index)` is told which photo was seen last, `onProblem` what went wrong with a download.
   * @param {{onClose: (job: Job, index: number) => unknown, onProblem: (problem: Trouble) => void}} listeners
   */
  constructor({ onClose, onProblem }) {
    const act = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ path) =>
      el("button", { type: "button", class: "viewer-button", "data-do": name, "aria-label": label }, icon(path));
    const primary = { type: "button", class: "button primary", "data-do": "save" };
    this.title = el("h2", { class: "viewer-title", id: "viewer-title", tabIndex: -1 });
    this.position = el("p", { class: "viewer-position", role: "status" });
    this.prompt = el("p", { class: "viewer-prompt" });
    this.swap = el("p", { class: "viewer-prompt viewer-swap" });
    this.stage = el("div", { class: "viewer-stage" });
    this.save = el("button", primary, icon(DOWNLOAD), el("span", {}, t("download")));
    this.previous = act("previous", t("jobs.viewer.previous"), BACK);
    this.next = act("next", t("jobs.viewer.next"), NEXT);
    this.root = el("dialog", { class: "viewer", "aria-labelledby": "viewer-title" },
      el("div", { class: "viewer-head" },
        el("div", { class: "viewer-name" }, this.title, this.position), this.previous, this.next, this.save,
        act("close", t("jobs.viewer.close"), CLOSE)),
      el("div", {}, this.prompt, this.swap), this.stage);
    this.root.addEventListener("keydown", (event) => this.key(event));
    find(".viewer-head", this.root).addEventListener("click", (/** @type {Event} */ event) => this.act(doneBy(event)));
    this.root.addEventListener("close", () => this.closed());
    this.onClose = onClose;
    this.onProblem = onProblem;
    /** The job and the photo in view. @type {Job} */
    this.job = /** @type {any} */ (null);
    this.index = 0;
    /** The photos that can be opened, as indexes into the job's items. @type {number[]} */
    this.order = [];
    /** @type {Compare | null} */
    this.compare = null;
    /** @type {NameOf} */
    this.nameOf = () => "";
    document.body.append(this.root);
  }

  /** `nameOf(slug, said)` says what a model is called. @param {Job} job @param {number} index @param {NameOf} nameOf */
  open(job, index, nameOf) {
    this.job = job;
    this.nameOf = nameOf;
    this.order = job.items.map((_, at) => at).filter((at) => !isOpen(job.items[at]));
    for (const button of [this.previous, this.next]) button.hidden = this.order.length < 2;
    this.root.showModal();
    document.documentElement.classList.add("viewing");
    this.show(index);
    if (this.order.length > 1 || !this.compare) this.title.focus({ preventScroll: true });
    else this.compare.focus();
  }

  /** @param {number} index */
  show(index) {
    this.index = index;
    const item = this.job.items[index];
    const at = this.order.indexOf(index);
    this.compare?.remove();
    this.compare = null;
    this.stage.replaceChildren();
    this.title.textContent = photoName(this.job, index);
    const { output } = item;
    const facts = [this.order.length > 1 && t("jobs.viewer.position", { number: at + 1, total: this.order.length }),
      output ? pixels(output.width, output.height) : t(`jobs.status.${item.status}`)];
    this.position.textContent = facts.filter(Boolean).join(" · ");
    const prompt = item.prompt ?? this.job.params?.prompt;
    this.prompt.hidden = !prompt;
    this.prompt.textContent = prompt ? t("jobs.viewer.prompt", { prompt }) : "";
    this.showSwap(item);
    this.save.hidden = !output;
    if (item.input && output) this.showPair(item.input, output);
    else this.showReason(item);
  }

  /** Which model made it and what was paid, where another was asked for. @param {Item} item */
  showSwap(item) {
    const swap = swapOf(item, this.job);
    this.swap.hidden = !swap;
    this.swap.textContent = "";
    if (!swap) return;
    const { total } = item.charge ?? {};
    const paid = total ? t("paid", { price: t("credits", { count: total }) }) : t("paidNothing");
    this.swap.textContent = [swapText(swap, this.nameOf), paid].join(" ");
  }

  /** @param {NonNullable<Item["input"]>} input @param {NonNullable<Item["output"]>} output */
  showPair({ url: before }, { url: after, width, height }) {
    /** @type {Compare} */
    const compare = new Compare(this.stage, {
      onDownload: () => this.download(), onBroken: () => this.compare === compare && this.broken(after),
    });
    this.compare = compare;
    compare.show({ before, after, width, height }).then(() => this.compare === compare && compare.reveal());
  }

  /** @param {Item} item */
  showReason(item) {
    const { title, text } = reason(item);
    const picture = item.input ? el("img", { src: item.input.url, alt: t("original") }) : null;
    picture?.addEventListener("error", () => picture.remove());
    const look = item.status === "canceled" ? "calm" : "";
    this.stage.append(el("div", { class: "viewer-failed" }, picture,
      el("div", { class: `notice ${look}` }, icon(WARNING), el("strong", {}, title), el("p", {}, text))));
  }

  /**
   * The result cannot be shown: it is no longer stored, or it did not come and may be asked for again.
   * @param {string} url
   */
  async broken(url) {
    const { index, job } = this;
    const code = await whyBroken(url);
    if (this.index === index && this.job === job && this.root.open) this.gone(code === "expired");
  }

  gone(forGood = true) {
    this.compare?.remove();
    this.compare = null;
    this.save.hidden = true;
    const again = el("button", { type: "button", class: "button", "data-do": "again" }, t("actions.showAgain"));
    again.addEventListener("click", () => {
      this.show(this.index);
      this.title.focus();
    });
    const said = forGood ? [el("strong", {}, t("jobs.gone"))]
      : [
        el("strong", {}, t("errors.unloaded.title")), el("p", {}, t("errors.unloaded.text")),
        el("div", { class: "ways" }, again),
      ];
    const notice = el("div", { class: `notice ${forGood ? "calm" : ""}` }, icon(WARNING), ...said);
    this.stage.replaceChildren(el("div", { class: "viewer-failed" }, notice));
    this.title.focus();
  }

  /** @param {number} by */
  step(by) {
    const { length } = this.order;
    if (length > 1) this.show(this.order[(this.order.indexOf(this.index) + by + length) % length]);
  }

  /** @param {string | null | undefined} name */
  act(name) {
    if (name === "previous") this.step(-1);
    else if (name === "next") this.step(1);
    else if (name === "close") this.root.close();
    else if (name === "save") this.download();
  }

  /**
   * Arrow keys belong to the slider while it or its tools have the focus; page keys always go on.
   * @param {KeyboardEvent} event
   */
  key(event) {
    if (event.key === "Tab" && !document.fullscreenElement) this.keepFocus(event);
    const by = STEPS[event.key];
    if (!by || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const inside = this.stage.contains(document.activeElement);
    this.step(by);
    if (inside) (this.compare ?? { focus: () => this.title.focus() }).focus();
  }

  /** @param {KeyboardEvent} event */
  keepFocus(event) {
    const stops = focusable(this.root).filter((node) => node.checkVisibility());
    const [first, last] = event.shiftKey ? [stops.at(-1), stops[0]] : [stops[0], stops.at(-1)];
    const from = document.activeElement;
    if (from !== last && !(event.shiftKey && from === this.title)) return;
    event.preventDefault();
    first?.focus();
  }

  async download() {
    try {
      await download(this.job, this.index);
    } catch (problem) {
      if (problem.code === "expired") this.gone();
      else this.onProblem({ code: "downloadFailed" });
    }
  }

  closed() {
    document.documentElement.classList.remove("viewing");
    this.compare?.remove();
    this.compare = null;
    this.stage.replaceChildren();
    this.onClose(this.job, this.index);
  }
}
