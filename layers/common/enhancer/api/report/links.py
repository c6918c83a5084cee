"""Addresses of reports that expire: signed by us, because a presigned address of S3 dies with the role's session.

A role's credentials last some hours at most, whatever expiry a presigned address states; ours is checked when it is
used. Whoever has the address can read this one report until then, so it goes to the operator's topic alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

TYPES = {"json": "application/json", "csv": "text/csv; charset=utf-8", "html": "text/html; charset=utf-8"}
"""Extension -> content type."""
PURPOSE = "report"
LINK_SECONDS = 7 * 86_400
"""How long an announced address is good."""
PATH = "/api/admin/reports/"
NAME = re.compile(r"(day-\d{4}-\d\d-\d\d|month-\d{4}-\d\d)\.(json|csv|html)", re.ASCII)


def link_to(name: str, *, origin: str, sign: Callable[[str, str], str], now: int) -> str:
    """Return the address of a report's page, good for `LINK_SECONDS`; ``now`` in epoch ms.

    ``sign``: purpose and value -> value, dot, signature.
    """
    ends = now // 1000 + LINK_SECONDS
    token = sign(PURPOSE, f"{name}.html.{ends}").rpartition(".")[2]
    return f"{origin}{PATH}{name}.html?until={ends}&signature={token}"


def is_good(
    file: str, until: int, signature: str, *, verified: Callable[[str, str], str | None], now: int
) -> bool:
    """Return whether a signature is ours, for this file, and not over.

    ``verified``: purpose and signed value -> the value, None where it is not ours.
    """
    if until * 1000 <= now or until > now // 1000 + LINK_SECONDS:
        return False
    return verified(PURPOSE, f"{file}.{until}.{signature}") == f"{file}.{until}"
