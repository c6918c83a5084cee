/** What the studio is about: the photo or photos, the run, its result. The other studio modules read and change it. */

import { $ } from "./dom.js";
import * as settings from "./settings.js";

/** @type {StudioState} */
export const state = {
  photo: null,
  batch: null,
  outcome: null,
  run: null,
  pending: null,
  compare: null,
  blockedUntil: 0,
  closedUntil: 0,
  loaded: false,
  wanted: false,
};

/** "empty", "ready", "running" or "done". */
export const phase = () => $("main").dataset.state;

/** Whether the settings are shown beside a result. */
export const expanded = () => $("change").getAttribute("aria-expanded") === "true";

/** How many photos the next run is about. */
export const count = () => state.batch?.count ?? (state.photo ? 1 : 0);

export function megapixels() {
  const { photo, batch } = state;
  return batch?.megapixels ?? (photo?.width ? (photo.width * photo.height) / 1e6 : 0);
}

/** The photo with the settings: equal for two runs that give the same result. */
export function fingerprint() {
  const file = state.photo?.file;
  return JSON.stringify([settings.model() && settings.order(), file?.name, file?.size, file?.lastModified]);
}
