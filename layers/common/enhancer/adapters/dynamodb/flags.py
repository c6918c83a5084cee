"""The operator's flags in the table, cached for a short while: a change is felt within a minute.

A record that cannot be read counts for nothing: whoever knew better goes on with that, a function that has just started
goes by `CLOSED`. Each change is a version, kept whole with who made it and why.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import Record, Table, Write, absent
from enhancer.domain.errors import FlagsChanged, InvalidFields
from enhancer.domain.flags import CLOSED, Flags, FlagsVersion
from enhancer.domain.flags_document import MICROS_PER_USD, Document, document_of, flags_of
from enhancer.telemetry import count, logger

FRESH_SECONDS = 30
"""Flags older than this are read again."""
AGAIN_SECONDS = 5
"""When to try again after a read that failed, or that found what cannot be read."""
SCHEMA = 1
"""The newest kind of record that this release can read. One with a higher number means something unknown to it."""


class UnreadableFlags(Exception):
    """The record is none that this release can read. ``reason``: bad or newer; ``fields``: what is wrong."""

    def __init__(self, reason: str, fields: list[dict[str, Any]]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fields = fields


@dataclass(frozen=True, slots=True)
class Seen:
    """The flags as they were read just now, for a change on top of them.

    ``raw_version``: what the record itself says, which the change must still find. ``unreadable``: the record was
    ignored for this reason, and the flags are those of the newest version that can be read.
    """

    flags: Flags
    raw_version: Any = None
    unreadable: UnreadableFlags | None = None


class FlagStore:
    """The record of the flags and its history.

    ``defaults``: what holds where nobody has set anything, from the stack's parameters. ``fresh_seconds``: how old
    flags may be.
    """

    def __init__(
        self, table: Table, *, defaults: Flags | None = None, fresh_seconds: float = FRESH_SECONDS
    ) -> None:
        self._table = table
        self._defaults = defaults or Flags()
        self._fresh_seconds = fresh_seconds
        self._kept: Flags | None = None
        self._due = float("-inf")

    @property
    def defaults(self) -> Flags:
        """What holds where nobody has set anything."""
        return self._defaults

    def get(self) -> Flags:
        """Return the flags, at most `FRESH_SECONDS` old while the table can be read.

        When it cannot, or holds what is none, the last good ones stay. Without any, `CLOSED` holds for a bad record,
        and the error of a table that does not answer is raised.
        """
        started = time.monotonic()
        if self._kept is not None and started < self._due:
            return self._kept
        wait: float = AGAIN_SECONDS
        try:
            self._kept = self._read(self._table.get(keys.flags()) or {})
            wait = self._fresh_seconds
        except (BotoCoreError, ClientError) as problem:
            logger.error("flags not read", extra={"error": type(problem).__name__})
            count("FlagsIgnored", reason="unreachable")
            if self._kept is None:
                raise
        except UnreadableFlags as problem:
            logger.error("flags ignored", extra={"reason": problem.reason, "fields": problem.fields})
            count("FlagsIgnored", reason=problem.reason)
            self._kept = self._kept or CLOSED
        since = (
            started if wait == self._fresh_seconds else time.monotonic()
        )  # a failed read may have taken long
        self._due = since + min(wait, self._fresh_seconds)
        return self._kept

    def seen(self) -> Seen:
        """Return the flags as they are this moment, to change them."""
        record = self._table.get(keys.flags()) or {}
        try:
            return Seen(self._read(record), record.get("version"))
        except UnreadableFlags as problem:
            return Seen(self._newest_readable(), record.get("version"), unreadable=problem)

    def write(
        self, flags: Flags, seen: Seen, *, actor: str, reason: str, now: int, restores: int | None = None
    ) -> Flags:
        """Put new flags in the place of what was seen, as the next version; return them.

        Raises `FlagsChanged` when somebody else was faster. ``now`` in epoch ms.
        """
        newest = next(iter(self.history()), None)
        version = max(seen.flags.version, (newest.version if newest else None) or 0) + 1

        def lost(record: Record) -> Exception:
            return FlagsChanged(version=record.get("version", 0), expected=seen.flags.version)

        document = document_of(flags)
        # Former releases read these two, and must go on doing so should one be deployed again.
        old = {"off": document["off"], "spend_cap": flags.spend_cap}
        record = {**old, "schema": SCHEMA, "version": version, "document": document}
        entry = {"version": version, "document": document, "actor": actor, "reason": reason, "at": now}
        entry |= {"restores": restores}
        writes = [
            Write(
                "Put",
                keys.flags(),
                record,
                condition="#version = :seen"
                if seen.raw_version is not None
                else "attribute_not_exists(#version)",
                names={"#version": "version"},
                values={":seen": seen.raw_version} if seen.raw_version is not None else None,
                refusal=lost,
            ),
            Write("Put", keys.flags_version(version), entry, condition=absent(), refusal=lost),
        ]
        if version == 1:  # so that the first change can be rolled back like any other
            first = {
                "version": 0,
                "document": document_of(seen.flags),
                "actor": "-",
                "reason": "before",
                "at": now,
            }
            writes.append(Write("Put", keys.flags_version(0), first))
        self._table.transact(writes)
        self._due = float("-inf")
        return self._read(record)

    def history(self, *, before: int | None = None) -> Iterator[FlagsVersion]:
        """Yield the versions, newest first; ``before``: only those with a smaller number."""
        start = None if before is None else keys.flags_version(before)["sk"]
        for record in self._table.under(
            keys.flags()["pk"], keys.FLAGS_HISTORY, newest_first=True, before=start
        ):
            document = record.get("document") or _old_document(record)
            yield FlagsVersion(
                version=record.get("version"),
                document=document,
                actor=record.get("actor", ""),
                reason=record.get("reason", ""),
                at=record.get("at", 0),
                restores=record.get("restores"),
            )

    def entry(self, version: int) -> FlagsVersion | None:
        """Return a version, None where there is none."""
        found = next(iter(self.history(before=version + 1)), None)
        return found if found and found.version == version else None

    def _read(self, record: Record) -> Flags:
        """Return the flags of a record, {} for none; raise `UnreadableFlags`."""
        if record.get("schema", SCHEMA) != SCHEMA:
            raise UnreadableFlags("newer", [{"field": "schema", "problem": "unknown"}])
        version = record.get("version", 0)
        if not isinstance(version, int):
            raise UnreadableFlags("bad", [{"field": "version", "problem": "int_type"}])
        try:
            document = record["document"] if "document" in record else _old_document(record)
            return flags_of(document, version=version, defaults=self._defaults)
        except InvalidFields as problem:
            raise UnreadableFlags("bad", problem.details["fields"]) from None

    def _newest_readable(self) -> Flags:
        for entry in self.history():
            try:
                return flags_of(entry.document, version=entry.version or 0, defaults=self._defaults)
            except InvalidFields:
                continue
        return self._defaults


def _old_document(record: Record) -> Document:
    """Return what a release without documents stored as one."""
    cap = record.get("spend_cap")
    usd = cap / MICROS_PER_USD if isinstance(cap, int | float) else cap
    return {"off": record.get("off", []), "spendCapUsd": usd}
