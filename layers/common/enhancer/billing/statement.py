"""The statement: every movement of credits, newest first, with the balance after each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enhancer.domain.errors import (
    InvalidFields,
)
from enhancer.domain.ledger import Entry, UsageAndBalance

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.domain.owners import Owner


READS = 5
"""Attempts at a consistent read of a statement; after that the last one is used."""


@dataclass(frozen=True, slots=True)
class Row:
    """An entry, and what was available after it (tenths)."""

    entry: Entry
    balance: int


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a statement, newest first. ``cursor`` is where the next part starts; None at the end."""

    rows: Sequence[Row]
    cursor: str | None
    state: UsageAndBalance


def statement(owner: Owner, *, limit: int, cursor: str | None, now: int, ledger: Ledger) -> Page:
    """Return a page of an owner's entries with the running balance. Raises `InvalidFields` for a bad cursor.

    The balance of the newest entry is what is available now; the cursor contains the balance at its position.
    """
    after, balance = _place(cursor)
    state = ledger.usage_and_balance(owner, now=now)
    entries, following = ledger.page(owner, limit=limit, after=after)
    for _ in range(0 if cursor else READS):
        before, state = state, ledger.usage_and_balance(owner, now=now)
        if before == state:
            break
        entries, following = ledger.page(owner, limit=limit, after=after)
    if not cursor:
        balance = state.balance.available
    rows = []
    for entry in entries:
        rows.append(Row(entry, balance))
        balance -= entry.change
    return Page(rows, f"{following}~{balance}" if following else None, state)


def _place(cursor: str | None) -> tuple[str | None, int]:
    if cursor is None:
        return None, 0
    entry_id, _, balance = cursor.rpartition("~")
    number = balance.removeprefix("-")
    if not entry_id or not number.isascii() or not number.isdigit():
        raise InvalidFields(fields=[{"field": "cursor", "problem": "unknown"}])
    return entry_id, int(balance)
