/** What this browser remembers of its jobs: the files' names, and for this tab small pictures and what was left out. */

const NAMES = "enhancer.names";
const LOOKS = "enhancer.looks";
const LEFT = "enhancer.left";
const JOBS_MAX = { [NAMES]: 200, [LOOKS]: 12 };

function read(store, key) {
  try {
    return JSON.parse(window[store].getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function write(store, key, values) {
  try {
    window[store].setItem(key, JSON.stringify(values));
  } catch { /* storage is off or full: photos are numbered instead */ }
}

function put(store, key, id, values) {
  const kept = Object.entries({ ...read(store, key), [id]: values });
  write(store, key, Object.fromEntries(kept.slice(-JOBS_MAX[key])));
}

/** Remember the photos of a job, in its order: [{name, look}]; `look` is a small picture as a data address. */
export function remember(id, photos) {
  put("localStorage", NAMES, id, photos.map(({ name }) => name));
  if (photos.some(({ look }) => look)) put("sessionStorage", LOOKS, id, photos.map(({ look }) => look ?? null));
}

export const nameOf = (id, index) => read("localStorage", NAMES)[id]?.[index];
export const lookOf = (id, index) => read("sessionStorage", LOOKS)[id]?.[index];

/** Files that did not make it into a job: told once, on the next page. */
export const leave = (files) => write("sessionStorage", LEFT, files);
export function takeLeft() {
  const files = read("sessionStorage", LEFT);
  if (Array.isArray(files)) write("sessionStorage", LEFT, {});
  return Array.isArray(files) ? files : [];
}

export function forget(id) {
  for (const [store, key] of [["localStorage", NAMES], ["sessionStorage", LOOKS]]) {
    const { [id]: gone, ...rest } = read(store, key);
    if (gone) write(store, key, rest);
  }
}
