"""Credits as immutable ledger entries and the balance they add up to. Amounts are integer tenths of a credit.

Per owner and at every instant: ``available + held + spent + expired + clawed_back == purchased + granted``.
A hold takes the price of an item before it runs; exactly one settle (it succeeded) or release (it did not) resolves it.
Plan credits are counted in the usage of a period and shown on the entries, but are no part of the balance: they
were never bought.

Debt is what should have been clawed back but was spent already. While there is debt, no credits can be spent; credits
that arrive pay it off first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, Self

from enhancer.domain.credits import Lot
from enhancer.domain.periods import Month

ResultHolder = tuple[str, int, int]
"""An item that has a result: id of its job, its index, the job's attempt then."""
EntryKind = Literal["hold", "settle", "release", "purchase", "grant", "expiry", "clawback"]
"""What an entry does to the balance; see `moves`."""
GIFT_CREDITS_MAX = 100_000
"""Most whole credits that an administrator can give or take at once."""


class AlreadyHeld(Exception):
    """The price of this item was taken, or these credits arrived, before; nothing was changed."""


class AlreadyResolved(Exception):
    """The item was settled or released before, or the job has ended; nothing was changed."""


class KeyUsed(Exception):
    """The idempotency key stands for a job already; nothing was changed.

    ``job_id`` is None when the key was canceled before anything was ordered under it. ``fingerprint``: the digest of
    the request that used the key.
    """

    def __init__(self, job_id: str | None, fingerprint: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id
        self.fingerprint = fingerprint


class ResultTaken(Exception):
    """Another item makes this result, or has made it, since that was looked up; nothing was changed. Look again."""


class BalanceChanged(Exception):
    """Balance or usage changed since they were read, or do not cover the amount; nothing was changed. Read again."""


class AlreadyApplied(Exception):
    """This event of Stripe was applied before; nothing was changed."""


class StaleVersion(Exception):
    """Optimistic lock failed: the record changed since it was read. Nothing was changed; read again."""


@dataclass(frozen=True, slots=True)
class Movement:
    """What an entry says besides its amount.

    ``id``: of the entry. ``now``: epoch ms. ``reason``: shown on the statement. ``actor``: id of the user who did it,
    or the name of a part of the system. ``ref``: id of the checkout or invoice it is about.
    """

    id: str
    now: int
    reason: str
    actor: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class VersionedLot:
    """A lot and the version it was read with, for optimistic locking."""

    lot: Lot
    version: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What was taken for one item of a job, and from where, so that a release can give it back there.

    ``plan`` and ``credits``: tenths of the plan's month and of bought credits. ``day`` and ``month``: names of the
    periods that it counts in. ``network``: hash of a guest's network, None for a user. ``attempt``: of the job, 0 where
    nothing was taken. ``key``: id of the API key that the job was ordered with.
    """

    job_id: str
    item: int
    plan: int
    credits: int
    day: str
    month: str
    network: str | None = None
    attempt: int = 1
    key: str | None = None

    @property
    def total(self) -> int:
        """The whole price, in tenths."""
        return self.plan + self.credits

    @classmethod
    def none(cls, job_id: str, *, day: str, month: str) -> Self:
        """Return what stands in the one item of a job that was free from the start: nothing was ever taken for it."""
        return cls(job_id, 0, plan=0, credits=0, day=day, month=month, attempt=0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger entry: one movement of credits.

    ``at``: epoch ms. ``credits``: tenths, never negative; the kind says which way they go. ``plan``: tenths of the
    plan's month, for the statement. ``debt``: by how much the debt changed. ``ref``: id of the checkout or invoice that
    it is about. ``owner_plan``: the plan that the job was ordered with, for the closing of the day.
    """

    id: str
    kind: EntryKind
    at: int
    credits: int
    plan: int = 0
    job_id: str | None = None
    item: int | None = None
    reason: str | None = None
    actor: str | None = None
    debt: int = 0
    ref: str | None = None
    owner_plan: str | None = None

    @property
    def change(self) -> int:
        """By how much the available credits changed, in tenths."""
        return moves(self.kind, self.credits).get("available", 0)


@dataclass(frozen=True, slots=True)
class Balance:
    """The totals of an account and its debt, in tenths."""

    available: int = 0
    held: int = 0
    spent: int = 0
    expired: int = 0
    clawed_back: int = 0
    purchased: int = 0
    granted: int = 0
    debt: int = 0

    @property
    def difference(self) -> int:
        """What the invariant is off by: 0 unless the ledger is wrong."""
        out = self.available + self.held + self.spent + self.expired + self.clawed_back
        return out - self.purchased - self.granted


@dataclass(frozen=True, slots=True)
class UsageAndBalance:
    """What an owner has used in the current periods, and their balance.

    ``day_used``: images today, held ones included. ``month_used``: plan credits of ``month`` in tenths, held ones
    included. ``network_used``: images that all guests of a network made today, 0 where that was not read. ``disputed``:
    a payment is disputed; until that is decided, no credits can be spent.
    """

    day_used: int
    month_used: int
    balance: Balance
    month: Month
    network_used: int = 0
    disputed: bool = False

    @property
    def blocked(self) -> bool:
        """Whether no credits can be spent for now, because of debt or a dispute."""
        return self.disputed or self.balance.debt > 0

    @property
    def spendable(self) -> int:
        """Credits that can be spent now, in tenths."""
        return 0 if self.blocked else self.balance.available


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is known of a request from earlier ones.

    ``key``: the job that its idempotency key stands for. ``result_job`` and ``result_item``: the job and index of the
    item that was to make the result with the same digest, whatever became of it; ``result_attempt``: of that job, None
    where it is not known. ``holders``: items that have a copy of it.
    """

    key: KeyUsed | None = None
    result_job: str | None = None
    result_item: int = 0
    result_attempt: int | None = None
    holders: frozenset[ResultHolder] = frozenset()


def moves(kind: EntryKind, amount: int) -> dict[str, int]:
    """Return by how much an entry changes each total, by name. Both the table's writes and `add_up` apply this."""
    match kind:
        case "hold":
            return {"available": -amount, "held": amount}
        case "settle":
            return {"held": -amount, "spent": amount}
        case "release":
            return {"held": -amount, "available": amount}
        case "purchase":
            return {"available": amount, "purchased": amount}
        case "grant":
            return {"available": amount, "granted": amount}
        case "expiry":
            return {"available": -amount, "expired": amount}
        case "clawback":
            return {"available": -amount, "clawed_back": amount}


def add_up(entries: Iterable[Entry]) -> Balance:
    """Return the balance that follows from all entries of an owner."""
    balance = Balance()
    for entry in entries:
        changed = {name: getattr(balance, name) + by for name, by in moves(entry.kind, entry.credits).items()}
        balance = replace(balance, **changed, debt=balance.debt + entry.debt)
    return balance
