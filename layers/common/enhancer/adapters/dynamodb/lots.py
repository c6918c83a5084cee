"""Credits that arrive, are taken back or expire: each in one transaction and exactly once. Amounts in tenths."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Literal

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.ledger_writes import balance_of, event_once, totals, write_entry
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, Write, absent, retried
from enhancer.domain.credits import Lot, expired, expiry_of
from enhancer.domain.errors import NotFound
from enhancer.domain.ledger import (
    AlreadyHeld,
    Balance,
    BalanceChanged,
    Entry,
    EntryKind,
    Movement,
    StaleVersion,
    VersionedLot,
    moves,
)
from enhancer.domain.owners import Owner

LOTS_AT_ONCE = 90
"""Most lots that one transaction takes out of the index, as it has at most 100 writes; the rest waits a day."""


class CreditLots:
    """The part of the `Ledger` that is not about runs: purchases, grants, clawbacks, debt and expiry."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @retried(BalanceChanged)
    def arrive(
        self,
        owner: Owner,
        credits: int,
        *,
        kind: Literal["purchase", "grant"],
        source: str,
        movement: Movement,
        bought_at: int | None = None,
        paid: tuple[int, str] = (0, ""),
        event: str | None = None,
    ) -> bool:
        """Add credits (tenths) once per ``source``, as a lot of their own, and pay off debt with them first.

        ``bought_at``: epoch ms from which their expiry is counted; now unless given. ``paid``: amount and currency, in
        its smallest unit, without taxes. ``event``: id of the Stripe event that tells of them. Returns False when the
        source was used before; raises `AlreadyApplied` when the event was applied before, `NotFound` when the account
        was deleted.
        """
        entry = _entry_of(kind, credits, movement)
        expires_at = expiry_of(bought_at or movement.now)
        lot = Lot(source, credits, expires_at, arrived_at=movement.now, paid=paid[0], currency=paid[1])
        before = self._totals(owner)
        pays = min(before.debt, before.available + credits)
        writes = [_source(owner, source, entry), *event_once(owner, event, movement.now)]
        writes += [write_entry(owner, entry), _lot(owner, lot)]
        by = Counter(moves(kind, credits))
        if pays:
            writes.append(write_entry(owner, _paying_off(pays, movement)))
            by.update(moves("clawback", pays))
        account = totals(owner, {**by, "debt": -pays}, seen={"debt": before.debt}, topped_up=True)
        writes.append(_unless_deleted(account))
        try:
            self._table.transact(writes)
        except AlreadyHeld:
            return False
        return True

    def grant(
        self, owner: Owner, credits: int, *, source: str, reason: str, actor: str, entry_id: str, now: int
    ) -> bool:
        """Give credits (tenths) once per ``source``; return False when it was used before."""
        movement = Movement(entry_id, now, reason, actor)
        return self.arrive(owner, credits, kind="grant", source=source, movement=movement)

    def deduct(
        self, owner: Owner, credits: int, *, source: str, reason: str, actor: str, entry_id: str, now: int
    ) -> bool:
        """Take available credits (tenths) away once per ``source``; return False when it was used before.

        Raises `BalanceChanged` when fewer are available.
        """
        entry = _entry_of("clawback", credits, Movement(entry_id, now, reason, actor))
        once = _source(owner, source, entry)
        try:
            self._table.transact([once, write_entry(owner, entry), totals(owner, moves("clawback", credits))])
        except AlreadyHeld:
            return False
        return True

    def came_from(self, owner: Owner, source: str) -> tuple[str, int] | None:
        """Return kind and credits (tenths) of the one entry that came from a source; None when there is none."""
        record = self._table.get(keys.source_once(owner, source))
        return (record["kind"], record["credits"]) if record and "kind" in record else None

    # ------------------------------------------------------------------------------------- taken back

    def lot(self, owner: Owner, source: str) -> VersionedLot | None:
        """Return the lot that came from a source, with its version; None when there is none."""
        record = self._table.get(keys.lot(owner, source))
        return VersionedLot(_lot_of(record), record["version"]) if record else None

    @retried(BalanceChanged)
    def take_back(
        self,
        owner: Owner,
        seen: VersionedLot,
        *,
        owed_back: int,
        movement: Movement,
        dispute: tuple[str, bool] | None = None,
        event: str | None = None,
    ) -> None:
        """Set how many of a lot's credits (tenths) are owed back in all: more than before, or fewer.

        If more: available credits are taken, the rest becomes debt. If fewer: the difference lowers the debt, and the
        rest of it is given back. ``dispute``: id of one and whether it is open; while one is, no credits can be spent.
        Raises `StaleVersion` when the lot has changed since ``seen``, `AlreadyApplied` when the event was applied
        before.
        """
        more = owed_back - seen.lot.owed_back
        kind: EntryKind = "clawback" if more >= 0 else "grant"
        before = self._totals(owner)
        if more >= 0:
            moved = min(more, before.available)
            debt = more - moved
            clawed_back = seen.lot.clawed_back + moved
        else:
            debt = -min(-more, before.debt)
            moved = debt - more
            clawed_back = max(0, seen.lot.clawed_back - moved)
        writes = [
            *event_once(owner, event, movement.now),
            self._changed(owner, seen, owed_back, clawed_back),
            totals(owner, {**moves(kind, moved), "debt": debt}, seen={"debt": before.debt}, dispute=dispute),
        ]
        if more:
            writes.append(write_entry(owner, _entry_of(kind, moved, movement, debt=debt)))
        self._table.transact(writes)

    @retried(BalanceChanged)
    def pay_off(self, owner: Owner, *, movement: Movement) -> int:
        """Pay off debt with available credits; return how many (tenths)."""
        before = self._totals(owner)
        pays = min(before.debt, before.available)
        if not pays:
            return 0
        entry = _paying_off(pays, movement)
        self._table.transact(
            [
                write_entry(owner, entry),
                totals(owner, {**moves("clawback", pays), "debt": -pays}, seen={"debt": before.debt}),
            ]
        )
        return pays

    # ---------------------------------------------------------------------------------------- expiry

    def lots(self, owner: Owner) -> list[Lot]:
        """Return every lot of an owner."""
        return [_lot_of(record) for record in self._table.under(keys.account(owner)["pk"], "LOT#")]

    def due(self, *, before: int) -> list[Owner]:
        """Return the owners of lots that expire before a time (epoch ms) and have not been booked as expired."""
        found = dict.fromkeys(record["pk"] for record in self._table.overdue(keys.EXPIRY, before))
        return [keys.owner_of(pk) for pk in found]

    @retried(BalanceChanged)
    def expire(self, owner: Owner, *, movement: Movement) -> int:
        """Book what is left of expired lots as expired; return how many credits (tenths). Safe to repeat.

        Expired lots leave the index unless the owner has held credits, which a release may give back to them.
        """
        now = movement.now
        balance = self._totals(owner)
        records = list(self._table.under(keys.account(owner)["pk"], "LOT#"))
        amount = expired(balance.available, map(_lot_of, records), now)
        by = moves("expiry", amount)
        writes = [totals(owner, by, seen={"available": balance.available, "held": balance.held})]
        if amount:
            writes.append(write_entry(owner, _entry_of("expiry", amount, movement)))
        if not balance.held:
            over = [one for one in records if "gsi1pk" in one and one["expires_at"] <= now]
            writes += [_off_the_index(one) for one in over[:LOTS_AT_ONCE]]
        self._table.transact(writes)
        return amount

    def warn_once(self, owner: Owner, lot: Lot) -> bool:
        """Return whether to tell the owner that this lot expires soon: True the first time only."""
        return self._mark(keys.lot(owner, lot.source), "warned", "attribute_exists(pk)")

    def low_once(self, owner: Owner, *, below: int) -> bool:
        """Return whether to tell the owner that fewer than ``below`` (tenths) are left: once until credits arrive."""
        return self._mark(keys.account(owner), "low_noticed", "available < :below", {":below": below})

    def _mark(self, key: keys.Key, name: str, condition: str, values: Record | None = None) -> bool:
        try:
            self._table.update(
                key,
                f"SET {name} = :yes",
                values={":yes": True, **(values or {})},
                condition=f"attribute_not_exists({name}) AND {condition}",
            )
        except ConditionFailed:
            return False
        return True

    def _totals(self, owner: Owner) -> Balance:
        return balance_of(self._table.get(keys.account(owner)) or {})

    @staticmethod
    def _changed(owner: Owner, seen: VersionedLot, owed_back: int, clawed_back: int) -> Write:
        return Write(
            "Update",
            keys.lot(owner, seen.lot.source),
            update="SET owed_back = :owed, clawed_back = :clawed, version = :next",
            condition="version = :seen",
            values={
                ":owed": owed_back,
                ":clawed": clawed_back,
                ":seen": seen.version,
                ":next": seen.version + 1,
            },
            refusal=lambda _: StaleVersion(),
        )


def _entry_of(kind: EntryKind, credits: int, movement: Movement, *, debt: int = 0) -> Entry:
    return Entry(
        id=movement.id,
        kind=kind,
        at=movement.now,
        credits=credits,
        reason=movement.reason,
        actor=movement.actor,
        debt=debt,
        ref=movement.ref,
    )


def _paying_off(credits: int, movement: Movement) -> Entry:
    return Entry(
        id=f"{movement.id}_debt",
        kind="clawback",
        at=movement.now,
        credits=credits,
        reason="debt",
        actor=movement.actor,
        debt=-credits,
        ref=movement.ref,
    )


def _source(owner: Owner, source: str, entry: Entry) -> Write:
    """Return the write of a source's once-key, with what came from it; raises `AlreadyHeld`."""
    record = {"kind": entry.kind, "credits": entry.credits}
    return Write(
        "Put", keys.source_once(owner, source), record, condition=absent(), refusal=lambda _: AlreadyHeld()
    )


def _unless_deleted(account: Write) -> Write:
    """Return a write of totals that raises `NotFound` for an account that was deleted."""
    return replace(
        account,
        condition=f"{account.condition} AND attribute_not_exists(deleted_at)",
        refusal=lambda found: NotFound() if "deleted_at" in found else BalanceChanged(),
    )


def _lot(owner: Owner, lot: Lot) -> Write:
    record = {**asdict(lot), "version": 0, "gsi1pk": keys.EXPIRY, "gsi1sk": lot.expires_at}
    return Write("Put", keys.lot(owner, lot.source), record, condition=absent())


def _lot_of(record: Record) -> Lot:
    return Lot(**{name: record[name] for name in Lot.__slots__ if name in record})


def _off_the_index(record: Record) -> Write:
    return Write("Update", {"pk": record["pk"], "sk": record["sk"]}, update="REMOVE gsi1pk, gsi1sk")
