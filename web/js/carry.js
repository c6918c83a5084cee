/** Photos that were chosen but not enhanced, carried through a sign-in or a change of language, in this browser. */

const CARRIED = "enhancer.carried"; // in this tab: which record is ours
const STORE = "photos";
const KEPT_MS = 3600e3;

/** @returns {Promise<IDBDatabase>} */
const open = () => new Promise((resolve, reject) => {
  const request = indexedDB.open("enhancer", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

/**
 * Work on the store; resolves to the result of the request that `work` returns, once all is written.
 * @template T
 * @param {(store: IDBObjectStore) => IDBRequest<T>} work
 * @returns {Promise<T>}
 */
async function within(work) {
  const database = await open();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, "readwrite");
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request?.result);
      transaction.onabort = transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

/**
 * Nobody's photos stay behind: what was not fetched within the hour goes with the next visit.
 * @param {IDBObjectStore} store
 */
function clear(store) {
  const request = store.openCursor();
  request.onsuccess = () => {
    const cursor = request.result;
    if (!cursor) return;
    if (!(Date.now() - cursor.value.at < KEPT_MS)) cursor.delete();
    cursor.continue();
  };
}

/** Keep {files, prompt} for this tab. @param {Pick<Luggage, "files" | "prompt">} luggage */
export async function carry({ files, prompt }) {
  const id = crypto.randomUUID();
  await within((store) => {
    clear(store);
    return store.put({ files, prompt, at: Date.now() }, id);
  });
  sessionStorage.setItem(CARRIED, id);
}

/**
 * What this tab carried, once; null when there is nothing.
 * @returns {Promise<Pick<Luggage, "files" | "prompt"> | null>}
 */
export async function unpack() {
  const id = sessionStorage.getItem(CARRIED);
  sessionStorage.removeItem(CARRIED);
  if (!id) return null;
  const found = await within((store) => {
    clear(store);
    return store.get(id);
  });
  await within((store) => store.delete(id));
  return found ?? null;
}
