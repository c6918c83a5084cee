"""What providers cost us, by day: a cap that is never passed, and the figures for the report."""

from __future__ import annotations

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import ConditionFailed, Table

KEPT_SECONDS = 400 * 86_400


class Spend:
    """Counters in USD micros. What a run will cost is set aside before it starts and corrected when it ended.

    A run that dies in between stays counted as estimated: the cap errs on the safe side.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def set_aside(self, day: str, micros: int, *, cap: int, now: int) -> bool:
        """Count what is about to be spent; return False, and count nothing, when it would pass ``cap``."""
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
        """Count an ended run by provider, model and plan, and correct what was set aside for it."""
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
        """Return what the providers cost on a day, running ones as estimated."""
        used: int = (self._table.get(keys.spend_total(day)) or {}).get("used", 0)
        return used


def _ttl(now: int) -> int:
    return now // 1000 + KEPT_SECONDS
