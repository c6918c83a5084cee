"""What is deployed: closed bucket, keys and index, routes, time-outs, settings, one condition."""

import re

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.artifacts import INCOMING, RESULTS, UPLOADS
from enhancer.domain.owners import Owner
from enhancer.settings import ENVIRONMENTS, Settings
from tests.support import functions, template

TEMPLATE = template.load()
FUNCTIONS = template.functions(TEMPLATE)
(BUCKET,) = (found["Properties"] for found in template.resources(TEMPLATE, "AWS::S3::Bucket").values())
(TABLE,) = (found["Properties"] for found in template.resources(TEMPLATE, "AWS::DynamoDB::Table").values())
PUBLIC = sorted(name for name, found in FUNCTIONS.items()
                if any(event["Type"] == "HttpApi" for event in found.get("Events", {}).values()))  # fmt: skip


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
    assert (whole["DeletionPolicy"], whole["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


@pytest.mark.parametrize(
    ("environment", "backups", "on"),
    [("production", "auto", True), ("staging", "auto", True), ("testing", "auto", False),
     ("development", "auto", False), ("testing", "true", True), ("production", "false", False)],
)  # fmt: skip
def test_the_table_can_be_restored_to_any_point_where_it_matters(environment, backups, on):
    """Money can be brought back to any second of the last weeks, and a slip cannot delete it."""
    for setting in (
        TABLE["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"],
        TABLE["DeletionProtectionEnabled"],
    ):
        name, if_true, if_false = setting["Fn::If"]
        holds = template.condition(TEMPLATE, name, Environment=environment, Backups=backups)
        assert (if_true if holds else if_false) is on


@pytest.mark.parametrize(
    ("local", "dollars", "there"), [("false", "0", False), ("false", "250", True), ("true", "250", False)]
)
def test_a_budget_is_watched_where_one_is_set(local, dollars, there):
    """The emulator has none, and the topic's policy still lets the alarms in."""
    resources = TEMPLATE["Resources"]
    assert resources["Budget"]["Condition"] == resources["BudgetMayTell"]["Condition"] == "HasBudget"
    assert template.condition(TEMPLATE, "HasBudget", Local=local, MonthlyBudgetUsd=dollars) is there
    (statement,) = resources["BudgetMayTell"]["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]}
    told = resources["Budget"]["Properties"]["NotificationsWithSubscribers"]
    assert [(one["Notification"]["NotificationType"], one["Notification"]["Threshold"]) for one in told] == [
        ("ACTUAL", 80),
        ("ACTUAL", 100),
        ("FORECASTED", 100),
    ]


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


@pytest.mark.parametrize("name", ["ProviderSecret", "SignInSecret", "StripeSecret"])
def test_what_an_operator_put_into_a_secret_is_kept(name):
    """Empty at first, not overwritten by a deployment that says the same, and not deleted with the stack."""
    found = TEMPLATE["Resources"][name]
    assert (found["DeletionPolicy"], found["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert found["Properties"]["SecretString"] == "{}"
    assert TEMPLATE["Outputs"][f"{name}Name"]["Value"] == {"Ref": name}


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
        "Account", "Admin", "Billing", "DebugLogin", "Generate", "Health", "Jobs", "ProviderWebhook", "Results",
        "SignIn", "StripeWebhook", "Uploads", "Usage", "Web",
    ]  # fmt: skip


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_runs_on_the_same_python(name):
    """One runtime, one architecture, one handler name."""
    found = FUNCTIONS[name]
    assert (found["Runtime"], found["Handler"]) == ("python3.13", "app.lambda_handler")
    assert found["Architectures"] == ["x86_64"]


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


MODEL, MACHINE = (
    {"UPSCALE_FUNCTION_NAME": {"Fn::Sub": "${Upscale}:live"}},
    {"STATE_MACHINE_ARN": {"Ref": "Enhance"}},
)
NOTICES = {"NOTICES_TOPIC_ARN": {"Ref": "Notices"}}
PARKED = {"PARKED_QUEUE_URL": {"Ref": "BillingDeadLetters"}}
OWN = {"Generate": MODEL | MACHINE | NOTICES, "FinishItem": NOTICES, "Billing": PARKED, "StripeWebhook": PARKED,
       "QuotaReset": NOTICES | PARKED, "Jobs": MACHINE, "Sweep": MACHINE, "StartPrediction": MODEL,
       "CostReport": {
           "REPORTS_TOPIC_ARN": {"Ref": "Reports"}, "MONTHLY_BUDGET_USD": {"Ref": "MonthlyBudgetUsd"},
           "API_URL": {"Fn::Sub": "https://${Api}.execute-api.${AWS::Region}.${AWS::URLSuffix}"},
       },
       "Health": MODEL | MACHINE, "ProviderWebhook": MACHINE,
       "Account": MACHINE | {"EXPORT_FUNCTION_NAME": {"Fn::Sub": "${Export}:live"}},
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
