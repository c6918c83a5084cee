"""Answers of servers that are not ours: bodies within bounds, and how long they ask us to wait."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response


PIECE_BYTES = 65_536


class TooLong(Exception):
    """The body has more bytes than we take."""


def body_of(response: Response, *, bytes_max: int, deadline: float) -> bytes:
    """Return a streamed body as it was sent, within ``bytes_max``, by the monotonic ``deadline`` in seconds.

    Raises `TooLong`, `TimeoutError`, or whatever broke the connection (urllib3's errors). Reads what is there instead
    of waiting for full pieces, so that a server that drips bytes cannot outlast the deadline.
    """
    body = bytearray()
    while True:
        if time.monotonic() > deadline:
            raise TimeoutError
        piece = response.raw.read1(PIECE_BYTES, decode_content=False)
        if not piece:
            return bytes(body)
        body += piece
        if len(body) > bytes_max:
            raise TooLong


def seconds_asked(header: str | None) -> float | None:
    """Return what a ``Retry-After`` header asks for (RFC 9110, 10.2.3: seconds or a date), None if nothing."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
