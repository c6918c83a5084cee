"""authlib's OAuth 2 client with bounded requests, and our errors for its failures.

Bounded are the hosts it asks, the time it waits and the bytes it reads.
"""

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
"""For all requests of one sign-in together."""
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

# RFC 6749, 5.2. The longer names are GitHub's ("Troubleshooting OAuth app access token request errors") or Google's.
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
    """The provider gave no answer that we can use. ``problem``: what was wrong, one of our own words, for the log."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class Client(OAuth2Session):  # type: ignore[misc]
    """The requests of one sign-in. Follows no redirect, and uses no proxies and no .netrc of this machine.

    ``local`` allows http on loopback, for a stand-in. Every method raises `Unusable`.
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
        self.mount("", _BoundedAdapter(time.monotonic() + SECONDS, local=local))
        self._provider, self._local = provider, local

    def start(self, url: str, *, state: str, verifier: str, **more: str) -> str:
        """Return the authorization URL that the browser is sent to (RFC 6749, 4.1.1)."""
        if not state or not _VERIFIER.fullmatch(verifier):
            raise ValueError("a sign-in needs a state and a verifier of 43 to 128 unreserved characters")
        if not trusted(url, local=self._local):
            raise Unusable("place")
        found, _ = self.create_authorization_url(url, state=state, code_verifier=verifier, **more)
        return str(found)

    def exchange(self, url: str, *, code: str, verifier: str) -> dict[str, Any]:
        """Return the token endpoint's answer to a code, which has an ``access_token`` (RFC 6749, 4.1.3).

        Raises `SignInFailed`, or `SignInUnavailable` if our own client id or secret is refused.
        """
        if not _CODE.fullmatch(code) or not _VERIFIER.fullmatch(verifier):
            raise SignInFailed(reason="code")
        found = self.fetch_token(
            url, grant_type="authorization_code", code=code, code_verifier=verifier, allow_redirects=False
        )
        return dict(found)

    def parse_response_token(self, resp: Response) -> dict[str, Any]:
        """Read a token endpoint's answer instead of authlib, because GitHub refuses with status 200."""
        found = json_of(resp)
        if not isinstance(found, dict):
            raise Unusable("shape")
        if "error" in found:
            raise self._problem(found["error"], resp.status_code)
        token = found.get("access_token")
        if resp.status_code != 200 or not isinstance(token, str) or not _CODE.fullmatch(token):
            raise Unusable("shape")
        return found

    def get_json(self, url: str, *, token: str | None = None) -> tuple[int, Any]:
        """Return status and JSON of a GET, with an access token if one is given."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = self.get(url, headers=headers, withhold_token=True, allow_redirects=False)
        return response.status_code, json_of(response)

    def _problem(self, error: Any, status: int) -> Exception:
        """Return our error for an ``error`` of the token endpoint (RFC 6749, 5.2)."""
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


class _BoundedAdapter(HTTPAdapter):
    """Sends every request by one deadline (monotonic seconds) and reads its answer to the end."""

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
                if 300 <= response.status_code < 400:  # before its Location is read
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
def sign_in_client(
    provider: Provider,
    credentials: Callable[[], tuple[str, str]],
    *,
    scope: str,
    redirect_uri: str,
    local: bool,
) -> Iterator[Client]:
    """Open a client for one sign-in; `Unusable` raised inside is logged and becomes `SignInUnavailable`."""
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


def json_of(response: Response) -> Any:
    """Return the JSON in an answer; raise `Unusable` for other bodies and for the statuses 408, 429 and 5xx."""
    if response.status_code >= 500 or response.status_code in (408, 429):
        raise Unusable("status")
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        raise Unusable("json") from None


def trusted(url: str, *, local: bool) -> bool:
    """Return whether a URL may be asked: https to a host, or with ``local`` also http on loopback."""
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
