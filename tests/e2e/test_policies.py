"""Least privilege: roles are enforced in all end-to-end tests, and this shows that they are."""

from __future__ import annotations

import json

import pytest

from local.stack import LocalStack
from tests.e2e.conftest import Store
from tests.support import template
from tests.support.client import picture

TEMPLATE = template.load()
SECRETS = template.resources(TEMPLATE, "AWS::SecretsManager::Secret")


def test_function_may_not_read_what_its_role_does_not_name(stack: LocalStack, store: Store) -> None:
    """The embedded model reads originals only: an upload nobody has looked at is denied to it."""
    source = "ai-enhancer/incoming/guest/somebody/something"
    store.s3.put_object(Bucket=store.bucket, Key=source, Body=picture())
    event = {
        "source": source,
        "target": "ai-enhancer/results/x.png",
        "scale": 2,
        "quality": "standard",
        "format": "png",
    }
    reply = stack.client("lambda").invoke(
        FunctionName=stack.physical_id("Upscale"), Payload=json.dumps(event).encode()
    )
    answer = json.loads(reply["Payload"].read())
    assert reply["FunctionError"] == "Unhandled"
    assert "AccessDenied" in answer["errorMessage"]


@pytest.mark.parametrize("function", template.functions(TEMPLATE))
def test_the_deployed_role_reads_exactly_the_secrets_that_its_function_declares(
    stack: LocalStack, function: str
) -> None:
    """Rights in policies that functions share reach each role that refers to them, and no other role."""
    iam, secrets = stack.client("iam"), stack.client("secretsmanager")
    role = stack.client("lambda").get_function_configuration(FunctionName=stack.physical_id(function))["Role"]
    allowed = set()
    for name in SECRETS:
        arn = secrets.describe_secret(SecretId=stack.physical_id(name))["ARN"]
        (result,) = iam.simulate_principal_policy(
            PolicySourceArn=role, ActionNames=["secretsmanager:GetSecretValue"], ResourceArns=[arn]
        )["EvaluationResults"]
        if result["EvalDecision"] == "allowed":
            allowed.add(name)
    declared = str(template.statements(TEMPLATE, function))
    assert allowed == {name for name in SECRETS if f"'{name}'" in declared}
