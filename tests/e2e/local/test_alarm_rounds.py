"""Every alarm of the template, in the emulator's own parts without its server: it goes off, is heard, and ends."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from local.corrections.alarms import MINUTE, Alarms, correct_alarm_records
from local.corrections.metrics import correct_log_metrics, correct_metrics, correct_service_metrics
from tests.support import template

TEMPLATE = template.load()
ALARMS = template.resources(TEMPLATE, "AWS::CloudWatch::Alarm")
FILTERS = template.resources(TEMPLATE, "AWS::Logs::MetricFilter")
TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"
STACK = "rounds"
SILENCE = {
    name for name, found in ALARMS.items() if found["Properties"]["ComparisonOperator"] == "LessThanThreshold"
}
"""Alarms about what does not happen."""


def resolved(found: Any) -> Any:
    """A property as CloudFormation passes it on; names of resources stand for themselves."""
    match found:
        case {"Ref": "AWS::StackName"}:
            return STACK
        case {"Ref": "Alarms"}:
            return TOPIC
        case {"Ref": name}:
            return name
        case {"Fn::GetAtt": [name, *_]} | {"Fn::Sub": str(name)}:
            return name
        case dict():
            return {key: resolved(value) for key, value in found.items()}
        case list():
            return [resolved(value) for value in found]
    return found


@pytest.fixture(scope="module")
def emulator() -> Iterator[SimpleNamespace]:
    """The modules of ministack, corrected as in the local stack, with all alarms and log filters of the template."""
    from ministack.services import apigateway, cloudwatch, lambda_svc, sns, sqs, stepfunctions
    from ministack.services import cloudwatch_logs as logs
    from ministack.services.cloudformation import provisioners

    with pytest.MonkeyPatch.context() as patched:
        for module, names in (
            (provisioners, ("_cw_metric_alarm_record",)),
            (
                cloudwatch,
                ("record_metric", "_store_datum", "_dims_from_list", "_evaluate_alarm", "_evict_old_metrics"),
            ),
            (lambda_svc, ("_emit_lambda_logs",)),
            (logs, ("_put_metric_filter",)),
            (apigateway, ("_handle_execute_in_scope",)),
            (stepfunctions, ("_emit_execution_status_event",)),
        ):
            for name in names:
                patched.setattr(module, name, getattr(module, name))  # put back at the end
        heard: list[dict[str, Any]] = []
        patched.setattr(
            sns,
            "_fanout",
            lambda topic, _, message, *__: heard.append({**json.loads(message), "topic": topic}),
        )
        correct_alarm_records(provisioners)
        metrics = correct_metrics(cloudwatch)
        correct_log_metrics(lambda_svc, logs, metrics)
        correct_service_metrics(apigateway, stepfunctions, metrics)
        logs._create_log_group({"logGroupName": "FunctionLogs"})
        for name, found in FILTERS.items():
            provisioners._cwlogs_metric_filter_create(name, resolved(found["Properties"]), STACK)
        for name, found in ALARMS.items():
            provisioners._cw_metric_alarm_put(name, resolved(found["Properties"]))
        alarms = Alarms(metrics, sqs)
        yield SimpleNamespace(
            metrics=metrics,
            alarms=alarms,
            heard=heard,
            cloudwatch=cloudwatch,
            functions=lambda_svc,
            logs=logs,
        )
        cloudwatch.reset()
        logs.reset()


def tell_clock(emulator: SimpleNamespace, **what: float) -> None:
    """In a thread of its own: where a browser runs, this one has a loop already."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: asyncio.run(emulator.alarms.answer_clock(what))).result()


def after(emulator: SimpleNamespace, minutes: float) -> list[tuple[str, str]]:
    """Let time pass; which alarms were heard, and with what."""
    emulator.heard.clear()
    tell_clock(emulator, forward=minutes * MINUTE)
    assert {one["topic"] for one in emulator.heard} <= {TOPIC}
    return [(one["AlarmName"], one["NewStateValue"]) for one in emulator.heard]


def metrics_of(name: str) -> list[dict[str, Any]]:
    found = resolved(ALARMS[name]["Properties"])
    if "Metrics" in found:
        return [one["MetricStat"]["Metric"] for one in found["Metrics"] if "MetricStat" in one]
    return [found]


def put(emulator: SimpleNamespace, metric: dict[str, Any], value: float) -> None:
    where = {one["Name"]: one["Value"] for one in metric.get("Dimensions", [])}
    emulator.metrics.put(metric["Namespace"], metric["MetricName"], value, "None", where)


def period_of(name: str) -> int:
    """In minutes."""
    found = ALARMS[name]["Properties"]
    periods = [one["MetricStat"]["Period"] for one in found.get("Metrics", []) if "MetricStat" in one]
    return int(found.get("Period") or max(periods)) // MINUTE


def minutes_of(name: str) -> int:
    return period_of(name) * int(ALARMS[name]["Properties"]["EvaluationPeriods"])


@pytest.mark.parametrize("name", sorted(ALARMS.keys() - SILENCE))
def test_an_alarm_goes_off_is_heard_and_ends(emulator: SimpleNamespace, name: str) -> None:
    """Nothing is wrong at its threshold; above it it rings once, and once more when all is well again."""
    after(emulator, 60)
    found = ALARMS[name]["Properties"]
    threshold = float(found["Threshold"])
    first, *others = metrics_of(name)
    adds_up = any("SUM(METRICS())" in one.get("Expression", "") for one in found.get("Metrics", []))
    reached = found["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    for value, rings in ((threshold - 1 if reached else threshold, False), (threshold + 1, True)):
        heard = []
        for _ in range(found["EvaluationPeriods"]):
            put(emulator, first, value)
            for metric in () if adds_up else others:  # of a share: out of a hundred
                put(emulator, metric, 100.0 - value if name == "JobsFail" else 100.0)
            heard += after(emulator, period_of(name))
        assert [state for alarm, state in heard if alarm == name] == (["ALARM"] if rings else [])
        if not rings:
            after(emulator, minutes_of(name) + 1)
    heard = after(emulator, minutes_of(name) + 1)
    assert [state for alarm, state in heard if alarm == name] == ["OK"]


@pytest.mark.parametrize("name", sorted(SILENCE))
def test_what_does_not_happen_is_heard(emulator: SimpleNamespace, name: str) -> None:
    """Silence rings after its time; one call or report ends it."""
    (metric,), silent = metrics_of(name), minutes_of(name) + 1
    put(emulator, metric, 1)
    after(emulator, 1)
    assert (name, "ALARM") in after(emulator, silent)
    put(emulator, metric, 1)
    assert (name, "OK") in after(emulator, 1)
    assert (name, "ALARM") in after(emulator, silent)


def test_few_jobs_are_no_share(emulator: SimpleNamespace) -> None:
    """Four that failed are bad luck; what was canceled is no failure."""
    after(emulator, 60)
    failed, succeeded = metrics_of("JobsFail")
    put(emulator, failed, 4)
    put(emulator, {**failed, "Dimensions": [{"Name": "outcome", "Value": "canceled"}]}, 40)
    put(emulator, {**failed, "Dimensions": []}, 44)
    assert after(emulator, 1) == []
    put(emulator, succeeded, 1)
    assert ("JobsFail", "ALARM") in after(emulator, 1)


def log(emulator: SimpleNamespace, *lines: str) -> None:
    function = {"FunctionName": "F", "LoggingConfig": {"LogGroup": "FunctionLogs"}}
    emulator.functions._emit_lambda_logs({"config": function}, "id", "\n".join(lines), False, 1)


def test_what_functions_log_rings(emulator: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """A line of our own metrics, and two that only filters read; other lines ring nothing."""
    from enhancer import telemetry

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("POWERTOOLS_METRICS_NAMESPACE", STACK)
        with telemetry.invocation():
            telemetry.count("LedgerDifference", 1)
            telemetry.count("OldestJobSeconds", 301)
    lines = [line for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    after(emulator, 60)
    answer = {"message": "request", "path": "/api/billing/stripe-webhook", "status": 500}
    log(emulator, *lines, json.dumps(answer), "2026-11-20 7d4c Task timed out after 29.00 seconds")
    log(emulator, json.dumps({**answer, "status": 400}), "nothing")
    assert sorted(after(emulator, 1)) == [
        (name, "ALARM") for name in ("FunctionsCrash", "JobTooOld", "LedgerAlarm", "StripeWebhookRefuses")
    ]
    heard = after(emulator, 6)
    assert {("LedgerAlarm", "OK"), ("JobTooOld", "OK"), ("FunctionsCrash", "OK")} <= set(heard)


def test_a_metric_is_read_by_exactly_the_dimensions_that_are_asked_for(emulator: SimpleNamespace) -> None:
    """In all is a metric of its own, not the sum over all; Lambda's are told both ways."""
    cloudwatch, metrics = emulator.cloudwatch, emulator.metrics
    metrics.put("exact", "M", 1, "Count", {})
    metrics.put("exact", "M", 5, "Count", {"plan": "pro"})
    cloudwatch.record_metric("AWS/Lambda", "Throttles", 3, "Count", {"FunctionName": "f"})

    def asked(namespace: str, name: str, dimensions: list[dict[str, str]]) -> list[float]:
        stat = {
            "Metric": {"Namespace": namespace, "MetricName": name, "Dimensions": dimensions},
            "Period": 60,
            "Stat": "Sum",
        }
        query = {
            "MetricDataQueries": [{"Id": "a", "MetricStat": stat}],
            "StartTime": 0,
            "EndTime": metrics.now() + 60,
        }
        _, _, body = cloudwatch._get_metric_data({}, query, False, True)
        return list(json.loads(body)["MetricDataResults"][0]["Values"])

    assert asked("exact", "M", []) == [1.0]
    assert asked("exact", "M", [{"Name": "plan", "Value": "pro"}]) == [5.0]
    assert asked("AWS/Lambda", "Throttles", [])[-1] == 3.0
    assert asked("AWS/Lambda", "Throttles", [{"Name": "FunctionName", "Value": "f"}])[-1] == 3.0


def test_the_real_time_is_taken_again(emulator: SimpleNamespace) -> None:
    """What was counted in hours that never were is counted now."""
    emulator.metrics.put("reset", "M", 1, "Count", {})
    after(emulator, 60)
    emulator.metrics.put("reset", "M", 2, "Count", {})
    tell_clock(emulator, reset=True)
    assert emulator.metrics.ahead == 0
    stored = emulator.metrics.points({"Namespace": "reset", "MetricName": "M"}, 0, emulator.metrics.now() + 1)
    assert [point["Value"] for point in stored] == [1.0, 2.0]


def test_no_value_is_lost_when_many_come_at_once(
    emulator: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Functions end side by side, while each request to CloudWatch looks for values that are too old."""
    kept = type(emulator.cloudwatch._metrics)

    class Slow(kept):  # type: ignore[misc,valid-type]
        def __setitem__(self, key: Any, points: list[Any]) -> None:
            time.sleep(0.002)  # between looking for a list, or copying one, and keeping it
            super().__setitem__(key, points)

    monkeypatch.setattr(emulator.cloudwatch, "_metrics", Slow())

    def end(number: int) -> None:
        for metric in range(10):
            emulator.metrics.put("many", f"M{metric}", 1, "Count", {})
        if number % 2:
            emulator.cloudwatch._evict_old_metrics()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(end, range(16)))
    for metric in range(10):
        about = {"Namespace": "many", "MetricName": f"M{metric}"}
        assert len(emulator.metrics.points(about, 0, emulator.metrics.now() + 1)) == 16
