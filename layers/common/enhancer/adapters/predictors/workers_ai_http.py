"""Send the one request of Workers AI, which runs a model, with its answer bounded in time and bytes.

Import it only where it is needed: it loads an HTTP client.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from enhancer.adapters.http.bounded import USER_AGENT, BodyTooLong, read_body, retry_after_seconds
from enhancer.domain.errors import ProviderOutputInvalid, ProviderUnavailable

NAME = "workers_ai"
BODY_BYTES_MAX = 64_000_000
CONNECT_SECONDS = 5.0
HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": USER_AGENT}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer. ``retry_after``: seconds Workers AI asks us to wait, None if it does not say."""

    status: int
    is_json: bool
    body: bytes
    retry_after: float | None = None


def post(url: str, token: str, *, fields: dict[str, Any], files: dict[str, bytes], seconds: float) -> Answer:
    """POST the fields as JSON, or with files as a multipart form, and return the answer, whatever its status.

    ``files`` are JPEG files by field name; ``seconds`` bounds the whole request. Raises `TimeoutError`,
    `ProviderUnavailable` without an answer, `ProviderOutputInvalid` for one that is too long. Follows no redirect, and
    uses no proxies and no .netrc of this machine.
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
                data = read_body(response, bytes_max=BODY_BYTES_MAX, deadline=deadline)
    except (requests.ReadTimeout, ReadTimeoutError, TimeoutError):
        raise TimeoutError from None
    except BodyTooLong:
        raise ProviderOutputInvalid(provider=NAME) from None
    except (requests.RequestException, HTTPError, ValueError):
        raise ProviderUnavailable(provider=NAME) from None
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Answer(
        response.status_code,
        kind == "application/json" or kind.endswith("+json"),
        data,
        retry_after_seconds(response.headers.get("Retry-After")),
    )
