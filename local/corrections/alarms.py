"""CloudWatch: alarms on an expression over several metrics."""

from __future__ import annotations

from local.corrections.release import Json, Module


def correct_alarm_metrics(provisioners: Module) -> None:
    """CloudFormation makes alarms on ``Metrics``; ministack refuses them, and with them the whole stack.

    Here such an alarm looks at the first of its metrics alone: nothing in the local stack goes off by itself.
    """
    make = provisioners._cw_metric_alarm_record

    def make_with_metrics(name: str, props: Json) -> Json:
        kept = {field: value for field, value in props.items() if field != "Metrics"}
        stats = [one["MetricStat"] for one in props.get("Metrics") or [] if "MetricStat" in one]
        first = (
            {**stats[0]["Metric"], "Period": stats[0]["Period"], "Statistic": stats[0]["Stat"]}
            if stats
            else {}
        )
        record: Json = make(name, {**kept, **first})
        return record

    provisioners._cw_metric_alarm_record = make_with_metrics
