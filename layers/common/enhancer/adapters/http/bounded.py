"""Read answers of servers that are not ours: the body within a limit of bytes and time, and ``Retry-After``."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response

logging.getLogger("urllib3.connectionpool").setLevel(
    logging.ERROR
)  # its warnings name URLs, which may carry secrets

USER_AGENT = "image-enhancer/1.0"
"""How we name ourselves to other servers."""
PIECE_BYTES = 65_536


class BodyTooLong(Exception):
    """The body has more bytes than the limit."""


def read_body(response: Response, *, bytes_max: int, deadline: float) -> bytes:
    """Return the body of a streamed answer as it was sent, not decoded.

    ``deadline`` is in seconds of the monotonic clock. Raises `BodyTooLong` above ``bytes_max``, `TimeoutError` after
    the deadline, urllib3's errors if the connection breaks. Takes the bytes that are there instead of waiting for full
    pieces, so that a server that sends single bytes cannot outlast the deadline.
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
            raise BodyTooLong


def retry_after_seconds(header: str | None) -> float | None:
    """Return the wait that a ``Retry-After`` header asks for, in seconds; None without a readable one.

    The header holds seconds or a date (RFC 9110, 10.2.3).
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
