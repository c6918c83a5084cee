/** Adding a way to sign in: our API is asked where to go, with the token that no other page has. */

import { call, renewing } from "./http.js";
import { lang } from "./i18n.js";
import { keep } from "./top.js";

/**
 * Leave for the provider; `note` remembers for the way back which one it was.
 * @param {string} provider
 * @param {string} note
 */
export async function leave(provider, note) {
  const body = JSON.stringify({ returnTo: `/${lang}/account` });
  const { url } = await renewing(() => call(`/api/auth/${provider}/link`, { method: "POST", json: true, body }));
  keep("sessionStorage", note, provider);
  location.assign(url);
}
