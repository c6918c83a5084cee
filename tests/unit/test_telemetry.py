"""Metrics: one line of the embedded format per invocation, in the namespace of the stack; ids on every log line."""

import json

import pytest

from enhancer import telemetry
from enhancer.telemetry import count, invocation, logger


def test_a_metric_is_counted_in_the_namespace_that_the_stack_gives(monkeypatch, capsys):
    """In all and once per dimension; two stacks of an account never add theirs up."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "staging-stack")
    count("BillingParked", 2, reason="livemode")
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = line["_aws"]["CloudWatchMetrics"]
    assert told == {
        "Namespace": "staging-stack",
        "Dimensions": [[], ["reason"]],
        "Metrics": [{"Name": "BillingParked", "Unit": "Count"}],
    }
    assert (line["BillingParked"], line["reason"]) == ([2.0], "livemode")


def test_a_function_without_a_namespace_is_noticed(monkeypatch, logs):
    """It would count where no alarm looks. A request is answered all the same."""
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE", raising=False)
    with pytest.raises(Exception, match="namespace"):
        count("BillingParked")
    with invocation(requestId="r-1"):
        count("BillingParked")
    assert [(line["message"], line["requestId"]) for line in logs.lines] == [("metrics not written", "r-1")]


def test_what_an_invocation_counts_is_one_line(counted):
    """Whatever it counts, as often as it counts it; two values of one dimension need two."""
    with invocation():
        telemetry.requested(function="Generate", status=429, milliseconds=12.34, plan="free")
        count("CreditsConsumed", 1.5, plan="free")
        count("ResultsReused")
        count("ResultsReused")
        assert counted.look() == []
    assert len(counted.look()) == 1
    assert counted("Requests") == {"": [1.0], "Generate": [1.0]}
    assert counted("RequestMilliseconds") == {"": [12.3], "Generate": [12.3]}
    assert counted("Refusals") == {"": [1.0], "429": [1.0]}
    assert counted("TooManyRequests") == {"": [1.0], "free": [1.0]}
    assert counted("CreditsConsumed") == {"": [1.5], "free": [1.5]}
    assert counted("ResultsReused") == {"": [1.0, 1.0]}
    counted.forget()
    with invocation():
        count("PredictionMilliseconds", 1, provider="replicate")
        count("PredictionMilliseconds", 2, provider="embedded")
    assert len(counted.look()) == 2
    assert counted("PredictionMilliseconds") == {"": [1.0, 2.0], "replicate": [1.0], "embedded": [2.0]}


@pytest.mark.parametrize("times", [99, 100, 101, 200])
def test_an_invocation_counts_as_often_as_it_wants(counted, times):
    """A line holds a hundred values of a metric; what else was counted is not lost with the hundredth."""
    with invocation():
        for _ in range(times):
            count("JobsEnded", outcome="failed")
        count("ResultsReused")
    assert {label: sum(values) for label, values in counted("JobsEnded").items()} == {
        "": times,
        "failed": times,
    }
    assert counted("ResultsReused") == {"": [1.0]}


@pytest.mark.parametrize(("status", "refused"), [(200, False), (404, False), (403, True), (500, False)])
def test_only_refusals_count_as_such(counted, status, refused):
    """An address that is not there refuses nobody; 429 of others are no 429."""
    telemetry.requested(function="Generate", status=status, milliseconds=1, plan="pro")
    assert counted("Refusals") == ({"": [1.0], str(status): [1.0]} if refused else {})
    assert counted("TooManyRequests") == {}


def test_the_metrics_of_an_invocation_that_breaks_are_written(counted):
    """What happened before the error did happen."""

    def broken():
        with invocation():
            count("ResultsReused")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert counted("ResultsReused") == {"": [1.0]}


def test_every_line_of_an_invocation_has_its_ids_and_none_of_the_next(logs):
    """A warm function answers one after the other."""
    with invocation(requestId="r-1", jobId=None):
        telemetry.bind(jobId="job-1")
        logger.info("one")
        assert telemetry.request_id() == "r-1"
    with invocation(requestId="r-2"):
        logger.info("two")
    logger.info("three")
    assert telemetry.request_id() == ""
    assert [(line.get("requestId"), line.get("jobId")) for line in logs.lines] == [
        ("r-1", "job-1"), ("r-2", None), (None, None),
    ]  # fmt: skip


def test_a_call_back_keeps_its_own_id_and_names_the_order(logs):
    """A step has no id of its own: it has that of the request that ordered its job."""
    with invocation(requestId="call-back"):
        telemetry.bind_order("job-1", "ordered")
        logger.info("one")
    with invocation():
        telemetry.bind_order("job-1", "ordered")
        logger.info("two")
    with invocation():
        telemetry.bind_order("job-1", "")
        logger.info("three")
    assert [(one.get("requestId"), one.get("order")) for one in logs.lines] == [
        ("call-back", "ordered"), ("ordered", None), (None, None),
    ]  # fmt: skip
    assert {one["jobId"] for one in logs.lines} == {"job-1"}


def test_a_traced_invocation_has_the_trace_on_its_lines(monkeypatch, logs):
    """Lambda's own header names it; no library is needed."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=x;Sampled=1")
    logger.info("one")
    assert logs.lines[0]["xray_trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"


def test_a_line_about_an_error_says_where_it_came_from_and_nothing_of_anybody(logs):
    """Its text may quote what was sent: a prompt, an address, a header."""
    prompt = "it's Ada's \"red\" car"

    def broken():
        raise ValueError(
            f"ada@example.com sent\n  {prompt!r} [input_value={prompt!r}] with Bearer abc.def.ghi"
        )

    try:
        broken()
    except ValueError:
        logger.exception("unhandled")
    (told,) = logs.lines
    assert told["exception_name"] == "ValueError"
    assert "test_telemetry.py" in told["exception"]
    assert "in broken" in told["exception"]
    assert "ValueError: *** sent" in told["exception"]
    told_of = told["exception"].partition("ValueError: ")[2]
    assert [one for one in ("ada@", "Ada", "car", "abc.def") if one in told_of] == []
