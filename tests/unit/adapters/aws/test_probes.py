"""What the deep health check says about AWS: a class of reason for every error, and nothing of its text."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
)

from enhancer.adapters.aws import probes
from enhancer.domain.health import PartFailed

URL = "https://secret-host.example"


def client_error(code, status=400):
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Ask")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (client_error("AccessDeniedException"), "refused"),
        (client_error("403", 403), "refused"),
        (client_error("UnrecognizedClientException"), "refused"),
        (client_error("ResourceNotFoundException"), "missing"),
        (client_error("StateMachineDoesNotExist"), "missing"),
        (client_error("404", 404), "missing"),
        (client_error("ThrottlingException"), "throttled"),
        (client_error("ProvisionedThroughputExceededException"), "throttled"),
        (client_error("InternalServerError", 500), "failing"),
        (ConnectTimeoutError(endpoint_url=URL), "timeout"),
        (ReadTimeoutError(endpoint_url=URL), "timeout"),
        (EndpointConnectionError(endpoint_url=URL), "unreachable"),
        (NoCredentialsError(), "unreachable"),
    ],
)
@pytest.mark.parametrize("part", ["table", "bucket", "state_machine", "function"])
def test_every_error_of_aws_is_a_reason_without_its_text(part, error, reason):
    """Names, hosts and tokens stay inside."""

    def ask(**_):
        raise error

    calls = ("get_item", "get_bucket_location", "describe_state_machine", "get_function_configuration")
    client = SimpleNamespace(**dict.fromkeys(calls, ask))
    with pytest.raises(PartFailed) as failed:
        getattr(probes, part)(client, "a-secret-name")
    assert failed.value.reason == str(failed.value) == reason
    assert failed.value.__cause__ is None


@pytest.mark.parametrize(
    ("state", "update", "fine"),
    [
        ("Active", "Successful", True),
        ("Inactive", "Successful", True),
        ("Active", "InProgress", True),
        ("Pending", "Successful", False),
        ("Failed", "Successful", False),
        ("Active", "Failed", False),
    ],
)
def test_a_function_that_cannot_run_is_not_ready(state, update, fine):
    """One that sleeps can."""
    found = {"State": state, "LastUpdateStatus": update}
    client = SimpleNamespace(get_function_configuration=lambda FunctionName: found)  # noqa: N803 - of AWS
    if fine:
        probes.function(client, "upscale")
        return
    with pytest.raises(PartFailed, match="not_ready"):
        probes.function(client, "upscale")


@pytest.mark.parametrize(("status", "fine"), [("ACTIVE", True), ("DELETING", False)])
def test_a_state_machine_that_is_being_deleted_is_not_ready(status, fine):
    """It takes no executions any more."""
    client = SimpleNamespace(describe_state_machine=lambda stateMachineArn: {"status": status})  # noqa: N803
    if fine:
        probes.state_machine(client, "arn")
        return
    with pytest.raises(PartFailed, match="not_ready"):
        probes.state_machine(client, "arn")


@pytest.mark.parametrize("found", [["a", "list"], ValueError("no JSON: hunter2")])
def test_a_secret_that_is_no_object_is_unreadable(found):
    """Also one that an operator mistyped; nothing of it is shown."""

    def read(name):
        if isinstance(found, Exception):
            raise found
        return found

    with pytest.raises(PartFailed, match=r"^unreadable$"):
        probes.secrets(read, ["stripe"])


def test_every_secret_is_read():
    """The last as well as the first."""
    seen = []
    probes.secrets(lambda name: seen.append(name) or {}, ["signing", "providers", "stripe"])
    assert seen == ["signing", "providers", "stripe"]
