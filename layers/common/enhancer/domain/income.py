"""Income: what moved at Stripe, what it was for, what of it is earned and what is still owed, day by day.

Amounts are in the smallest unit of their currency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from enhancer.domain.closings import FLOWS, Closing
from enhancer.domain.costs import SpendRow
from enhancer.domain.money import SUMS, MoneyDay, Term

Figures = dict[str, Any]
"""Figures by name, as they are in the report."""


@dataclass(frozen=True, slots=True)
class DayBook:
    """All that is known of a day. ``rates``: metric -> its sum, None where CloudWatch has none."""

    day: str
    closing: Closing | None = None
    money: MoneyDay | None = None
    rows: tuple[SpendRow, ...] = ()
    rates: dict[str, int | None] = field(default_factory=dict)


def cash(days: Sequence[DayBook]) -> dict[str, dict[str, int]]:
    """Return what moved at Stripe, by currency."""
    found: dict[str, dict[str, int]] = {}
    for one in days:
        for currency, sums in (one.money.sums if one.money else {}).items():
            into = found.setdefault(currency, dict.fromkeys(SUMS, 0))
            for name in SUMS:
                into[name] += sums.get(name, 0)
    return dict(sorted(found.items()))


def sold(days: Sequence[DayBook]) -> list[Figures]:
    """Return what was sold and given back, by pack or plan, and currency."""
    found: dict[tuple[str, str], Figures] = {}
    for one in days:
        for name, by_currency in (one.money.sold if one.money else {}).items():
            for currency, sums in by_currency.items():
                into = found.setdefault((name, currency), {"gross": 0, "returned": 0, "count": 0})
                for what in into:
                    into[what] += sums[what]
    return [{"name": name, "currency": currency, **sums} for (name, currency), sums in sorted(found.items())]


def credit_flows(days: Sequence[DayBook]) -> dict[str, dict[str, int]]:
    """Return what became of the money paid for credits, by currency: the `FLOWS` of the whole time."""
    found: dict[str, dict[str, int]] = {}
    for one in (one for one in days if one.closing):
        for currency, flows in one.closing.worth.items():  # type: ignore[union-attr]
            into = found.setdefault(currency, dict.fromkeys(FLOWS, 0) | {"opened": flows["opened"]})
            for name in FLOWS[1:-1]:
                into[name] += flows[name]
            into["closed"] = flows["closed"]
    return dict(sorted(found.items()))


def subscriptions(days: Sequence[DayBook], terms: Sequence[Term]) -> list[Figures]:
    """Return what was billed, earned and is left for later days, by plan, interval and currency."""
    first, last = days[0].day, days[-1].day
    found: dict[tuple[str, str, str], dict[str, int]] = {}
    for term in terms:
        if term.booked > last:
            continue
        into = found.setdefault(
            (term.plan, term.interval, term.currency), {"opened": 0, "billed": 0, "earned": 0, "closed": 0}
        )
        before = term.earned_by(day_before(first))
        is_new = term.booked >= first
        into["opened"] += 0 if is_new else term.amount - before
        into["billed"] += term.amount if is_new else 0
        into["earned"] += term.earned_by(last) - before
        into["closed"] += term.amount - term.earned_by(last)
    return [
        {"plan": plan, "interval": interval, "currency": currency, **sums}
        for (plan, interval, currency), sums in sorted(found.items())
        if any(sums.values())
    ]


def earned_by_plan(days: Sequence[DayBook], terms: Sequence[Term]) -> dict[str, int]:
    """Return what was earned with subscriptions in USD cents, by plan."""
    found: dict[str, int] = {}
    for one in subscriptions(days, terms):
        if one["currency"] == "usd" and one["earned"]:
            found[one["plan"]] = found.get(one["plan"], 0) + one["earned"]
    return found


def used_by_plan(days: Sequence[DayBook]) -> dict[str, int]:
    """Return what the bought credits were worth that were spent, in USD cents, by the plan of who spent them."""
    found: dict[str, int] = {}
    for one in days:
        for plan, value in (one.closing.used_by_plan.get("usd", {}) if one.closing else {}).items():
            found[plan] = found.get(plan, 0) + value
    return found


def owed(days: Sequence[DayBook]) -> dict[str, int | None]:
    """Return the credits (tenths) that owners had at the end, and their debt; None where the closing is missing."""
    last = days[-1].closing
    names = ("available", "held", "debt", "bought", "given")
    return {name: last.balance.get(name, 0) if last else None for name in names}


def day_before(day: str) -> str:
    """Return the name of the day before."""
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
