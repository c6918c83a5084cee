"""CloudWatch: metrics out of log lines, metrics of AWS's own services, and reading them by exact dimensions.

On AWS a log line in the embedded metric format and each log filter become metrics, API Gateway, Step Functions and SQS
tell how they are, and a metric without dimensions is one of its own. ministack does none of that.
"""

from __future__ import annotations

import fnmatch
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from local.corrections.release import Json, Module, require

Dimensions = dict[str, str]
Matcher = Callable[[str], bool]
_TERM = re.compile(r'([?-]?)("[^"]*"|\S+)')
_CLAUSE = re.compile(r'\s*\$\.([\w.]+)\s*(=|!=|<=|>=|<|>)\s*("[^"]*"|[\w.*-]+)\s*')
ENDED = {"FAILED": "ExecutionsFailed", "TIMED_OUT": "ExecutionsTimedOut", "ABORTED": "ExecutionsAborted",
         "SUCCEEDED": "ExecutionsSucceeded"}  # fmt: skip


class Metrics:
    """Where metrics are stored: in ministack's own store, at a time that may be ahead of the real one.

    ``ahead`` is in seconds: tests let hours pass for alarms, see `local.corrections.alarms`.
    """

    def __init__(self, cloudwatch: Module) -> None:
        for name in (
            "_metric_bucket",
            "_metrics",
            "_dims_key",
            "_calc_stats",
            "_stat_value",
            "record_metric",
            "_evict_old_metrics",
        ):
            require(hasattr(cloudwatch, name), f"cloudwatch.{name}")
        self.cloudwatch = cloudwatch
        self.ahead = 0.0
        self.lock = threading.RLock()
        """Functions that end at the same time store theirs, while ministack throws old values out at each request."""

    def now(self) -> float:
        """The time of CloudWatch, in seconds."""
        return time.time() + self.ahead

    def put(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str,
        dimensions: Dimensions,
        *,
        at: float | None = None,
    ) -> None:
        """Store one value; ``at``: when it was seen, in real time."""
        key = (namespace, name, self.cloudwatch._dims_key(dimensions))
        point: Json = {"Value": float(value), "Unit": unit, "Dimensions": dict(dimensions)}
        with self.lock:
            point["Timestamp"] = self.now() if at is None else at + self.ahead
            self.cloudwatch._metric_bucket(key).append(point)

    def record(
        self,
        namespace: str,
        name: str,
        value: float,
        unit: str = "None",
        dimensions: Dimensions | None = None,
    ) -> None:
        """Store a value that a service of AWS measures; of Lambda's there is one of all functions, too."""
        self.put(namespace, name, value, unit, dimensions or {})
        if namespace == "AWS/Lambda" and dimensions:
            self.put(namespace, name, value, unit, {})

    def points(self, metric: Json, since: float, until: float) -> list[Json]:
        """Return what was stored of exactly this metric after ``since`` and up to ``until``."""
        wanted = {one["Name"]: one["Value"] for one in metric.get("Dimensions") or []}
        key = (metric["Namespace"], metric["MetricName"], self.cloudwatch._dims_key(wanted))
        stored = self.cloudwatch._metrics.get(key) or []
        return [point for point in list(stored) if since <= point["Timestamp"] < until]

    def forget_future(self) -> None:
        """Let the time be the real one again, for what was stored, too."""
        with self.lock:
            now, self.ahead, ahead = time.time(), 0.0, self.ahead
            for points in list(self.cloudwatch._metrics.values()):
                for point in points:
                    if point["Timestamp"] > now:
                        point["Timestamp"] = max(now - 1, point["Timestamp"] - ahead)


class _Exact(dict[str, str]):
    """Dimensions that a reader asked for, also when they are none."""

    def __bool__(self) -> bool:
        return True


def correct_metrics(cloudwatch: Module) -> Metrics:
    """Let metrics be stored in CloudWatch's time, and read by exactly the dimensions that are asked for.

    ministack answers a question without dimensions with the sum over all of them.
    """
    metrics = Metrics(cloudwatch)
    store, dimensions_of = cloudwatch._store_datum, cloudwatch._dims_from_list
    evict = cloudwatch._evict_old_metrics

    def store_datum(namespace: str, name: str, dims: Dimensions, at: float, *rest: Any) -> None:
        with metrics.lock:
            store(namespace, name, dims, at + metrics.ahead, *rest)

    def evict_alone() -> None:
        with metrics.lock:
            evict()

    cloudwatch.record_metric = metrics.record
    cloudwatch._store_datum, cloudwatch._evict_old_metrics = store_datum, evict_alone
    cloudwatch._dims_from_list = lambda found: _Exact(dimensions_of(found))
    return metrics


def correct_log_metrics(service: Module, logs: Module, metrics: Metrics) -> None:
    """Make metrics of what functions log: lines in the embedded metric format, and what log filters find.

    Searching a log group goes by the same patterns; ministack takes every line for a pattern about JSON fields.
    """
    emit, put_filter = service._emit_lambda_logs, logs._put_metric_filter
    require(hasattr(logs, "_metric_filters"), "metric filters")
    require(hasattr(logs, "_compile_filter_pattern"), "patterns of log lines")
    logs._compile_filter_pattern = matcher

    def emit_and_count(func: Json, request_id: str, text: str, *rest: Any, **more: Any) -> None:
        emit(func, request_id, text, *rest, **more)
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get(
            "LogGroup"
        ) or f"/aws/lambda/{config.get('FunctionName')}"
        count_lines(text.split("\n") if text else [], group, logs, metrics)

    def put_known_filter(data: Json) -> Any:
        matcher(data.get("filterPattern", ""))
        return put_filter(data)

    service._emit_lambda_logs, logs._put_metric_filter = emit_and_count, put_known_filter


def correct_call_metrics(service: Module) -> None:
    """Count each call of a function where its log is written, which all of them come through.

    ministack counts in its Invoke API alone, so a schedule, a state machine or a route would call nothing.
    """
    emit_logs, emit = service._emit_lambda_logs, service._emit_lambda_metrics

    def emit_and_count(func: Json, request_id: str, text: str, *ended: Any, **more: Any) -> None:
        emit_logs(func, request_id, text, *ended, **more)
        failed, milliseconds = ended
        name = (func.get("config") or func).get("FunctionName", "unknown")
        emit(name, duration_ms=float(milliseconds), error=failed, throttle=False)

    def count_throttles(name: str, **call: Any) -> None:
        if call["throttle"]:
            emit(name, **call)

    service._emit_lambda_logs, service._emit_lambda_metrics = emit_and_count, count_throttles


def count_lines(lines: list[str], group: str, logs: Module, metrics: Metrics) -> None:
    """Store the metrics of some log lines of a log group."""
    filters = [one for one in logs._metric_filters.values() if one["logGroupName"] == group]
    for line in lines:
        for namespace, name, value, unit, dimensions, at in embedded(line):
            metrics.put(namespace, name, value, unit, dimensions, at=at)
        for found in filters:
            if not matcher(found["filterPattern"])(line):
                continue
            for told in found["metricTransformations"]:
                place = (told["metricNamespace"], told["metricName"])
                named = {name: field(line, path[2:]) for name, path in told.get("dimensions", {}).items()}
                if None not in named.values():
                    labels = {name: str(value) for name, value in named.items()}
                    metrics.put(*place, float(told["metricValue"]), "None", labels)


def embedded(line: str) -> Iterator[tuple[str, str, float, str, Dimensions, float]]:
    """Yield namespace, name, value, unit, dimensions and time (s) of each value in a line of that format."""
    if '"_aws"' not in line or not line.startswith("{"):
        return
    with suppress(ValueError, KeyError, TypeError):
        blob = json.loads(line)
        at = blob["_aws"]["Timestamp"] / 1000
        for told in blob["_aws"]["CloudWatchMetrics"]:
            for labels in told["Dimensions"]:
                dimensions = {label: str(blob[label]) for label in labels}
                for metric in told["Metrics"]:
                    values = blob[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        yield (
                            told["Namespace"],
                            metric["Name"],
                            value,
                            metric.get("Unit", "None"),
                            dimensions,
                            at,
                        )


def matcher(pattern: str) -> Matcher:
    """Return what tells whether a line fits a filter's pattern; ValueError for a kind that is not known here.

    Known are terms (all of them; those with ``?``: any; with ``-``: none), and comparisons of JSON fields with ``&&``
    and ``||``.
    """
    text = pattern.strip()
    if text.startswith("{"):
        ways = [[_clause(clause) for clause in way.split("&&")] for way in text.strip("{} ").split("||")]
        return lambda line: _fits_json(line, ways)
    terms = [(sign, word.strip('"')) for sign, word in _TERM.findall(text)]
    every = [word for sign, word in terms if not sign]
    some = [word for sign, word in terms if sign == "?"]
    never = [word for sign, word in terms if sign == "-"]
    return lambda line: (
        all(word in line for word in every)
        and (not some or any(word in line for word in some))
        and not any(word in line for word in never)
    )


def _clause(text: str) -> tuple[str, str, str | float]:
    found = _CLAUSE.fullmatch(text)
    if found is None:
        raise ValueError(f"a filter pattern that is not known here: {text!r}")
    path, sign, value = found.groups()
    if value.startswith('"'):
        return path, sign, value.strip('"')
    try:
        return path, sign, float(value)
    except ValueError:
        return path, sign, value


def _fits_json(line: str, ways: list[list[tuple[str, str, str | float]]]) -> bool:
    return any(all(_compared(line, *clause) for clause in way) for way in ways)


def field(line: str, path: str) -> Any:
    """Return a field of a line of JSON by its names with dots between; None if it is not there."""
    found: Any = None
    if line.startswith("{"):
        with suppress(ValueError):
            found = json.loads(line)
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return found


def _compared(line: str, path: str, sign: str, wanted: str | float) -> bool:
    found = field(line, path)
    if found is None:
        return False
    if isinstance(wanted, str):
        same = fnmatch.fnmatchcase(str(found), wanted)
        return same if sign == "=" else sign == "!=" and not same
    if not isinstance(found, int | float):
        return False
    return {"=": found == wanted, "!=": found != wanted, "<": found < wanted, "<=": found <= wanted,
            ">": found > wanted, ">=": found >= wanted}[sign]  # fmt: skip


def correct_service_metrics(gateway: Module, machines: Module, metrics: Metrics) -> None:
    """Tell what API Gateway answers, and how executions of Step Functions end."""
    handle, told = gateway._handle_execute_in_scope, machines._emit_execution_status_event

    async def handle_and_count(api_id: str, *rest: Any, **more: Any) -> Any:
        answer = await handle(api_id, *rest, **more)
        where = {"ApiId": api_id}
        metrics.record("AWS/ApiGateway", "Count", 1, "Count", where)
        metrics.record("AWS/ApiGateway", "5xx", float(answer[0] >= 500), "Count", where)
        return answer

    def tell_and_count(execution: Json) -> None:
        told(execution)
        if name := ENDED.get(execution.get("status", "")):
            metrics.record("AWS/States", name, 1, "Count", {"StateMachineArn": execution["stateMachineArn"]})

    gateway._handle_execute_in_scope = handle_and_count
    machines._emit_execution_status_event = tell_and_count


def measure_queues(sqs: Module, metrics: Metrics) -> None:
    """Store how many messages each queue holds that can be received now."""
    now = time.time()
    for (*_, url), queue in list(sqs._queues.all_items()):
        visible = sum(message["visible_at"] <= now for message in list(queue["messages"]))
        name = {"QueueName": url.rpartition("/")[2]}
        metrics.record("AWS/SQS", "ApproximateNumberOfMessagesVisible", visible, "Count", name)
