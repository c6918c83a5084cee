"""Download results from Replicate's own hosts, without our token, within a limit of bytes and time.

Outputs are on ``replicate.delivery`` for an hour (https://replicate.com/docs/topics/predictions/output-files). Their
URLs are data from outside and may carry secrets, so no error and no log line names one.
"""

from __future__ import annotations

import re
import time
from base64 import b64decode
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from enhancer.adapters.http.bounded import USER_AGENT, BodyTooLong, read_body
from enhancer.domain.errors import ProviderOutputInvalid, ProviderUnavailable
from enhancer.domain.paths import is_loopback

HOST = "replicate.delivery"
BYTES_MAX = 100_000_000
SECONDS_MAX = 30.0
READ_SECONDS = 10.0
CONNECT_SECONDS = 5.0
PAUSE_SECONDS = 0.3
HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}
_DATA_URL = re.compile(r"data:[^,;]*(?:;[^,;]*)*;base64,", re.ASCII)


class TryAgain(Exception):
    """The connection failed or took too long, or the server answered 429 or 5xx: another try may help."""


class ReplicateDownload:
    """Downloads of outputs. With a ``base_url`` on loopback (a stand-in), outputs may be there too, over plain http."""

    def __init__(self, *, base_url: str, bytes_max: int = BYTES_MAX) -> None:
        self._local = is_loopback(base_url)
        self._bytes_max = bytes_max

    def get(self, url: str, *, seconds: float = SECONDS_MAX) -> bytes:
        """Return the bytes at an output URL (https or data) within ``seconds``, a second try included.

        Raises `ProviderUnavailable` if another try may help, `ProviderOutputInvalid` if not.
        """
        if url.startswith("data:"):
            return self._decoded(url)
        self._check(url)
        deadline = time.monotonic() + min(seconds, SECONDS_MAX)
        try:
            return self._fetched(url, deadline)
        except TryAgain:
            time.sleep(max(0.0, min(PAUSE_SECONDS, deadline - time.monotonic())))
        try:
            return self._fetched(url, deadline)
        except TryAgain:
            raise ProviderUnavailable(provider="replicate") from None

    def _check(self, url: str) -> None:
        """Raise `ProviderOutputInvalid` for a URL that is not on one of Replicate's own hosts."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise _invalid() from None
        own = host == HOST or host.endswith(f".{HOST}")
        public = parts.scheme == "https" and own and port in (None, 443)
        local = self._local and parts.scheme == "http" and is_loopback(url)
        if not (public or local) or "@" in parts.netloc or "\\" in url:
            raise _invalid()

    def _fetched(self, url: str, deadline: float) -> bytes:
        """Send one GET; raise `TryAgain`, or `ProviderOutputInvalid` for an answer that is not a file."""
        left = deadline - time.monotonic()
        if left <= 0:
            raise TryAgain
        limits = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxies, and no passwords from ~/.netrc
                with session.get(
                    url, headers=HEADERS, timeout=limits, allow_redirects=False, stream=True
                ) as response:
                    _check_status(response)
                    return read_body(response, bytes_max=self._bytes_max, deadline=deadline)
        except BodyTooLong:
            raise _invalid() from None
        except (requests.ConnectionError, requests.Timeout, HTTPError, TimeoutError):
            raise TryAgain from None
        except (requests.RequestException, ValueError):  # a URL that the client cannot even send
            raise _invalid() from None

    def _decoded(self, url: str) -> bytes:
        """Return the bytes in a data URL (RFC 2397) with base64."""
        found = _DATA_URL.match(url[:200])
        if found is None or (len(url) - found.end()) * 3 // 4 > self._bytes_max:
            raise _invalid()
        try:
            return b64decode(url[found.end() :], validate=True)
        except ValueError:
            raise _invalid() from None


def _check_status(response: requests.Response) -> None:
    if response.status_code >= 500 or response.status_code == 429:
        raise TryAgain
    if response.status_code != 200 or response.headers.get("Content-Encoding", "identity") != "identity":
        raise _invalid()


def _invalid() -> ProviderOutputInvalid:
    return ProviderOutputInvalid(provider="replicate")
