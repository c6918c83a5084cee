/** Small tools for the document. */

/** The element with this id; the page is made so that it is there. @type {ById} */
export const $ = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * The first element that a selector finds; the page is made so that it is there.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {any}
 */
export const find = (selector, root = document) => root.querySelector(selector);

/** An element with attributes (or properties) and children; null children are left out. @type {El} */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name in node && typeof value !== "string") Object.assign(node, { [name]: value });
    else node.setAttribute(name, String(value));
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** An icon from path data on a 24 px grid. @param {string} path @param {string} [className] */
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

export const LOCK =
  "M7 11V8a5 5 0 0 1 10 0v3M6.5 11h11a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1h-11a1 1 0 0 1-1-1v-7a1 1 0 0 1 1-1Z";
export const WARNING = "M12 8v5m0 3.200v.1M12 3.5 2.8 19.5h18.400Z";
export const CLOCK = "M12 7.5V12l3 2M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z";
export const INFO = "M12 11v5m0-8.200v.1M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z";

/**
 * Fill a description list with [term, value] pairs; a value is text or a node.
 * @param {Element} list
 * @param {(Row | Falsy)[]} pairs
 */
export function rows(list, pairs) {
  list.replaceChildren(...pairs.flatMap((pair) =>
    (pair ? el("div", {}, el("dt", {}, pair[0]), el("dd", {}, pair[1])) : [])));
}

/** Say it once in the polite live region, without repeating what was just said. @param {string} text */
export function announce(text) {
  const live = $("live");
  if (live.textContent !== text) live.textContent = text;
}

/** @param {string} name */
export function cookie(name) {
  const parts = document.cookie.split(";").map((part) => part.trim());
  return parts.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
}

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** @type {Record<string, string>} */
const EXTENSIONS = {
  "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/avif": "avif", "application/zip": "zip",
};

/**
 * Save bytes, a picture under the photo's own name with what was done to it.
 * @param {Blob} blob
 * @param {string} name
 * @param {string} suffix
 */
export function save(blob, name, suffix) {
  const url = URL.createObjectURL(blob);
  const stem = name.replace(/\.[^.]+$/, "");
  el("a", { href: url, download: `${stem}-${suffix}.${EXTENSIONS[blob.type] ?? "jpg"}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60e3);
}
