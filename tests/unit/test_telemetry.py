"""Metrics: one line of the embedded format each, in the namespace of the stack."""

import json

import pytest

from enhancer.telemetry import count


def test_a_metric_is_counted_in_the_namespace_that_the_stack_gives(monkeypatch, capsys):
    """In all and once per dimension; two stacks of an account never add theirs up."""
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "staging-stack")
    count("BillingParked", 2, reason="livemode")
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [one["_aws"]["CloudWatchMetrics"][0] for one in lines]
    assert [one["Namespace"] for one in metrics] == ["staging-stack", "staging-stack"]
    assert [one["BillingParked"] for one in lines] == [[2.0], [2.0]]
    assert lines[1]["reason"] == "livemode"
    assert "reason" not in lines[0]


def test_a_function_without_a_namespace_is_noticed(monkeypatch):
    """It would count where no alarm looks."""
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE", raising=False)
    with pytest.raises(Exception, match="namespace"):
        count("BillingParked")
