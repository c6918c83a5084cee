/** The statement on the account page: every movement of credits, newest first. */

import { Problem, unwrap } from "./http.js";
import * as billing from "./billing.js";
import { $, announce, el } from "./dom.js";
import { lang, locale, t } from "./i18n.js";
import * as problems from "./problems.js";

const PAGE = 20;
const KEPT_MS = 60e3;
const CELLS = ["at", "what", "change", "balance"];

let cursor = null;
let loading = null;
let tell = () => {};

export function listen(onProblem) {
  tell = onProblem;
  $("statement-more").addEventListener("click", more);
  $("statement-csv").addEventListener("click", download);
}

/** From the beginning. */
export function load() {
  return (loading ??= first().finally(() => (loading = null)));
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

function follow({ nextCursor }) {
  cursor = nextCursor;
  $("statement-more").hidden = !cursor;
}

// --- all of it as a file

/** Fetched here rather than followed as a link, so that a refusal is told instead of a file that does not come. */
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
  for (let next = ""; next !== null;) {
    const answer = await fetch(billing.CSV + (next && `&cursor=${encodeURIComponent(next)}`), { cache: "no-store", headers: { "Accept-Language": lang } })
      .catch(() => {
        throw new Problem(navigator.onLine === false ? "offline" : "network");
      });
    const text = await answer.text();
    if (!answer.ok) unwrap(answer.status, text, (name) => answer.headers.get(name));
    found.push(next ? text.slice(text.indexOf("\n") + 1) : text);
    next = answer.headers.get("X-Next-Cursor");
  }
  return found;
}

// --- one movement

/** Rows are laid out anew on small screens, so the roles are said: layout would take them away. */
function row(entry) {
  const { id, at, kind, change, balance } = entry;
  const content = [el("time", { datetime: new Date(at).toISOString() }, billing.clock(at)), el("div", {}, ...what(entry)), change ? signed(change) : "–", plain(balance)];
  return el("tr", { role: "row", "data-entry": id, "data-kind": kind }, ...CELLS.map((name, index) =>
    el("td", { role: "cell", class: name, "data-label": t(`account.statement.${name}`), "data-sign": name === "change" ? String(Math.sign(change)) : null }, content[index])));
}

const format = (options) => (value) => new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1, ...options }).format(value);
const signed = format({ signDisplay: "exceptZero" });
const plain = format({});

function what({ kind, change, plan, debt, jobId, reason }) {
  const more = [
    plan ? t(kind === "release" ? "account.statement.toPlan" : "account.statement.fromPlan", { count: Math.abs(plan) }) : "",
    debt ? t(debt > 0 ? "account.statement.debtMore" : "account.statement.debtLess", { count: Math.abs(debt) }) : "",
  ].filter(Boolean);
  return [
    el("b", {}, t(`account.statement.kinds.${kind}`, { count: Math.abs(change) }) ?? kind),
    why(kind, reason) ? el("span", { class: "because" }, why(kind, reason)) : null,
    ...more.map((line) => el("span", { class: "because" }, line)),
    jobId ? el("a", { href: `/${lang}/jobs#${jobId}` }, t("account.statement.job")) : null,
  ].filter(Boolean);
}

/** A reason as words: ours for what the API names, an administrator's as it was written. */
function why(kind, reason) {
  if (!reason) return "";
  const known = t(`account.statement.reasons.${reason}`) ?? (kind === "release" ? t(`errors.${reason}.title`) : undefined);
  return typeof known === "string" ? known : ["grant", "clawback"].includes(kind) ? reason : "";
}
