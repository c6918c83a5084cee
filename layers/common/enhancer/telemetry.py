"""One JSON log line per event, with request and job id; never a token, prompt, e-mail or image; and metrics.

What one invocation of a function counts is one more line, in CloudWatch's embedded metric format: CloudWatch makes the
metrics from it, so counting costs no call. docs/metrics.md says what each of `METRICS` is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, SchemaValidationError
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import AmazonCloudWatchEMFProvider

_SECRET = re.compile(r"\b((?:ek|sk|rk)_(?:live|test)_|whsec_|r8_)[A-Za-z0-9_+/=-]+")
_OF_CODE = ('  File "', "    ")
"""How lines of a traceback begin that show where in our code an error came from."""
REFUSED = (401, 402, 403, 413, 415, 422, 429)
"""Statuses that are a refusal of a caller: not signed in, no credits, not admitted, too large, unfit, too often."""


_PRIVATE = (
    # What an error quotes may be a prompt, or any other input. First, as the others would take an opening mark away.
    r"""(?s)(?:(?<!\w)|(?<=\b[bru]))(?:'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")""",
    r"(?:ek|sk|rk)_(?:live|test)_[\w+/=-]+|whsec_[\w+/=-]+|r8_\w+",
    r"(?i)\b(?:bearer|basic)\s+\S+",
    r"[\w.+-]+@[\w-]+\.[\w.-]+",
    r"(?<=\?)\S+|\b[\w.-]+=\S+",
    r"\b(?:\d{1,3}\.){3}\d{1,3}\b|(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])",
    r"[A-Za-z0-9_+/=-]{32,}",
)
"""What the text of an error may hold of somebody's; compiled by the first one."""
TEXT_MAX, READ_MAX = 200, 2000
"""So much of an error's text is told, and looked at: its length may be somebody's choice, and some patterns take its
square."""


def hidden(text: str) -> str:
    """Return the text of an error without secrets, addresses, query strings, and anything that it quotes."""
    if len(text) > READ_MAX:  # a word or a quotation that is cut in two would not be known as what it is
        text = text[:READ_MAX].rpartition(" ")[0] + " '\""
    for pattern in _PRIVATE:
        text = re.sub(pattern, "***", text)
    return text[:TEXT_MAX]


def line(record: Any) -> str:
    """Return a record as one line of ASCII: line separators of any kind escaped, keys and secrets cut off.

    Of an error stay its type and the lines of our code; of its text what `hidden` leaves.
    """
    if isinstance(record, dict) and "exception" in record:
        lines = str(record["exception"]).split("\n")
        kept = [one if one.startswith(_OF_CODE) else hidden(one) for one in lines]
        record = {**record, "exception": "\n".join(kept)}
    return _SECRET.sub(r"\1***", json.dumps(record, separators=(",", ":"), default=str))


logger = Logger(service="enhancer", utc=True, log_uncaught_exceptions=False, json_serializer=line)


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is counted in, and the one dimension that it is told apart by, too; None: only in all."""

    unit: MetricUnit = MetricUnit.Count
    by: str | None = None


METRICS = {
    "Requests": Metric(by="function"),
    "RequestMilliseconds": Metric(MetricUnit.Milliseconds, by="function"),
    "Refusals": Metric(by="status"),
    "TooManyRequests": Metric(by="plan"),
    "CreditsConsumed": Metric(by="plan"),
    "SubscriptionChanges": Metric(),
    "PredictionMilliseconds": Metric(MetricUnit.Milliseconds, by="provider"),
    "JobsEnded": Metric(by="outcome"),
    "ResultsReused": Metric(),
    "OpenJobs": Metric(),
    "OldestJobSeconds": Metric(MetricUnit.Seconds),
    "SpendShare": Metric(MetricUnit.Percent),
    "BillingParked": Metric(by="reason"),
    "LedgerDifference": Metric(),
    "PaidNotGranted": Metric(),
    "ClosingBroken": Metric(),
    "CostReportsMade": Metric(),
    "CostReportsIncomplete": Metric(),
    "FlagsIgnored": Metric(by="problem"),
}
"""Every metric that the code counts. A dimension has few values, and is never an owner."""
_Counted = tuple[str, float, str]
"""A metric, a value of it, and the value of its dimension ("" without one)."""
Reporter = Callable[[BaseException, dict[str, Any]], None]
_reporters: list[Reporter] = []
_collecting: list[list[_Counted]] = []
_bound: list[set[str]] = []


def count(name: str, value: float = 1, **dimension: str) -> None:
    """Count a metric, in all and for the ``dimension`` given; inside `invocation` written at its end, else at once.

    The namespace, one per stack, is Powertools' own setting ``POWERTOOLS_METRICS_NAMESPACE``.
    """
    counted = (name, float(value), next(iter(dimension.values()), ""))
    if _collecting:
        _collecting[-1].append(counted)
    else:
        _write([counted])


@contextmanager
def invocation(**keys: Any) -> Iterator[None]:
    """Bind ``keys`` to every log line inside, and write what is counted inside as one line at the end."""
    _collecting.append([])
    _bound.append(set())
    bind(**keys)
    try:
        yield
    finally:
        counted = _collecting.pop()
        try:
            _write(counted)
        except SchemaValidationError:  # no namespace; an answer does not fail for its metrics
            logger.exception("metrics not written")
        logger.remove_keys(_bound.pop())


def bind(**keys: Any) -> None:
    """Bind more keys to the log lines of this invocation; empty ones are left out."""
    if _bound:
        known = {name: value for name, value in keys.items() if value not in ("", None)}
        _bound[-1].update(known)
        logger.append_keys(**known)


def request_id() -> str:
    """Return the id of the request that is being answered, "" outside of one."""
    return str(logger.get_current_keys().get("requestId", "")) if _bound else ""


def bind_order(job_id: str, ordered_by: str) -> None:
    """Bind the job that an invocation works on, and the id of the request that ordered it.

    A step works for that request and has its id; a request of its own, such as a call-back, names it as ``order``.
    """
    if request_id() in ("", ordered_by):
        bind(jobId=job_id, requestId=ordered_by)
    else:
        bind(jobId=job_id, order=ordered_by)


def requested(*, function: str, status: int, milliseconds: float, plan: str) -> None:
    """Count an answered request: how long it took, and whether it was refused, as told by its status."""
    count("Requests", function=function)
    count("RequestMilliseconds", round(milliseconds, 1), function=function)
    if status in REFUSED:
        count("Refusals", status=str(status))
    if status == 429:
        count("TooManyRequests", plan=plan)


def report_to(send: Reporter) -> None:
    """Let errors of ours be sent by ``send``, which is given the error and the keys of its log lines."""
    _reporters[:] = [send]


def report(problem: BaseException) -> None:
    """Send an error of ours to whoever wants to hear of it."""
    for send in _reporters:
        send(problem, dict(logger.get_current_keys()))


def _write(counted: list[_Counted]) -> None:
    """Write metrics to the log in as few lines as can hold them: one, unless a dimension has several values."""
    for found in _lines(counted):
        print(json.dumps(found, separators=(",", ":")))  # standard output is the log


def _lines(counted: list[_Counted]) -> list[dict[str, Any]]:
    groups: dict[tuple[str | None, str], AmazonCloudWatchEMFProvider] = {}
    for name, value, label in counted:
        known = METRICS.get(name, Metric())
        place = (known.by if label else None, label)
        if place not in groups:
            groups[place] = AmazonCloudWatchEMFProvider()
            if place[0]:
                groups[place].add_dimensions(**{place[0]: label})
        groups[place].add_metric(name, known.unit, value)
    lines: list[dict[str, Any]] = []
    for group in groups.values():
        if not group.metric_set:  # the hundredth value of a metric is written at once, and may be the last
            continue
        blob: dict[str, Any] = dict(group.serialize_metric_set())
        fitting = next((one for one in lines if _fits(blob, one)), None)
        if fitting is None:
            lines.append(blob)
        else:
            about = fitting["_aws"]
            about["CloudWatchMetrics"] += blob.pop("_aws")["CloudWatchMetrics"]
            fitting.update(blob)
    return lines


def _fits(blob: dict[str, Any], into: dict[str, Any]) -> bool:
    """Return whether no metric and no dimension of ``blob`` has another value there already."""
    return not (blob.keys() & into.keys()) - {"_aws"}
