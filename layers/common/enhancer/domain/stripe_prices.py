"""Stripe's price ids of packs and plans. An unknown price id is never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from enhancer.domain.credits import PACKS, Pack
from enhancer.domain.errors import PackNotConfigured, PlanNotConfigured
from enhancer.domain.payments import Interval

ANNUAL_MONTHS = 10
"""A year of a plan costs as much as so many months of it."""


@dataclass(frozen=True, slots=True)
class Prices:
    """The price tables of this deployment: from pack (``500``) or plan (``pro``) to Stripe's price id.

    A pack or plan without a price id is not sold.
    """

    credits: Mapping[str, str] = field(default_factory=dict)
    monthly: Mapping[str, str] = field(default_factory=dict)
    annual: Mapping[str, str] = field(default_factory=dict)

    def of_pack(self, size: int) -> tuple[Pack, str]:
        """Return the pack of ``size`` credits and its price id; raise `PackNotConfigured` where it is not sold."""
        pack, price = PACKS.get(size), self.credits.get(str(size))
        if pack is None or price is None:
            raise PackNotConfigured(pack=size, allowed=[each for each in PACKS if str(each) in self.credits])
        return pack, price

    def of_plan(self, plan: str, interval: Interval) -> str:
        """Return the price id of a plan with this interval; raise `PlanNotConfigured` where it is not sold."""
        table = self._table(interval)
        if plan not in table:
            raise PlanNotConfigured(plan=plan, interval=interval, allowed=list(table))
        return table[plan]

    def sells(self, plan: str, interval: Interval) -> bool:
        """Return whether a plan is sold with this interval."""
        return plan in self._table(interval)

    def plan_of(self, price: str) -> tuple[str, Interval] | None:
        """Return plan and interval of a price id, None for one that is not in the tables."""
        intervals: tuple[Interval, ...] = ("monthly", "annual")
        for interval in intervals:
            for plan, known in self._table(interval).items():
                if known == price:
                    return plan, interval
        return None

    def _table(self, interval: Interval) -> Mapping[str, str]:
        return self.monthly if interval == "monthly" else self.annual
