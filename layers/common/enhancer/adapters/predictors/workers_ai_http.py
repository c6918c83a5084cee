"""The one request that Workers AI knows, within bounds. Import where it is needed: it loads an HTTP client."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from enhancer.adapters.http.bounded import TooLong, body_of, seconds_asked
from enhancer.domain.errors import ProviderOutputInvalid, ProviderUnavailable

logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # its warnings name URLs

NAME = "workers_ai"
BODY_BYTES_MAX = 64_000_000
CONNECT_SECONDS = 5.0
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "image-enhancer/1.0"}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end. ``retry_after`` in seconds, None where it does not say."""

    status: int
    is_json: bool
    body: bytes
    retry_after: float | None = None


def post(url: str, token: str, *, fields: dict[str, Any], files: dict[str, bytes], seconds: float) -> Answer:
    """Send fields as JSON, or with files as a form, and return whatever is answered within so many seconds.

    Raises `TimeoutError`, and `ProviderUnavailable` where there is no answer. Follows no redirect, reads no proxies and
    no passwords from the machine.
    """
    deadline = time.monotonic() + seconds
    if seconds <= 0:
        raise TimeoutError
    body: dict[str, Any] = {"json": fields}
    if files:
        parts = {name: (f"{name}.jpg", data, "image/jpeg") for name, data in files.items()}
        body = {"data": fields, "files": parts}
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.post(
                url,
                headers={**HEADERS, "Authorization": f"Bearer {token}"},
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=True,
                **body,
            ) as response:
                data = body_of(response, bytes_max=BODY_BYTES_MAX, deadline=deadline)
    except (requests.ReadTimeout, ReadTimeoutError, TimeoutError):
        raise TimeoutError from None
    except TooLong:
        raise ProviderOutputInvalid(provider=NAME) from None
    except (requests.RequestException, HTTPError, ValueError):
        raise ProviderUnavailable(provider=NAME) from None
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(
        response.status_code,
        kind == "application/json" or kind.endswith("+json"),
        data,
        seconds_asked(response.headers.get("Retry-After")),
    )
