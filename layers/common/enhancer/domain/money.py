"""A day at Stripe, summed up: what was paid, given back, disputed and charged as fees, and what of it is for later.

Amounts are integers in the smallest unit of their currency; currencies are never added together. A day is one in UTC,
by the time of Stripe's balance transactions (docs.stripe.com/reports/balance-transaction-types).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from enhancer.domain.payments import Interval, Line
from enhancer.domain.periods import day_of

MICROS_PER_CENT = 10_000
ZERO_DECIMAL = frozenset(
    [
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "ugx",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    ]
)
"""Currencies whose smallest unit is the whole one (docs.stripe.com/currencies, zero-decimal)."""
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
"""Currencies with three decimals."""
NOT_OURS = frozenset(
    [
        "payout",
        "payout_reversal",
        "payout_minimum_balance_hold",
        "payout_minimum_balance_release",
        "topup",
        "topup_reversal",
        "transfer",
        "transfer_reversal",
    ]
)
"""Reporting categories that move money between the account and a bank: neither income nor cost."""
SUMS = (
    "gross", "refunds", "refunds_failed", "disputes", "disputes_won", "fees", "other", "net", "payments",
    "refunds_count", "disputes_count",
)  # fmt: skip
"""What is summed up per currency: amounts, and last how many of each there were."""
Sold = Callable[[str], tuple[str, Interval] | None]
"""Returns plan and interval of Stripe's price id, None for one that is not sold."""
UNKNOWN = "unknown"
"""Name of what was sold where that cannot be told."""


@dataclass(frozen=True, slots=True)
class Move:
    """A balance transaction of Stripe.

    ``at``: epoch ms. ``amount``: what moved, negative where it left us; ``fee``: what Stripe kept of it. ``category``:
    Stripe's ``reporting_category``. ``pack``: credits of the pack that it is about, as text. ``lines``: of the invoice
    that it is about.
    """

    id: str
    at: int
    currency: str
    amount: int
    fee: int
    category: str
    pack: str = ""
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """Money for a plan from one day to another (the last one excluded), earned day by day.

    ``amount`` is negative where it was given back. What belongs to days before ``booked`` is earned on that day.
    """

    plan: str
    interval: str
    currency: str
    start: str
    end: str
    amount: int
    booked: str

    def earned_by(self, day: str) -> int:
        """Return what has been earned of it at the end of a day, rounded half up."""
        if day < self.booked:
            return 0
        first, last = date.fromisoformat(self.start), date.fromisoformat(self.end)
        whole = max(1, (last - first).days)
        gone = min(whole, max(0, (date.fromisoformat(day) - first).days + 1))
        sign = -1 if self.amount < 0 else 1
        return sign * ((2 * abs(self.amount) * gone + whole) // (2 * whole))


@dataclass(slots=True)
class MoneyDay:
    """One day at Stripe. ``sums``: currency -> the `SUMS`. ``sold``: name -> currency -> gross, returned and count.

    ``terms``: [plan, interval, currency, start, end, amount] of what was paid or given back for plans. ``final``: it
    was read when the day was over.
    """

    day: str
    final: bool = False
    sums: dict[str, dict[str, int]] = field(default_factory=dict)
    sold: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    terms: list[list[Any]] = field(default_factory=list)

    def add(self, move: Move, *, sold: Sold) -> None:
        """Count a balance transaction; ``sold`` tells which plan a price is for."""
        if move.category in NOT_OURS:
            return
        sums = self.sums.setdefault(move.currency, dict.fromkeys(SUMS, 0))
        name = _sum_of(move)
        if name == "fees":
            sums["fees"] -= move.amount
        else:
            sums[name] += -move.amount if name in ("refunds", "disputes") else move.amount
        sums["fees"] += move.fee
        sums["net"] += move.amount - move.fee
        counted = {"gross": "payments", "refunds": "refunds_count", "disputes": "disputes_count"}.get(name)
        if counted:
            sums[counted] += 1
        if name not in ("fees", "other"):
            self._attribute(move, sold, is_sale=name == "gross")

    def all_terms(self) -> Iterable[Term]:
        """Yield what was paid or given back for plans on this day."""
        for plan, interval, currency, start, end, amount in self.terms:
            yield Term(plan, interval, currency, start, end, amount, booked=self.day)

    def _attribute(self, move: Move, sold: Sold, *, is_sale: bool) -> None:
        """Count a payment, or what was taken or given back of one, under what was sold."""
        parts = _parts(move, sold)
        for (name, plan, interval, start, end), amount in parts.items():
            into = self.sold.setdefault(name, {}).setdefault(
                move.currency, {"gross": 0, "returned": 0, "count": 0}
            )
            into["gross" if is_sale else "returned"] += amount if is_sale else -amount
            if plan and amount:
                self._defer([plan, interval, move.currency, start, end], amount)
        if is_sale:
            self.sold[max(parts, key=lambda one: parts[one])[0]][move.currency]["count"] += 1

    def _defer(self, what: list[Any], amount: int) -> None:
        for term in self.terms:
            if term[:5] == what:
                term[5] += amount
                return
        self.terms.append([*what, amount])


def as_record(day: MoneyDay) -> dict[str, Any]:
    """Return a day as plain values, for the table."""
    return {name: getattr(day, name) for name in MoneyDay.__slots__}


def from_record(record: dict[str, Any]) -> MoneyDay:
    """Return the day that `as_record` wrote."""
    return MoneyDay(**{name: record[name] for name in MoneyDay.__slots__ if name in record})


def decimals(currency: str) -> int:
    """Return how many decimals amounts of a currency are shown with."""
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def share(amount: int, weights: dict[Any, int]) -> dict[Any, int]:
    """Split an amount by whole weights; the parts add up to it, largest remainders first, ties by name.

    Without any weight there are no parts.
    """
    whole = sum(weights.values())
    if whole == 0:
        return {}
    parts = {name: amount * weight // whole for name, weight in weights.items()}
    rest = amount - sum(parts.values())
    order = sorted(weights, key=lambda name: (-(amount * weights[name] % whole), str(name)))
    for name in order[:rest]:
        parts[name] += 1
    return parts


def _sum_of(move: Move) -> str:
    names = {
        "charge": "gross", "charge_failure": "refunds", "refund": "refunds", "refund_failure": "refunds_failed",
        "dispute": "disputes", "dispute_reversal": "disputes_won", "fee": "fees",
    }  # fmt: skip
    return names.get(move.category, "other")


def _parts(move: Move, sold: Sold) -> dict[tuple[str, str, str, str, str], int]:
    """Return what an amount was for: (name, plan, interval, first day, day after the last) -> its part of it."""
    if move.pack:
        return {(f"pack_{move.pack}", "", "", "", ""): move.amount}
    weights: dict[tuple[str, str, str, str, str], int] = {}
    for line in move.lines:
        found = sold(line.price) if line.price else None
        if found is None:
            key = (UNKNOWN, "", "", "", "")
        else:
            key = (f"{found[0]}_{found[1]}", *found, day_of(line.start), _end(line))
        weights[key] = weights.get(key, 0) + line.amount
    if sum(weights.values()) <= 0:
        return {(UNKNOWN, "", "", "", ""): move.amount}
    return share(move.amount, weights)


def _end(line: Line) -> str:
    """Return the day after the last of a line's period, at least one day after its first."""
    first, last = day_of(line.start), day_of(line.end)
    return last if last > first else (date.fromisoformat(first) + timedelta(days=1)).isoformat()
