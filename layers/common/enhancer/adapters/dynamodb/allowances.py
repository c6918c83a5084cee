"""What an identity had used of its day and month when its account was deleted: a new account goes on from there.

While an account is there, its usage counts. Deleting it stores that usage with each of its identities, under a keyed
hash and until the period ends; whichever account gets the identity next has used at least as much. Months that were
paid for are left out: a new subscription is paid anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.ledger_writes import USAGE_KEPT_SECONDS
from enhancer.adapters.dynamodb.table import Record, Table, Write
from enhancer.domain.keyed_hashes import keyed_hash
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of, day_reset_ms, month_of, month_reset_ms

SETTLED_MS = 900_000
"""This long after a request began, it cannot write anything any more."""


class AllowanceMoved(Exception):
    """What was used has changed since it was read; nothing was written."""


class Allowances:
    """The allowances of identities. ``signing_keys`` returns the keys of their hashes, newest first."""

    def __init__(self, table: Table, signing_keys: Callable[[], Sequence[bytes]]) -> None:
        self._table = table
        self._signing_keys = signing_keys

    def taken_over(self, owner: Owner, provider: str, subject: str, *, now: int) -> list[Write]:
        """Return the writes that raise an owner's usage to what an identity had used.

        They belong into the transaction that gives the owner the identity, and raise `AllowanceMoved` there.
        """
        hashes = [_hash(provider, subject, key) for key in self._signing_keys()]
        writes = []
        for period in _periods(now):
            places = [keys.allowance(provider, one, period) for one in hashes]
            usage, *kept = self._table.get_many([keys.usage(owner, period), *places])
            writes += [_unchanged(place, found) for place, found in zip(places, kept, strict=True)]
            used = max(_used(found) for found in kept)
            if used > _used(usage):
                same = _unchanged(keys.usage(owner, period), usage)
                values = {":used": used, ":ttl": now // 1000 + USAGE_KEPT_SECONDS, **(same.values or {})}
                writes.append(
                    Write(
                        "Update",
                        same.key,
                        update="SET used = :used, expires = :ttl",
                        condition=same.condition,
                        values=values,
                        refusal=same.refusal,
                    )
                )
        return writes

    def keep(self, owner: Owner, identities: Iterable[str], *, now: int) -> list[Write]:
        """Store what an owner has used with each identity (``<provider>#<subject>``), until the period ends.

        Returns the conditions under which that is all, for the transaction that deletes the account; they raise
        `AllowanceMoved` there.
        """
        newest, conditions = self._signing_keys()[0], []
        for period, ends in _periods(now).items():
            place = keys.usage(owner, period)
            usage = self._table.get(place)
            conditions.append(_unchanged(place, usage))
            kept = {"used": _used(usage), "expires": ends // 1000}
            for provider, _, subject in (name.partition("#") for name in identities) if _used(usage) else ():
                self._table.put(
                    {**keys.allowance(provider, _hash(provider, subject, newest), period), **kept}
                )
        return conditions


def _periods(now: int) -> dict[str, int]:
    """Return the day and the month of a request that began at ``now``, and when each ends (epoch ms).

    Close to midnight those of the next day too: it may have begun when the request writes.
    """
    found: dict[str, int] = {}
    for at in (now, now + SETTLED_MS):
        found |= {day_of(at): day_reset_ms(at), month_of(at): month_reset_ms(at)}
    return found


def _unchanged(place: keys.Key, seen: Record | None) -> Write:
    same, values = ("used = :seen", {":seen": _used(seen)}) if seen else ("attribute_not_exists(used)", None)
    return Write("ConditionCheck", place, condition=same, values=values, refusal=lambda _: AllowanceMoved())


def _used(record: Record | None) -> int:
    return int(record.get("used", 0)) if record else 0


def _hash(provider: str, subject: str, key: bytes) -> str:
    return keyed_hash("allowance", f"{provider}#{subject}", key)
