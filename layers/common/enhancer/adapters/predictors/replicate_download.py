"""Results as Replicate hands them out: fetched from its own hosts only, without our token, within bounds.

A URL is data from outside and may carry secrets: it decides nothing but where the bytes come from, and is part of no
error and no log line. See facts of the provider: outputs live on ``replicate.delivery`` for an hour.
"""

from __future__ import annotations

import logging
import re
import time
from base64 import b64decode
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from enhancer.adapters.http.bounded import TooLong, body_of
from enhancer.domain.errors import ProviderOutputInvalid, ProviderUnavailable
from enhancer.domain.paths import is_loopback

logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warnings name URLs

HOST = "replicate.delivery"
BYTES_MAX = 100_000_000
SECONDS_MAX = 30.0
READ_SECONDS = 10.0
CONNECT_SECONDS = 5.0
PAUSE_SECONDS = 0.3
HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "image-enhancer/1.0"}
_DATA = re.compile(r"data:[^,;]*(?:;[^,;]*)*;base64,", re.ASCII)


class Broken(Exception):
    """Not this time: the connection failed, took too long, or the server had a problem."""


class ReplicateDownload:
    """Downloads for one API. Where that is a loopback address, so may be the hosts that deliver, over plain http."""

    def __init__(self, *, base_url: str, bytes_max: int = BYTES_MAX) -> None:
        self._local = is_loopback(base_url)
        self._bytes_max = bytes_max

    def get(self, url: str, *, seconds: float = SECONDS_MAX) -> bytes:
        """Return the bytes behind an output URL (https, or data), within so many seconds altogether.

        Raises `ProviderUnavailable` where another try may help, `ProviderOutputInvalid` where not. Asking is free, so
        a broken connection is tried a second time.
        """
        if url.startswith("data:"):
            return self._decoded(url)
        self._check(url)
        deadline = time.monotonic() + min(seconds, SECONDS_MAX)
        try:
            return self._fetched(url, deadline)
        except Broken:
            time.sleep(max(0.0, min(PAUSE_SECONDS, deadline - time.monotonic())))
        try:
            return self._fetched(url, deadline)
        except Broken:
            raise ProviderUnavailable(provider="replicate") from None

    def _check(self, url: str) -> None:
        """Refuse every place that is not the provider's own."""
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
        left = deadline - time.monotonic()
        if left <= 0:
            raise Broken
        limits = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
        try:
            with requests.Session() as session:
                session.trust_env = False  # no proxies, and no passwords from ~/.netrc
                with session.get(
                    url, headers=HEADERS, timeout=limits, allow_redirects=False, stream=True
                ) as response:
                    _check_status(response)
                    return body_of(response, bytes_max=self._bytes_max, deadline=deadline)
        except TooLong:
            raise _invalid() from None
        except (requests.ConnectionError, requests.Timeout, HTTPError, TimeoutError):
            raise Broken from None
        except (requests.RequestException, ValueError):  # a URL that the client cannot even send
            raise _invalid() from None

    def _decoded(self, url: str) -> bytes:
        found = _DATA.match(url[:200])
        if found is None or (len(url) - found.end()) * 3 // 4 > self._bytes_max:
            raise _invalid()
        try:
            return b64decode(url[found.end() :], validate=True)
        except ValueError:
            raise _invalid() from None


def _check_status(response: requests.Response) -> None:
    if response.status_code >= 500 or response.status_code == 429:
        raise Broken
    if response.status_code != 200 or response.headers.get("Content-Encoding", "identity") != "identity":
        raise _invalid()


def _invalid() -> ProviderOutputInvalid:
    return ProviderOutputInvalid(provider="replicate")
