"""How the local emulator runs functions, as far as it had to be corrected towards AWS."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from local.emulator import write_function_logs
from local.stack import LocalStack


def invoke(stack: LocalStack, function: str, **event: Any) -> tuple[Any, bool]:
    """A function's answer, and whether it is an error document."""
    answer = stack.client("lambda").invoke(
        FunctionName=stack.physical_id(function), Payload=json.dumps(event)
    )
    return json.loads(answer["Payload"].read()), "FunctionError" in answer


def test_a_line_of_the_log_ends_at_a_line_feed_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other separators of lines, which a prompt may hold, cut no JSON document in two."""
    log = tmp_path / "functions.log"
    monkeypatch.setenv("EMULATOR_FUNCTION_LOG", str(log))
    service = SimpleNamespace(_execute_function_warm=lambda *_: {"log": "a\u2028b\u0085c\x1cd\ne\n"})
    write_function_logs(service)
    service._execute_function_warm({"FunctionName": "f"}, {}, "id")
    assert log.read_text() == "f  a\u2028b\u0085c\x1cd\nf  e\n"


def test_a_library_outside_the_layers_is_missing(probe: LocalStack) -> None:
    """Functions run on a bare interpreter, so what our layers lack is missing here as it would be on AWS."""
    description, _ = invoke(probe, "Probe", do="describe")
    assert description["importable"] == []


def test_the_developers_environment_is_not_inherited(probe: LocalStack) -> None:
    """A function sees what its template gives it, and no variable of the shell the stack was started from."""
    description, _ = invoke(probe, "Probe", do="describe")
    variables = description["variables"]
    assert variables["ENVIRONMENT"] == "development"
    assert "PYTEST_CURRENT_TEST" not in variables
    assert "VIRTUAL_ENV" not in variables


def test_the_documented_variables_are_set(probe: LocalStack) -> None:
    """The variables AWS documents for every function are there."""
    variables = invoke(probe, "Probe", do="describe")[0]["variables"]
    assert variables["_HANDLER"] == "app.lambda_handler"
    assert variables["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert variables["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{variables['AWS_LAMBDA_FUNCTION_NAME']}"
    assert variables["TZ"] == ":UTC"


def test_environments_share_one_unpacked_layer(probe: LocalStack) -> None:
    """Two environments at the same time read the same files of a layer."""

    def describe_slowly(_: int) -> dict[str, Any]:
        requests.get(f"{probe.url}/api/sleep?seconds=0.3", timeout=60)
        return dict(requests.get(f"{probe.url}/api/describe", timeout=60).json())

    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(describe_slowly, range(3)))
    assert len({one["layer"] for one in seen}) == 1


def test_code_is_imported_before_a_layer(probe: LocalStack) -> None:
    """A module in the function wins over one of the same name in a layer."""
    assert invoke(probe, "Probe", do="describe")[0]["precedence"] == "code"


def test_an_exception_is_reported_by_its_class_name(probe: LocalStack) -> None:
    """The error document names the class, the message and where it happened."""
    document, failed = invoke(probe, "Probe", do="raise")
    assert failed
    assert document["errorType"] == "ProviderUnavailable"
    assert document["errorMessage"] == "no answer from upstream"
    assert "in act" in document["stackTrace"][-1]


def test_an_exception_keeps_the_environment(probe: LocalStack) -> None:
    """The call after an exception finds the same process."""
    before = invoke(probe, "Probe", do="describe")[0]["pid"]
    invoke(probe, "Probe", do="raise")
    assert invoke(probe, "Probe", do="describe")[0]["pid"] == before


def test_an_answer_above_six_megabytes_is_an_error(probe: LocalStack) -> None:
    """Lambda refuses it, whoever the caller is."""
    document, failed = invoke(probe, "Probe", do="size", bytes=6_291_557)
    assert failed
    assert document["errorType"] == "Function.ResponseSizeTooLarge"
    assert not invoke(probe, "Probe", do="size", bytes=6_000_000)[1]


def test_a_failing_import_shows_its_traceback(probe: LocalStack) -> None:
    """One can see which line of which file failed."""
    document, failed = invoke(probe, "Broken")
    assert failed
    assert "import a_library_that_is_in_no_layer" in document["errorMessage"]


def test_a_silent_function_does_not_wait_for_logs(probe: LocalStack) -> None:
    """Of ten calls that log nothing, one at least takes less than ministack's wait of 50 ms."""
    invoke(probe, "Probe")
    elapsed = [requests.get(f"{probe.url}/api/echo", timeout=60).elapsed.total_seconds() for _ in range(10)]
    assert min(elapsed) < 0.045


WAYS = ("http", "direct", "alias", "async", "states", "event")
"""How functions are called; ``event`` is a rule of EventBridge, which hands them on as a schedule does."""


def counted(stack: LocalStack) -> dict[str, float]:
    """How many calls the emulator's CloudWatch knows: of each way by what they logged, and all as Lambda counts."""
    where = [{"Name": "FunctionName", "Value": stack.physical_id("Counted")}]
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": where}
    queries: list[Any] = [{"Id": "all", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}]
    for way in WAYS:
        where = [{"Name": "way", "Value": way}]
        metric = {"Namespace": "Probe", "MetricName": "Calls", "Dimensions": where}
        queries.append({"Id": way, "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}})
    now = datetime.now(UTC)
    found = stack.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(hours=2), EndTime=now + timedelta(hours=1)
    )
    return {one["Id"]: sum(one["Values"]) for one in found["MetricDataResults"]}


def test_each_call_of_a_function_is_counted_once(probe: LocalStack) -> None:
    """However it is called, also when calls at the same time begin in environments of their own."""
    functions, name = probe.client("lambda"), probe.physical_id("Counted")
    states, machine = probe.client("stepfunctions"), probe.physical_id("Counting")
    events = probe.client("events")

    def call(way: str) -> None:
        sent = json.dumps({"do": "count", "way": way})
        match way:
            case "http":
                assert requests.get(f"{probe.url}/counted/count?way=http", timeout=120).status_code == 200
            case "direct":
                functions.invoke(FunctionName=name, Payload=sent)
            case "alias":
                functions.invoke(FunctionName=name, Qualifier="live", Payload=sent)
            case "async":
                functions.invoke(FunctionName=f"{name}:live", InvocationType="Event", Payload=sent)
            case "states":
                states.start_execution(stateMachineArn=machine)
            case "event":
                event = {"Source": "probe", "DetailType": "tick", "Detail": "{}"}
                assert events.put_events(Entries=[event])["FailedEntryCount"] == 0

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(call, WAYS * 4))
    deadline = time.monotonic() + 150
    wanted = {"all": 4 * len(WAYS)} | dict.fromkeys(WAYS, 4)
    while counted(probe) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    log = (probe.state / "functions.log").read_text()
    assert counted(probe) == wanted
    assert log.count('"_aws"') == len(WAYS) * 4
