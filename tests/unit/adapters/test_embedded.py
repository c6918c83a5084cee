"""The embedded predictor: what it asks for, and what every way of failing means."""

import io
import json

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError
from botocore.response import StreamingBody
from botocore.stub import Stubber

from enhancer.adapters.predictors.embedded import Embedded
from enhancer.domain import errors
from tests.support.world import World

ANSWER = {"width": 16, "height": 12, "contentType": "image/png", "bytes": 99, "seconds": 0.1}


@pytest.fixture
def stubbed(cloud):
    """The predictor on a client that answers what the test scripts, and a job to run."""
    client = boto3.client("lambda")
    world = World()
    job = world.job(world.caller())
    with Stubber(client) as stub:
        yield Embedded(client, "upscale"), job, stub
        stub.assert_no_pending_responses()


def payload(body):
    data = json.dumps(body).encode()
    return StreamingBody(io.BytesIO(data), len(data))


def test_a_run_sends_keys_and_explicit_parameters_and_describes_the_result(stubbed):
    """Scale, quality and format are always said; the answer becomes the artifact at the target."""
    predictor, job, stub = stubbed
    item = job.items[0]
    event = {
        "source": item.input.key, "target": item.target, "scale": 2, "quality": "standard", "format": "png",
    }  # fmt: skip
    expected = {"FunctionName": "upscale", "Payload": json.dumps(event).encode()}
    stub.add_response("invoke", {"StatusCode": 200, "Payload": payload(ANSWER)}, expected)
    artifact = predictor.predict(job, item)
    assert (artifact.key, artifact.content_type, artifact.size) == (item.target, "image/png", 99)
    assert (artifact.width, artifact.height) == (16, 12)


@pytest.mark.parametrize(
    ("error_type", "raised"),
    [
        ("ImageUnreadable", errors.ImageUnreadable),
        ("ImageFormatUnsupported", errors.ProviderUnavailable),
        ("OutputTooLarge", errors.OutputTooLarge),
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
        predictor.predict(job, job.items[0])
    assert type(failed.value) is raised
    assert "secret internals" not in repr(failed.value.details)


def test_a_failure_without_a_type_is_unavailable(stubbed):
    """A time-out of the sandbox may come without any error type."""
    predictor, job, stub = stubbed
    answer = {"errorMessage": "2026-11-20 Task timed out after 300.00 seconds"}
    stub.add_response("invoke", {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload(answer)})
    with pytest.raises(errors.ProviderUnavailable):
        predictor.predict(job, job.items[0])


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
        predictor.predict(job, job.items[0])
    assert type(failed.value) is raised


@pytest.mark.parametrize(
    ("broken", "raised"),
    [
        (ReadTimeoutError(endpoint_url="x"), errors.ProviderTimeout),
        (ConnectTimeoutError(endpoint_url="x"), errors.ProviderUnavailable),
        (ConnectionClosedError(endpoint_url="x"), errors.ProviderUnavailable),
    ],
)
def test_a_broken_connection_is_a_timeout_only_when_the_model_ran(world, broken, raised):
    """Waiting too long for the answer is the model's time-out; not reaching it is an outage."""

    class Client:
        def invoke(self, **_asked):
            raise broken

    job = world.job(world.caller())
    with pytest.raises(errors.ProviderError) as failed:
        Embedded(Client(), "upscale").predict(job, job.items[0])
    assert type(failed.value) is raised
