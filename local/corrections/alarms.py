"""CloudWatch: alarms, also on expressions over several metrics, that go off and end as on AWS.

ministack refuses alarms on ``Metrics``, and with them the whole stack; it adds the values of all dimensions together,
looks at the last period alone, treats silence as nothing new, and looks only when somebody puts a metric by hand.

Here every alarm is looked at once a minute, as on AWS, over its last full periods; so silence ends an alarm, or raises
it. Between two minutes nothing runs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.corrections import metric_math
from local.corrections.metrics import Metrics, measure_queues
from local.corrections.release import Json, Module, require

MINUTE = 60
DELAY_SECONDS = 2.0
"""How long after a full minute alarms are looked at: its last lines have come by then."""
CATCH_UP_MINUTES = 120
"""Most minutes that are looked at one by one after a pause, such as that of a laptop asleep."""
_SIGNS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


def correct_alarm_records(provisioners: Module) -> None:
    """Let CloudFormation make alarms on ``Metrics``; an expression that is not known here is refused at once."""
    make = provisioners._cw_metric_alarm_record

    def make_with_metrics(name: str, props: Json) -> Json:
        queries = props.get("Metrics") or []
        if not queries:
            return dict(make(name, props))
        metric_math.check(queries)
        kept = {field: value for field, value in props.items() if field != "Metrics"}
        record: Json = make(name, {**kept, "Namespace": "-", "MetricName": "-"})  # it wants one
        for field in ("Namespace", "MetricName", "Statistic", "ExtendedStatistic", "Period", "Dimensions"):
            record.pop(field, None)
        return {**record, "Metrics": queries}

    provisioners._cw_metric_alarm_record = make_with_metrics


class Alarms:
    """Looks at every alarm once a minute.

    Args:
        metrics: the store, whose clock may be ahead of the real one.
        sqs: ministack's module of queues, whose length is measured each minute.
    """

    def __init__(self, metrics: Metrics, sqs: Module) -> None:
        cloudwatch = metrics.cloudwatch
        for name in (
            "_alarms",
            "_evaluate_alarm",
            "_record_history",
            "_dispatch_alarm_actions",
            "_evaluate_parent_alarms",
        ):
            require(hasattr(cloudwatch, name), f"cloudwatch.{name}")
        require(hasattr(sqs, "_queues"), "queues")
        self.metrics, self._cloudwatch, self._sqs = metrics, cloudwatch, sqs
        self._seen = int(metrics.now() // MINUTE)
        self._lock = threading.Lock()
        cloudwatch._evaluate_alarm = lambda _: None  # not when something is put, but each full minute

    def start(self) -> None:
        """Look each minute from now on, in a thread of its own."""
        threading.Thread(target=self._run, name="alarms", daemon=True).start()

    def _run(self) -> None:
        while True:
            time.sleep(MINUTE - self.metrics.now() % MINUTE + DELAY_SECONDS)
            self.catch_up()

    def catch_up(self) -> None:
        """Look at the alarms at each full minute since the last time."""
        with self._lock:
            measure_queues(self._sqs, self.metrics)
            current = int(self.metrics.now() // MINUTE)
            for minute in range(max(self._seen, current - CATCH_UP_MINUTES) + 1, current + 1):
                for alarm in list(self._cloudwatch._alarms.values()):
                    self._look(alarm, minute * MINUTE)
            self._seen = current

    async def answer_clock(self, order: Json) -> Json:
        """Let ``forward`` seconds pass for metrics and alarms, or, with ``reset``, take the real time again."""
        if order.get("reset"):
            with self._lock:
                self.metrics.forget_future()
                self._seen = int(self.metrics.now() // MINUTE)
        else:
            await asyncio.to_thread(self._forward, float(order["forward"]))
        return {"ahead": self.metrics.ahead}

    def _forward(self, seconds: float) -> None:
        measure_queues(self._sqs, self.metrics)
        self.metrics.ahead += seconds
        self.catch_up()

    def _look(self, alarm: Json, end: float) -> None:
        values = values_of(alarm, end, self.metrics)
        new, old = state_of(alarm, values), alarm["StateValue"]
        if new == old:
            return
        reason = f"Threshold Crossed: {values}, newest first, were {alarm['ComparisonOperator']} {alarm['Threshold']}"
        if new != "ALARM":
            reason = f"Threshold no longer crossed: {values}, newest first"
        alarm.update(StateValue=new, StateReason=reason, StateUpdatedTimestamp=int(self.metrics.now()))
        self._cloudwatch._record_history(alarm["AlarmName"], old, new, reason)
        self._cloudwatch._dispatch_alarm_actions(alarm, old, new, reason)
        self._cloudwatch._evaluate_parent_alarms(alarm)


def values_of(alarm: Json, end: float, metrics: Metrics) -> list[float | None]:
    """Return what the alarm looks at in each of its last periods before ``end``, newest first; None without data."""
    count = int(alarm["EvaluationPeriods"])
    queries = alarm.get("Metrics")
    if not queries:
        metric = {field: alarm.get(field) for field in ("Namespace", "MetricName", "Dimensions")}
        stat = alarm.get("ExtendedStatistic") or alarm["Statistic"]
        period = int(alarm["Period"])
        return [_statistic(metric, stat, end - period * place, period, metrics) for place in range(count)]
    by_id = {one["Id"]: one for one in queries}
    period = max(int(one["MetricStat"]["Period"]) for one in queries if "MetricStat" in one)
    (returned,) = (one["Id"] for one in queries if metric_math.is_returned(one))

    def value(name: str, until: float) -> float | None:
        if name == metric_math.ALL:
            found = [value(one["Id"], until) for one in queries if "MetricStat" in one]
            known = [one for one in found if one is not None]
            return sum(known) if known else None
        query = by_id[name]
        if "MetricStat" in query:
            stat = query["MetricStat"]
            return _statistic(stat["Metric"], stat["Stat"], until, period, metrics)
        return metric_math.evaluated(
            metric_math.parsed(query["Expression"]), lambda inner: value(inner, until)
        )

    return [value(returned, end - period * place) for place in range(count)]


def _statistic(metric: Json, stat: str, until: float, period: int, metrics: Metrics) -> float | None:
    points = metrics.points(metric, until - period, until)
    found = metrics.cloudwatch._calc_stats(points)
    value: Any = metrics.cloudwatch._stat_value(found, stat, points) if found else None
    return None if value is None else float(value)


def state_of(alarm: Json, values: list[float | None]) -> str:
    """Return the state that an alarm has with these values of its periods."""
    crossed, threshold = _SIGNS[alarm["ComparisonOperator"]], float(alarm["Threshold"])
    needed = int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"])
    silence = alarm.get("TreatMissingData") or "missing"
    if None in values and silence == "ignore":
        return str(alarm["StateValue"])
    if silence == "missing" and all(value is None for value in values):
        return "INSUFFICIENT_DATA"
    breaching = [silence == "breaching" if value is None else crossed(value, threshold) for value in values]
    return "ALARM" if sum(breaching) >= needed else "OK"
