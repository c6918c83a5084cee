"""Sums of our own metrics from CloudWatch, by day. A metric that nobody wrote is unknown, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from enhancer.domain.closings import bounds
from enhancer.domain.periods import DAY_MS

DAY_SECONDS = DAY_MS // 1000
KEPT_DAYS = 455
"""CloudWatch keeps sums of an hour and more for 15 months; of older days it knows nothing."""


class Counts:
    """The metrics of one namespace: that of the stack. ``client``: of CloudWatch."""

    def __init__(self, client: Any, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def of_day(self, day: str, wanted: Mapping[str, tuple[str, dict[str, str]]]) -> dict[str, int | None]:
        """Return sums of a day (UTC) by our name for them; None for what has no data.

        ``wanted``: our name -> metric and its dimensions, at most 500.
        """
        names = dict(enumerate(wanted))
        queries: Any = [
            {"Id": f"m{number}", "ReturnData": True, "MetricStat": self._stat(*wanted[name])}
            for number, name in names.items()
        ]
        start, end = bounds(day)
        pages = self._client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries,
            StartTime=datetime.fromtimestamp(start / 1000, UTC),
            EndTime=datetime.fromtimestamp(end / 1000, UTC),
        )
        found: dict[str, int | None] = dict.fromkeys(wanted)
        for page in pages:
            for result in page["MetricDataResults"]:
                if result["Values"]:
                    name = names[int(result["Id"].removeprefix("m"))]
                    found[name] = (found[name] or 0) + round(sum(result["Values"]))
        return found

    def _stat(self, metric: str, dimensions: dict[str, str]) -> dict[str, Any]:
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        return {
            "Metric": {"Namespace": self._namespace, "MetricName": metric, "Dimensions": named},
            "Period": DAY_SECONDS,
            "Stat": "Sum",
        }
