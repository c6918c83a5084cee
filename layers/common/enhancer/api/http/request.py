"""One HTTP API event (payload 2.0), read once."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from enhancer.api.http import cookies
from enhancer.domain.errors import InvalidFields

LOCAL_HOSTS = ("http://127.0.0.1", "http://localhost")
LANGUAGES = ("en", "de")
GATEWAY_MS = 30_000
"""An HTTP API answers for a function that takes longer."""
EDGE_SECRET_HEADER, EDGE_ADDRESS_HEADER = "x-edge-secret", "x-viewer-address"
"""What the CDN in front of us adds to each request (edge.yaml): who it is, and who the visitor is."""
OTHER_KEY_HEADER = "x-api-key"
"""Where other APIs take keys; ours refuses them there, with the right way, instead of taking the caller for a guest."""
HEADER_MAX = 500
"""Characters of Accept-Language that are read."""
_QUALITY = re.compile(r"\bq\s*=\s*([01](?:\.[0-9]{0,3})?)\s*$")


@dataclass(frozen=True)
class Request:
    """What checks and handlers read from an event. ``app_origin`` is set where page and API have different hosts.

    ``edge_hashes``: SHA-256 of the secrets by which the CDN in front of us is known; empty where there is none.
    """

    event: dict[str, Any]
    app_origin: str
    edge_hashes: tuple[str, ...] = ()

    @cached_property
    def headers(self) -> dict[str, str]:
        """Header values by lower-case name."""
        return {name.lower(): _text(value) for name, value in (self.event.get("headers") or {}).items()}

    @cached_property
    def cookies(self) -> dict[str, str]:
        """Cookies from ``event.cookies`` and from the header."""
        sent = map(_text, self.event.get("cookies") or [])
        return cookies.parse([*sent, self.headers.get("cookie", "")])

    @property
    def _http(self) -> dict[str, Any]:
        http: dict[str, Any] = self.event["requestContext"]["http"]
        return http

    @property
    def method(self) -> str:
        """Upper-case verb."""
        return str(self._http["method"]).upper()

    @property
    def path(self) -> str:
        """The path as it came."""
        return str(self.event.get("rawPath") or self._http["path"])

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; of a repeated one all values, joined by commas."""
        return self.event.get("queryStringParameters") or {}

    @cached_property
    def is_by_edge(self) -> bool:
        """Whether this came through the CDN in front of us, by the secret that it adds to every request."""
        secret = self.headers.get(EDGE_SECRET_HEADER, "")
        found = hashlib.sha256(secret.encode()).hexdigest()
        return any(hmac.compare_digest(found, one) for one in self.edge_hashes)

    @property
    def is_around_edge(self) -> bool:
        """Whether this should have come through the CDN in front of us and did not."""
        return bool(self.edge_hashes) and not self.is_by_edge

    @property
    def source_ip(self) -> str:
        """The client's address as the gateway saw it, or as the CDN in front of it did; no other header is trusted."""
        seen = str(self._http["sourceIp"])
        return self.headers.get(EDGE_ADDRESS_HEADER, seen) if self.is_by_edge else seen

    @property
    def id(self) -> str:
        """Request id, shown in every answer and log line."""
        return str(self.event["requestContext"].get("requestId", "-"))

    def age_ms(self, now: int) -> int:
        """Return how long ago the gateway took the request, ``now`` in epoch ms; 0 where a clock cannot be right.

        A function that has to be started first gets it seconds later.
        """
        age = now - int(self.event["requestContext"].get("timeEpoch") or now)
        return age if 0 <= age <= GATEWAY_MS else 0

    @property
    def own_origin(self) -> str:
        """Scheme and host of the page that may call us with cookies."""
        return self.app_origin or f"https://{self.event['requestContext'].get('domainName', '')}"

    @property
    def is_secure(self) -> bool:
        """False only on a developer's own machine."""
        return not self.own_origin.startswith(LOCAL_HOSTS)

    @property
    def session_token(self) -> str | None:
        """The session cookie's value."""
        return self.cookies.get(cookies.session_name(secure=self.is_secure))

    @property
    def api_key(self) -> str | None:
        """The token after ``Authorization: Bearer``; "" for whatever else may be meant as a key, None without any."""
        header = self.headers.get("authorization")
        if header is None:
            return "" if OTHER_KEY_HEADER in self.headers else None
        scheme, _, credentials = header.strip().partition(" ")
        return credentials.strip() if scheme.lower() == "bearer" else ""

    @property
    def wants_page(self) -> bool:
        """Whether ``Accept`` includes text/html: a browser shows the answer to a person."""
        return "text/html" in self.headers.get("accept", "")

    @property
    def language(self) -> str:
        """Our language that ``Accept-Language`` likes best (RFC 9110, 12.5.4); English when it names none of ours."""
        best, liking = LANGUAGES[0], 0.0
        for tag, quality in _preferences(self.headers.get("accept-language", "")):
            language = LANGUAGES[0] if tag == "*" else tag.partition("-")[0]
            if language in LANGUAGES and quality > liking:
                best, liking = language, quality
        return best

    @property
    def media_type(self) -> str:
        """The body's type in lower case, without parameters; "" where none is stated."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def body(self) -> bytes:
        """The raw body; raise `InvalidFields` where it cannot be read."""
        body = self.event.get("body") or ""
        try:
            return b64decode(body, validate=True) if self.event.get("isBase64Encoded") else str(body).encode()
        except ValueError:  # not base64, or text with half a surrogate pair
            raise InvalidFields(fields=[{"field": "body", "problem": "not UTF-8"}]) from None


def _text(value: str) -> str:
    """Return a value without halves of surrogate pairs, which JSON can bring and no text can hold."""
    return value.encode(errors="replace").decode()


def _preferences(header: str) -> Iterator[tuple[str, float]]:
    """Yield each tag with its quality, 1 where none is stated and 0 where it is none."""
    for entry in header[:HEADER_MAX].lower().split(","):
        tag, _, parameters = entry.partition(";")
        quality = _QUALITY.search(parameters)
        yield tag.strip(), float(quality[1]) if quality else float(not parameters.strip())
