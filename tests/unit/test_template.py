"""What is deployed: closed bucket, keys and index, least privilege, time-outs, one condition."""

import json
import re

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.artifacts import INCOMING, RESULTS, UPLOADS
from enhancer.domain.owners import Owner
from enhancer.settings import ENVIRONMENTS, Settings
from local.providers import PRICES
from tests.support import functions, template

TEMPLATE = template.load()
FUNCTIONS = template.functions(TEMPLATE)
(BUCKET,) = (found["Properties"] for found in template.resources(TEMPLATE, "AWS::S3::Bucket").values())
(TABLE,) = (found["Properties"] for found in template.resources(TEMPLATE, "AWS::DynamoDB::Table").values())
PUBLIC = sorted(name for name, found in FUNCTIONS.items()
                if any(event["Type"] == "HttpApi" for event in found.get("Events", {}).values()))  # fmt: skip


def statements(name):
    """The policy statements of a function."""
    return [one for policy in FUNCTIONS[name].get("Policies", []) for one in policy["Statement"]]


def listed(value):
    return value if isinstance(value, list) else [value]


def routes():
    """(function, method, path) of every route."""
    for name, found in FUNCTIONS.items():
        for event in found.get("Events", {}).values():
            if event["Type"] == "HttpApi":
                yield name, event["Properties"].get("Method"), event["Properties"].get("Path")


@pytest.mark.parametrize(
    "block", ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"]
)
def test_the_bucket_blocks_every_kind_of_public_access(block):
    """Nobody reads a picture past the owner gate."""
    assert BUCKET["PublicAccessBlockConfiguration"][block] is True


def test_the_bucket_has_no_access_lists_and_is_encrypted():
    """Only policies decide, and what lies there is encrypted."""
    assert BUCKET["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = BUCKET["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"


def test_the_bucket_speaks_tls_only():
    """Everything without TLS is denied to everybody, for the bucket and what is in it."""
    (policy,) = template.resources(TEMPLATE, "AWS::S3::BucketPolicy").values()
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}]


@pytest.mark.parametrize(
    ("prefix", "days"),
    [(INCOMING, 1), (UPLOADS, {"Ref": "ArtifactDays"}), (RESULTS, {"Ref": "ArtifactDays"})],
)
def test_every_kind_of_artifact_is_deleted_in_time(prefix, days):
    """The promise of deletion is a rule of the bucket."""
    rules = [rule for rule in BUCKET["LifecycleConfiguration"]["Rules"] if rule.get("Prefix") == f"{prefix}/"]
    assert [(rule["Status"], rule["ExpirationInDays"]) for rule in rules] == [("Enabled", days)]
    assert TEMPLATE["Parameters"]["ArtifactDays"]["Default"] == 30


def test_unfinished_uploads_are_cleared():
    """Parts of broken-off uploads cost nothing for long."""
    rules = BUCKET["LifecycleConfiguration"]["Rules"]
    assert [
        rule["AbortIncompleteMultipartUpload"] for rule in rules if "AbortIncompleteMultipartUpload" in rule
    ] == [{"DaysAfterInitiation": 1}]


def test_the_table_has_the_keys_and_the_index_that_the_code_uses():
    """The key module and the template agree."""
    owner = Owner("user", "x")
    names = {entry["KeyType"]: entry["AttributeName"] for entry in TABLE["KeySchema"]}
    assert list(keys.account(owner)) == [names["HASH"], names["RANGE"]] == ["pk", "sk"]
    (index,) = TABLE["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "gsi1"
    assert [entry["AttributeName"] for entry in index["KeySchema"]] == ["gsi1pk", "gsi1sk"]
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in TABLE["AttributeDefinitions"]}
    assert types == {"pk": "S", "sk": "S", "gsi1pk": "S", "gsi1sk": "N"}


def test_the_table_forgets_by_the_attribute_that_the_code_writes():
    """Records that carry ``expires`` end; the table is kept when the stack goes."""
    assert TABLE["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}
    (whole,) = template.resources(TEMPLATE, "AWS::DynamoDB::Table").values()
    assert (whole["DeletionPolicy"], whole["UpdateReplacePolicy"]) == ("Retain", "Retain")


@pytest.mark.parametrize(("environment", "on"), [("production", True), ("development", False)])
def test_the_table_can_be_restored_to_any_point_in_production(environment, on):
    """Money can be brought back to any second of the last weeks."""
    enabled = TABLE["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"]
    name, if_true, if_false = enabled["Fn::If"]
    assert (if_true if template.condition(TEMPLATE, name, Environment=environment) else if_false) is on


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_logs_into_a_group_that_forgets(name):
    """No log is kept for ever."""
    group = FUNCTIONS[name]["LoggingConfig"]["LogGroup"]["Ref"]
    assert TEMPLATE["Resources"][group]["Type"] == "AWS::Logs::LogGroup"


@pytest.mark.parametrize("name", template.resources(TEMPLATE, "AWS::Logs::LogGroup"))
def test_every_log_group_has_an_end(name):
    """Retention is set, and its default is a month."""
    assert TEMPLATE["Resources"][name]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert TEMPLATE["Parameters"]["LogRetentionDays"]["Default"] == 30


OURS = re.compile(
    r"\$\{Bucket\.Arn\}/ai-enhancer/(incoming|uploads|results|exports|reports)/\*'|:execution:\$\{Enhance\.Name\}:\*'"
)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_policy_has_a_wildcard(name):
    """Each function may do named things to named resources; a star stands only behind a prefix of ours."""
    for statement in statements(name):
        for action in listed(statement["Action"]):
            assert re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action), action
        for resource in listed(statement["Resource"]):
            assert isinstance(resource, dict), resource
            text = str(resource)
            assert "*" not in text or OURS.search(text), text


WRITES = {
    "Generate": {"uploads", "results"}, "Uploads": {"incoming"}, "Upscale": {"results"}, "Usage": set(),
    "Results": set(), "DebugLogin": set(), "Sweep": set(), "Web": set(), "Jobs": {"uploads"},
    "StartPrediction": {"uploads", "results"}, "PollPrediction": set(), "FinishItem": {"results"},
    "FinishJob": set(), "ProviderWebhook": set(), "SignIn": set(), "Account": set(), "Admin": set(),
    "Export": {"exports"}, "Billing": set(), "StripeWebhook": set(), "QuotaReset": {"reports"},
}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_writes_only_its_own_kind_of_artifact(name):
    """Results are written by the model and by who fetches them from a provider; only uploads hands out forms."""
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


def test_the_model_cannot_touch_money():
    """The function that decodes pictures for minutes may read its job and wake who waits; it writes no record."""
    assert may("Upscale") == {
        "dynamodb:GetItem", "states:SendTaskSuccess", "states:SendTaskFailure", "s3:GetObject", "s3:PutObject",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "names"),
    [
        ("states:StartExecution", {"Generate", "Jobs", "Sweep"}),
        ("states:StopExecution", {"Account", "Jobs", "Sweep"}),
        ("states:SendTaskSuccess", {"ProviderWebhook", "StartPrediction", "Sweep", "Upscale"}),
        ("states:SendTaskFailure", {"StartPrediction", "Upscale"}),
        ("states:DescribeExecution", {"Sweep"}),
        ("states:ListExecutions", {"Sweep"}),
        ("lambda:InvokeFunction", {"Account", "Generate", "StartPrediction"}),
        ("dynamodb:DeleteItem", {"Account", "Jobs", "SignIn", "Sweep"}),
        ("dynamodb:Query", {"Account", "Admin", "Billing", "Export", "Jobs", "QuotaReset", "Sweep", "Usage"}),
        ("dynamodb:Scan", {"QuotaReset"}),
        ("dynamodb:ConditionCheckItem", {"QuotaReset", "StripeWebhook"}),
        ("sns:Publish", {"FinishItem", "Generate", "QuotaReset"}),
        ("sqs:SendMessage", {"Billing", "QuotaReset", "StripeWebhook"}),
        ("s3:DeleteObject", {"Account", "Jobs", "Sweep"}),
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


def test_only_who_runs_or_hears_providers_reads_their_tokens():
    """Least privilege: everybody else never sees them."""
    readers = {
        name
        for name in FUNCTIONS
        for one in statements(name)
        if "secretsmanager:GetSecretValue" in listed(one["Action"])
        and "ProviderSecret" in str(one["Resource"])
    }
    assert readers == {
        "Account", "FinishItem", "Generate", "Jobs", "PollPrediction", "ProviderWebhook", "StartPrediction", "Sweep",
        "Usage",
    }  # fmt: skip


PRICE_TABLES = ["CreditsPricingTable", "PricingTable", "PricingTableAnnual"]


@pytest.mark.parametrize("name", PRICE_TABLES)
def test_a_price_table_is_checked_before_anything_is_deployed(name):
    """A malformed one would stop every function; what the local stack sells fits, and so does nothing."""
    pattern = re.compile(TEMPLATE["Parameters"][name]["AllowedPattern"])
    own = json.dumps(PRICES[name])
    for good in ("{}", own, own.replace(" ", ""), json.dumps(PRICES[name], indent=1).replace("\n", " ")):
        assert pattern.search(good), good
    for bad in (
        "",
        "[]",
        "price_1",
        '{"free": "price_1"}',
        '{"200": "price_1"}',
        own[:-1],
        own.replace("price", "a b"),
    ):
        assert not pattern.search(bad), bad
    assert TEMPLATE["Parameters"][name]["Default"] == "{}"


@pytest.mark.parametrize("name", ["ProviderSecret", "SignInSecret", "StripeSecret"])
def test_what_an_operator_put_into_a_secret_is_kept(name):
    """Empty at first, not overwritten by a deployment that says the same, and not deleted with the stack."""
    found = TEMPLATE["Resources"][name]
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("Retain", "Retain")
    assert found["Properties"]["SecretString"] == "{}"
    assert TEMPLATE["Outputs"][f"{name}Name"]["Value"] == {"Ref": name}


def test_nobody_writes_secrets():
    """A rotation is the operator's."""
    assert {name for name in FUNCTIONS if any("PutSecret" in action for action in may(name))} == set()


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_development_sign_in_exists_in_development_only(environment):
    """Elsewhere neither function nor route is deployed."""
    assert TEMPLATE["Resources"]["DebugLogin"]["Condition"] == "IsDevelopment"
    assert template.condition(TEMPLATE, "IsDevelopment", Environment=environment) is (
        environment == "development"
    )


def test_the_default_environment_is_production():
    """Who says nothing gets the strictest."""
    assert TEMPLATE["Parameters"]["Environment"]["Default"] == "production"
    assert template.condition(TEMPLATE, "IsDevelopment") is False
    assert tuple(TEMPLATE["Parameters"]["Environment"]["AllowedValues"])[:1] == ("development",)
    assert set(TEMPLATE["Parameters"]["Environment"]["AllowedValues"]) == set(ENVIRONMENTS)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_function_behind_the_api_ends_before_the_api_gives_up(name):
    """HTTP APIs end at 30 seconds."""
    assert FUNCTIONS[name]["Timeout"] < 30


def test_the_public_functions_are_these():
    """A new door is noticed here."""
    assert PUBLIC == [
        "Account", "Admin", "Billing", "DebugLogin", "Generate", "Jobs", "ProviderWebhook", "Results", "SignIn",
        "StripeWebhook", "Uploads", "Usage", "Web",
    ]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_runs_on_the_same_python(name):
    """One runtime, one architecture, one handler name."""
    found = FUNCTIONS[name]
    assert (found["Runtime"], found["Handler"]) == ("python3.13", "app.lambda_handler")
    assert found["Architectures"] == [{"Ref": "Architecture"}]


def test_every_folder_is_a_function_and_every_function_a_folder():
    """State, folder and logical id are found by guessing."""
    assert (
        sorted(found["CodeUri"].removeprefix("functions/") for found in FUNCTIONS.values()) == functions.NAMES
    )
    for name, found in FUNCTIONS.items():
        assert found["CodeUri"] == "functions/" + re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def test_every_route_takes_any_verb_so_that_our_405_answers():
    """The gateway's own refusals would not be in our envelope."""
    assert {method for _, method, path in routes() if path} == {"ANY"}


def test_every_route_of_a_function_is_a_path_it_knows():
    """What the gateway sends somewhere is served there."""
    modules = {found["CodeUri"].removeprefix("functions/"): name for name, found in FUNCTIONS.items()}
    source = {
        name: (template.ROOT / "functions" / folder / "app.py").read_text()
        for folder, name in modules.items()
    }
    for name, _, path in routes():
        if path and "{" not in path:
            assert f'"{path}"' in source[name], (name, path)


def test_every_setting_the_code_requires_is_given_to_every_function():
    """No function starts without its environment."""
    given = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    values = dict.fromkeys(given, "x") | {
        "ENVIRONMENT": "production",
        "ALLOWED_ORIGINS": "",
        "APP_ORIGIN": "",
    }
    for name, found in given.items():
        if isinstance(found, dict) and isinstance(TEMPLATE["Parameters"].get(found.get("Ref")), dict):
            default = TEMPLATE["Parameters"][found["Ref"]].get("Default")
            values[name] = str(default) if default is not None else values[name]
    assert Settings.load(values).table == "x"


MODEL, MACHINE = {"UPSCALE_FUNCTION_NAME": {"Ref": "Upscale"}}, {"STATE_MACHINE_ARN": {"Ref": "Enhance"}}
NOTICES = {"NOTICES_TOPIC_ARN": {"Ref": "Notices"}}
PARKED = {"PARKED_QUEUE_URL": {"Ref": "BillingDeadLetters"}}
OWN = {"Generate": MODEL | MACHINE | NOTICES, "FinishItem": NOTICES, "Billing": PARKED, "StripeWebhook": PARKED,
       "QuotaReset": NOTICES | PARKED, "Jobs": MACHINE, "Sweep": MACHINE, "StartPrediction": MODEL,
       "ProviderWebhook": MACHINE, "Account": MACHINE | {"EXPORT_FUNCTION_NAME": {"Ref": "Export"}},
       "SignIn": {
           "SIGN_IN_SECRET_NAME": {"Ref": "SignInSecret"}, "GOOGLE_ISSUER": {"Ref": "GoogleIssuer"},
           "GITHUB_URL": {"Ref": "GithubUrl"}, "GITHUB_API_URL": {"Ref": "GithubApiUrl"},
           "ADMIN_EMAIL": {"Ref": "AdminEmail"},
       }}  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_only_who_may_call_it_is_told_its_name(name):
    """The model and the state machine are known to the functions that use them, and to no other."""
    own = FUNCTIONS[name]["Environment"]["Variables"]
    common = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert {key: value for key, value in own.items() if key not in common} == OWN.get(name, {})


def test_the_embedded_model_is_never_run_twice_for_one_call():
    """Lambda does not repeat a failed invocation by itself."""
    assert FUNCTIONS["Upscale"]["EventInvokeConfig"] == {"MaximumRetryAttempts": 0}


def test_the_sweep_runs_every_minute_and_ends_before_the_next():
    """Holds are given back within a minute of their deadline."""
    (event,) = FUNCTIONS["Sweep"]["Events"].values()
    assert event["Properties"]["ScheduleExpression"] == "rate(1 minute)"
    assert FUNCTIONS["Sweep"]["Timeout"] < 60


def test_the_signing_secret_is_made_by_the_cloud():
    """Nobody ever sees it, and its field is the one the code reads."""
    secret = TEMPLATE["Resources"]["SigningSecret"]["Properties"]["GenerateSecretString"]
    assert (secret["GenerateStringKey"], secret["PasswordLength"]) == ("signing", 64)
