/** A sign-in that did not work: why, once, and where it is to go on. */

import { lang, moreTexts, table } from "./i18n.js";
import * as problems from "./problems.js";
import { returnPath, startedFrom } from "./top.js";

/** These have a text of their own as a problem. */
const PROBLEMS = ["sign_in_unavailable", "identity_taken", "owner_blocked"];

/** Say it in `slot`, and take it out of the address; in the language that was read before. @param {Element} slot */
export async function tell(slot) {
  const asked = new URLSearchParams(location.search);
  const code = asked.get("signIn") ?? "";
  const before = startedFrom();
  const [, language] = before.match(/^\/(en|de)(?:\/|$)/) ?? [];
  if (language && language !== lang) {
    location.replace(`/${language}/account${location.search}`);
    return;
  }
  history.replaceState(null, "", location.pathname);
  if (before) returnPath(before);
  if (PROBLEMS.includes(code)) {
    problems.show(slot, { code }, { ways: [] });
    return;
  }
  await moreTexts("refused/").catch(() => {});
  const texts = table("refused") ?? {};
  const given = asked.get("reason") ?? "";
  const reason = Object.hasOwn(texts, given) ? given : "other";
  const problem = { code: reason === "denied" ? "canceled" : "sign_in_failed" };
  problems.show(slot, problem, { ways: [], told: texts[reason] });
}
