"""How a case is declared: `Cases` makes one Lambda event a line, from a name, the expected status and the request."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import Any

from enhancer.domain.owners import Owner
from tests.support.events import CSRF_TOKEN, form, http_event, unsafe

GUEST = Owner("guest", "0000000000000000000testguest")
NAME = "0123456789abcdefghjkmnpqrs.png"
ORIGINAL = f"ai-enhancer/uploads/guest/{GUEST.id}/{NAME}"
RESULT = f"ai-enhancer/results/guest/{GUEST.id}/{NAME}"
FOREIGN = f"ai-enhancer/results/guest/somebodyelse/{NAME}"
TEXT = "ai-enhancer/uploads/guest/x/notes.png"
MISSING_JOB = "job_" + "0" * 36
GENERATE = "/api/ai-image/generate"


def png(width: int = 12, height: int = 8, *, rows: int | None = None) -> bytes:
    """A colourful PNG of which only the first ``rows`` lines are there (None: all).

    Its pixels are stored, not compressed, so that every machine makes the same bytes.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    lines = b"".join(
        b"\0" + bytes(value for x in range(width) for value in (x * 20 % 256, y * 30 % 256, 128))
        for y in range(height if rows is None else rows)
    )
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines, 0)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PHOTO = png()
PHOTO_ETAG = f'"{hashlib.md5(PHOTO, usedforsecurity=False).hexdigest()}"'
STORED = {ORIGINAL: PHOTO, RESULT: PHOTO, FOREIGN: PHOTO, TEXT: b"just text"}
"""Key -> content of the objects that must be in the bucket before the events are sent."""


@dataclass(frozen=True)
class Case:
    """One event, named ``<function>.<case>``, and how the function's answer to it ends.

    ``outcome`` is the HTTP status; of a direct call it is "returns", or the class of the error it fails with.
    """

    name: str
    outcome: int | str
    event: dict[str, Any]

    @property
    def function(self) -> str:
        """The folder of the function that receives it."""
        return self.name.partition(".")[0]

    @property
    def text(self) -> str:
        """The event as a JSON file."""
        return json.dumps(self.event, indent=2, ensure_ascii=False) + "\n"


@dataclass
class Cases:
    """Collects cases by name.

    Each request comes from an address of its own, so that no rate limit joins two. It is made from the name, so that
    another case changes no file.
    """

    made: dict[str, Case] = field(default_factory=dict)

    def direct(self, name: str, outcome: str, event: dict[str, Any]) -> None:
        """Add a direct call, as a schedule, the state machine or another function makes it."""
        self._add(Case(name, outcome, event))

    def http(
        self, name: str, status: int, method: str, path: str, *, route: str | None = None, **more: Any
    ) -> None:
        """Add a request through the HTTP API; ``more`` as in `http_event`."""
        number = zlib.crc32(name.encode())
        ip = f"198.18.{number >> 8 & 255}.{number & 255}"  # of the range for benchmarks, RFC 2544
        event = http_event(method, path, ip=ip, route=route, request_id=name, **more)
        self._add(Case(name, status, event))

    def post(self, name: str, status: int, path: str, *, drop: str = "", **more: Any) -> None:
        """Add a POST of our page, without the origin, the token's header or its "cookie" if ``drop`` names it."""
        headers = {**unsafe(), **more.pop("headers", {})}
        headers.pop(drop, None)
        jar = {} if drop == "cookie" else {"csrf_token": CSRF_TOKEN}
        self.http(name, status, "POST", path, headers=headers, cookies=jar, **more)

    def json(self, name: str, status: int, path: str, body: Any, **more: Any) -> None:
        """Add a POST of JSON; a body that is text is sent as it is."""
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        self.post(name, status, path, body=text, headers=headers, **more)

    def generate(self, name: str, status: int, fields: dict[str, str] | None = None, **more: Any) -> None:
        """Add a POST generate as a form with a photo; ``image=None`` leaves it out."""
        body, content_type = form(fields, image=more.pop("image", PHOTO))
        body = more.pop("body", body)
        headers = {"content-type": content_type, **more.pop("headers", {})}
        self.post(name, status, GENERATE, body=body, headers=headers, **more)

    def artifact(self, name: str, status: int, key: str, method: str = "GET", **more: Any) -> None:
        """Add a request for an artifact."""
        self.http(name, status, method, f"/r2-ai/{key}", route="ANY /r2-ai/{proxy+}", **more)

    def _add(self, case: Case) -> None:
        if case.name in self.made:
            raise ValueError(f"two cases are named {case.name}")
        self.made[case.name] = case
