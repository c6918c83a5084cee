/** The image API as the page uses it. */

import { BASE, Problem, call, get, renewing, send, token, unreachable, unwrap } from "./http.js";
import { lang } from "./i18n.js";

/** Above this the photo goes straight to the store, because a request body ends at about 6 MB encoded. */
const DIRECT_BYTES = 4e6;

/** @returns {Promise<Model[]>} */
export const models = async () => (await get("/models")).models;
/** @param {Partial<Order>} order @param {AbortSignal} signal @returns {Promise<Quote>} */
export const quote = (order, signal) =>
  call(`${BASE}/quote`, { method: "POST", body: JSON.stringify(order), json: true, signal });

/** The content type of a file; not every browser knows HEIC. @param {File} file */
const typeOf = ({ type, name }) => type || (/\.hei[cf]$/i.test(name) ? "image/heic" : "application/octet-stream");

/**
 * Put a large file into the store; returns its upload key.
 * @param {File} file
 * @param {Watch} options
 * @returns {Promise<string>}
 */
export async function upload(file, options) {
  /** @type {Upload} */
  const target = await call(`${BASE}/uploads`, {
    method: "POST", json: true, signal: options.signal,
    body: JSON.stringify({ contentType: typeOf(file), size: file.size }),
  });
  const form = new FormData();
  for (const [name, value] of Object.entries(target.fields)) form.append(name, value);
  form.append("file", file);
  await send(target.url, form, { ...options, read: stored });
  return target.uploadKey;
}

/** @param {XMLHttpRequest} request */
function stored(request) {
  if (request.status < 300) return;
  const tooLarge = /EntityTooLarge/.test(request.responseText);
  throw new Problem(tooLarge ? "file_too_large" : "upload_not_found", { status: request.status });
}

/**
 * Run one order: {file, key, model, scale, face_enhance, quality, prompt}. Resolves to the result
 * {imageUrl, originalUrl, width, height, charge, deduplicated, ...}.
 * @param {Details & {file: File, key: string}} order
 * @param {Watch} options
 * @returns {Promise<Result>}
 */
export async function generate({ file, key, ...fields }, options) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined && value !== null && value !== "") form.append(name, String(value));
  }
  if (file.size > DIRECT_BYTES) form.append("uploadKey", await renewing(() => upload(file, options)));
  else form.append("image", file, file.name);
  const post = () => send(`${BASE}/generate`, form, {
    ...options,
    headers: { Accept: "application/json", "Accept-Language": lang, "X-CSRF-Token": token(), "Idempotency-Key": key },
    read: (request) => unwrap(request.status, request.responseText, (name) => request.getResponseHeader(name)),
  });
  const answer = await renewing(post);
  return answer.status ? (await import("./queue.js")).finish(answer, options) : answer;
}

/** The result's bytes for the download. @param {string} url */
export async function fetchResult(url) {
  let response;
  try {
    response = await fetch(url);
  } catch {
    throw unreachable();
  }
  if ([403, 404, 410].includes(response.status)) throw new Problem("expired", { status: response.status });
  if (!response.ok) throw new Problem("network", { status: response.status });
  return response.blob();
}

/**
 * Why a picture could not be shown: "expired" for one that is no longer stored, "unloaded" for one that may come yet.
 * @param {string} url
 * @returns {Promise<"expired" | "unloaded">}
 */
export const whyBroken = (url) =>
  fetchResult(url).then(() => "unloaded", ({ code }) => (code === "expired" ? code : "unloaded"));
