"""The emulator's rules for metrics and alarms, without an emulator: math, patterns of log filters, states."""

import json
from types import SimpleNamespace

import pytest

from local.corrections.alarms import state_of, values_of
from local.corrections.metric_math import MathError, check, evaluated, parsed
from local.corrections.metrics import count_lines, embedded, matcher

SHARE = "IF(requests >= 20, 100 * FILL(failures, 0) / requests, 0)"


@pytest.mark.parametrize(
    ("expression", "known", "value"),
    [
        (SHARE, {"requests": 40.0, "failures": 2.0}, 5.0),
        (SHARE, {"requests": 40.0, "failures": None}, 0.0),
        (SHARE, {"requests": 19.0, "failures": 19.0}, 0.0),
        (SHARE, {"requests": None, "failures": 1.0}, None),
        ("a / b", {"a": 1.0, "b": 0.0}, None),
        ("a / b", {"a": 1.0, "b": None}, None),
        ("-a + 2 * (b - 1)", {"a": 1.0, "b": 4.0}, 5.0),
        ("a > 1 && b > 1 || a == 0", {"a": 2.0, "b": 1.0}, 0.0),
        ("a > 1 AND b >= 1", {"a": 2.0, "b": 1.0}, 1.0),
        ("MAX(a, b) - MIN(a, b) + ABS(0 - a)", {"a": 2.0, "b": 5.0}, 5.0),
        ("MAX(a, b)", {"a": 2.0, "b": None}, None),
    ],
)
def test_an_expression_has_the_value_that_cloudwatch_gives_it(expression, known, value):
    """None stands for a period without data, and for what was divided by zero."""
    assert evaluated(parsed(expression), known.__getitem__) == value


@pytest.mark.parametrize(
    "expression",
    [
        "SUM(a)",
        "METRICS()",
        "AVG(METRICS())",
        "ANOMALY_DETECTION_BAND(a)",
        "a if b else c",
        "IF(a)",
        "a.b",
        "(",
        "'a'",
        "a < b < c",
    ],
)
def test_what_is_not_known_is_refused_and_never_guessed(expression):
    """An alarm that means something else here than on AWS is worse than none."""
    with pytest.raises(MathError):
        parsed(expression)


def test_an_alarm_looks_at_one_value_and_at_nothing_unknown():
    """As CloudWatch refuses it."""
    stat = {"Id": "a", "MetricStat": {}, "ReturnData": False}
    check([{"Id": "share", "Expression": "IF(a > 1, a, 0)"}, stat])
    check([{"Id": "share", "Expression": "a"}, {**stat, "ReturnData": "false"}])
    check([{"Id": "sum", "Expression": "SUM(METRICS())"}, stat])
    with pytest.raises(MathError, match="unknown"):
        check([{"Id": "share", "Expression": "a / b"}, stat])
    with pytest.raises(MathError, match="one value"):
        check([{"Id": "share", "Expression": "a"}, {**stat, "ReturnData": True}])


LINE = json.dumps({"message": "request", "path": "/api/x", "status": 503, "inner": {"a": "b"}})


@pytest.mark.parametrize(
    ("pattern", "line", "fits"),
    [
        ('{ $.message = "request" && $.path = "/api/x" && $.status >= 500 }', LINE, True),
        ('{ $.message = "request" && $.path = "/api/y" && $.status >= 500 }', LINE, False),
        ('{ $.status < 500 || $.path = "/api/*" }', LINE, True),
        ('{ $.inner.a = "b" }', LINE, True),
        ('{ $.missing != "b" }', LINE, False),
        ('{ $.message = "request" }', "message request", False),
        ('{ $.message = "request" }', "{ no json", False),
        ('?"timed out" ?"ExitError"', "Task timed out after", True),
        ('?"timed out" ?"ExitError"', "nothing", False),
        ('"one" "two" -"three"', "two one", True),
        ('"one" "two" -"three"', "two one three", False),
        ("", "anything", True),
    ],
)
def test_a_filter_finds_the_lines_that_it_describes(pattern, line, fits):
    """The kinds that our template has."""
    assert matcher(pattern)(line) is fits


def test_a_pattern_of_another_kind_is_refused():
    """When the filter is made, not when a line comes."""
    with pytest.raises(ValueError, match="not known"):
        matcher("{ ($.a = 1) && $.b IS NULL }")


def test_a_line_of_the_embedded_format_is_read_by_each_set_of_dimensions():
    """Every value of a list is one; a line that only looks like it is none."""
    told = {"Namespace": "s", "Dimensions": [[], ["plan"]], "Metrics": [{"Name": "M", "Unit": "Count"}]}
    line = json.dumps(
        {"_aws": {"Timestamp": 5000, "CloudWatchMetrics": [told]}, "plan": "pro", "M": [1.0, 2.0]}
    )
    assert list(embedded(line)) == [
        ("s", "M", value, "Count", dimensions, 5.0)
        for dimensions in ({}, {"plan": "pro"})
        for value in (1.0, 2.0)
    ]
    for strange in (
        '{"_aws": 1}',
        '{"_aws"',
        'x "_aws"',
        '{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{}]}}',
    ):
        assert list(embedded(strange)) == []


def test_the_sum_of_all_metrics_is_of_those_that_have_a_value():
    """Most functions have no error in most minutes."""
    stats = [
        {"Id": name, "ReturnData": False, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
        for name, metric in (("a", 1.0), ("b", None), ("c", 2.0))
    ]
    alarm = {"EvaluationPeriods": 1, "Metrics": [{"Id": "s", "Expression": "SUM(METRICS())"}, *stats]}
    store = SimpleNamespace(
        points=lambda metric, *_: metric,
        cloudwatch=SimpleNamespace(_calc_stats=lambda points: points, _stat_value=lambda found, *_: found),
    )
    assert values_of(alarm, 60, store) == [3.0]
    alarm["Metrics"] = [alarm["Metrics"][0], stats[1]]
    assert values_of(alarm, 60, store) == [None]


def test_a_filter_names_its_metric_by_fields_of_the_line():
    """A line without such a field counts nowhere: not in the metric of all."""
    transformation = {
        "metricNamespace": "s", "metricName": "M", "metricValue": "1", "dimensions": {"Release": "$.inner.a"}
    }  # fmt: skip
    found = {"logGroupName": "g", "filterPattern": "", "metricTransformations": [transformation]}
    put: list[tuple[object, ...]] = []
    logs, metrics = (
        SimpleNamespace(_metric_filters={1: found}),
        SimpleNamespace(put=lambda *one: put.append(one)),
    )
    count_lines([LINE, "{}", "no json"], "g", logs, metrics)
    assert put == [("s", "M", 1.0, "None", {"Release": "b"})]


@pytest.mark.parametrize(
    ("silence", "values", "state"),
    [
        ("notBreaching", [1.0, 1.0, 0.0], "ALARM"),
        ("notBreaching", [1.0, None, 0.0], "OK"),
        ("notBreaching", [None, None, None], "OK"),
        ("breaching", [1.0, None, 0.0], "ALARM"),
        ("missing", [None, None, None], "INSUFFICIENT_DATA"),
        ("missing", [1.0, 1.0, None], "ALARM"),
        ("ignore", [None, 0.0, 0.0], "before"),
    ],
)
def test_two_of_three_periods_make_an_alarm(silence, values, state):
    """Silence is what the alarm says it is."""
    alarm = {
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0,
        "EvaluationPeriods": 3,
        "DatapointsToAlarm": 2,
        "TreatMissingData": silence,
        "StateValue": "before",
    }
    assert state_of(alarm, values) == state
