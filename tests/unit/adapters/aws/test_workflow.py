"""The state machine's adapter: names, ids only, idempotent start and stop, tokens that no longer wait."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from enhancer.adapters.aws.workflow import GONE, Workflow
from tests.support.aws import STATE_MACHINE
from tests.support.world import NOON

EXECUTION = STATE_MACHINE.replace(":stateMachine:", ":execution:")


@pytest.fixture
def stub(cloud):
    """A client that answers what the test scripts."""
    client = boto3.client("stepfunctions")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def workflow(stub):
    """The adapter on that client."""
    return Workflow(stub.client, STATE_MACHINE)


@pytest.fixture
def job(world):
    """A job of three items, of which one has ended."""
    made = world.job(world.caller(), [(10, 0)] * 3)
    ended = replace(made.items[1], status="succeeded")
    return replace(made, attempt=2, items=(made.items[0], ended, made.items[2]))


def started(job):
    """What a start sends: the name of the attempt, and ids."""
    document = {
        "ownerType": "user", "ownerId": job.owner.id, "jobId": job.id, "attempt": 2, "items": [0, 2],
        "turn": 0, "concurrency": 3,
    }  # fmt: skip
    return {"stateMachineArn": STATE_MACHINE, "name": f"{job.id}-2", "input": json.dumps(document)}


def test_an_execution_is_named_after_the_attempt_and_gets_ids_only(workflow, stub, job):
    """Only the open items are run, and at most as many at once as the plan has."""
    stub.add_response(
        "start_execution", {"executionArn": "arn:x", "startDate": datetime.now(UTC)}, started(job)
    )
    assert workflow.start(job, concurrency=3) is None


def test_the_name_fits_what_the_cloud_allows(job):
    """At most eighty characters, letters, digits, dash and underscore."""
    name = job.execution
    assert len(name) <= 80
    assert name.replace("-", "").replace("_", "").isalnum()


def test_starting_an_attempt_again_changes_nothing(workflow, stub, job):
    """Its name is taken: somebody was faster, and that is fine."""
    stub.add_client_error("start_execution", "ExecutionAlreadyExists")
    assert workflow.start(job, concurrency=3) is None


@pytest.mark.parametrize("code", ["StateMachineDoesNotExist", "ThrottlingException", "InvalidExecutionInput"])
def test_a_start_that_fails_is_raised(workflow, stub, job, code):
    """Nobody believes in an execution that there is not."""
    stub.add_client_error("start_execution", code)
    with pytest.raises(ClientError, match=code):
        workflow.start(job, concurrency=3)


def test_an_execution_is_stopped_by_its_name(workflow, stub):
    """The cloud's own address is made from it."""
    expected = {"executionArn": f"{EXECUTION}:job_x-1", "error": "Canceled"}
    stub.add_response("stop_execution", {"stopDate": datetime.now(UTC)}, expected)
    assert workflow.stop("job_x-1") is None


def test_an_execution_that_never_was_is_stopped_already(workflow, stub):
    """Also one that the cloud has forgotten."""
    stub.add_client_error("stop_execution", "ExecutionDoesNotExist")
    assert workflow.stop("job_x-1") is None


def test_a_stop_that_fails_is_raised(workflow, stub):
    """It may still be running."""
    stub.add_client_error("stop_execution", "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        workflow.stop("job_x-1")


def described(**more):
    return {
        "executionArn": "arn:x", "stateMachineArn": STATE_MACHINE, "status": "RUNNING",
        "startDate": datetime.now(UTC), **more,
    }  # fmt: skip


@pytest.mark.parametrize("status", ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"])
def test_the_status_is_that_of_the_attempts_execution(workflow, stub, job, status):
    """Asked for by name."""
    expected = {"executionArn": f"{EXECUTION}:{job.id}-2"}
    stub.add_response("describe_execution", described(status=status), expected)
    assert workflow.status(job) == status


def test_an_execution_that_never_was_has_no_status(workflow, stub, job):
    """None, so that the sweep starts it; any other failure is raised."""
    stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
    assert workflow.status(job) is None
    stub.add_client_error("describe_execution", "ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        workflow.status(job)


def listed(name, seconds_ago):
    return {
        "executionArn": f"{EXECUTION}:{name}", "stateMachineArn": STATE_MACHINE, "name": name,
        "status": "RUNNING", "startDate": datetime.fromtimestamp(NOON / 1000 - seconds_ago, UTC),
    }  # fmt: skip


def test_running_executions_are_found_on_every_page_and_young_ones_are_left_out(workflow, stub):
    """Name, owner, job and attempt come from what was sent; the young are not even asked about."""
    asked = {"stateMachineArn": STATE_MACHINE, "statusFilter": "RUNNING"}
    first = {"executions": [listed("job_a-1", 61), listed("job_b-1", 60)], "nextToken": "more"}
    stub.add_response("list_executions", first, asked)
    sent = {"ownerType": "guest", "ownerId": "g", "jobId": "job_a", "attempt": 1, "items": [0]}
    stub.add_response(
        "describe_execution", described(input=json.dumps(sent)), {"executionArn": f"{EXECUTION}:job_a-1"}
    )
    stub.add_response(
        "list_executions", {"executions": [listed("job_c-3", 900)]}, asked | {"nextToken": "more"}
    )
    sent = sent | {"ownerType": "user", "jobId": "job_c", "attempt": 3}
    stub.add_response(
        "describe_execution", described(input=json.dumps(sent)), {"executionArn": f"{EXECUTION}:job_c-3"}
    )
    found = [
        (name, ref.owner.type, ref.job_id, ref.attempt)
        for name, ref in workflow.running(started_before=NOON - 60_000)
    ]
    assert found == [("job_a-1", "guest", "job_a", 1), ("job_c-3", "user", "job_c", 3)]


def test_a_waiting_step_is_woken_with_its_token_and_no_data(workflow, stub):
    """Whatever it needs it looks up."""
    stub.add_response("send_task_success", {}, {"taskToken": "token", "output": "{}"})
    assert workflow.wake("token") is True


def test_a_waiting_step_fails_with_the_class_and_no_text(workflow, stub):
    """A class name is enough to decide by; a message might tell secrets."""
    stub.add_response("send_task_failure", {}, {"taskToken": "token", "error": "ProviderUnavailable"})
    assert workflow.fail("token", "ProviderUnavailable") is True


@pytest.mark.parametrize("code", sorted(GONE))
@pytest.mark.parametrize("call", ["wake", "fail"])
def test_a_token_that_no_longer_waits_is_no_error(workflow, stub, call, code):
    """Woken before, timed out or stopped: the answer is False."""
    assert {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"} == GONE
    stub.add_client_error({"wake": "send_task_success", "fail": "send_task_failure"}[call], code)
    assert getattr(workflow, call)(*{"wake": ["t"], "fail": ["t", "ProviderTimeout"]}[call]) is False


@pytest.mark.parametrize("call", ["wake", "fail"])
def test_a_token_that_could_not_be_sent_is_raised(workflow, stub, call):
    """Somebody still waits."""
    stub.add_client_error(
        {"wake": "send_task_success", "fail": "send_task_failure"}[call], "AccessDeniedException"
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        getattr(workflow, call)(*{"wake": ["t"], "fail": ["t", "ProviderTimeout"]}[call])
