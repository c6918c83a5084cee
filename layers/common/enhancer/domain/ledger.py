"""Money as immutable entries. Amounts are integer tenths of a credit.

Per owner and at every instant: ``available + held + spent + expired + clawed_back == purchased + granted``.
A hold takes, then exactly one of settle and release resolves it. Plan credits are counted in the usage of a
period and shown on the entries, but are not part of the balance: they were never bought.

Debt is what should have been clawed back and was spent already. While there is some, no credits are spent; what
arrives pays it off first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from enhancer.domain.credits import Lot
from enhancer.domain.periods import Month

EntryKind = Literal["hold", "settle", "release", "purchase", "grant", "expiry", "clawback"]


GIFT_CREDITS_MAX = 100_000
"""Credits that an administrator gives or takes at once."""


class AlreadyHeld(Exception):
    """This item was held before."""


class AlreadyResolved(Exception):
    """This item was settled or released before; nothing was changed."""


class KeyUsed(Exception):
    """The idempotency key already stands for a job; ``free``: for one that was paid for before this key."""

    def __init__(self, job_id: str, fingerprint: str, *, free: bool = False) -> None:
        super().__init__(job_id)
        self.job_id = job_id
        self.fingerprint = fingerprint
        self.free = free


class BalanceChanged(Exception):
    """The plan's month or the credits no longer cover the split; look again and split anew."""


class AlreadyApplied(Exception):
    """This event was dealt with before; nothing was changed."""


class StaleVersion(Exception):
    """Somebody wrote what the cashier says since it was asked; ask again."""


@dataclass(frozen=True, slots=True)
class Movement:
    """Why credits move: id of the entry, when, for what reason, by whom, and about which checkout or invoice."""

    id: str
    now: int
    reason: str
    actor: str
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class VersionedLot:
    """A lot as it was read, to be changed only if nobody else did since."""

    lot: Lot
    version: int


@dataclass(frozen=True, slots=True)
class Hold:
    """What one item of a job took, and where it came from, so that a release can give it back there.

    ``key``: id of the API key that ordered it.
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
        """The whole price."""
        return self.plan + self.credits


@dataclass(frozen=True, slots=True)
class Entry:
    """One movement. ``credits`` is never negative; the kind says which way it goes.

    ``debt``: how the debt changed with it. ``ref``: the checkout or invoice it is about.
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

    @property
    def change(self) -> int:
        """How what is available changed."""
        return moves(self.kind, self.credits).get("available", 0)


@dataclass(frozen=True, slots=True)
class Balance:
    """The totals of an account, and its debt."""

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
        """0, or the books are wrong."""
        out = self.available + self.held + self.spent + self.expired + self.clawed_back
        return out - self.purchased - self.granted


@dataclass(frozen=True, slots=True)
class UsageAndBalance:
    """What an owner has used and has left. Images of the day; plan credits of ``month`` in tenths.

    ``network_used``: images of the day of all guests of a network, where it was asked for. ``disputed``: a payment is
    disputed, and until that is decided no credits are spent.
    """

    day_used: int
    month_used: int
    balance: Balance
    month: Month
    network_used: int = 0
    disputed: bool = False

    @property
    def blocked(self) -> bool:
        """Whether credits are not spent for now, however many there are."""
        return self.disputed or self.balance.debt > 0

    @property
    def spendable(self) -> int:
        """Credits that a run may cost."""
        return 0 if self.blocked else self.balance.available


@dataclass(frozen=True, slots=True)
class Earlier:
    """What is already known of a request: what its idempotency key stands for, the paid result of its picture."""

    key: KeyUsed | None = None
    result_job: str | None = None
    result_item: int = 0


def moves(kind: EntryKind, amount: int) -> dict[str, int]:
    """Return how one entry changes the totals. The store applies exactly this, and so does `add_up`."""
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
    """Return the balance that follows from the entries alone."""
    balance = Balance()
    for entry in entries:
        changed = {name: getattr(balance, name) + by for name, by in moves(entry.kind, entry.credits).items()}
        balance = replace(balance, **changed, debt=balance.debt + entry.debt)
    return balance
