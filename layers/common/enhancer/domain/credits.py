"""Bought and granted credits: packs on sale, lots, expiry. Amounts in tenths of a credit unless named otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from enhancer.domain.periods import DAY_MS, months_later
from enhancer.domain.pricing import tenths

VALID_MONTHS, VALID_DAYS = 6, 14
"""Credits expire six months and 14 days after they were bought or granted."""
WARNED_DAYS = 14
"""An owner is told so many days before credits expire."""
LOW_TENTHS = 100
"""An owner who has bought credits is told once when fewer than this (10 credits) are available."""
CURRENCY = "usd"
"""What packs and plans are sold in, as Stripe writes it."""


@dataclass(frozen=True, slots=True)
class Pack:
    """A pack on sale: whole credits, and its price in hundredths of `CURRENCY`."""

    credits: int
    cents: int

    @property
    def tenths(self) -> int:
        """Its credits, in tenths."""
        return tenths(self.credits)


PACKS = {
    pack.credits: pack for pack in (Pack(100, 1000), Pack(500, 4000), Pack(1000, 7000), Pack(1500, 9500))
}


@dataclass(frozen=True, slots=True)
class Lot:
    """Credits that arrived together, by one purchase or grant.

    ``source``: what they came from, such as ``checkout#cs_1``: the once-key ``ONCE#<source>`` lets them arrive once.
    ``credits``: how many arrived, in tenths. ``expires_at``: epoch ms. ``owed_back``: how many are to be taken back
    because the payment was refunded or disputed. ``clawed_back``: how many of those were still available and were
    taken; the difference became debt. ``arrived_at``: epoch ms. ``paid``: what was paid for them, without taxes, in the
    smallest unit of ``currency``; 0 for a gift.
    """

    source: str
    credits: int
    expires_at: int
    owed_back: int = 0
    clawed_back: int = 0
    arrived_at: int = 0
    paid: int = 0
    currency: str = ""

    @property
    def net(self) -> int:
        """The credits that arrived less those clawed back, in tenths."""
        return self.credits - self.clawed_back


@dataclass(frozen=True, slots=True)
class Expiring:
    """Credits (tenths) that expire at ``at`` (epoch ms) unless they are spent before."""

    credits: int
    at: int


def expiry_of(bought_at: int) -> int:
    """Return when credits bought at a time expire; both epoch ms."""
    return months_later(bought_at, VALID_MONTHS) + VALID_DAYS * DAY_MS


def expired(available: int, lots: Iterable[Lot], now: int) -> int:
    """Return how many of the available credits (tenths) have expired and must be booked as such.

    Credits are spent oldest first, so those available belong to the newest lots. Whatever is more than the lots still
    valid hold is left over from an expired one. Held credits are not counted: if they are released, the next call
    counts them.
    """
    return max(0, available - sum(lot.net for lot in lots if lot.expires_at > now))


def expiring(available: int, lots: Sequence[Lot], now: int) -> list[Expiring]:
    """Return what is left (tenths) of each lot that is still valid, the first to expire first."""
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
    """Return how many of a pack's credits (tenths, rounded up) to take back for the refunded part of its price.

    ``amount``: what was paid, ``taken_back``: what of it was refunded or is disputed, both in the currency's smallest
    unit. Nothing paid means that all credits go back.
    """
    return credits if amount <= 0 else min(credits, -(-credits * taken_back // amount))
