"""One JSON log line per event, with request and job id; never a token, prompt, e-mail or image; and metrics."""

from __future__ import annotations

import json
import re
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

_SECRET = re.compile(r"\b((?:ek|sk|rk)_(?:live|test)_|whsec_|r8_)[A-Za-z0-9_+/=-]+")


def line(record: Any) -> str:
    """Return a record as one line of ASCII: line separators of any kind escaped, keys and secrets cut off."""
    return _SECRET.sub(r"\1***", json.dumps(record, separators=(",", ":"), default=str))


logger = Logger(service="enhancer", utc=True, log_uncaught_exceptions=False, json_serializer=line)


def count(name: str, value: float = 1, **dimension: str) -> None:
    """Write a metric to the log (CloudWatch embedded metric format): in all, and once more per ``dimension`` given.

    A dimension has few values and is never an owner. The namespace, one per stack, is Powertools' own setting
    ``POWERTOOLS_METRICS_NAMESPACE``.
    """
    with single_metric(name=name, unit=MetricUnit.Count, value=value):
        pass
    for label, what in dimension.items():
        with single_metric(name=name, unit=MetricUnit.Count, value=value) as metric:
            metric.add_dimension(name=label, value=what)
