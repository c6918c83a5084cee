"""Writes that the ledger's transactions are made of: once-keys, entries, totals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import Record, Write, absent
from enhancer.domain.errors import NotSignedIn, TooManyJobs
from enhancer.domain.ledger import (
    AlreadyApplied,
    Balance,
    BalanceChanged,
    Entry,
)
from enhancer.domain.owners import Owner

USAGE_KEPT_SECONDS = 400 * 86_400
"""How long usage and the index of paid results are stored."""
EVENTS_KEPT_SECONDS = 90 * 86_400
"""How long an applied event is remembered; Stripe repeats events for days."""
JOBS_RETRY_SECONDS = 5
"""When a caller may try again who has as many jobs running as the plan allows."""


def balance_of(account: Record) -> Balance:
    """Return the balance in an account's record; 0 for what is missing."""
    return Balance(**{name: account.get(name, 0) for name in Balance.__slots__})


def once(key: keys.Key, taken: type[Exception]) -> Write:
    """Return the write of a once-key: the first transaction with it succeeds, all later ones raise ``taken``."""
    return Write("Put", key, {}, condition=absent(), refusal=lambda _: taken())


def event_once(owner: Owner, event: str | None, now: int) -> list[Write]:
    """Return the write of an event's once-key, which raises `AlreadyApplied` from then on; none without an event."""
    if event is None:
        return []
    record = {"at": now, "expires": now // 1000 + EVENTS_KEPT_SECONDS}
    key = keys.event_once(owner, event)
    return [Write("Put", key, record, condition=absent(), refusal=lambda _: AlreadyApplied())]


def write_entry(owner: Owner, entry: Entry) -> Write:
    """Return the write of a ledger entry."""
    return Write("Put", keys.entry(owner, entry.id), asdict(entry), condition=absent())


def totals(
    owner: Owner,
    by: Mapping[str, int],
    *,
    jobs: int = 0,
    jobs_cap: int | None = None,
    unblocked: bool = False,
    seen: Mapping[str, int] | None = None,
    dispute: tuple[str, bool] | None = None,
    topped_up: bool = False,
    alive: bool = False,
) -> Write:
    """Return the write that changes totals of an account by ``by`` (tenths), none of them below zero.

    ``jobs``: change of the number of open jobs, which must be below ``jobs_cap`` before it. ``unblocked``: only if
    there is neither debt nor an open dispute. ``seen``: only if these totals still have these values. ``dispute``: id
    of one and whether it is open now. ``topped_up``: credits arrived, so the owner may be told again when few are left.
    ``alive``: only if the account was not deleted. It raises `NotSignedIn` if it was, `TooManyJobs`, or
    `BalanceChanged` when another condition fails.
    """
    changes = {name: amount for name, amount in by.items() if amount}
    values: Record = {f":{name}_least": -amount for name, amount in changes.items() if amount < 0}
    conditions = [f"{name} >= :{name}_least" for name, amount in changes.items() if amount < 0]
    if jobs:
        changes["open_jobs"] = jobs
    for name, amount in {**(seen or {}), **({"debt": 0} if unblocked else {})}.items():
        same = f"{name} = :{name}_seen"
        conditions.append(same if amount else f"(attribute_not_exists({name}) OR {same})")
        values[f":{name}_seen"] = amount
    if unblocked:
        conditions.append("attribute_not_exists(disputes)")
    if alive:
        conditions.append("attribute_not_exists(deleted_at)")
    if jobs_cap is not None:
        conditions.append("(attribute_not_exists(open_jobs) OR open_jobs < :cap)")
        values[":cap"] = jobs_cap
    values |= {f":{name}": amount for name, amount in changes.items()}
    update = _expression(changes, dispute, values, topped_up=topped_up)
    return Write(
        "Update" if update else "ConditionCheck",
        keys.account(owner),
        update=update or None,
        condition=" AND ".join(conditions) or None,
        values=values or None,
        refusal=partial(_refusal, alive, jobs_cap),
    )


def _refusal(alive: bool, jobs_cap: int | None, old: Record) -> Exception:  # noqa: FBT001 - of `totals`
    if alive and "deleted_at" in old:
        return NotSignedIn()
    if jobs_cap is not None and old.get("open_jobs", 0) >= jobs_cap:
        return TooManyJobs(retry_after_seconds=JOBS_RETRY_SECONDS, scope="jobs", limit=jobs_cap)
    return BalanceChanged()


def _expression(
    changes: Mapping[str, int], dispute: tuple[str, bool] | None, values: Record, *, topped_up: bool
) -> str:
    parts = []
    if changes:
        values[":zero"] = 0
        sets = (f"{name} = if_not_exists({name}, :zero) + :{name}" for name in changes)
        parts.append(f"SET {', '.join(sets)}")
    if topped_up:
        parts.append("REMOVE low_noticed")
    if dispute:
        parts.append(("ADD" if dispute[1] else "DELETE") + " disputes :dispute")
        values[":dispute"] = {dispute[0]}
    return " ".join(parts)
