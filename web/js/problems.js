/** Every failure as a text with a reason and a way on. */

import { $, CLOCK, INFO, WARNING, el, icon } from "./dom.js";
import { bytes, duration, lang, modelSaid, moment, number, planName, t } from "./i18n.js";
import { follow, openSignIn } from "./top.js";
import { feature, usage } from "./usage.js";

const WAITING = new Set([
  "key_cap_reached", "rate_limited", "daily_quota_exceeded", "network_quota_exceeded", "provider_throttled",
  "runs_paused", "too_many_jobs",
]);
const CALM = new Set(["canceled", "leftOut", "needs_job", "not_in_cohort"]);

/** Which ways on fit a problem; names of `actions` texts. @type {Record<string, string[]>} */
const WAYS = {
  validation_error: ["other"], payload_too_large: ["other"], unsupported_media_type: ["other"],
  auth_error: ["reload"], provider_error: ["retry"], server_error: ["retry", "builtin"],
};
/** @type {Record<string, string[]>} */
const WAYS_BY_CODE = {
  offline: ["retry"], network: ["retry"], expired: ["runAgain"], unloaded: ["showAgain"], invalid_multipart: ["retry"],
  upload_not_found: ["retry"], image_missing: ["other"],
  unknown_model: ["reload"], scale_not_supported: [], prompt_required: ["prompt"], output_too_large: ["scale2"],
  plan_required: ["plans", "scale2"], origin_not_allowed: ["reload"], csrf_token_invalid: ["reload"],
  provider_disabled: ["builtin"], provider_forbidden: ["builtin"], provider_exhausted: ["builtin"],
  provider_throttled: ["builtin"], provider_unavailable: ["retry", "builtin"], provider_timeout: ["retry", "builtin"],
  provider_output_invalid: ["retry", "builtin"], provider_failed: ["builtin", "other"],
  provider_rejected: ["builtin", "other"], prompt_refused: ["prompt", "other"], webhook_invalid: [],
  idempotency_mismatch: ["retry"], job_deleted: ["retry"],
  daily_quota_exceeded: ["signIn", "plans"], network_quota_exceeded: ["signIn"],
  return_to_invalid: [], api_key_in_url: [], sign_in_unavailable: [], identity_taken: [], owner_blocked: [],
  admin_only: [], credits_too_few: [], too_many_keys: [], scope_missing: [], key_cap_reached: [], rate_limited: [],
  leftOut: [], too_many_jobs: ["photos"], too_many_pixels: ["other", "plans"], needs_job: ["background"],
  canceled: [], models: ["retry"], downloadFailed: ["retry"], too_big_here: ["other"], empty_file: ["other"],
  option_not_supported: [], invalid_fields: ["retry"], job_failed: ["retry"], feature_off: ["retry"],
  unknown: ["retry"], not_in_cohort: ["signIn", "plans", "photos"], runs_paused: ["retry", "photos"],
};

/** @type {Record<string, string[]>} */
const TOO_MUCH_WAYS = { pro: ["standard"], scale: ["scale2"] };

/** The way to more credits: a pack, or a plan where packs are not offered. */
export const toMore = () => (feature("creditsCta") ? "buy" : "plans");

/** Some refusals have a better text when it is known what caused them. @param {Details} details */
const variant = ({ quality, scale, model }) => (quality === "pro" ? "pro" : scale > 4 ? "scale" : model ? "model" : "");

/** The names of `actions` texts that fit a problem. @param {Trouble} problem */
export function waysOf({ code, type, details = {} }) {
  if (code === "too_much_work" && TOO_MUCH_WAYS[variant(details)]) return TOO_MUCH_WAYS[variant(details)];
  if (code === "too_many_pixels" && details.model) return ["builtin", "other"];
  if (code === "INSUFFICIENT_CREDITS") return [toMore(), "cheapest"];
  return WAYS_BY_CODE[code] ?? WAYS[type ?? ""] ?? ["retry"];
}

/** @param {Details} details */
const fieldsOf = ({ fields = [] }) =>
  fields.map((/** @type {{field: string, problem: string}} */ one) => `${one.field}: ${one.problem}`).join("; ");

/** "WebP", of "webp". @param {string} name */
const formatName = (name) => name.toUpperCase().replace("WEBP", "WebP");

/**
 * Title and text of a problem, in the page's language; unknown codes show the API's own message.
 * @param {Trouble} problem
 * @param {Details} [extra]
 */
export function describe(problem, extra = {}) {
  const { code, details = {} } = problem;
  /** @type {Details} */
  const values = {
    ...details, ...extra, message: problem.apiMessage || problem.message || "", requestId: problem.requestId ?? "",
    time: duration(problem.retryAfter || 1, 0),
    when: details.resetAt ? moment(details.resetAt) : duration(problem.retryAfter || 60, 0),
    plan: details.plan && planName(details.plan),
    requiredPlan: planName(details.requiredPlan ?? "pro"),
    required: number(details.creditsRequired ?? details.required ?? 0),
    available: number(details.creditsAvailable ?? details.available ?? 0),
    model: modelSaid({ alias: details.model, slug: "" }),
    fields: fieldsOf(details) || problem.apiMessage,
  };
  if (code === "file_too_large") {
    values.size = extra.size ?? bytes(details.size ?? 0);
    values.limit = bytes(details.limit ?? 25e6);
  }
  if (typeof values.megapixels === "number") values.megapixels = number(values.megapixels);
  if (code === "image_format_unsupported") {
    values.allowed = (details.allowed ?? ["JPEG", "PNG", "WebP", "AVIF", "HEIC"]).map(formatName);
  }
  const path = [
    `billing.problems.${code}`, `jobs.problems.${code}`, `errors.${code}_${variant(details)}`,
    `errors.${code}_${details.reason}`, `errors.${code}`, `toasts.${code}`, "errors.unknown",
  ].find((one) => t(one));
  return { title: t(`${path}.title`, values), text: t(`${path}.text`, values) };
}

/** Ways that lead to what is for sale; the photos come along, and back. */
const SOLD = ["buy", "plans"];
export const toPricing = () => `/${lang}/pricing?returnTo=${encodeURIComponent(location.pathname)}`;

/**
 * Signing in is a way on for guests, buying for everybody, both the same everywhere; all others are taken by `act`.
 * @param {string} way
 * @param {Act} [act]
 */
export function isWay(way, act) {
  return way === "signIn" ? usage()?.ownerType === "guest" : SOLD.includes(way) || Boolean(act);
}

/** @param {string} way */
const labelOf = (way) => t(`actions.${way}`);

/**
 * Show a problem in `slot`. `act` gets the name of the way the reader takes, `label` says what a way is called or null
 * where it does not exist, `ways` are others than usual, `told` is another title and text; a quiet one is not read out.
 * @param {Element} slot
 * @param {Trouble} problem
 * @param {Shown} [options]
 */
export function show(slot, problem, { extra, act, quiet, told, ways = waysOf(problem), label = labelOf } = {}) {
  const { title, text } = told ?? describe(problem, extra);
  const { code } = problem;
  const [symbol, look] = WAITING.has(code) ? [CLOCK, "wait"] : CALM.has(code) ? [INFO, "calm"] : [WARNING, ""];
  const buttons = ways.filter((way) => isWay(way, act) && label(way)).map((way) => wayOn(way, label(way), act));
  slot.replaceChildren(el("div", { class: `notice ${look}`, "data-code": code },
    icon(symbol), el("strong", {}, title), el("p", {}, text),
    buttons.length ? el("div", { class: "ways" }, ...buttons) : null));
  if (!quiet) $("alert").textContent = `${title}. ${text}`;
}

/** @param {string} way @param {string | null} label @param {Act} [act] */
export function wayOn(way, label, act) {
  if (SOLD.includes(way)) {
    const link = el("a", { class: "button", href: toPricing() }, label);
    link.addEventListener("click", (event) => follow(event, link));
    return link;
  }
  const node = el("button", { class: "button", type: "button" }, label);
  node.addEventListener("click", (event) => (way === "signIn" ? openSignIn(event) : act?.(way, event)));
  return node;
}

/** Empty the slots; what was said aloud is taken back with what it was about. @param {...Element} slots */
export function clear(...slots) {
  const told = slots.some((slot) => slot.firstElementChild);
  slots.forEach((slot) => slot.replaceChildren());
  if (told) $("alert").textContent = "";
}
