"""Sign-in with GitHub (OAuth 2): its API returns the user of an access token and the user's e-mail addresses.

See https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from enhancer.adapters.signin.base import Profile, SignIn, profile_of, usable
from enhancer.adapters.signin.client import Client, Unusable, sign_in_client
from enhancer.domain.errors import SignInFailed

SCOPE = "read:user user:email"


class GitHub(SignIn):
    """Sign-in with GitHub. ``site`` is the URL of pages and tokens, ``api`` the URL of the REST API.

    ``credentials`` returns client id and secret.
    """

    def __init__(self, *, credentials: Callable[[], tuple[str, str]], site: str, api: str) -> None:
        self._credentials = credentials
        self._site, self._api = site.rstrip("/"), api.rstrip("/")

    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:  # noqa: ARG002
        """Return the URL to sign in at; see `SignIn`. GitHub has no ``nonce``, so it is not sent."""
        with self._client(redirect_uri) as client:
            return client.start(f"{self._site}/login/oauth/authorize", state=state, verifier=verifier)

    def profile(
        self,
        *,
        code: str,
        redirect_uri: str,
        verifier: str,
        nonce: str,  # noqa: ARG002
        now: int,  # noqa: ARG002
    ) -> Profile:
        """Return who signed in, from the API; see `SignIn`. ``nonce`` and ``now`` are for ID tokens only."""
        with self._client(redirect_uri) as client:
            place = f"{self._site}/login/oauth/access_token"
            token = client.exchange(place, code=code, verifier=verifier)["access_token"]
            status, user = client.get_json(f"{self._api}/user", token=token)
            _check(status)
            if not isinstance(user, dict) or not _is_id(user.get("id")):
                raise Unusable("shape")
            status, emails = client.get_json(f"{self._api}/user/emails?per_page=100", token=token)
            if status == 404:  # GitHub's answer when the person did not grant the scope
                raise SignInFailed(reason="email_unverified")
            _check(status)
            if not isinstance(emails, list):
                raise Unusable("shape")
        return profile_of("github", subject=str(user["id"]), email=_email_of(emails), name=user.get("name"))

    def _client(self, redirect_uri: str) -> AbstractContextManager[Client]:
        return sign_in_client("github", self._credentials, scope=SCOPE, redirect_uri=redirect_uri, local=True)


def _email_of(emails: list[Any]) -> str | None:
    """Return the primary address if it is verified, else the first verified one that we can use."""
    verified = [one for one in emails if isinstance(one, dict) and one.get("verified") is True]
    verified.sort(key=lambda one: one.get("primary") is not True)
    return next((found for one in verified if (found := usable(one.get("email")))), None)


def _is_id(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found > 0


def _check(status: int) -> None:
    """Raise `SignInFailed` (token) for 401, `Unusable` for every other status but 200, rate limits included."""
    if status == 401:
        raise SignInFailed(reason="token")
    if status != 200:
        raise Unusable("status")
