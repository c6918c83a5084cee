"""Days summed up, for the cost report: closings of all ledgers, days at Stripe, and the list of reports."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import ConditionFailed, Table
from enhancer.domain import closings, money
from enhancer.domain.closings import Closing, days_between, last_closed, missing_days
from enhancer.domain.money import MoneyDay
from enhancer.domain.periods import DAY_MS, day_of
from enhancer.domain.report import Listed

LEDGER, STRIPE = "ledger", "stripe"


class Books:
    """Reads and writes what is summed up per day; a month is one partition."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def save_closing(self, closing: Closing, *, now: int) -> bool:
        """Store the closing of a day; return False, and keep the stored one, where a complete one is there."""
        record = {**keys.books(closing.day, LEDGER), **closings.as_record(closing), "made_at": now}
        try:
            self._table.put(
                record,
                condition="attribute_not_exists(pk) OR #missing > :none",
                values={":none": 0},
                names={"#missing": "missing"},
            )
        except ConditionFailed:
            return False
        return True

    def closings(self, first: str, last: str) -> dict[str, Closing]:
        """Return the closings from one day to another, by day."""
        return {day: closings.from_record(found) for day, found in self._days(first, last, LEDGER)}

    def missing_closings(self, *, now: int) -> list[str]:
        """Return the days that the daily run is to close; see `domain.closings.missing_days`."""
        last = last_closed(now)
        first = day_of(closings.bounds(last)[0] - closings.LOOK_BACK_DAYS * DAY_MS)
        found = self.closings(first, last)
        return missing_days((day for day, one in found.items() if one.is_complete), now=now)

    def save_money(self, day: MoneyDay, *, now: int) -> None:
        """Store a day at Stripe; what was stored of it before is replaced, as Stripe's books are the source."""
        self._table.put({**keys.books(day.day, STRIPE), **money.as_record(day), "made_at": now})

    def money(self, first: str, last: str) -> dict[str, MoneyDay]:
        """Return the days at Stripe from one day to another, by day."""
        return {day: money.from_record(found) for day, found in self._days(first, last, STRIPE)}

    def save_report(self, report: Listed) -> None:
        """Put a report into the list; whether it was announced stays."""
        self._table.update(
            keys.report(report.last_day, report.kind, report.name),
            "SET #name = :name, kind = :kind, made_at = :made_at, complete = :complete, figures = :figures",
            names={"#name": "name"},
            values={
                ":name": report.name,
                ":kind": report.kind,
                ":made_at": report.made_at,
                ":complete": report.complete,
                ":figures": report.figures,
            },
        )

    def reports(self, *, limit: int, after: str | None = None) -> tuple[list[Listed], str | None]:
        """Return up to ``limit`` reports, newest first, and where to go on, None at the end."""
        found: list[Listed] = []
        last = ""
        for record in self._table.under(keys.REPORTS, newest_first=True, before=after):
            if len(found) == limit:
                return found, last
            last = record["sk"]
            found.append(
                Listed(
                    record["name"], record["kind"], last.partition("#")[0], record["made_at"], record["complete"],
                    record["figures"],
                )
            )  # fmt: skip
        return found, None

    def announce(self, report: Listed, *, now: int) -> bool:
        """Take the right to announce a report; True the first time only."""
        return self._mark(
            report, "SET announced_at = :now", {":now": now}, "attribute_not_exists(announced_at)"
        )

    def unannounce(self, report: Listed) -> None:
        """Give that right back: the announcement failed."""
        self._mark(report, "REMOVE announced_at", None, "attribute_exists(announced_at)")

    def _mark(self, report: Listed, update: str, values: dict[str, Any] | None, condition: str) -> bool:
        key = keys.report(report.last_day, report.kind, report.name)
        try:
            self._table.update(key, update, values=values, condition=condition)
        except ConditionFailed:
            return False
        return True

    def _days(self, first: str, last: str, kind: str) -> Iterable[tuple[str, dict[str, Any]]]:
        for month in sorted({day[:7] for day in days_between(first, last)}):
            for record in self._table.under(keys.books(month, kind)["pk"]):
                day, _, found = record["sk"].partition("#")
                if found == kind and first <= day <= last:
                    yield day, record
