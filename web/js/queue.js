/** Jobs through the API: make, list, follow, stop, run again, delete. */

import { Problem, ask, call, pause, renewing } from "./http.js";

const JOBS = "/api/ai-image/jobs";
const POLL_MS = 2000;
const SLOWEST_MS = 15_000;

export const isOpen = ({ status }) => status === "queued" || status === "processing";

const at = (id) => `${JOBS}/${encodeURIComponent(id)}`;
const post = (url, options) => renewing(() => call(url, { method: "POST", ...options }));

/** Start a job: {key, model, params, items}. Sent again under the same key it is the same job. */
export const create = ({ key, ...order }) =>
  post(JOBS, { json: true, body: JSON.stringify(order), headers: { "Idempotency-Key": key } });
export const cancel = (id) => post(`${at(id)}/cancel`);
export const retry = (id, key) => post(`${at(id)}/retry`, { headers: { "Idempotency-Key": key } });
export const remove = (id) => renewing(() => call(at(id), { method: "DELETE" }));
export const one = (id) => call(at(id), { fresh: true });

/** A page of jobs, newest first: {jobs, nextCursor, wait}; `wait` is when to look again, in ms. */
export async function list(query) {
  const { data, header } = await ask(`${JOBS}?${new URLSearchParams(query)}`, { fresh: true });
  return { ...data, wait: pace(header) };
}

/** Two seconds, or longer when that would use up more than two thirds of the calls that are left in this minute. */
function pace(header) {
  const [, left, seconds] = header("RateLimit")?.match(/r=(\d+);t=(\d+)/) ?? [];
  return left ? Math.max(POLL_MS, (1500 * seconds) / Math.max(1, left)) : POLL_MS;
}

/** Look after a job until it has ended. An abort stops the job itself; a lost connection does not. */
async function follow(job, { signal, onQueue }) {
  let etag = "";
  let wait = POLL_MS;
  const stop = () => cancel(job.id).catch(() => {});
  signal?.addEventListener("abort", stop, { once: true });
  while (isOpen(job)) {
    onQueue?.(job);
    await pause(document.hidden ? SLOWEST_MS : wait, signal);
    try {
      const { data, header } = await ask(at(job.id), { signal, fresh: true, headers: etag ? { "If-None-Match": etag } : {} });
      job = data ?? job;
      etag = header("ETag") ?? "";
      wait = pace(header);
    } catch (problem) {
      if (!(problem instanceof Problem) || (problem.status > 0 && problem.status < 500 && problem.status !== 429)) throw problem;
      wait = problem.retryAfter * 1000 || Math.min(SLOWEST_MS, 2 * wait);
    }
  }
  signal?.removeEventListener("abort", stop);
  return job;
}

/** A run that outlasts the request goes on as a job; its end as `generate` would have answered. */
export async function finish(answer, options) {
  const job = await follow(answer, options);
  const [item] = job.items;
  if (job.status !== "succeeded") {
    const code = job.status === "canceled" ? "job_canceled" : "job_failed";
    throw new Problem((item.error ?? job.error)?.code ?? code, { message: item.error?.message, status: 200 });
  }
  const { url: imageUrl, width, height } = item.output;
  const { model = job.model, provider = job.provider } = item;
  return { ...job, model, provider, jobId: job.id, imageUrl, width, height, originalUrl: item.input?.url, usage: null };
}
