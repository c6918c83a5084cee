/** Which model: first what should happen, then who does it. What is not available here stays visible and says so. */

import { $, LOCK, el, icon } from "./dom.js";
import { modelName, planName, t } from "./i18n.js";
import { mark, radios } from "./radios.js";

const KINDS = ["upscale", "restore", "edit"];
/** The model last used of each kind. @type {Record<string, string>} */
const last = {};

/**
 * Show the catalogue; `choose` is called with a slug.
 * @param {Model[]} catalogue
 * @param {string | null | undefined} slug
 * @param {(slug?: string) => void} choose
 */
export function show(catalogue, slug, choose) {
  const usable = catalogue.filter(({ available }) => available).sort((one, other) => one.price - other.price);
  const now = usable.find((entry) => entry.slug === slug);
  const kinds = KINDS.filter((kind) => usable.some((entry) => entry.kind === kind));
  if (now) last[now.kind] = now.slug;
  if ($("kinds").dataset.shown !== kinds.join()) {
    $("kinds").dataset.shown = kinds.join();
    $("kinds").hidden = kinds.length < 2;
    radios($("kinds"), kinds.map((kind) => ({ value: kind, content: [t(`kinds.${kind}`)] })), now?.kind,
      (kind) => choose(last[kind] ?? usable.find((entry) => entry.kind === kind)?.slug));
    showLocked(catalogue.filter(({ available }) => !available));
  }
  mark($("kinds"), now?.kind);
  if ($("models").dataset.kind !== now?.kind) showModels(usable.filter(({ kind }) => kind === now?.kind), slug, choose);
  else mark($("models"), slug);
}

/** @param {Model[]} models @param {string | null | undefined} slug @param {(slug: string) => void} choose */
function showModels(models, slug, choose) {
  const box = $("models");
  box.dataset.kind = models[0]?.kind ?? "";
  if (models.length > 1) {
    radios(box, models.map((entry) => ({
      value: entry.slug, className: "option",
      content: [el("i", { class: "dot", "aria-hidden": "true" }), ...lines(entry)],
    })), slug, choose);
    box.setAttribute("aria-label", t("model"));
    return;
  }
  for (const name of ["role", "aria-label"]) box.removeAttribute(name);
  box.replaceChildren(...models.map((entry) => el("div", { class: "only" }, ...lines(entry))));
}

/** Name, price and one line of what it does. @param {Model} entry */
const lines = (entry) => [
  el("b", {}, modelName(entry)), el("span", { class: "price" }, priceOf(entry)),
  el("span", { class: "about" }, t(`models.${entry.alias}.text`) ?? entry.provider ?? ""),
];

/** "1 credit", or "from 1 credit" where settings make it dearer. @param {Model} entry */
function priceOf({ price, scales, face, qualities }) {
  const plain = t("credits", { count: price ?? 1 });
  return scales?.length > 1 || face || qualities?.length > 1 ? t("from", { price: plain }) : plain;
}

/** Why a model is not available here. @param {Model} entry */
const reasonOf = ({ reason, requiredPlan }) =>
  t(`reasons.${reason}`, { plan: planName(requiredPlan) }) ?? t("reasons.other");

/** @param {Model[]} locked */
function showLocked(locked) {
  $("more-models").hidden = !locked.length;
  $("more-models-label").textContent = t("moreModels", { count: locked.length });
  const sorted = KINDS.flatMap((kind) => locked.filter((entry) => entry.kind === kind));
  $("locked-models").replaceChildren(...sorted.map((entry) => el("li", { class: "locked" },
    icon(LOCK), ...lines(entry), el("span", { class: "about reason" }, reasonOf(entry)))));
}
