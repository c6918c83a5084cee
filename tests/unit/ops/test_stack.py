"""Which stack an operator's command means."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, NoCredentialsError

from ops.stack import Stack, StackError, stack_of

DESCRIBED = {
    "Parameters": [{"ParameterKey": "AppOrigin", "ParameterValue": "https://enhance.example"},
                   {"ParameterKey": "Environment", "ParameterValue": "staging"}],
    "Outputs": [{"OutputKey": "ApiUrl", "OutputValue": "https://api.example"},
                {"OutputKey": "TableName", "OutputValue": "photos"}],
}  # fmt: skip
ARN = "arn:aws:sts::123456789012:assumed-role/operators/ada"


@pytest.fixture
def aws(monkeypatch):
    """An account with one stack in it; ``aws.identity`` raises what it is set to."""

    def describe(StackName):  # noqa: N803 - AWS's spelling
        if StackName != "ai-image-enhancer-staging":
            raise ClientError(
                {"Error": {"Code": "ValidationError", "Message": "does not exist"}}, "DescribeStacks"
            )
        return {"Stacks": [DESCRIBED]}

    def identity():
        if account.problem:
            raise account.problem
        return {"Arn": ARN}

    account = SimpleNamespace(describe_stacks=describe, get_caller_identity=identity, problem=None)
    monkeypatch.setattr(Stack, "client", lambda stack, service: account)
    return account


@pytest.mark.parametrize(
    ("env", "name"),
    [("testing", "ai-image-enhancer-testing"), ("staging", "ai-image-enhancer-staging"),
     ("production", "ai-image-enhancer"), ("local", "ai-image-enhancer")],
)  # fmt: skip
def test_names_and_regions_are_those_it_was_deployed_with(env, name):
    """One place says them: samconfig.toml."""
    found = stack_of(env)
    assert (found.name, found.region, found.is_local) == (name, "eu-central-1", env == "local")


def test_the_local_stack_is_the_one_that_make_run_serves(monkeypatch):
    """At the emulator's port."""
    assert stack_of("local").endpoint == "http://127.0.0.1:4566"
    monkeypatch.setenv("EMULATOR_PORT", "4577")
    assert stack_of("local").client("dynamodb").meta.endpoint_url == "http://127.0.0.1:4577"


def test_an_unknown_environment_is_refused_with_those_that_are_known():
    """A misspelt production is not staging."""
    with pytest.raises(StackError, match=r"local, testing, staging, production\.$"):
        stack_of("prodution")


def test_a_deployed_stack_is_found_by_its_outputs_and_parameters(aws):
    """Table, address, environment, and who acts."""
    found = stack_of("staging")
    assert (found.url, found.output("TableName"), found.environment) == (
        "https://enhance.example", "photos", "staging",
    )  # fmt: skip
    assert found.caller() == ARN
    with pytest.raises(StackError, match="no output BucketName"):
        found.output("BucketName")


@pytest.mark.parametrize(("env", "way"), [("production", "AWS_PROFILE"), ("local", "make run")])
def test_a_stack_that_is_not_there_is_told_with_what_to_do(aws, env, way):
    """For AWS the credentials, for a laptop `make run`."""
    with pytest.raises(StackError, match=way):
        _ = stack_of(env).outputs


def test_a_shell_without_credentials_is_told(aws):
    """Before anything is changed."""
    aws.problem = NoCredentialsError()
    with pytest.raises(StackError, match="AWS_PROFILE"):
        stack_of("staging").caller()
