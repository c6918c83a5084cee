"""Everything that is stored of one owner: for the copy they may have, and for its end."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import hashed
from enhancer.adapters.dynamodb.jobs import from_record
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, TableBusy, Write
from enhancer.domain.accounts import Account
from enhancer.domain.errors import NotFound
from enhancer.domain.jobs import Job
from enhancer.domain.owners import Owner

RUNNING_MS = 900_000
"""A copy that is not ready after this long was never finished, and may be asked for again."""
READY_MS = 86_400_000
"""A copy is kept this long."""
SETTLED_MS = 900_000
"""However late something was still made for a deleted owner, by a request that had begun before, it is by now."""
KEPT = ("LEDGER#", "LOT#", "USAGE#", "ACCOUNT")
"""What remains of a deleted owner: numbers and dates under a random id."""


@dataclass(frozen=True, slots=True)
class Export:
    """A copy asked for at ``asked_at`` (epoch ms); ``key`` names it once it is ready."""

    status: Literal["running", "ready"]
    asked_at: int
    key: str = ""


class OwnerRecords:
    """One partition of the table, and what points to it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def export(self, owner: Owner, *, now: int) -> Export | None:
        """Return the copy that is being made or is ready, None when there is none to wait for."""
        record = self._table.get(keys.export(owner))
        if record is None:
            return None
        found = Export(record["status"], record["asked_at"], record.get("key", ""))
        age = now - found.asked_at
        return found if age < (RUNNING_MS if found.status == "running" else READY_MS) else None

    def begin_export(self, owner: Owner, *, now: int) -> bool:
        """Take the right to make a copy; return False when one is being made."""
        record = {
            **keys.export(owner),
            "status": "running",
            "asked_at": now,
            "expires": (now + READY_MS) // 1000,
        }
        try:
            self._table.put(
                record,
                condition="attribute_not_exists(pk) OR asked_at < :stale OR #status <> :running",
                values={":stale": now - RUNNING_MS, ":running": "running"},
                names={"#status": "status"},
            )
        except ConditionFailed:
            return False
        return True

    def end_export(self, owner: Owner, key: str, *, asked_at: int) -> None:
        """Say that the copy is ready under ``key``."""
        ready = {
            "status": "ready",
            "asked_at": asked_at,
            "key": key,
            "expires": (asked_at + READY_MS) // 1000,
        }
        self._table.put({**keys.export(owner), **ready})

    def records(self, owner: Owner, prefix: str) -> Iterable[Record]:
        """Yield what is stored of an owner under a prefix of the sort key."""
        return self._table.under(keys.account(owner)["pk"], prefix)

    def jobs(self, owner: Owner) -> list[Job]:
        """Return every job of an owner."""
        return [from_record(record) for record in self.records(owner, "JOB#")]

    def mark_deleted(self, account: Account, *, now: int) -> None:
        """End an account in one step: nobody signs in as it any more, and who it was is forgotten.

        Its totals stay, under a random id; of who was blocked also the identities, which sign nobody in. It stands in
        the index until `purge` has finished. Raises `NotFound`, and `TableBusy` when an identity was added since
        ``account`` was read: it would be left behind.
        """
        owner = account.owner
        known, counted = "attribute_not_exists(identities)", {}
        if account.identities:
            known, counted = "size(identities) = :identities", {":identities": len(account.identities)}
        identities = () if account.blocked else account.identities  # a block outlives the account
        gone = [keys.identity(*name.split("#", 1)) for name in identities]
        if account.email:
            gone.append(keys.email(hashed(account.email), owner.id))
        tombstone = Write(
            "Update",
            keys.account(owner),
            update="SET deleted_at = :now, gsi1pk = :purge, gsi1sk = :now"
            " REMOVE #plan, #role, email, #name, identities, signed_out_at, customer, subscriptions",
            condition=f"attribute_exists(#plan) AND {known}",
            names={"#plan": "plan", "#role": "role", "#name": "name"},
            values={":now": now, ":purge": keys.PURGE, **counted},
            refusal=lambda found: TableBusy() if "plan" in found else NotFound(),
        )
        self._table.transact([tombstone, *(Write("Delete", key) for key in gone)])

    def purge(self, owner: Owner, *, now: int) -> None:
        """Remove every record but the anonymous numbers. Safe to repeat.

        The owner leaves the index once no job is open and `SETTLED_MS` have passed.
        """
        finished = True
        for record in self._table.under(keys.account(owner)["pk"]):
            sk = record["sk"]
            if sk.startswith("KEY#"):
                self._table.delete(keys.api_key_pointer(record["hash"]))
            if sk.startswith("LEDGER#") and "actor" in record:
                self._table.update({"pk": record["pk"], "sk": sk}, "REMOVE reason")
            if sk.startswith("JOB#") and "gsi1pk" in record:
                finished = False  # its holds are given back first
            elif sk.startswith("KEYUSE#") and not finished:
                continue  # sorts behind the jobs: an open one takes off from it what it gives back
            elif not sk.startswith(KEPT) and not _is_proof(sk):
                self._table.delete({"pk": record["pk"], "sk": sk})
        if finished:
            with suppress(ConditionFailed):  # too early
                self._table.update(
                    keys.account(owner),
                    "REMOVE gsi1pk, gsi1sk",
                    condition="deleted_at <= :settled",
                    values={":settled": now - SETTLED_MS},
                )

    def deleted_owners(self, *, before: int) -> list[Owner]:
        """Return the owners who were deleted before then and of whom something is left."""
        found = self._table.overdue(keys.PURGE, before)
        return [Owner("user", record["pk"].removeprefix("OWNER#user#")) for record in found]


def _is_proof(sk: str) -> bool:
    """Once-keys of money outlive their owner; idempotency keys do not."""
    return sk.startswith("ONCE#") and not sk.startswith("ONCE#key#")
