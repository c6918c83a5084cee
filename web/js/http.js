/** Calls of our API: the envelope, the CSRF token, patience with rate limits. Every failure becomes a `Problem`. */

import { cookie } from "./dom.js";
import { lang } from "./i18n.js";

export const BASE = "/api/ai-image";
/** A reading call that came too fast is made again, so often and after at most so long a wait. */
const PATIENCE = 3, WAIT_SECONDS = 4;

/** What went wrong: the API's code (or one of the page's own), its message and details, seconds to wait. */
export class Problem extends Error {
  /** @param {string} code @param {Partial<Trouble>} [facts] */
  constructor(code, { message = "", type = "", details = {}, status = 0, retryAfter = 0, requestId = "" } = {}) {
    super(message || code);
    this.code = code;
    this.type = type;
    this.details = details;
    this.status = status;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
    this.apiMessage = message;
  }

  /** True when no answer arrived, so the same run may be sent again under the same key. */
  get unanswered() {
    return this.status === 0;
  }
}

/** @param {string} path */
export const get = (path) => call(BASE + path, { fresh: true });
/** @returns {Promise<Usage>} */
export const usage = () => get("/usage");

/** @returns {Promise<Me>} */
export const me = () => call("/api/auth/me", { fresh: true });

/** The data of one call. @param {string} url @param {CallOptions} [options] */
export const call = async (url, options) => (await ask(url, options)).data;

/**
 * One call with its headers: {data, header}; no data when an `If-None-Match` still holds. Reading too fast waits.
 * @param {string} url
 * @param {CallOptions} [options]
 */
export async function ask(url, options = {}) {
  for (let left = PATIENCE; ; left -= 1) {
    try {
      return await once(url, options);
    } catch (problem) {
      const reads = (options.method ?? "GET") === "GET" && problem.code === "rate_limited";
      if (!reads || !left || problem.retryAfter > WAIT_SECONDS) throw problem;
      await new Promise((done) => setTimeout(done, (problem.retryAfter + Math.random()) * 1e3));
    }
  }
}

/** @param {string} url @param {CallOptions} options @returns {Promise<{data?: any, header: Header}>} */
async function once(url, { method = "GET", body, json, signal, fresh, headers: more }) {
  const headers = new Headers({ Accept: "application/json", "Accept-Language": lang, ...more });
  if (json) headers.set("Content-Type", "application/json");
  if (method !== "GET") headers.set("X-CSRF-Token", token());
  let response;
  try {
    response = await fetch(url, { method, headers, body, signal, cache: fresh ? "no-store" : "default" });
  } catch (error) {
    throw signal?.aborted ? error : unreachable();
  }
  const header = (/** @type {string} */ name) => response.headers.get(name);
  if (response.status === 304 || response.status === 204) return { header };
  return { data: unwrap(response.status, await response.text(), header), header };
}

export const token = () => decodeURIComponent(cookie("csrf_token") ?? "");
export const unreachable = () => new Problem(navigator.onLine === false ? "offline" : "network");

/**
 * The data of an answer; throws the `Problem` it tells.
 * @param {number} status
 * @param {string} text
 * @param {Header} header
 */
export function unwrap(status, text, header) {
  let answer = null;
  try {
    answer = JSON.parse(text);
  } catch { /* not ours: a proxy's page */ }
  if (status < 400 && answer?.success) return answer.data;
  const error = answer?.error ?? {};
  const fallback = status === 413 ? "file_too_large" : status >= 500 ? "internal_error" : "unknown";
  throw new Problem(error.code ?? fallback, {
    message: error.message, type: error.type, details: error.details ?? {}, status,
    retryAfter: Number(header("Retry-After")) || answer?.retryAfter || 0,
    requestId: answer?.requestId ?? header("X-Request-Id") ?? "",
  });
}

/**
 * POST a form with upload progress; `fetch` cannot report it.
 * @param {string} url
 * @param {FormData} form
 * @param {SendOptions} options
 * @returns {Promise<any>}
 */
export function send(url, form, { headers = {}, signal, onUpload, read }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    request.open("POST", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onUpload?.(event.loaded / event.total);
    request.upload.onload = () => onUpload?.(1);
    request.onload = () => {
      try {
        resolve(read(request));
      } catch (problem) {
        reject(problem);
      }
    };
    request.onerror = () => reject(unreachable());
    request.onabort = () => reject(new DOMException("aborted", "AbortError"));
    request.onloadend = () => signal?.removeEventListener("abort", abort);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) reject(new DOMException("aborted", "AbortError"));
    else request.send(form);
  });
}

/** A stale CSRF cookie is renewed once by asking for the usage. @template T @param {() => Promise<T>} action */
export async function renewing(action) {
  try {
    return await action();
  } catch (problem) {
    if (problem.code !== "csrf_token_invalid") throw problem;
    await usage();
    return action();
  }
}

/** @param {number} ms @param {AbortSignal} [signal] */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("aborted", "AbortError"));
    }, { once: true });
  });
}
