/** Jobs through the API: make, list, follow, stop, run again, delete. */

import { Problem, ask, call, pause, renewing } from "./http.js";

const JOBS = "/api/ai-image/jobs";
const POLL_MS = 2000;
const SLOWEST_MS = 15_000;

/** @param {Pick<Item, "status">} entry */
export const isOpen = ({ status }) => status === "queued" || status === "processing";

/** @param {string} id */
const at = (id) => `${JOBS}/${encodeURIComponent(id)}`;
/** @param {string} url @param {CallOptions} [options] */
const post = (url, options) => renewing(() => call(url, { method: "POST", ...options }));

/**
 * Start a job: {key, model, params, items}. Sent again under the same key it is the same job.
 * @param {{key: string, model: string, params: object, items: object[]}} order
 * @returns {Promise<Job>}
 */
export const create = ({ key, ...order }) =>
  post(JOBS, { json: true, body: JSON.stringify(order), headers: { "Idempotency-Key": key } });
/** @param {string} id @returns {Promise<Job>} */
export const cancel = (id) => post(`${at(id)}/cancel`);
/**
 * Stop what was ordered under a key, or is about to be. Once this resolves nothing is charged for it, ever.
 * @param {string} key
 */
export const cancelOrdered = (key) => post(`${JOBS}/by-key/cancel`, { headers: { "Idempotency-Key": key } });
/** @param {string} id @param {string} key @returns {Promise<Job>} */
export const retry = (id, key) => post(`${at(id)}/retry`, { headers: { "Idempotency-Key": key } });
/** @param {string} id */
export const remove = (id) => renewing(() => call(at(id), { method: "DELETE" }));
/** @param {string} id @returns {Promise<Job>} */
export const one = (id) => call(at(id), { fresh: true });

/**
 * A page of jobs, newest first: {jobs, nextCursor, wait}; `wait` is when to look again, in ms.
 * @param {Record<string, string>} query
 * @returns {Promise<JobPage & {jobs: Job[], wait: number}>}
 */
export async function list(query) {
  const { data, header } = await ask(`${JOBS}?${new URLSearchParams(query)}`, { fresh: true });
  return { ...data, wait: pace(header) };
}

/**
 * Two seconds, or longer when that would use up more than two thirds of the calls that are left in this minute.
 * @param {Header} header
 */
function pace(header) {
  const [, left, seconds] = header("RateLimit")?.match(/r=(\d+);t=(\d+)/) ?? [];
  return left ? Math.max(POLL_MS, (1500 * Number(seconds)) / Math.max(1, Number(left))) : POLL_MS;
}

/**
 * Look after a job until it has ended. An abort ends the looking, not the job.
 * @param {Job} started
 * @param {Watch} options
 */
async function follow(started, { signal, onQueue }) {
  let job = started;
  let etag = "";
  let wait = POLL_MS;
  while (isOpen(job)) {
    onQueue?.(job);
    await pause(document.hidden ? SLOWEST_MS : wait, signal);
    try {
      const headers = etag ? { "If-None-Match": etag } : undefined;
      const { data, header } = await ask(at(job.id), { signal, fresh: true, headers });
      job = data ?? job;
      etag = header("ETag") ?? "";
      wait = pace(header);
    } catch (problem) {
      const { status } = problem;
      if (!(problem instanceof Problem) || (status > 0 && status < 500 && status !== 429)) throw problem;
      wait = problem.retryAfter * 1000 || Math.min(SLOWEST_MS, 2 * wait);
    }
  }
  return job;
}

/**
 * A run that outlasts the request goes on as a job; its end as `generate` would have answered.
 * @param {Job} answer
 * @param {Watch} options
 * @returns {Promise<Result>}
 */
export async function finish(answer, options) {
  const job = await follow(answer, options);
  const [item] = job.items;
  if (job.status !== "succeeded") {
    const code = job.status === "canceled" ? "job_canceled" : "job_failed";
    throw new Problem((item.error ?? job.error)?.code ?? code, { message: item.error?.message, status: 200 });
  }
  if (!item.output) throw new Problem("job_failed", { status: 200 });
  const { url: imageUrl, width, height } = item.output;
  const { model = job.model, provider = job.provider } = item;
  const { requestedModel, charge } = job;
  return {
    model, provider, requestedModel, charge, jobId: job.id, imageUrl, width, height, originalUrl: item.input?.url,
  };
}
