/** The statement on the account page: every movement of credits, newest first. */

import { unreachable, unwrap } from "./http.js";
import * as billing from "./billing.js";
import { $, announce, el } from "./dom.js";
import { lang, locale, t } from "./i18n.js";
import * as problems from "./problems.js";

const PAGE = 20;
const KEPT_MS = 60e3;
const CELLS = ["at", "what", "change", "balance"];

/** @type {string | null} */
let cursor = null;
/** @type {Promise<void> | null} */
let loading = null;
/** @type {Tell} */
let tell = () => {};

/** @param {Tell} onProblem */
export function listen(onProblem) {
  tell = onProblem;
  $("statement-more").addEventListener("click", more);
  $("statement-csv").addEventListener("click", download);
}

/** From the beginning. */
export function load() {
  loading ??= first().finally(() => (loading = null));
  return loading;
}

export function clear() {
  cursor = null;
  delete $("statement").dataset.state;
  $("statement-rows").replaceChildren();
}

async function first() {
  try {
    const page = await billing.ledger({ limit: PAGE });
    problems.clear($("statement-notice"));
    $("statement-rows").replaceChildren(...page.entries.map(row));
    $("statement").dataset.state = page.entries.length ? "filled" : "empty";
    follow(page);
  } catch (problem) {
    tell($("statement-notice"), problem, load);
  }
}

async function more() {
  if ($("statement-more").getAttribute("aria-busy")) return;
  $("statement-more").setAttribute("aria-busy", "true");
  problems.clear($("statement-notice"));
  try {
    const page = await billing.ledger({ limit: PAGE, cursor });
    const added = page.entries.map(row);
    $("statement-rows").append(...added);
    follow(page);
    announce(t("account.statement.added", { count: added.length }));
    (added[0]?.querySelector("a") ?? $("statement-title")).focus({ preventScroll: true });
  } catch (problem) {
    tell($("statement-notice"), problem, more);
  } finally {
    $("statement-more").removeAttribute("aria-busy");
  }
}

/** @param {Statement} page */
function follow({ nextCursor }) {
  cursor = nextCursor;
  $("statement-more").hidden = !cursor;
}

// --- all of it as a file

/**
 * Fetched here rather than followed as a link, so that a refusal is told instead of a file that does not come.
 * @param {Event} [event]
 */
async function download(event) {
  event?.preventDefault();
  const link = $("statement-csv");
  if (link.getAttribute("aria-busy")) return;
  link.setAttribute("aria-busy", "true");
  problems.clear($("statement-notice"));
  try {
    const url = URL.createObjectURL(new Blob(await parts(), { type: "text/csv" }));
    el("a", { href: url, download: link.download }).click();
    setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
  } catch (problem) {
    tell($("statement-notice"), problem, download);
  } finally {
    link.removeAttribute("aria-busy");
  }
}

/** A long statement comes in parts, of which only the first keeps its heading. */
async function parts() {
  const found = [];
  const options = { headers: { "Accept-Language": lang } };
  /** @type {string | null} */
  let next = "";
  while (next !== null) {
    /** @type {string} */
    const url = billing.CSV + (next && `&cursor=${encodeURIComponent(next)}`);
    /** @type {Response} */
    const answer = await fetch(url, { ...options, cache: "no-store" }).catch(() => {
      throw unreachable();
    });
    const text = await answer.text();
    if (!answer.ok) unwrap(answer.status, text, (name) => answer.headers.get(name));
    found.push(next ? text.slice(text.indexOf("\n") + 1) : text);
    next = answer.headers.get("X-Next-Cursor");
  }
  return found;
}

// --- one movement

/**
 * Rows are laid out anew on small screens, so the roles are said: layout would take them away.
 * @param {Movement} entry
 */
function row(entry) {
  const { id, at, kind, change, balance } = entry;
  const time = el("time", { datetime: new Date(at).toISOString() }, billing.clock(at));
  const content = [time, el("div", {}, ...what(entry)), change ? signed(change) : "–", plain(balance)];
  const cells = CELLS.map((name, index) => el("td", {
    role: "cell", class: name, "data-label": t(`account.statement.${name}`),
    "data-sign": name === "change" ? String(Math.sign(change)) : null,
  }, content[index]));
  return el("tr", { role: "row", "data-entry": id, "data-kind": kind }, ...cells);
}

/** @param {Intl.NumberFormatOptions} options */
const format = (options) => (/** @type {number} */ value) =>
  new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1, ...options }).format(value);
const signed = format({ signDisplay: "exceptZero" });
const plain = format({});

/** @param {Movement} entry */
function what({ kind, change, plan, debt, jobId, reason }) {
  const because = [
    why(kind, reason),
    plan ? t(`account.statement.${kind === "release" ? "toPlan" : "fromPlan"}`, { count: Math.abs(plan) }) : "",
    debt ? t(debt > 0 ? "account.statement.debtMore" : "account.statement.debtLess", { count: Math.abs(debt) }) : "",
  ].filter(Boolean);
  return [
    el("b", {}, t(`account.statement.kinds.${kind}`, { count: Math.abs(change) }) ?? kind),
    ...because.map((line) => el("span", { class: "because" }, line)),
    jobId ? el("a", { href: `/${lang}/jobs#${jobId}` }, t("account.statement.job")) : null,
  ];
}

/**
 * A reason as words: ours for what the API names, an administrator's as it was written.
 * @param {string} kind
 * @param {string | null | undefined} reason
 */
function why(kind, reason) {
  if (!reason) return "";
  const known =
    t(`account.statement.reasons.${reason}`) ?? (kind === "release" ? t(`errors.${reason}.title`) : undefined);
  return typeof known === "string" ? known : ["grant", "clawback"].includes(kind) ? reason : "";
}
