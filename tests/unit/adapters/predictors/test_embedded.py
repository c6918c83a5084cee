"""The embedded predictor: what it asks for, and what every way of failing means."""

import io
import json
from dataclasses import replace

import boto3
import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from botocore.response import StreamingBody
from botocore.stub import Stubber

from enhancer.adapters.predictors.embedded import Embedded
from enhancer.domain import errors
from enhancer.domain.jobs import Artifact, Fallback
from enhancer.domain.models import Params
from enhancer.domain.predictions import Outcome, OutOfTime, Started, StillRunning
from tests.support.world import World

ANSWER = {"width": 16, "height": 12, "contentType": "image/png", "bytes": 99, "seconds": 0.1, "cost": 5}


@pytest.fixture
def stubbed(cloud):
    """The predictor on a client that answers what the test scripts, and a job to run."""
    client = boto3.client("lambda")
    world = World()
    job = world.job(world.caller())
    with Stubber(client) as stub:
        yield Embedded(lambda seconds_max: client, "upscale", world.artifacts), job, stub
        stub.assert_no_pending_responses()


def payload(body):
    data = json.dumps(body).encode()
    return StreamingBody(io.BytesIO(data), len(data))


def nothing():
    return StreamingBody(io.BytesIO(b""), 0)


def asked(job, item, kind):
    """What Lambda is sent: keys, explicit parameters and ids, nothing else."""
    event = {
        "source": item.input.key, "target": item.target, "scale": 2, "model": "local/photo",
        "quality": "standard", "format": "png",
        "job": {
            "ownerType": "user", "ownerId": job.owner.id, "jobId": job.id, "attempt": job.attempt, "item": 0,
            "turn": job.items[0].turn, "requestId": job.request_id,
        },
    }  # fmt: skip
    return {"FunctionName": "upscale", "InvocationType": kind, "Payload": json.dumps(event).encode()}


def test_a_run_sends_keys_and_explicit_parameters_and_describes_the_result(stubbed):
    """Scale, quality and format are always said; the answer becomes the artifact at the target."""
    predictor, job, stub = stubbed
    item = job.items[0]
    stub.add_response(
        "invoke", {"StatusCode": 200, "Payload": payload(ANSWER)}, asked(job, item, "RequestResponse")
    )
    outcome = predictor.predict(job, item, seconds_max=25)
    artifact = outcome.output
    assert (artifact.key, artifact.content_type, artifact.size) == (item.target, "image/png", 99)
    assert (artifact.width, artifact.height, outcome.cost) == (16, 12, 5)


@pytest.mark.parametrize(
    ("error_type", "raised"),
    [
        ("ImageUnreadable", errors.ImageUnreadable),
        ("ImageFormatUnsupported", errors.ProviderUnavailable),
        ("OutputTooLarge", errors.OutputTooLarge),
        ("JobCanceled", errors.JobCanceled),
        ("Sandbox.Timedout", errors.ProviderTimeout),
        ("Lambda.Timeout", errors.ProviderTimeout),
        ("Runtime.ExitError", errors.ProviderUnavailable),
        ("Runtime.OutOfMemory", errors.ProviderUnavailable),
        ("ProviderUnavailable", errors.ProviderUnavailable),
        ("KeyError", errors.ProviderUnavailable),
        ("InternalError", errors.ProviderUnavailable),
        ("", errors.ProviderUnavailable),
    ],
)
def test_a_failed_function_raises_our_error_for_its_class(stubbed, error_type, raised):
    """The picture's faults keep their class; crashes and time-outs are the provider's."""
    predictor, job, stub = stubbed
    answer = {"errorType": error_type, "errorMessage": "secret internals"}
    stub.add_response("invoke", {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload(answer)})
    with pytest.raises(errors.EnhancerError) as failed:
        predictor.predict(job, job.items[0], seconds_max=25)
    assert type(failed.value) is raised
    assert "secret internals" not in repr(failed.value.details)


def test_a_failure_without_a_type_is_unavailable(stubbed):
    """A time-out of the sandbox may come without any error type."""
    predictor, job, stub = stubbed
    answer = {"errorMessage": "2026-11-20 Task timed out after 300.00 seconds"}
    stub.add_response("invoke", {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload(answer)})
    with pytest.raises(errors.ProviderUnavailable):
        predictor.predict(job, job.items[0], seconds_max=25)


@pytest.mark.parametrize(
    ("code", "raised"),
    [
        ("TooManyRequestsException", errors.ProviderThrottled),
        ("EC2ThrottledException", errors.ProviderThrottled),
        ("ServiceException", errors.ProviderUnavailable),
        ("ResourceNotFoundException", errors.ProviderUnavailable),
    ],
)
def test_a_refused_invocation_is_throttled_or_unavailable(stubbed, code, raised):
    """Only what patience cures is called throttling."""
    predictor, job, stub = stubbed
    stub.add_client_error("invoke", code)
    with pytest.raises(errors.ProviderError) as failed:
        predictor.predict(job, job.items[0], seconds_max=25)
    assert type(failed.value) is raised


class Broken:
    """A client whose connection breaks."""

    def __init__(self, problem):
        self.problem = problem

    def invoke(self, **_asked):
        raise self.problem


@pytest.mark.parametrize(
    ("broken", "raised"),
    [
        (ReadTimeoutError(endpoint_url="x"), StillRunning),
        (ConnectTimeoutError(endpoint_url="x"), errors.ProviderUnavailable),
        (ConnectionClosedError(endpoint_url="x"), errors.ProviderUnavailable),
        (EndpointConnectionError(endpoint_url="x"), errors.ProviderUnavailable),
    ],
)
def test_a_broken_connection_is_still_running_only_when_the_model_was_reached(world, broken, raised):
    """Waiting too long for the answer means that it goes on without us; not reaching it is an outage."""
    job = world.job(world.caller())
    predictor = Embedded(lambda seconds_max: Broken(broken), "upscale", world.artifacts)
    with pytest.raises(raised) as failed:
        predictor.predict(job, job.items[0], seconds_max=25)
    assert type(failed.value) is raised


def test_it_is_waited_for_as_long_as_the_caller_waits(world):
    """The patience of the connection is the one that was asked for."""
    waited, job = [], world.job(world.caller())

    def client(seconds_max):
        waited.append(seconds_max)
        return Broken(ReadTimeoutError(endpoint_url="x"))

    with pytest.raises(StillRunning):
        Embedded(client, "upscale", world.artifacts).predict(job, job.items[0], seconds_max=7.5)
    assert waited == [7.5]


def test_too_little_time_invokes_nothing(stubbed):
    """A request whose wait is over leaves it to the state machine; Lambda is not asked."""
    predictor, job, _ = stubbed
    with pytest.raises(OutOfTime):
        predictor.predict(job, job.items[0], seconds_max=0.1)


def test_a_start_does_not_wait_for_the_model(stubbed):
    """The same order, as an event: Lambda answers 202 and an empty body."""
    predictor, job, stub = stubbed
    item = job.items[0]
    stub.add_response("invoke", {"StatusCode": 202, "Payload": nothing()}, asked(job, item, "Event"))
    assert predictor.start(job, item) == Started()


@pytest.mark.parametrize("code", ["TooManyRequestsException", "EC2ThrottledException"])
def test_a_start_that_is_throttled_says_so(stubbed, code):
    """The state machine tries again after a while."""
    predictor, job, stub = stubbed
    stub.add_client_error("invoke", code)
    with pytest.raises(errors.ProviderThrottled):
        predictor.start(job, job.items[0])


@pytest.fixture
def waiting(world):
    """A predictor that is never invoked, and an item whose result nobody has stored yet."""
    job = world.job(world.caller())
    item = replace(job.items[0], target=f"ai-enhancer/results/user/x/{world.new_name()}.png")
    return Embedded(lambda seconds_max: None, "upscale", world.artifacts), job, item


def test_a_result_that_is_there_is_collected_with_its_size_and_cost(world, waiting):
    """What the function stored with it."""
    predictor, job, item = waiting
    facts = {"width": 15, "height": 11, "cost": 42}
    world.artifacts.put(item.target, b"0123456789", "image/png", facts=facts)
    assert predictor.ended(job, item) is True
    assert predictor.collect(job, item) == Outcome(Artifact(item.target, "image/png", 10, 15, 11), 42)


def test_a_result_without_facts_has_the_size_that_its_parameters_make(world, waiting):
    """One that an earlier version stored."""
    predictor, job, item = waiting
    world.artifacts.put(item.target, b"0123456789", "image/png")
    assert predictor.collect(job, item) == Outcome(Artifact(item.target, "image/png", 10, 16, 12), 0)


def test_a_result_that_is_not_there_is_still_running(waiting):
    """A run that failed wakes whoever waits by itself."""
    predictor, job, item = waiting
    assert predictor.ended(job, item) is False
    with pytest.raises(StillRunning):
        predictor.collect(job, item)


def test_an_item_that_nobody_looked_at_has_not_ended(world):
    """Without a target there is nothing to ask the bucket for."""
    job = world.job(world.caller())
    predictor = Embedded(lambda seconds_max: None, "upscale", None)
    assert predictor.ended(job, replace(job.items[0], target="", input=None)) is False


def test_a_fallback_runs_with_its_own_parameters(stubbed):
    """Not with those of the model it stands in for."""
    predictor, job, stub = stubbed
    asked_for = Params(scale=8, face=True)
    instead = Fallback("local/photo", Params(scale=2), turn=1)
    job = replace(job, model="nightmareai/real-esrgan", provider="replicate", params=asked_for)
    item = replace(job.items[0], fallback=instead)
    stub.add_response("invoke", {"StatusCode": 202, "Payload": nothing()}, asked(job, item, "Event"))
    assert predictor.start(job, item).ended is False


def test_a_cancel_sends_nothing_and_is_logged(world, logs):
    """The function sees by itself that its job is canceled."""
    job = world.job(world.caller())
    Embedded(lambda seconds_max: None, "upscale", world.artifacts).cancel(job, job.items[0])
    assert [(line["message"], line["jobId"], line["item"]) for line in logs.lines] == [("cancel", job.id, 0)]
