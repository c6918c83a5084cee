/** One photo in full view, before and after, and the way to the next. */

import { fetchResult, whyBroken } from "./api.js";
import { photoName, reason, swapOf, swapText } from "./card.js";
import { Compare } from "./compare.js";
import { WARNING, el, icon, save } from "./dom.js";
import { pixels, t } from "./i18n.js";
import { isOpen } from "./queue.js";

const BACK = "m14.500 6-6 6 6 6";
const NEXT = "m9.500 6 6 6-6 6";
const CLOSE = "M6.500 6.500l11 11M17.500 6.500l-11 11";
const DOWNLOAD = "M12 4v10.500m0 0 4-4m-4 4-4-4M5 19.500h14";

export const downloadUrl = ({ url }) => `${url}${url.includes("?") ? "&" : "?"}download=1`;

/** Save an item's result under the photo's own name. */
export async function download(job, index) {
  const { output } = job.items[index];
  const blob = await fetchResult(downloadUrl(output));
  save(blob, photoName(job, index), suffix(job));
}

/** What a result is called after its file: by what was done to it. */
const suffix = ({ params }) => (params?.scale > 1 ? `${params.scale}x` : params?.prompt ? "edited" : "enhanced");

export class Viewer {
  /** `onClose(job, index)` is told which photo was seen last, `onProblem` what went wrong with a download. */
  constructor({ onClose, onProblem }) {
    const act = (name, label, path) => el("button", { type: "button", class: "viewer-button", "data-do": name, "aria-label": label }, icon(path));
    this.title = el("h2", { class: "viewer-title", id: "viewer-title", tabIndex: -1 });
    this.position = el("p", { class: "viewer-position", role: "status" });
    this.prompt = el("p", { class: "viewer-prompt" });
    this.swap = el("p", { class: "viewer-prompt viewer-swap" });
    this.stage = el("div", { class: "viewer-stage" });
    this.save = el("button", { type: "button", class: "button primary", "data-do": "save" }, icon(DOWNLOAD), el("span", {}, t("download")));
    this.previous = act("previous", t("jobs.viewer.previous"), BACK);
    this.next = act("next", t("jobs.viewer.next"), NEXT);
    this.root = el("dialog", { class: "viewer", "aria-labelledby": "viewer-title" },
      el("div", { class: "viewer-head" },
        el("div", { class: "viewer-name" }, this.title, this.position), this.previous, this.next, this.save, act("close", t("jobs.viewer.close"), CLOSE)),
      el("div", {}, this.prompt, this.swap), this.stage);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("click", (event) => this.act(event.target.closest(".viewer-head [data-do]")?.dataset.do));
    this.root.addEventListener("close", () => this.closed());
    Object.assign(this, { onClose, onProblem });
    document.body.append(this.root);
  }

  /** `nameOf(slug, said)` says what a model is called. */
  open(job, index, nameOf) {
    Object.assign(this, { job, nameOf });
    this.order = job.items.map((_, at) => at).filter((at) => !isOpen(job.items[at]));
    for (const button of [this.previous, this.next]) button.hidden = this.order.length < 2;
    this.root.showModal();
    document.documentElement.classList.add("viewing");
    this.show(index);
    if (this.order.length > 1 || !this.compare) this.title.focus({ preventScroll: true });
    else this.compare.focus();
  }

  show(index) {
    this.index = index;
    const item = this.job.items[index];
    const at = this.order.indexOf(index);
    this.compare?.remove();
    this.compare = null;
    this.stage.replaceChildren();
    this.title.textContent = photoName(this.job, index);
    const facts = [this.order.length > 1 && t("jobs.viewer.position", { number: at + 1, total: this.order.length }),
      item.output ? pixels(item.output.width, item.output.height) : t(`jobs.status.${item.status}`)];
    this.position.textContent = facts.filter(Boolean).join(" · ");
    const prompt = item.prompt ?? this.job.params?.prompt;
    this.prompt.hidden = !prompt;
    this.prompt.textContent = prompt ? t("jobs.viewer.prompt", { prompt }) : "";
    const swap = swapOf(item, this.job);
    const { total } = item.charge ?? {};
    this.swap.hidden = !swap;
    this.swap.textContent = swap ? [swapText(swap, this.nameOf), total ? t("paid", { price: t("credits", { count: total }) }) : t("paidNothing")].join(" ") : "";
    this.save.hidden = !item.output;
    if (item.output) this.showPair(item);
    else this.showReason(item);
  }

  showPair({ input, output }) {
    const { width, height } = output;
    const before = (input ?? this.job.items.find((other) => other.input && other.output?.key === output.key)?.input)?.url;
    if (!before) return this.showAlone(output);
    const compare = new Compare(this.stage, { onDownload: () => this.download(), onBroken: () => this.compare === compare && this.broken(output.url) });
    this.compare = compare;
    compare.show({ before, after: output.url, width, height }).then(() => this.compare === compare && compare.reveal());
  }

  /** The same picture as in an earlier run: its original is kept there. */
  showAlone({ url }) {
    const picture = el("img", { class: "viewer-alone", src: url, alt: t("result") });
    picture.addEventListener("error", () => picture.isConnected && this.broken(url));
    this.stage.append(el("div", { class: "viewer-failed" }, picture, el("p", { class: "viewer-note" }, t("jobs.viewer.alone"))));
  }

  showReason(item) {
    const { title, text } = reason(item);
    const picture = item.input ? el("img", { src: item.input.url, alt: t("original") }) : null;
    picture?.addEventListener("error", () => picture.remove());
    this.stage.append(el("div", { class: "viewer-failed" }, picture,
      el("div", { class: `notice ${item.status === "canceled" ? "calm" : ""}` }, icon(WARNING), el("strong", {}, title), el("p", {}, text))));
  }

  /** The result cannot be shown: it is no longer stored, or it did not come and may be asked for again. */
  async broken(url) {
    const { index, job } = this;
    const code = await whyBroken(url);
    if (this.index === index && this.job === job && this.root.open) this.gone(code === "expired");
  }

  gone(forGood = true) {
    this.compare?.remove();
    this.compare = null;
    this.save.hidden = true;
    const again = forGood ? null : el("button", { type: "button", class: "button", "data-do": "again" }, t("actions.showAgain"));
    again?.addEventListener("click", () => (this.show(this.index), this.title.focus()));
    const [title, text] = forGood ? [t("jobs.gone")] : [t("errors.unloaded.title"), t("errors.unloaded.text")];
    this.stage.replaceChildren(el("div", { class: "viewer-failed" }, el("div", { class: `notice ${forGood ? "calm" : ""}` }, icon(WARNING), el("strong", {}, title),
      text ? el("p", {}, text) : null, again && el("div", { class: "ways" }, again))));
    this.title.focus();
  }

  step(by) {
    const { length } = this.order;
    if (length > 1) this.show(this.order[(this.order.indexOf(this.index) + by + length) % length]);
  }

  act(name) {
    ({ previous: () => this.step(-1), next: () => this.step(1), close: () => this.root.close(), save: () => this.download() })[name]?.();
  }

  /** Arrow keys belong to the slider while it or its tools have the focus; page keys always go on. */
  key(event) {
    if (event.key === "Tab" && !document.fullscreenElement) return this.keepFocus(event);
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowLeft: -1, ArrowUp: -1, PageUp: -1, ArrowRight: 1, ArrowDown: 1, PageDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const inside = this.stage.contains(document.activeElement);
    this.step(by);
    if (inside) (this.compare ?? { focus: () => this.title.focus() }).focus();
  }

  keepFocus(event) {
    const stops = [...this.root.querySelectorAll("button, summary, [tabindex='0']")].filter((node) => node.checkVisibility());
    const [first, last] = event.shiftKey ? [stops.at(-1), stops[0]] : [stops[0], stops.at(-1)];
    const from = document.activeElement;
    if (from !== last && !(event.shiftKey && from === this.title)) return;
    event.preventDefault();
    first.focus();
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
