"""What providers cost us, by day (UTC): a cap that is never exceeded, and the figures of the cost report."""

from __future__ import annotations

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import ConditionFailed, Table

KEPT_SECONDS = 400 * 86_400
"""How long the counters of a day are stored."""


class Spend:
    """Counters in USD micros. The estimated cost of a run is set aside before it starts and corrected at its end.

    A run without an end stays counted as estimated, so the cap errs on the safe side.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def set_aside(self, day: str, micros: int, *, cap: int, now: int) -> bool:
        """Count an estimated cost; return False, and count nothing, when the day's total would exceed ``cap``."""
        if micros > cap:
            return False
        try:
            self._table.update(
                keys.spend_total(day),
                "SET used = if_not_exists(used, :zero) + :micros, expires = :ttl",
                condition="attribute_not_exists(used) OR used <= :room",
                values={":zero": 0, ":micros": micros, ":room": cap - micros, ":ttl": _ttl(now)},
            )
        except ConditionFailed:
            return False
        return True

    def book(
        self,
        day: str,
        *,
        provider: str,
        model: str,
        plan: str,
        micros: int,
        set_aside: int,
        failed: bool,
        now: int,
    ) -> None:
        """Count the cost of an ended run by provider, model and plan, and correct what was set aside for it."""
        self._table.update(
            keys.spend(day, provider, model, plan),
            "SET expires = :ttl ADD micros :micros, runs :one, failed :failed",
            values={":ttl": _ttl(now), ":micros": micros, ":one": 1, ":failed": int(failed)},
        )
        if micros != set_aside:
            self._table.update(
                keys.spend_total(day),
                "SET expires = :ttl ADD used :difference",
                values={":ttl": _ttl(now), ":difference": micros - set_aside},
            )

    def total(self, day: str) -> int:
        """Return what all providers cost on a day in USD micros, running predictions as estimated."""
        used: int = (self._table.get(keys.spend_total(day)) or {}).get("used", 0)
        return used


def _ttl(now: int) -> int:
    return now // 1000 + KEPT_SECONDS
