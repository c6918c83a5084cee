/** Small tools for the document. */

export const $ = (id) => document.getElementById(id);

/** An element with attributes (or properties) and children; null children are left out. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null) continue;
    if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

/** An icon from path data on a 24 px grid. */
export function icon(path, className) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("width", "20");
  svg.setAttribute("height", "20");
  svg.setAttribute("aria-hidden", "true");
  if (className) svg.setAttribute("class", className);
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

export const LOCK = "M7 11V8a5 5 0 0 1 10 0v3M6.5 11h11a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z";
export const WARNING = "M12 8v5m0 3.200v.1M12 3.5 2.8 19.5h18.400Z";
export const CLOCK = "M12 7.5V12l3 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z";
export const INFO = "M12 11v5m0-8.200v.1M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z";

/** Fill a description list with [term, value] pairs; a value is text or a node. */
export function rows(list, pairs) {
  list.replaceChildren(...pairs.filter(Boolean).map(([term, value]) =>
    el("div", {}, el("dt", {}, term), el("dd", {}, value))));
}

/** Say it once in the polite live region, without repeating what was just said. */
export function announce(text) {
  const live = $("live");
  if (live.textContent !== text) live.textContent = text;
}

export const cookie = (name) =>
  document.cookie.split(";").map((part) => part.trim()).find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const EXTENSIONS = { "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif", "application/zip": "zip" };

/** Save bytes, a picture under the photo's own name with what was done to it. */
export function save(blob, name, suffix) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: `${name.replace(/\.[^.]+$/, "")}-${suffix}.${EXTENSIONS[blob.type] ?? "jpg"}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60e3);
}
