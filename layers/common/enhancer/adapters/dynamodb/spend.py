"""What providers cost us, by day (UTC): a cap that is never exceeded, and the figures of the cost report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import ConditionFailed, Table
from enhancer.domain.costs import RunFigures, SpendRow

ALWAYS = ("micros", "failed")
"""What a row has even when it is 0; the rest is written only when there is something to add."""
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
        owner_type: str,
        figures: RunFigures,
        set_aside: int,
        now: int,
    ) -> None:
        """Add an ended run to its provider, model, plan and type of owner, and correct what was set aside for it."""
        counted = {name: number for name, number in asdict(figures).items() if number or name in ALWAYS}
        added = "".join(f", {name} :{name}" for name in counted)
        self._table.update(
            keys.spend(day, provider, model, plan, owner_type),
            f"SET expires = :ttl ADD runs :one{added}",
            values={":ttl": _ttl(now), ":one": 1, **{f":{name}": number for name, number in counted.items()}},
        )
        if figures.micros != set_aside:
            self._table.update(
                keys.spend_total(day),
                "SET expires = :ttl ADD used :difference",
                values={":ttl": _ttl(now), ":difference": figures.micros - set_aside},
            )

    def rows(self, day: str) -> Iterable[SpendRow]:
        """Yield what was added up on a day, by provider, model, plan and type of owner."""
        for record in self._table.under(keys.spend_total(day)["pk"]):
            if record["sk"] == "TOTAL":
                continue
            provider, model, plan, *more = record["sk"].split("#")
            owner_type = (
                more[0] if more else "guest" if plan == "guest" else "user"
            )  # an earlier version's row
            numbers = {name: record.get(name, 0) for name in RunFigures.__slots__}
            yield SpendRow(provider, model, plan, owner_type, record.get("runs", 0), RunFigures(**numbers))

    def total(self, day: str) -> int:
        """Return what all providers cost on a day in USD micros, running predictions as estimated."""
        used: int = (self._table.get(keys.spend_total(day)) or {}).get("used", 0)
        return used


def _ttl(now: int) -> int:
    return now // 1000 + KEPT_SECONDS
