"""Shapes of the list of cost reports. Amounts in USD micros, times in epoch ms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from enhancer.api.report.links import PATH
from enhancer.api.shapes.wire import Wire

if TYPE_CHECKING:
    from enhancer.domain.report import Listed


class ReportView(Wire):
    """A report and its main figures. ``complete``: nothing was missing when it was made."""

    name: str
    kind: Literal["day", "month"]
    last_day: str
    made_at: int
    complete: bool
    runs: int
    failed: int
    earned_micros: int
    provider_micros: int
    aws_micros: int
    fees_micros: int
    margin_micros: int
    page: str
    csv: str
    data: str

    @classmethod
    def of(cls, found: Listed) -> Self:
        """Return how a report in the list is shown."""
        path = f"{PATH}{found.name}"
        return cls.model_validate(
            {
                "name": found.name, "kind": found.kind, "lastDay": found.last_day, "madeAt": found.made_at,
                "complete": found.complete, "page": f"{path}.html", "csv": f"{path}.csv", "data": f"{path}.json",
                **found.figures,
            }
        )  # fmt: skip


class ReportsView(Wire):
    """Reports, newest first; ``nextCursor`` leads to older ones."""

    reports: list[ReportView]
    next_cursor: str | None = None
