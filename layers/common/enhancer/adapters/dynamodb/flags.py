"""The operator's flags in the table, cached for a short while: a change takes effect within a minute."""

from __future__ import annotations

import time

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import Table, Write, absent
from enhancer.domain.availability import Flags

FRESH_SECONDS = 30
"""Flags older than this are read again."""


class FlagStore:
    """One record: ``off`` (a list of providers, slugs or aliases) and ``spend_cap`` (USD micros a day)."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._kept = Flags()
        self._read_at = float("-inf")

    def get(self) -> Flags:
        """Return the flags, at most `FRESH_SECONDS` old."""
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            record = self._table.get(keys.flags()) or {}
            self._kept = Flags(off=tuple(record.get("off", ())), spend_cap=record.get("spend_cap"))
            self._read_at = time.monotonic()
        return self._kept

    def set(self, flags: Flags, *, actor: str, reason: str, entry_id: str, now: int) -> None:
        """Replace the flags, and record who did it and why."""
        switches = {"off": sorted(flags.off), "spend_cap": flags.spend_cap}
        audit = {**switches, "actor": actor, "reason": reason, "at": now}
        self._table.transact(
            [
                Write("Put", keys.flags(), switches),
                Write("Put", keys.flags_audit(entry_id), audit, condition=absent()),
            ]
        )
        self._read_at = float("-inf")
