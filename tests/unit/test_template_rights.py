"""Least privilege: what the role of each function may do, by its own policy and by those that functions share."""

import ast
import re

import boto3
import pytest
from botocore import xform_name

from enhancer.api.http.app import App
from tests.support import template
from tests.support.functions import NAMES, load

TEMPLATE = template.load()
FUNCTIONS = template.functions(TEMPLATE)


def statements(name):
    """The policy statements of a function, those of shared policies included."""
    return template.statements(TEMPLATE, name)


def listed(value):
    return value if isinstance(value, list) else [value]


OURS = re.compile(
    r"\$\{Bucket\.Arn\}/ai-enhancer/(incoming|uploads|results|exports|reports)/\*'|:execution:\$\{Enhance\.Name\}:\*'"
)


WITHOUT_RESOURCE = {"cloudwatch:GetMetricData"}
"""Actions that AWS grants for all resources or not at all; ours read numbers only."""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_policy_has_a_wildcard(name):
    """Each function may do named things to named resources; a star stands only behind a prefix of ours."""
    for statement in statements(name):
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action), action
        if statement["Resource"] == "*":
            assert statement["Action"] in WITHOUT_RESOURCE, statement
            continue
        for resource in listed(statement["Resource"]):
            assert isinstance(resource, dict), resource
            text = str(resource)
            assert "*" not in text or OURS.search(text), text


WRITES = {
    "Generate": {"uploads", "results"}, "Uploads": {"incoming"}, "Upscale": {"results"}, "Usage": set(),
    "Results": set(), "DebugLogin": set(), "Sweep": set(), "Web": set(), "Jobs": {"uploads", "results"},
    "StartPrediction": {"uploads", "results"}, "PollPrediction": set(), "FinishItem": {"results"},
    "FinishJob": set(), "Health": set(), "ProviderWebhook": set(), "SignIn": set(), "Account": set(), "Admin": set(),
    "Export": {"exports"}, "Billing": set(), "StripeWebhook": set(), "QuotaReset": {"reports"},
    "CostReport": {"reports"},
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_writes_only_its_own_kind_of_artifact(name):
    """Results are written by the model, by who fetches or copies them; only uploads hands out forms."""
    found = {
        match
        for statement in statements(name)
        if "s3:PutObject" in listed(statement["Action"])
        for match in re.findall(r"ai-enhancer/(\w+)/", str(statement["Resource"]))
    }
    assert found == WRITES[name]


def may(name):
    """The actions of a function."""
    return {action for one in statements(name) for action in listed(one["Action"])}


def test_whoever_meets_an_api_key_may_look_it_up():
    """A key is read with its account, in one batch, by whatever function asks who is calling."""
    asking = {
        logical
        for logical, found in FUNCTIONS.items()
        if (name := str(found["CodeUri"]).rpartition("/")[2]) in NAMES
        and isinstance(app := getattr(load(name), "app", None), App)
        and app.csrf
    }
    needed = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:UpdateItem"}
    assert {name: needed - may(name) for name in asking} == {name: set() for name in asking}
    assert len(asking) >= 10


def test_the_model_cannot_touch_money():
    """The function that decodes pictures for minutes may read its job and wake who waits; it writes no record."""
    assert may("Upscale") == {
        "dynamodb:GetItem", "states:SendTaskSuccess", "states:SendTaskFailure", "s3:GetObject", "s3:ListBucket",
        "s3:PutObject",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("states:StartExecution", {"Generate", "Jobs", "Sweep"}),
        ("states:StopExecution", {"Account", "Jobs", "Sweep"}),
        ("states:SendTaskSuccess", {"ProviderWebhook", "StartPrediction", "Sweep", "Upscale"}),
        ("states:SendTaskFailure", {"StartPrediction", "Upscale"}),
        ("states:DescribeExecution", {"Sweep"}),
        ("states:DescribeStateMachine", {"Health"}),
        ("lambda:GetFunctionConfiguration", {"Health"}),
        ("s3:GetBucketLocation", {"Health"}),
        ("states:ListExecutions", {"Sweep"}),
        ("lambda:InvokeFunction", {"Account", "Generate", "StartPrediction"}),
        ("dynamodb:DeleteItem", {"Account", "Jobs", "SignIn", "Sweep"}),
        (
            "dynamodb:Query",
            {"Account", "Admin", "Billing", "CostReport", "Export", "Jobs", "QuotaReset", "Sweep", "Usage"},
        ),
        ("cloudwatch:GetMetricData", {"CostReport"}),
        ("dynamodb:Scan", {"QuotaReset"}),
        (
            "dynamodb:ConditionCheckItem",
            {"Account", "Generate", "Jobs", "QuotaReset", "SignIn", "StripeWebhook"},
        ),
        ("sns:Publish", {"CostReport", "FinishItem", "Generate", "QuotaReset"}),
        ("sqs:SendMessage", {"Billing", "QuotaReset", "StripeWebhook"}),
        ("s3:DeleteObject", {"Account", "Generate", "Jobs", "Sweep"}),
    ],
)
def test_only_these_functions_may_do_it(action, names):
    """Who gets a new power is noticed here."""
    assert {name for name in FUNCTIONS if action in may(name)} == names


def test_tokens_are_good_for_our_state_machine_only():
    """A step of another machine cannot be woken with our roles."""
    ours = (
        "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${AWS::StackName}-enhance"
    )
    (machine,) = template.resources(TEMPLATE, "AWS::Serverless::StateMachine").values()
    assert machine["Properties"]["Name"] == {"Fn::Sub": "${AWS::StackName}-enhance"}
    for name in ("StartPrediction", "Upscale", "ProviderWebhook", "Sweep"):
        (found,) = [one["Resource"] for one in statements(name) if "states:SendTaskSuccess" in one["Action"]]
        is_a_step = name in ("StartPrediction", "Upscale")  # whose Arn the machine needs first
        assert found == ({"Fn::Sub": ours} if is_a_step else {"Ref": "Enhance"})


READERS = {
    "SigningSecret": {
        "Account", "Admin", "Billing", "CostReport", "DebugLogin", "Generate", "Health", "Jobs", "ProviderWebhook",
        "Results", "SignIn", "StartPrediction", "Uploads", "Usage", "Web",
    },
    "ProviderSecret": {
        "Account", "FinishItem", "FinishJob", "Generate", "Health", "Jobs", "PollPrediction", "ProviderWebhook",
        "StartPrediction", "Sweep", "Usage",
    },
    "SignInSecret": {"SignIn"},
    "StripeSecret": {"Account", "Billing", "CostReport", "Health", "QuotaReset", "StripeWebhook"},
}  # fmt: skip


@pytest.mark.parametrize("secret", template.resources(TEMPLATE, "AWS::SecretsManager::Secret"))
def test_each_secret_is_read_by_these_functions_only(secret):
    """Whoever runs models or shows images cannot read Stripe's key; only sign-in reads the sign-in clients."""
    readers = {
        name
        for name in FUNCTIONS
        for one in statements(name)
        if "secretsmanager:GetSecretValue" in listed(one["Action"])
        and {"Fn::GetAtt": [secret, "Id"]} in listed(one["Resource"])
    }
    assert readers == READERS[secret]


READS = {
    "Account": {"incoming", "uploads", "results", "exports"}, "Admin": {"reports"}, "Export": {"uploads", "results"},
    "FinishItem": {"uploads", "results"}, "Generate": {"incoming", "uploads", "results"},
    "Jobs": {"incoming", "results"}, "PollPrediction": {"results"}, "Results": {"uploads", "results"},
    "StartPrediction": {"incoming", "uploads", "results"}, "Sweep": {"results"}, "Upscale": {"uploads"},
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_reads_only_these_kinds_of_artifact(name):
    """Reading is granted by prefix, and never for the whole bucket."""
    found = {
        match
        for statement in statements(name)
        if "s3:GetObject" in listed(statement["Action"])
        for match in re.findall(r"ai-enhancer/(\w+)/", str(statement["Resource"]))
    }
    assert found == READS.get(name, set())


def test_only_readers_of_artifacts_may_list_the_bucket():
    """To whoever may not list, S3 answers 403 for a missing object: a reader could not tell it from a missing right."""
    listing = {name for name in FUNCTIONS if "s3:ListBucket" in may(name)}
    assert listing == set(READS)


@pytest.mark.parametrize("name", template.resources(TEMPLATE, "AWS::IAM::ManagedPolicy"))
def test_a_shared_policy_grants_one_right_on_one_resource_to_more_than_one_function(name):
    """So no function gets, with what it needs, anything that it does not need."""
    (statement,) = TEMPLATE["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]
    assert len(listed(statement["Action"])) == len(listed(statement["Resource"])) == 1
    assert len([one for one in FUNCTIONS.values() if {"Ref": name} in one.get("Policies", [])]) > 1


def test_nobody_writes_secrets():
    """A rotation is the operator's."""
    assert {name for name in FUNCTIONS if any("PutSecret" in action for action in may(name))} == set()


SERVICES = {"dynamodb": "dynamodb", "s3": "s3", "lambda": "lambda", "stepfunctions": "states", "sns": "sns",
            "sqs": "sqs", "secretsmanager": "secretsmanager", "cloudwatch": "cloudwatch"}  # fmt: skip
"""boto3's names of the services that functions call, and the names that rights have for them."""
MEANS = {
    "dynamodb:TransactWriteItems": {"PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"},
    "dynamodb:TransactGetItems": {"GetItem"}, "s3:HeadObject": {"GetObject"}, "s3:ListObjectsV2": {"ListBucket"},
    "s3:DeleteObjects": {"DeleteObject"}, "lambda:Invoke": {"InvokeFunction"},
}  # fmt: skip
"""Calls whose right has another name."""


def calls():
    """service:Operation of every call to AWS in the product, by the names of boto3's methods."""
    operations = {}
    for service, prefix in SERVICES.items():
        model = boto3.client(service, region_name="eu-central-1").meta.service_model
        for operation in model.operation_names:
            operations.setdefault(xform_name(operation), set()).add(f"{prefix}:{operation}")
    named = set()
    for path in [
        *template.ROOT.glob("layers/common/enhancer/**/*.py"),
        *template.ROOT.glob("functions/*/app.py"),
    ]:
        tree = ast.parse(path.read_text("utf-8"))
        named |= {node.func.attr for node in ast.walk(tree)
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)}  # fmt: skip
        named |= {node.args[0].value for node in ast.walk(tree)
                  if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
                  and node.func.attr == "get_paginator" and isinstance(node.args[0], ast.Constant)}  # fmt: skip
    return {operation for name in named & operations.keys() for operation in operations[name]}


def test_every_right_is_used_by_some_code():
    """What nobody calls any more is taken out of the template, too."""
    used = set()
    for call in calls():
        service, _, operation = call.partition(":")
        used |= {f"{service}:{right}" for right in MEANS.get(call, {operation})}
    granted = {action for name in FUNCTIONS for action in may(name)}
    assert granted - used == set()


def test_no_index_is_written_to():
    """It can only be queried."""
    for name in FUNCTIONS:
        for one in statements(name):
            if "/index/" in str(one["Resource"]):
                assert (listed(one["Action"]), len(listed(one["Resource"]))) == (["dynamodb:Query"], 1)
