"""Packs of credits: what they cost, how long they last, what of them is left. Amounts in tenths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from enhancer.domain.periods import DAY_MS, months_later
from enhancer.domain.pricing import tenths

VALID_MONTHS, VALID_DAYS = 6, 14
"""How long credits last."""
WARNED_DAYS = 14
"""So long before credits expire their owner is told."""
LOW_TENTHS = 100
"""Fewer available credits than this are few; whoever has bought some is told once."""
CURRENCY = "usd"


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack on sale: whole credits, and its price in cents of a US dollar."""

    credits: int
    cents: int

    @property
    def tenths(self) -> int:
        """Its credits in tenths."""
        return tenths(self.credits)


PACKS = {
    pack.credits: pack for pack in (Pack(100, 1000), Pack(500, 4000), Pack(1000, 7000), Pack(1500, 9500))
}


@dataclass(frozen=True, slots=True)
class Lot:
    """Credits that arrived at once. ``source`` is the once-key they came by, such as ``checkout#cs_1``.

    ``owed_back``: of these credits, how many were to be taken back because their money was; ``clawed_back``: how many
    were there to be taken. The difference became debt.
    """

    source: str
    credits: int
    expires_at: int
    owed_back: int = 0
    clawed_back: int = 0

    @property
    def net(self) -> int:
        """What of it counts."""
        return self.credits - self.clawed_back


@dataclass(frozen=True, slots=True)
class Expiring:
    """Credits that expire unless they are spent before."""

    credits: int
    at: int


def expiry_of(bought_at: int) -> int:
    """Return when credits expire that arrive now (epoch ms)."""
    return months_later(bought_at, VALID_MONTHS) + VALID_DAYS * DAY_MS


def expired(available: int, lots: Iterable[Lot], now: int) -> int:
    """Return how many available credits are past their time.

    Credits are spent oldest first, so what is available lies in the newest lots: whatever does not fit into those that
    still last is left of one that does not. Held credits are not looked at; if they come back, they are by then.
    """
    return max(0, available - sum(lot.net for lot in lots if lot.expires_at > now))


def expiring(available: int, lots: Sequence[Lot], now: int) -> list[Expiring]:
    """Return what is left of each lot that still lasts, the first to expire first."""
    found, left = [], available
    for lot in sorted(lots, key=lambda lot: (lot.expires_at, lot.source), reverse=True):
        if lot.expires_at <= now or left <= 0:
            break
        share = min(left, lot.net)
        left -= share
        if share:
            found.append(Expiring(share, lot.expires_at))
    return found[::-1]


def to_take_back(credits: int, *, amount: int, taken_back: int) -> int:
    """Return how many credits of a pack go back with that part of its price, rounded up to a tenth."""
    return credits if amount <= 0 else min(credits, -(-credits * taken_back // amount))
