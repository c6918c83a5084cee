"""GitHub: plain OAuth 2. Its API tells the holder of an access token who somebody is, and lists e-mails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from enhancer.adapters.signin.base import Profile, SignIn, profile_of, usable
from enhancer.adapters.signin.client import Client, Unusable, talking_to
from enhancer.domain.errors import SignInFailed

SCOPE = "read:user user:email"


class GitHub(SignIn):
    """Sign in with GitHub: ``site`` has the pages and tokens, ``api`` the answers."""

    def __init__(self, *, credentials: Callable[[], tuple[str, str]], site: str, api: str) -> None:
        self._credentials = credentials
        self._site, self._api = site.rstrip("/"), api.rstrip("/")

    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:  # noqa: ARG002
        """Return where the browser goes; see `SignIn`. GitHub knows no ``nonce``, so it gets none."""
        with self._talking(redirect_uri) as client:
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
        """Return who came back, as the API says; see `SignIn`. ``nonce`` and ``now`` are for ID tokens only."""
        with self._talking(redirect_uri) as client:
            place = f"{self._site}/login/oauth/access_token"
            token = client.exchange(place, code=code, verifier=verifier)["access_token"]
            status, user = client.look(f"{self._api}/user", token=token)
            _check(status)
            if not isinstance(user, dict) or not _is_id(user.get("id")):
                raise Unusable("shape")
            status, emails = client.look(f"{self._api}/user/emails?per_page=100", token=token)
            if status == 404:  # "not found" is how GitHub says that the person did not grant the scope
                raise SignInFailed(reason="email_unverified")
            _check(status)
            if not isinstance(emails, list):
                raise Unusable("shape")
        return profile_of("github", subject=str(user["id"]), email=_chosen(emails), name=user.get("name"))

    def _talking(self, redirect_uri: str) -> AbstractContextManager[Client]:
        return talking_to("github", self._credentials, scope=SCOPE, redirect_uri=redirect_uri, local=True)


def _chosen(emails: list[Any]) -> str | None:
    """Return the primary address if it is verified, else the first verified one that we can use."""
    verified = [one for one in emails if isinstance(one, dict) and one.get("verified") is True]
    verified.sort(key=lambda one: one.get("primary") is not True)
    return next((found for one in verified if (found := usable(one.get("email")))), None)


def _is_id(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and found > 0


def _check(status: int) -> None:
    """401: the token is refused, so it was none; everything else but 200, limits among it, is no answer."""
    if status == 401:
        raise SignInFailed(reason="token")
    if status != 200:
        raise Unusable("status")
