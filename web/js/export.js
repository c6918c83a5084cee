/** A copy of everything, on the account page: asked for, waited for, saved. */

import { $, announce, el, save } from "./dom.js";
import { pause, unreachable, unwrap } from "./http.js";
import { lang, t } from "./i18n.js";
import * as problems from "./problems.js";

const EXPORT = "/api/account/export";
const ASK_AGAIN_SECONDS = 5;

/** @param {Tell} tell says what went wrong */
export async function exportAll(tell) {
  if (!$("packing").hidden) return;
  problems.clear($("data-notice"));
  packing(t("account.data.packing"));
  try {
    await exported();
    announce(t("account.data.done"));
  } catch (problem) {
    tell($("data-notice"), problem, () => exportAll(tell));
  }
  packing("");
}

/** @param {string} text what is under way; empty when nothing is */
function packing(text) {
  $("packing").hidden = !text;
  $("packing-text").textContent = text;
  $("export").setAttribute("aria-disabled", String(Boolean(text)));
  if (text) announce(text);
}

/** A small copy comes at once; a large one is made in the background and comes as a link, which the browser follows. */
async function exported() {
  for (;;) {
    const answer = await fetch(EXPORT, { redirect: "manual", cache: "no-store", headers: { "Accept-Language": lang } })
      .catch(() => {
        throw unreachable();
      });
    if (answer.type === "opaqueredirect") {
      el("a", { href: EXPORT, download: "" }).click();
      return;
    }
    if (answer.ok && answer.status !== 202) {
      save(await answer.blob(), "image-enhancer", "export");
      return;
    }
    if (answer.status !== 202) unwrap(answer.status, await answer.text(), (name) => answer.headers.get(name));
    packing(t("account.data.background"));
    await pause(1000 * (Number(answer.headers.get("Retry-After")) || ASK_AGAIN_SECONDS));
  }
}
