"""How the local emulator treats browsers at S3 and slow executions, where it had to be corrected."""

import json
import time
from typing import Any

import pytest
import requests

from local.stack import LocalStack


@pytest.fixture
def bucket(probe: LocalStack) -> str:
    """A private bucket with a CORS rule for the front door's origin, holding one object."""
    name = probe.physical_id("Bucket")
    probe.client("s3").put_object(Bucket=name, Key="photo", Body=b"pixels")
    return name


def test_a_page_of_ours_may_upload_by_form(probe: LocalStack, bucket: str) -> None:
    """A presigned form from our own origin is accepted, and the answer is readable by the page."""
    form = probe.client("s3").generate_presigned_post(bucket, "upload")
    answer = requests.post(
        form["url"], data=form["fields"], files={"file": b"new"}, headers={"Origin": probe.url}, timeout=60
    )
    assert answer.status_code == 204
    assert answer.headers["Access-Control-Allow-Origin"] == probe.url


def test_a_page_of_ours_may_read_a_presigned_object(probe: LocalStack, bucket: str) -> None:
    """A presigned GET from our own origin has the header that lets the page read it."""
    url = probe.client("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "photo"})
    answer = requests.get(url, headers={"Origin": probe.url}, timeout=60)
    assert answer.content == b"pixels"
    assert answer.headers["Access-Control-Allow-Origin"] == probe.url


def test_another_origin_gets_no_permission(probe: LocalStack, bucket: str) -> None:
    """Without a rule for the origin there is no CORS header, and the preflight is refused."""
    url = probe.client("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "photo"})
    elsewhere = {"Origin": "https://evil.example"}
    assert "Access-Control-Allow-Origin" not in requests.get(url, headers=elsewhere, timeout=60).headers
    preflight = requests.options(
        f"{probe.endpoint}/{bucket}/photo",
        headers={**elsewhere, "Access-Control-Request-Method": "GET"},
        timeout=60,
    )
    assert preflight.status_code == 403


def test_a_preflight_is_answered_by_the_rules(probe: LocalStack, bucket: str) -> None:
    """The bucket's own rules decide, with their methods and age."""
    asked = {
        "Origin": probe.url,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-a",
    }
    preflight = requests.options(f"{probe.endpoint}/{bucket}", headers=asked, timeout=60)
    assert preflight.status_code == 200
    assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
    assert preflight.headers["Access-Control-Max-Age"] == "60"


def test_an_unsigned_request_for_an_object_is_refused(probe: LocalStack, bucket: str) -> None:
    """Nobody reads an object by its plain URL."""
    assert requests.get(f"{probe.endpoint}/{bucket}/photo", timeout=60).status_code == 403
    assert requests.head(f"{probe.endpoint}/{bucket}/photo", timeout=60).status_code == 403


def test_a_web_page_cannot_use_the_other_services(probe: LocalStack) -> None:
    """A page of any origin gets neither an answer nor a permission from the emulator's control side."""
    for origin in ("https://evil.example", probe.url):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = requests.options(probe.endpoint, headers=asked, timeout=60)
        form = requests.post(
            probe.endpoint, data={"Action": "ListQueues"}, headers={"Origin": origin}, timeout=60
        )
        for answer in (preflight, form):
            assert answer.status_code == 403
            assert "Access-Control-Allow-Origin" not in answer.headers


def finished(stack: LocalStack, machine: str) -> dict[str, Any]:
    """The end of a new execution."""
    client = stack.client("stepfunctions")
    arn = client.start_execution(stateMachineArn=stack.physical_id(machine), input="{}")["executionArn"]
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        execution: dict[str, Any] = client.describe_execution(executionArn=arn)
        if execution["status"] != "RUNNING":
            return execution
        time.sleep(0.1)
    raise AssertionError("the execution still runs")


def test_an_execution_ends_at_its_timeout(probe: LocalStack) -> None:
    """TimeoutSeconds of the definition ends the execution, though a state has not returned."""
    execution = finished(probe, "Slow")
    assert execution["status"] == "TIMED_OUT"
    assert (execution["stopDate"] - execution["startDate"]).total_seconds() < 2.5


def test_a_catch_matches_our_own_error(probe: LocalStack) -> None:
    """ErrorEquals takes the class name of an exception."""
    execution = finished(probe, "Catching")
    assert json.loads(execution["output"]) == {"caught": "ProviderUnavailable"}


def test_an_alarm_on_several_metrics_is_made_goes_off_and_ends(probe: LocalStack) -> None:
    """By the value of its expression; without data it knows nothing, as on AWS."""
    watch = probe.client("cloudwatch")
    (alarm,) = watch.describe_alarms()["MetricAlarms"]
    assert [one["Id"] for one in alarm["Metrics"]] == ["share", "failures", "requests"]
    watch.put_metric_data(
        Namespace="Probe",
        MetricData=[
            {"MetricName": name, "Value": value} for name, value in (("Failures", 3), ("Requests", 2))
        ],
    )
    states = []
    for minutes in (1, 6):
        probe.tell("clock", forward=60 * minutes)
        states.append(watch.describe_alarms()["MetricAlarms"][0]["StateValue"])
    probe.tell("clock", reset=True)
    assert states == ["ALARM", "INSUFFICIENT_DATA"]
