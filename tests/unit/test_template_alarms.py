"""Alarms: what goes wrong is heard by the operator, and the runbook says what to do then."""

import re

import pytest

from tests.support import template

TEMPLATE = template.load()
FUNCTIONS = template.functions(TEMPLATE)
ALARMS = template.resources(TEMPLATE, "AWS::CloudWatch::Alarm")
RUNBOOK = (template.ROOT / "docs" / "operations.md").read_text("utf-8")
OWN = {"Ref": "AWS::StackName"}
COUNTED = (
    "BillingParked", "ClosingBroken", "CostReportsMade", "FlagsIgnored", "FunctionCrashes", "JobsEnded", "JobsEnded",
    "LedgerDifference", "OldestJobSeconds", "PaidNotGranted", "SpendShare", "SpendShare", "StripeWebhook5xx",
)  # fmt: skip


def watched(alarm):
    """(namespace, metric, dimensions) of everything that an alarm looks at."""
    found = ALARMS[alarm]["Properties"]
    if "Metrics" not in found:
        return [(found["Namespace"], found["MetricName"], found.get("Dimensions"))]
    metrics = [one["MetricStat"]["Metric"] for one in found["Metrics"] if "MetricStat" in one]
    return [(one["Namespace"], one["MetricName"], one.get("Dimensions")) for one in metrics]


def alarms_on(namespace, metric, dimension=None):
    """The alarms that look at a metric of this."""
    return {name for name in ALARMS for seen in watched(name)
            if seen == (namespace, metric, [dimension] if dimension else None)}  # fmt: skip


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_reaches_the_operator_and_says_what_happened(name):
    """One topic, when it begins and when it ends, a sentence of its own, and a place in the runbook."""
    found = ALARMS[name]["Properties"]
    assert found["AlarmActions"] == found["OKActions"] == [{"Ref": "Alarms"}]
    assert [
        one for one in ALARMS.values() if one["Properties"]["AlarmDescription"] == found["AlarmDescription"]
    ] == [ALARMS[name]]
    assert f"`{name}`" in RUNBOOK


THRESHOLDS = {
    "SweepMissing": 1, "ReportMissing": 1, "ApiFails": 5, "FinishItemFails": 2, "FinishJobFails": 2,
    "ReleaseFails": 2, "JobsFail": 20, "JobTooOld": 300, "SpendHigh": 80, "SpendCapReached": 100,
}  # fmt: skip
"""Of the others one is too much."""


@pytest.mark.parametrize("name", ALARMS)
def test_silence_is_no_alarm_but_for_what_must_never_be_silent(name):
    """A function that is never called says nothing at all, and for the sweep that is the worst."""
    found = ALARMS[name]["Properties"]
    sign, silence = {
        "SweepMissing": ("LessThanThreshold", "breaching"),
        "ReportMissing": ("LessThanThreshold", "breaching"),
        "SpendCapReached": ("GreaterThanOrEqualToThreshold", "notBreaching"),
    }.get(name, ("GreaterThanThreshold", "notBreaching"))
    assert (found["ComparisonOperator"], found["TreatMissingData"]) == (sign, silence)
    assert found["Threshold"] == THRESHOLDS.get(name, 0)
    assert found.get("DatapointsToAlarm", 1) <= found["EvaluationPeriods"]


def test_no_two_alarms_look_at_the_same_thing():
    """The alarms take their common part from the first one: none forgets to say what it looks at."""
    looked_at = [f"{watched(name)} {ALARMS[name]['Properties']['Threshold']}" for name in ALARMS]
    assert len(set(looked_at)) == len(looked_at)


def test_everything_that_is_counted_for_people_has_an_alarm():
    """What the code and the log filters count under these names."""
    assert (
        tuple(
            sorted(
                metric
                for name in ALARMS
                for space, metric, _ in watched(name)
                if space == OWN and name != "ReleaseFails"
            )
        )
        == COUNTED
    )


@pytest.mark.parametrize("queue", template.resources(TEMPLATE, "AWS::SQS::Queue"))
def test_every_queue_for_people_has_an_alarm(queue):
    """Nobody looks into a queue by himself."""
    dimension = {"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}
    assert alarms_on("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimension)


def test_the_sweep_is_heard_when_it_fails_and_when_it_is_not_called():
    """What gives everything back must not end unnoticed, in either way."""
    dimension = {"Name": "FunctionName", "Value": {"Ref": "Sweep"}}
    assert alarms_on("AWS/Lambda", "Errors", dimension) == {"SweepFails"}
    assert alarms_on("AWS/Lambda", "Invocations", dimension) == {"SweepMissing"}
    missing = ALARMS["SweepMissing"]["Properties"]
    assert (missing["Statistic"], missing["Period"] * missing["EvaluationPeriods"]) == ("Sum", 600)


@pytest.mark.parametrize("metric", ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled"])
def test_a_state_machine_that_ends_badly_is_heard(metric):
    """Aborted ones are jobs that their owners canceled."""
    assert alarms_on("AWS/States", metric, {"Name": "StateMachineArn", "Value": {"Ref": "Enhance"}})
    assert not alarms_on("AWS/States", "ExecutionsAborted")


def test_throttling_is_heard():
    """Lambda's for the whole account, because concurrency is shared there; the table's for ours."""
    assert alarms_on("AWS/Lambda", "Throttles") == {"FunctionsThrottled"}
    assert alarms_on("AWS/DynamoDB", "WriteThrottleEvents", {"Name": "TableName", "Value": {"Ref": "Table"}})


def test_a_share_of_failing_answers_is_heard():
    """Of this API, and only where there are enough answers for a share to mean something."""
    api = [{"Name": "ApiId", "Value": {"Ref": "Api"}}]
    assert watched("ApiFails") == [("AWS/ApiGateway", "5xx", api), ("AWS/ApiGateway", "Count", api)]
    (expression,) = [one for one in ALARMS["ApiFails"]["Properties"]["Metrics"] if "Expression" in one]
    assert expression["Expression"] == "IF(requests >= 20, 100 * FILL(failures, 0) / requests, 0)"


def test_a_share_of_failing_jobs_is_heard():
    """Of those that ran to their end: what an owner cancels is no failure. Five at least."""
    seen = [(space, metric, dimensions[0]["Value"]) for space, metric, dimensions in watched("JobsFail")]
    assert seen == [(OWN, "JobsEnded", "failed"), (OWN, "JobsEnded", "succeeded")]
    expressions = {one["Id"]: one["Expression"] for one in ALARMS["JobsFail"]["Properties"]["Metrics"]
                   if "Expression" in one}  # fmt: skip
    assert expressions == {
        "share": "IF(ended >= 5, 100 * FILL(failed, 0) / ended, 0)",
        "ended": "FILL(failed, 0) + FILL(succeeded, 0)",
    }


@pytest.mark.parametrize("name", ["JobTooOld", "SpendHigh", "SpendCapReached"])
def test_what_the_sweep_measures_is_looked_at_every_minute(name):
    """At the worst of the minute, and over as soon as the next sweep says so."""
    found = ALARMS[name]["Properties"]
    assert (found["Statistic"], found["Period"], found["EvaluationPeriods"]) == ("Maximum", 60, 1)


ERRORS_ARE_ANSWERS = {"StartPrediction", "PollPrediction", "Upscale"}
"""They tell the state machine by an error's name what is wrong with a picture or a provider."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_error_of_any_function_is_heard(name):
    """Behind the API it is a 5xx; else the function has an alarm of its own, unless its errors are answers."""
    behind_the_api = any(event["Type"] == "HttpApi" for event in FUNCTIONS[name].get("Events", {}).values())
    own = alarms_on("AWS/Lambda", "Errors", {"Name": "FunctionName", "Value": {"Ref": name}})
    assert behind_the_api or own or name in ERRORS_ARE_ANSWERS
    assert not (own and name in ERRORS_ARE_ANSWERS)


def test_a_crash_of_any_function_is_heard():
    """Time-out, lack of memory and a failed import are lines of the platform in the log that all functions share."""
    (found,) = [one["Properties"] for one in template.resources(TEMPLATE, "AWS::Logs::MetricFilter").values()
                if one["Properties"]["MetricTransformations"][0]["MetricName"] == "FunctionCrashes"]  # fmt: skip
    assert {one["LoggingConfig"]["LogGroup"]["Ref"] for one in FUNCTIONS.values()} == {
        found["LogGroupName"]["Ref"]
    }
    words = re.findall(r'\?"([^"]+)"', found["FilterPattern"])
    lines = (
        "2026-11-20T10:00:00.000Z 7d4c Task timed out after 29.00 seconds",
        "RequestId: 7d4c Error: Runtime exited with error: signal: killed Runtime.ExitError",
        "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'ncnn'",
    )
    assert [[word for word in words if word in line] for line in lines] == [[word] for word in words]
