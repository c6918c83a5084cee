"""A statement as a file for spreadsheets."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, datetime

from enhancer.api.shapes.billing import MovementView

CSV = "text/csv; charset=utf-8"
COLUMNS = ("time", "id", "kind", "change", "balance", "plan", "debt", "job", "reason", "actor", "ref")
ROWS_MAX = 5000
"""Entries in one file."""
_RISKY = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)


def as_csv(entries: Iterable[MovementView]) -> str:
    """Return entries as RFC 4180 lines below the names of the columns; times are ISO 8601, UTC."""
    out = io.StringIO()
    lines = csv.writer(out)
    lines.writerow(COLUMNS)
    for one in entries:
        found = (
            _time(one.at), one.id, one.kind, one.change, one.balance, one.plan, one.debt, one.job_id, one.reason,
            one.actor, one.ref,
        )  # fmt: skip
        lines.writerow([harmless("" if value is None else f"{value}") for value in found])
    return out.getvalue()


def harmless(text: str) -> str:
    """Return text with an apostrophe in front if a spreadsheet would run it as a formula; numbers stay numbers."""
    return f"'{text}" if text.startswith(_RISKY) and not _NUMBER.fullmatch(text) else text


def _time(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
