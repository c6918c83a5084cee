"""Least privilege: roles are enforced in all end-to-end tests, and this shows that they are."""

from __future__ import annotations

import json
import re

import pytest

from local.deployment import REGION
from local.stack import LocalStack
from tests.e2e.conftest import Store
from tests.support import template
from tests.support.client import picture

TEMPLATE = template.load()
SECRETS = template.resources(TEMPLATE, "AWS::SecretsManager::Secret")
KINDS = ("incoming", "uploads", "results", "exports", "reports")
"""Folders of the bucket."""


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


def resources(stack: LocalStack) -> dict[str, str]:
    """Everything that a right can be for, by a name for people."""
    account, region = "000000000000", REGION
    table = f"arn:aws:dynamodb:{region}:{account}:table/{stack.physical_id('Table')}"
    machine = stack.physical_id("Enhance")
    run = machine.replace(":stateMachine:", ":execution:") + ":a-run"
    bucket = f"arn:aws:s3:::{stack.physical_id('Bucket')}"
    function = f"arn:aws:lambda:{region}:{account}:function:"
    queues = {
        name: f"arn:aws:sqs:{region}:{account}:{stack.physical_id(name).rpartition('/')[2]}"
        for name in template.resources(TEMPLATE, "AWS::SQS::Queue")
    }
    topics = {name: stack.physical_id(name) for name in template.resources(TEMPLATE, "AWS::SNS::Topic")}
    pictures = {f"Bucket/{kind}": f"{bucket}/ai-enhancer/{kind}/x" for kind in KINDS}
    called = {f"{name}:live": f"{function}{stack.physical_id(name)}:live" for name in ("Upscale", "Export")}
    latest = {f"{name} unqualified": f"{function}{stack.physical_id(name)}" for name in ("Upscale", "Export")}
    return {
        "Table": table, "Table/index": f"{table}/index/gsi1", "Enhance": machine, "Enhance runs": run,
        "Bucket": bucket, "Bucket/elsewhere": f"{bucket}/elsewhere/x",
        **queues, **topics, **pictures, **called, **latest,
    }  # fmt: skip


def declared(function: str) -> set[tuple[str, str]]:
    """(action, name of a resource) of what the template grants a function, secrets apart."""
    found = set()
    queue = TEMPLATE["Resources"][function]["Properties"].get("DeadLetterQueue")
    if queue:  # SAM adds the right to put there what failed three times
        found.add(("sqs:SendMessage", queue["TargetArn"]["Fn::GetAtt"][0]))
    for statement in template.statements(TEMPLATE, function):
        actions, over = (
            value if isinstance(value, list) else [value]
            for value in (statement["Action"], statement["Resource"])
        )
        for place in map(named, over):
            found |= {(action, place) for action in actions if place}
    return found


def named(resource: dict[str, object] | str) -> str:
    """The name for people of a resource as the template writes it; "" for a secret, and for what knows no resources."""
    text = json.dumps(resource)
    if resource == "*":
        return ""
    if kind := re.search(r"ai-enhancer/(\w+)/\*", text):
        return f"Bucket/{kind[1]}"
    if called := re.search(r"(\w+)\.Arn\}:live", text):
        return f"{called[1]}:live"
    if ":execution:" in text:
        return "Enhance runs"
    if "-enhance" in text:
        return "Enhance"
    if "/index/" in text:
        return "Table/index"
    owner = re.search(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)', text)
    assert owner, text
    return "" if owner[1] in SECRETS else owner[1]


ACTIONS = sorted({action for function in template.functions(TEMPLATE) for action, _ in declared(function)})


@pytest.mark.parametrize("function", template.functions(TEMPLATE))
def test_the_deployed_role_may_do_exactly_what_its_function_declares(
    stack: LocalStack, function: str
) -> None:
    """Each action that anybody has, on each thing there is: nothing less arrives in the role, and nothing more."""
    role = stack.client("lambda").get_function_configuration(FunctionName=stack.physical_id(function))["Role"]
    iam, places = stack.client("iam"), resources(stack)
    allowed = set()
    for place, arn in places.items():
        found = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=ACTIONS, ResourceArns=[arn])
        allowed |= {
            (one["EvalActionName"], place)
            for one in found["EvaluationResults"]
            if one["EvalDecision"] == "allowed"
        }
    assert allowed == declared(function)
