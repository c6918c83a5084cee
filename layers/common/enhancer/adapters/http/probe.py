"""One cheap authenticated read at a provider or at Stripe, for the deep health check; raises `PartFailed`.

Import it only where it is needed: it loads an HTTP client.
"""

from __future__ import annotations

import time

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from enhancer.adapters.http.bounded import USER_AGENT, BodyTooLong, read_body
from enhancer.domain.health import PartFailed, Reason

BODY_BYTES_MAX = 1_000_000
REASONS: dict[int, Reason] = {401: "refused", 403: "refused", 404: "missing", 429: "throttled"}


def read(url: str, token: str, *, seconds: float) -> None:
    """GET a URL with a bearer token and read its whole answer within ``seconds``, which must be a success in JSON.

    Follows no redirect, and uses no proxies and no .netrc of this machine.
    """
    deadline = time.monotonic() + seconds
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": USER_AGENT,
    }
    try:
        with requests.Session() as session:
            session.trust_env = False
            with session.get(
                url, headers=headers, timeout=(seconds / 2, seconds), allow_redirects=False, stream=True
            ) as answer:
                body = read_body(answer, bytes_max=BODY_BYTES_MAX, deadline=deadline)
    except (requests.Timeout, ReadTimeoutError, TimeoutError):
        raise PartFailed("timeout") from None
    except BodyTooLong:
        raise PartFailed("unreadable") from None
    except (requests.RequestException, HTTPError, ValueError):
        raise PartFailed("unreachable") from None
    if not answer.ok or answer.is_redirect:
        raise PartFailed(REASONS.get(answer.status_code, "failing"))
    if not body.lstrip().startswith(b"{"):
        raise PartFailed("unreadable")
