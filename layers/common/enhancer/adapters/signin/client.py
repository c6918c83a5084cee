"""authlib's OAuth 2 client within bounds: where it goes, how long it waits, how much it reads, what errors mean."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from enhancer.adapters.http.bounded import USER_AGENT, BodyTooLong, read_body
from enhancer.adapters.signin.base import Provider
from enhancer.domain.errors import SignInFailed, SignInUnavailable
from enhancer.domain.paths import is_loopback
from enhancer.telemetry import logger

SECONDS = 12.0
"""For everything that one sign-in asks its provider."""
CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
BODY_BYTES_MAX = 1_000_000
HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": USER_AGENT,
}

_CODE = re.compile(r"[!-~]{1,2048}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_WORD = re.compile(r"[a-z_]{1,40}")

# RFC 6749, 5.2; the longer names are GitHub's ("Troubleshooting OAuth app access token request errors") or Google's.
BAD_CODE = {"invalid_grant", "invalid_request", "bad_verification_code"}
BAD_SETUP = {
    "invalid_client",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "incorrect_client_credentials",
    "redirect_uri_mismatch",
    "application_suspended",
}
BUSY = {"server_error", "temporarily_unavailable", "slow_down"}


class Unusable(Exception):
    """The provider gave no answer that we can use. ``problem``: one of our own words, fit for a log."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Client(OAuth2Session):  # type: ignore[misc]
    """One sign-in's requests. Follows no redirect, and reads no proxies and no passwords from the machine.

    ``local``: a stand-in may answer over http on loopback. Every method raises `Unusable`.
    """

    def __init__(
        self, provider: Provider, client_id: str, secret: str, *, scope: str, redirect_uri: str, local: bool
    ) -> None:
        super().__init__(
            client_id,
            secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106 - the method's name
            scope=scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            trust_env=False,
        )
        self.headers.update(HEADERS)
        self.adapters.clear()
        self.mount("", _Bounded(time.monotonic() + SECONDS, local=local))
        self._provider, self._local = provider, local

    def start(self, url: str, *, state: str, verifier: str, **more: str) -> str:
        """Return the address that a browser signs in at."""
        if not state or not _VERIFIER.fullmatch(verifier):
            raise ValueError("a sign-in needs a state and a verifier of 43 to 128 unreserved characters")
        if not trusted(url, local=self._local):
            raise Unusable("place")
        found, _ = self.create_authorization_url(url, state=state, code_verifier=verifier, **more)
        return str(found)

    def exchange(self, url: str, *, code: str, verifier: str) -> dict[str, Any]:
        """Return what the token endpoint gives for a code, with an ``access_token`` in it.

        Raises `SignInFailed`, or `SignInUnavailable` where it is our own registration that is refused.
        """
        if not _CODE.fullmatch(code) or not _VERIFIER.fullmatch(verifier):
            raise SignInFailed(reason="code")
        found = self.fetch_token(
            url, grant_type="authorization_code", code=code, code_verifier=verifier, allow_redirects=False
        )
        return dict(found)

    def parse_response_token(self, resp: Response) -> dict[str, Any]:
        """Read a token endpoint's answer in authlib's place: GitHub refuses with 200, and nothing is kept here."""
        found = document_of(resp)
        if not isinstance(found, dict):
            raise Unusable("shape")
        if "error" in found:
            raise self._problem(found["error"], resp.status_code)
        token = found.get("access_token")
        if resp.status_code != 200 or not isinstance(token, str) or not _CODE.fullmatch(token):
            raise Unusable("shape")
        return found

    def look(self, url: str, *, token: str | None = None) -> tuple[int, Any]:
        """Return status and JSON document of an address, asked with an access token."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = self.get(url, headers=headers, withhold_token=True, allow_redirects=False)
        return response.status_code, document_of(response)

    def _problem(self, error: Any, status: int) -> Exception:
        word = error if isinstance(error, str) else ""
        if word in BAD_CODE:
            return SignInFailed(reason="code")
        if word == "unverified_user_email":
            return SignInFailed(reason="email_unverified")
        if word == "access_denied":
            return SignInFailed(reason="denied")
        if word in BUSY:
            return Unusable("busy")
        shown = {"provider": self._provider, "status": status, "error": word if _WORD.fullmatch(word) else ""}
        if word in BAD_SETUP or status in (401, 404):
            logger.error("sign-in provider refuses us", extra=shown)
            return SignInUnavailable(provider=self._provider)
        logger.warning("sign-in provider refuses", extra=shown)
        return SignInFailed(reason="provider")


class _Bounded(HTTPAdapter):
    """Sends within what is left of the time, and hands over answers that are read to their end."""

    def __init__(self, deadline: float, *, local: bool) -> None:
        super().__init__(max_retries=0)
        self._deadline, self._local = deadline, local

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        if not trusted(request.url or "", local=self._local):
            raise Unusable("place")
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Unusable("late")
        connect, read = min(CONNECT_SECONDS, left / 2), min(READ_SECONDS, left / 2)  # the two may add up
        try:
            with super().send(request, stream=True, timeout=(connect, read), proxies={}) as response:
                if 300 <= response.status_code < 400:  # before anybody reads where to
                    raise Unusable("redirect")
                body = read_body(response, bytes_max=BODY_BYTES_MAX, deadline=self._deadline - read)
        except BodyTooLong:
            raise Unusable("long") from None
        except (OSError, HTTPError, ValueError):  # the first is also what requests and time-outs raise
            raise Unusable("broken") from None
        finally:
            self.close()  # a kept connection may be gone when the next request is sent, and a code works only once
        response.raw = BytesIO(body)
        return response


@contextmanager
def talking_to(
    provider: Provider,
    credentials: Callable[[], tuple[str, str]],
    *,
    scope: str,
    redirect_uri: str,
    local: bool,
) -> Iterator[Client]:
    """Give a client for one sign-in; what is `Unusable` inside becomes `SignInUnavailable`, and a line in the log."""
    client_id, secret = credentials()
    if not client_id or not secret:
        raise SignInUnavailable(provider=provider)
    with Client(provider, client_id, secret, scope=scope, redirect_uri=redirect_uri, local=local) as client:
        try:
            yield client
        except Unusable as found:
            shown = {"provider": provider, "problem": found.problem}
            logger.warning("sign-in provider does not answer", extra=shown)
            raise SignInUnavailable(provider=provider) from None


def document_of(response: Response) -> Any:
    """Return the JSON in an answer, whatever its status, unless that says "not now"; raise `Unusable`."""
    if response.status_code >= 500 or response.status_code in (408, 429):
        raise Unusable("status")
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise Unusable("json") from None


def trusted(url: str, *, local: bool) -> bool:
    """Return whether we go there: https to a host, or with ``local`` also http to this very machine."""
    if not url.isascii() or not url.isprintable() or any(character in url for character in ' \\"<>'):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        return (
            bool(host)
            and "@" not in parts.netloc
            and (parts.scheme == "https" or (local and parts.scheme == "http" and is_loopback(url)))
        )
    except ValueError:
        return False
