"""Lambda's own Runtime Interface Emulator runs a built function as the AWS emulator does."""

import pytest

from local.rie import available, runtime
from local.stack import LocalStack

pytestmark = pytest.mark.skipif(not available(), reason="Lambda's emulator is built for Linux only")


def test_a_function_answers_with_its_layers_and_variables(probe: LocalStack) -> None:
    """Code, layers, variables and a bare interpreter are those of the deployed function."""
    with runtime(probe, "Probe") as invoke:
        description = invoke({"do": "describe"})
    assert description["variables"]["ENVIRONMENT"] == "development"
    assert description["variables"]["AWS_ENDPOINT_URL"] == probe.endpoint
    assert description["precedence"] == "code"
    assert description["importable"] == []


def test_an_exception_has_the_same_name_as_on_the_emulator(probe: LocalStack) -> None:
    """What the correction of the AWS emulator imitates is what Lambda's runtime client reports."""
    with runtime(probe, "Probe") as invoke:
        document = invoke({"do": "raise"})
    assert document["errorType"] == "ProviderUnavailable"
    assert document["errorMessage"] == "no answer from upstream"


def test_a_timeout_is_enforced(probe: LocalStack) -> None:
    """A function that takes longer than its timeout is ended."""
    with runtime(probe, "Hasty") as invoke:
        document = invoke({"do": "sleep", "queryStringParameters": {"seconds": "5"}})
    assert document["errorType"] == "Sandbox.Timedout"


def test_an_http_event_gets_an_http_answer(probe: LocalStack) -> None:
    """Events of an HTTP API are fed to the handler as they are."""
    with runtime(probe, "Probe") as invoke:
        answer = invoke({"rawPath": "/api/echo", "headers": {"a": "b"}})
    assert answer["statusCode"] == 200
    assert '"a": "b"' in answer["body"]
