"""All records of one owner, for export and account deletion."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import hashed
from enhancer.adapters.dynamodb.allowances import SETTLED_MS, AllowanceMoved, Allowances
from enhancer.adapters.dynamodb.jobs import from_record, is_deleted
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, TableBusy, Write, retried
from enhancer.domain.accounts import Account
from enhancer.domain.errors import NotFound
from enhancer.domain.jobs import Job
from enhancer.domain.owners import Owner

RUNNING_MS = 900_000
"""An export that is not ready after this long has failed, and may be asked for again."""
READY_MS = 86_400_000
"""A finished export can be downloaded for this long."""
KEPT = ("LEDGER#", "LOT#", "USAGE#", "ACCOUNT")
"""What stays of a deleted owner, by sort key: numbers and dates under a random id."""


@dataclass(frozen=True, slots=True)
class Export:
    """An export asked for at ``asked_at`` (epoch ms); ``key``: of the file in the bucket once it is ready."""

    status: Literal["running", "ready"]
    asked_at: int
    key: str = ""


class OwnerRecords:
    """The records of an owner: one partition of the table, and the records elsewhere that point to it."""

    def __init__(self, table: Table, allowances: Allowances) -> None:
        self._table = table
        self._allowances = allowances

    def export(self, owner: Owner, *, now: int) -> Export | None:
        """Return the export that is being made or is ready; None when there is none, it failed or is too old."""
        record = self._table.get(keys.export(owner))
        if record is None:
            return None
        found = Export(record["status"], record["asked_at"], record.get("key", ""))
        age = now - found.asked_at
        return found if age < (RUNNING_MS if found.status == "running" else READY_MS) else None

    def begin_export(self, owner: Owner, *, now: int) -> bool:
        """Take the right to make an export; return False when one is being made."""
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
        """Record that the export is ready under ``key`` in the bucket."""
        ready = {
            "status": "ready",
            "asked_at": asked_at,
            "key": key,
            "expires": (asked_at + READY_MS) // 1000,
        }
        self._table.put({**keys.export(owner), **ready})

    def records(self, owner: Owner, prefix: str) -> Iterable[Record]:
        """Yield the owner's records whose sort key starts with ``prefix``, without deleted jobs."""
        found = self._table.under(keys.account(owner)["pk"], prefix)
        return (record for record in found if not is_deleted(record))

    def jobs(self, owner: Owner) -> list[Job]:
        """Return every job of an owner."""
        return [from_record(record) for record in self.records(owner, "JOB#")]

    @retried(AllowanceMoved)
    def mark_deleted(self, account: Account, *, now: int) -> None:
        """Delete an account in one transaction: its address, name and identities are removed, and nobody can sign in.

        Its totals stay, under a random id. What it used of day and month stays with its identities, as a keyed hash,
        until these are over: what was held before counts, and nothing can be held afterwards. A blocked account keeps
        its identities, so that they cannot open a new one. Until `purge` has finished, the account is in the index of
        deleted ones. Raises `NotFound`, and `TableBusy` when an identity was added since ``account`` was read, which
        would be left behind, or when runs are begun faster than this can count them.
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
        used = self._allowances.keep(owner, account.identities, now=now)
        self._table.transact([tombstone, *used, *(Write("Delete", key) for key in gone)])

    def purge(self, owner: Owner, *, now: int) -> None:
        """Remove every record of a deleted owner but those of `KEPT` and once-keys of credits. Safe to repeat.

        The owner leaves the index once no job is open and `SETTLED_MS` have passed since the deletion.
        """
        finished = True
        for record in self._table.under(keys.account(owner)["pk"]):
            sk = record["sk"]
            if sk.startswith("KEY#"):
                self._table.delete(keys.api_key_pointer(record["hash"]))
            if sk.startswith("LEDGER#") and "actor" in record:
                self._table.update({"pk": record["pk"], "sk": sk}, "REMOVE reason")
            if sk.startswith("JOB#") and "gsi1pk" in record and not is_deleted(record):
                finished = False  # its holds must be released first
            elif sk.startswith("KEYUSE#") and not finished:
                continue  # comes after the jobs; an open one still subtracts from it what it releases
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
        """Return the owners deleted before a time (epoch ms) whose purge has not finished."""
        found = self._table.overdue(keys.PURGE, before)
        return [Owner("user", record["pk"].removeprefix("OWNER#user#")) for record in found]


def _is_proof(sk: str) -> bool:
    """Return whether a sort key is a once-key of credits, which outlives its owner; idempotency keys do not."""
    return sk.startswith("ONCE#") and not sk.startswith("ONCE#key#")
