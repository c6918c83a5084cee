/** Before/after: slider, zoom, pan, loupe, full screen; by mouse, touch and keyboard. */

import { $, el, find, reducedMotion, rows } from "./dom.js";
import { number, t, table } from "./i18n.js";

/** @param {number} value @param {number} low @param {number} high */
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const HOLD_MS = 350;
const HINT_MS = 1200;
const REVEAL_MS = 1300;
/** Up to here two shapes are one and the same, rounded by the model; beyond it the original keeps its own. */
const SHAPE_SLACK = 0.04;

/** What a click is on, by its data-do. @param {Event} event */
export const doneBy = ({ target }) =>
  (target instanceof Element ? target.closest("[data-do]")?.getAttribute("data-do") : null);

/** @param {Element} root @returns {HTMLElement[]} */
export const focusable = (root) =>
  [...root.querySelectorAll("button, summary, [tabindex='0']")].filter((node) => node instanceof HTMLElement);

export class Compare {
  /**
   * Build inside `host`. `onDownload` answers Ctrl+S, `onBroken` an image that cannot be loaded.
   * @param {Element} host
   * @param {{onDownload?: () => unknown, onBroken?: () => unknown}} [listeners]
   */
  constructor(host, { onDownload, onBroken } = {}) {
    /** @type {HTMLElement} */
    this.root = find(".compare", $("compare-template").content).cloneNode(true);
    this.find = (/** @type {string} */ selector) => find(selector, this.root);
    /** @type {HTMLElement} */
    this.frame = this.find(".frame");
    /** @type {HTMLElement} */
    this.handle = this.find(".handle");
    /** @type {HTMLElement} */
    this.loupe = this.find(".loupe");
    /** @type {HTMLElement} */
    this.bubble = this.find(".bubble");
    this.halves = /** @type {HTMLElement[]} */ ([...this.loupe.children]);
    const fit = el("div", { class: "fit" });
    this.frame.replaceWith(fit);
    fit.append(this.frame);
    /** @type {Map<number, Point>} */
    this.pointers = new Map();
    /** @type {"pinch" | "pan" | "slide" | "maybe" | "hold" | null} */
    this.gesture = null;
    /** Width by height of an original that has another shape than the result. @type {number | null} */
    this.shape = null;
    /** Where the loupe is. @type {Point | undefined} */
    this.point = undefined;
    /** The reader has taken over from the opening sweep. */
    this.touched = false;
    /** @type {number | undefined} */
    this.holdTimer = undefined;
    /** @type {number | undefined} */
    this.hintTimer = undefined;
    /** How far the line is from the left, in percent. */
    this.position = 50;
    this.zoom = 1;
    this.x = this.y = 0;
    /** Of the loupe: its diameter in CSS pixels, and how many times it enlarges. */
    this.size = 160;
    this.factor = 2;
    this.onDownload = onDownload;
    rows(this.find(".keys-list"), table("help.rows"));
    this.find(".after img").addEventListener("error", () => onBroken?.());
    this.reset();
    this.listen();
    host.append(this.root);
  }

  /**
   * Show a pair; `width` and `height` are the result's, in pixels. Resolves when both can be painted.
   * @param {Size & {before?: string, after: string}} pair
   */
  async show({ before, after, width, height }) {
    this.frame.style.setProperty("--ratio", String(width / height));
    /** @type {HTMLImageElement[]} */
    const images = [this.find(".before img"), this.find(".after img")];
    [before, after].forEach((url, index) => {
      if (url) images[index].src = url;
      this.halves[index].style.backgroundImage = `url("${url}")`;
    });
    this.reset();
    await Promise.all(images.map((image) => image.decode().catch(() => {})));
    const [{ naturalWidth, naturalHeight }] = images;
    const shape = naturalWidth / naturalHeight;
    const other = shape && Math.abs((shape * height) / width - 1) > SHAPE_SLACK;
    this.shape = other ? shape : null;
    this.find(".before").classList.toggle("own-shape", Boolean(other));
    this.placeLoupe();
  }

  /**
   * Where the original lies in a frame of this size: all over it, or in the middle when it has another shape.
   * @param {number} width
   * @param {number} height
   */
  original(width, height) {
    const wide = this.shape ? Math.min(width, height * this.shape) : width;
    const high = this.shape ? wide / this.shape : height;
    return { wide, high, left: (width - wide) / 2, top: (height - high) / 2 };
  }

  /** The line sweeps from all original across the result and rests in the middle. */
  reveal() {
    this.frame.classList.remove("revealed");
    if (matchMedia("(pointer: coarse)").matches) this.hint(t("compare.touchHint"), 3 * HINT_MS);
    if (reducedMotion()) {
      this.move(50);
      return;
    }
    const start = performance.now();
    this.move(100);
    const step = (/** @type {number} */ now) => {
      if (this.pointers.size || this.touched) return;
      const time = clamp((now - start) / REVEAL_MS, 0, 1);
      const sweep = time < 0.62 ? 100 - 92 * ease(time / 0.62) : 8 + 42 * ease((time - 0.62) / 0.38);
      this.move(sweep, true);
      if (time < 1) requestAnimationFrame(step);
      else this.move(50);
    };
    this.touched = false;
    this.frame.classList.add("revealed");
    requestAnimationFrame(step);
  }

  focus() {
    this.handle.focus({ preventScroll: true });
  }

  remove() {
    this.root.remove();
  }

  // --- what is shown

  /** @param {number} position */
  move(position, moving = false) {
    this.position = clamp(position, 0, 100);
    this.frame.style.setProperty("--pos", `${this.position}%`);
    this.frame.classList.toggle("at-start", this.position < 14);
    this.frame.classList.toggle("at-end", this.position > 86);
    if (moving) return;
    this.handle.setAttribute("aria-valuenow", String(Math.round(this.position)));
    this.handle.setAttribute("aria-valuetext", t("compare.valueText", { value: Math.round(this.position) }));
  }

  reset() {
    this.zoom = 1;
    this.x = this.y = 0;
    this.size = 160;
    this.factor = 2;
    this.toggleLoupe(false);
    this.move(50);
    this.paint();
  }

  /** Zoom to `zoom`, keeping the point (x, y) of the frame where it is. @param {number} zoom */
  zoomTo(zoom, x = this.frame.clientWidth / 2, y = this.frame.clientHeight / 2) {
    const next = clamp(Math.round(zoom * 100) / 100, 1, 5);
    this.x = x - ((x - this.x) * next) / this.zoom;
    this.y = y - ((y - this.y) * next) / this.zoom;
    this.zoom = next;
    this.paint();
    this.hint(t("compare.zoom", { value: Math.round(next * 100) }));
  }

  paint() {
    const { clientWidth: width, clientHeight: height } = this.frame;
    this.x = clamp(this.x, width * (1 - this.zoom), 0);
    this.y = clamp(this.y, height * (1 - this.zoom), 0);
    this.frame.style.setProperty("--zoom", String(this.zoom));
    this.frame.style.setProperty("--x", `${this.x}px`);
    this.frame.style.setProperty("--y", `${this.y}px`);
    this.root.classList.toggle("zoomed", this.zoom > 1);
    this.find(".zoom b").textContent = `${Math.round(this.zoom * 100)}\u202f%`;
    this.placeLoupe();
  }

  toggleLoupe(on = this.loupe.hidden) {
    this.loupe.hidden = !on;
    this.find("[data-do=loupe]").setAttribute("aria-pressed", String(on));
    if (on) this.point ??= { x: this.frame.clientWidth / 2, y: this.frame.clientHeight / 2 };
    this.placeLoupe();
  }

  /** Left half of the lens: original; right half: result. Both show the same place. */
  placeLoupe() {
    if (this.loupe.hidden || !this.point) return;
    const { x, y } = this.point;
    const scale = this.zoom * this.factor;
    const radius = this.size / 2;
    const { clientWidth: width, clientHeight: height } = this.frame;
    this.loupe.style.setProperty("--size", `${this.size}px`);
    this.loupe.style.transform = `translate(${x - radius}px, ${y - radius}px)`;
    this.halves.forEach((half, index) => {
      const box = index ? { wide: width, high: height, left: 0, top: 0 } : this.original(width, height);
      const left = radius - ((x - this.x) / this.zoom - box.left) * scale - index * radius;
      const top = radius - ((y - this.y) / this.zoom - box.top) * scale;
      half.style.backgroundSize = `${box.wide * scale}px ${box.high * scale}px`;
      half.style.backgroundPosition = `${left}px ${top}px`;
    });
  }

  /** @param {boolean} on */
  hold(on) {
    this.frame.classList.toggle("holding", on);
    this.find("[data-do=hold]").setAttribute("aria-pressed", String(on));
  }

  /** @param {string} text */
  hint(text, milliseconds = HINT_MS) {
    this.bubble.textContent = text;
    this.bubble.hidden = false;
    clearTimeout(this.hintTimer);
    this.hintTimer = setTimeout(() => (this.bubble.hidden = true), milliseconds);
  }

  async toggleFullscreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.root.requestFullscreen?.().catch(() => {});
  }

  // --- input

  listen() {
    const { frame, root } = this;
    frame.addEventListener("pointerdown", (event) => this.press(event));
    frame.addEventListener("pointermove", (event) => this.drag(event));
    frame.addEventListener("pointerup", (event) => this.release(event));
    frame.addEventListener("pointercancel", (event) => this.release(event));
    frame.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    frame.addEventListener("contextmenu", (event) => this.pointers.size && event.preventDefault());
    root.addEventListener("keydown", (event) => this.key(event));
    root.addEventListener("keyup", (event) => event.key === " " && this.hold(false));
    this.handle.addEventListener("blur", () => this.hold(false));
    root.addEventListener("click", (event) => this.tool(doneBy(event)));
    root.addEventListener("fullscreenchange", () => this.fullscreenChanged());
    new ResizeObserver(() => this.paint()).observe(frame);
  }

  /** @param {MouseEvent} event */
  at(event) {
    const box = this.frame.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button > 0) return;
    this.touched = true;
    const point = this.at(event);
    this.pointers.set(event.pointerId, point);
    this.frame.setPointerCapture(event.pointerId);
    const onHandle = this.handle.contains(/** @type {Node} */ (event.target));
    this.gesture = this.pointers.size > 1 ? "pinch" : this.zoom > 1 && !onHandle ? "pan" : "slide";
    this.handle.focus({ preventScroll: true });
    event.preventDefault();
    clearTimeout(this.holdTimer);
    if (event.pointerType === "touch" && this.gesture !== "pinch" && !onHandle) {
      this.gesture = this.zoom > 1 ? "pan" : "maybe";
      this.holdTimer = setTimeout(() => {
        this.gesture = "hold";
        this.hold(true);
      }, HOLD_MS);
    } else if (this.gesture === "slide") this.slide(point);
  }

  /** @param {PointerEvent} event */
  drag(event) {
    const point = this.at(event);
    this.point = point;
    this.placeLoupe();
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const moved = Math.hypot(point.x - last.x, point.y - last.y);
    if (this.gesture === "maybe" && moved > 6) {
      clearTimeout(this.holdTimer);
      this.gesture = "slide";
    }
    if (this.gesture === "slide") this.slide(point);
    if (this.gesture === "pan") {
      if (moved > 3) clearTimeout(this.holdTimer);
      this.x += point.x - last.x;
      this.y += point.y - last.y;
      this.paint();
    }
    if (this.gesture === "pinch") this.pinch(event.pointerId, point);
    if (this.gesture !== "maybe") this.pointers.set(event.pointerId, point);
  }

  /** @param {PointerEvent} event */
  release(event) {
    clearTimeout(this.holdTimer);
    if (this.gesture === "maybe") this.slide(this.at(event));
    this.pointers.delete(event.pointerId);
    this.gesture = null;
    this.hold(false);
    this.move(this.position);
  }

  /** @param {Point} point */
  slide({ x }) {
    this.move((x / this.frame.clientWidth) * 100, true);
  }

  /** @param {number} id @param {Point} point */
  pinch(id, point) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, value]) => value);
    if (!other) return;
    const last = this.pointers.get(id);
    if (!last) return;
    const apart = (/** @type {Point} */ one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
    this.zoomTo(this.zoom * (apart(point) / apart(last)), (point.x + other.x) / 2, (point.y + other.y) / 2);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    const delta = event.deltaY || event.deltaX;
    const up = delta < 0 ? 1 : -1;
    if (!this.loupe.hidden && (event.shiftKey || event.altKey)) {
      if (event.shiftKey) this.size = clamp(this.size + 10 * up, 120, 300);
      else this.factor = clamp(Math.round((this.factor + 0.1 * up) * 10) / 10, 1.5, 4);
      this.placeLoupe();
      this.hint(t("compare.loupeHint", { size: this.size, factor: number(this.factor) }));
    } else if (up > 0 || this.zoom > 1) {
      const { x, y } = this.at(event);
      this.zoomTo(this.zoom + 0.25 * up, x, y);
    } else return;
    event.preventDefault();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.key === "Tab" && document.fullscreenElement === this.root) this.keepFocus(event);
    if (event.key === "Escape") this.find(".keys").open = false;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
      event.preventDefault();
      this.onDownload?.();
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = /** @type {Element} */ (event.target).closest("button, summary");
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = this.keyActions(event.shiftKey ? 10 : 5, !onButton)[name];
    if (!action) return;
    this.touched = true;
    event.preventDefault();
    action();
  }

  /**
   * What each key does. A space belongs to a button that has the focus.
   * @param {number} step
   * @param {boolean} holds
   * @returns {Record<string, (() => void) | undefined>}
   */
  keyActions(step, holds) {
    return {
      ArrowLeft: () => this.move(this.position - step), ArrowRight: () => this.move(this.position + step),
      ArrowDown: () => this.move(this.position - step), ArrowUp: () => this.move(this.position + step),
      Home: () => this.move(0), End: () => this.move(100), 0: () => this.move(50),
      "+": () => this.zoomTo(this.zoom + 0.25), "-": () => this.zoomTo(this.zoom - 0.25), 1: () => this.zoomTo(1),
      " ": holds ? () => this.hold(true) : undefined,
      l: () => this.toggleLoupe(), r: () => this.reset(),
    };
  }

  /** @param {string | null | undefined} name */
  tool(name) {
    if (!name) return;
    this.touched = true;
    /** @type {Record<string, () => void>} */
    const tools = {
      in: () => this.zoomTo(this.zoom + 0.25), out: () => this.zoomTo(this.zoom - 0.25), reset: () => this.reset(),
      loupe: () => this.toggleLoupe(), full: () => this.toggleFullscreen(),
      hold: () => this.hold(!this.frame.classList.contains("holding")),
    };
    tools[name]();
  }

  /** @param {KeyboardEvent} event */
  keepFocus(event) {
    const stops = focusable(this.root);
    const [edge, next] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
    if (document.activeElement !== edge) return;
    event.preventDefault();
    next?.focus();
  }

  fullscreenChanged() {
    const button = this.find("[data-do=full]");
    const on = document.fullscreenElement === this.root;
    button.setAttribute("aria-label", t(on ? "exitFullscreen" : "fullscreen"));
    button.focus();
  }
}

/** @param {number} time */
const ease = (time) => (time < 0.5 ? 4 * time ** 3 : 1 - (-2 * time + 2) ** 3 / 2);
