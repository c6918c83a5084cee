"""CSRF protection: unsafe calls with cookies must come from our own origin.

They must also send the csrf cookie's value as a header (double submit).
"""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from enhancer.api.http.cookies import CSRF
from enhancer.api.http.request import Request
from enhancer.domain.errors import CsrfTokenInvalid, OriginNotAllowed

SAFE = ("GET", "HEAD", "OPTIONS")
HEADER = "x-csrf-token"


def check(request: Request, *, allowed_origins: tuple[str, ...]) -> None:
    """Raise `OriginNotAllowed` or `CsrfTokenInvalid`; two independent checks, origin first."""
    if request.method in SAFE:
        return
    origin = request.headers.get("origin") or _origin_of(request.headers.get("referer", ""))
    if origin not in (request.own_origin, *allowed_origins):
        raise OriginNotAllowed(header="Origin")
    sent, kept = request.headers.get(HEADER, ""), request.cookies.get(CSRF, "")
    if not sent or not hmac.compare_digest(sent.encode(), kept.encode()):
        raise CsrfTokenInvalid(header="X-CSRF-Token", cookie=CSRF)


def new_token() -> str:
    """Return 256 random bits for the ``csrf_token`` cookie."""
    return secrets.token_urlsafe(32)


def _origin_of(referer: str) -> str:
    parts = urlsplit(referer)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme and parts.netloc else ""
