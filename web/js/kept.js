/** What this browser remembers of its jobs: the files' names, and for this tab small pictures and what was left out. */

const NAMES = "enhancer.names";
const LOOKS = "enhancer.looks";
const LEFT = "enhancer.left";
/** @type {Record<string, number>} */
const JOBS_MAX = { [NAMES]: 200, [LOOKS]: 12 };

/** @param {StoreName} store @param {string} key @returns {any} */
function read(store, key) {
  try {
    return JSON.parse(window[store].getItem(key) ?? "{}") ?? {};
  } catch {
    return {};
  }
}

/** @param {StoreName} store @param {string} key @param {unknown} values */
function write(store, key, values) {
  try {
    window[store].setItem(key, JSON.stringify(values));
  } catch { /* storage is off or full: photos are numbered instead */ }
}

/** @param {StoreName} store @param {string} key @param {string} id @param {unknown} values */
function put(store, key, id, values) {
  const kept = Object.entries({ ...read(store, key), [id]: values });
  write(store, key, Object.fromEntries(kept.slice(-JOBS_MAX[key])));
}

/**
 * Remember the photos of a job, in its order: [{name, look}]; `look` is a small picture as a data address.
 * @param {string} id
 * @param {{name: string, look?: string}[]} photos
 */
export function remember(id, photos) {
  put("localStorage", NAMES, id, photos.map(({ name }) => name));
  if (photos.some(({ look }) => look)) put("sessionStorage", LOOKS, id, photos.map(({ look }) => look ?? null));
}

/** @param {string} id @param {number} index @returns {string | undefined} */
export const nameOf = (id, index) => read("localStorage", NAMES)[id]?.[index];
/** @param {string} id @param {number} index @returns {string | undefined} */
export const lookOf = (id, index) => read("sessionStorage", LOOKS)[id]?.[index];

/** Files that did not make it into a job: told once, on the next page. @param {LeftFile[]} files */
export const leave = (files) => write("sessionStorage", LEFT, files);
/** @returns {LeftFile[]} */
export function takeLeft() {
  const files = read("sessionStorage", LEFT);
  if (Array.isArray(files)) write("sessionStorage", LEFT, {});
  return Array.isArray(files) ? files : [];
}

/** @param {StoreName} store @param {string} key @param {string} id */
function drop(store, key, id) {
  const { [id]: gone, ...rest } = read(store, key);
  if (gone) write(store, key, rest);
}

/** @param {string} id */
export function forget(id) {
  drop("localStorage", NAMES, id);
  drop("sessionStorage", LOOKS, id);
}
