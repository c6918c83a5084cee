"""Releases: a version of every function behind its alias, moved at once or gradually, as SAM writes it out."""

import json
import re
import subprocess

import pytest

from tests.support import template

TEMPLATE = template.load()
RELEASE = "26112904567d588ef"
BEFORE = template.transformed(Release="26112904550000000")["Resources"]
AT_ONCE = template.transformed(Release=RELEASE)["Resources"]
GRADUAL = template.transformed(Release=RELEASE, Gradual="true", DeploymentType="Linear10PercentEvery1Minute")
FUNCTIONS = template.resources(TEMPLATE, "AWS::Serverless::Function")
CALLED = {"UPSCALE_FUNCTION_NAME": "Upscale", "EXPORT_FUNCTION_NAME": "Export"}
STEPS = ("StartPrediction", "PollPrediction", "FinishItem", "FinishJob")
WAITED_FOR = {"Account", "Billing", "Generate", "Jobs", "Results", "SignIn", "Uploads", "Usage", "Web"}
"""Functions that a person waits for."""


def of_kind(resources, kind):
    return {name: one for name, one in resources.items() if one["Type"] == kind}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_release_is_a_version_of_every_function(name):
    """Whatever changed: code in a layer and values of parameters are seen in neither of SAM's own ways."""
    versions = [
        {one for one in resources if re.fullmatch(rf"{name}Version\w+", one)}
        for resources in (BEFORE, AT_ONCE)
    ]
    assert [len(found) for found in versions] == [1, 1]
    assert not versions[0] & versions[1]
    (version,) = versions[1]
    assert AT_ONCE[version]["DeletionPolicy"] == "Retain"  # so that there is a way back
    alias = AT_ONCE[f"{name}Aliaslive"]["Properties"]
    assert (alias["Name"], alias["FunctionVersion"]) == ("live", {"Fn::GetAtt": [version, "Version"]})


def test_nobody_calls_a_function_past_its_alias():
    """Gateway, schedules, the state machine and our own calls all take the release that is live."""
    routes = AT_ONCE["Api"]["Properties"]["Body"]["paths"].values()
    addresses = re.findall(r"functions/\$\{(\w+)\}/invocations", json.dumps(list(routes)))
    assert addresses
    assert all(one.endswith("Aliaslive") for one in addresses)
    for one in of_kind(AT_ONCE, "AWS::Scheduler::Schedule").values():
        assert one["Properties"]["Target"]["Arn"]["Ref"].endswith("Aliaslive")
    for one in of_kind(AT_ONCE, "AWS::Lambda::Permission").values():
        assert one["Properties"]["FunctionName"]["Ref"].endswith("Aliaslive")
    machine = AT_ONCE["Enhance"]["Properties"]["DefinitionSubstitutions"]
    assert {name: machine[name] for name in STEPS} == {
        name: {"Fn::Sub": f"${{{name}.Arn}}:live"} for name in STEPS
    }
    for one in of_kind(AT_ONCE, "AWS::Lambda::Function").values():
        variables = one["Properties"]["Environment"]["Variables"]
        for variable in CALLED.keys() & variables.keys():
            assert variables[variable] == {"Fn::Sub": f"${{{CALLED[variable]}}}:live"}
    assert AT_ONCE["UpscaleEventInvokeConfig"]["Properties"]["Qualifier"] == "live"


def test_the_right_to_call_a_function_is_for_its_alias():
    """Lambda checks the qualified name; a right on the function alone would refuse every call."""
    for one in of_kind(AT_ONCE, "AWS::IAM::Role").values():
        for policy in one["Properties"].get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                if "lambda:InvokeFunction" in statement["Action"]:
                    found = json.dumps(statement["Resource"])
                    assert re.fullmatch(r"(.*(:live|Aliaslive)\"}\]?)", found), found
                    assert '.Arn}"' not in found


def test_at_once_needs_nothing_of_codedeploy():
    """The local emulator and development have none of it."""
    assert not [one for one in AT_ONCE.values() if one["Type"].startswith("AWS::CodeDeploy")]
    assert not [one for one in AT_ONCE.values() if "UpdatePolicy" in one]
    assert TEMPLATE["Parameters"]["Gradual"]["Default"] == "false"
    for name in ("ReleaseFails", "ReleaseCrashes", "ReleaseAnswers", "AllFailures"):
        assert TEMPLATE["Resources"][name]["Condition"] == "IsGradual"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_moves_gradually_and_back_on_an_alarm(name):
    """All in step: whoever is left out would run the new code for everybody at once."""
    resources = GRADUAL["Resources"]
    group = resources[f"{name}DeploymentGroup"]
    alias = resources[f"{name}Aliaslive"]
    update = alias["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
    assert update["DeploymentGroupName"] == {"Ref": f"{name}DeploymentGroup"}
    assert group.get("Condition") == alias.get("Condition") == FUNCTIONS[name].get("Condition")
    properties = group["Properties"]
    assert "DEPLOYMENT_STOP_ON_ALARM" in properties["AutoRollbackConfiguration"]["Events"]
    watched = [one["Name"]["Ref"] for one in properties["AlarmConfiguration"]["Alarms"]]
    assert watched == ["ReleaseFails", "ReleaseCrashes", "FunctionsCrash", "RunsFail"]
    assert all(resources[one]["Type"] == "AWS::CloudWatch::Alarm" for one in watched)
    assert "Linear10PercentEvery1Minute" in json.dumps(properties["DeploymentConfigName"])


def test_the_crash_alarm_looks_at_the_new_versions_only():
    """By the version that ran, of the alias: what the old one does is not the new one's fault."""
    metrics = GRADUAL["Resources"]["ReleaseCrashes"]["Properties"]["Metrics"]
    seen = [one["MetricStat"]["Metric"]["Dimensions"] for one in metrics if "MetricStat" in one]
    assert len(seen) == 10  # an alarm takes no more
    for dimensions in seen:
        found = {one["Name"]: one["Value"] for one in dimensions}
        name = found["FunctionName"]["Ref"]
        assert found["Resource"] == {"Fn::Sub": f"${{{name}}}:live"}
        assert found["ExecutedVersion"] == {"Fn::GetAtt": [f"{name}Version{RELEASE[:10]}", "Version"]}


@pytest.mark.parametrize(
    ("new", "old", "goes_off"),
    [((0, 10), (0, 90), False), ((1, 10), (0, 90), True), ((1, 10), (9, 90), False), ((3, 10), (9, 90), True),
     ((1, 100), (0, 0), False), ((3, 100), (0, 0), True), ((0, 0), (50, 100), False), ((0, 10), (50, 90), False)],
)  # fmt: skip
def test_the_new_release_is_compared_with_the_one_before(new, old, goes_off):
    """Failures out of answers of one minute: only what is worse than before counts, by the alarm's own formula."""
    alarm = GRADUAL["Resources"]["ReleaseFails"]["Properties"]
    formula = alarm["Metrics"][0]["Expression"].replace("all >", "all_ >").replace("(all -", "(all_ -")
    values = {"bad": new[0], "answers": new[1], "allbad": new[0] + old[0], "all_": new[1] + old[1]}
    text = re.sub(r"FILL\((\w+), 0\)", r"\1", formula)
    choose = re.compile(r"IF\(([^,]+), ((?:[^(),]|\([^()]*(?:\([^()]*\))?[^()]*\))+), 0\)")
    text = choose.sub(r"((\2) if (\1) else 0)", text)
    assert (eval(text, {}, values) > alarm["Threshold"]) is goes_off  # noqa: S307 - our own template


def test_the_new_release_is_told_apart_by_what_its_functions_log():
    """The dimension of the alarm is the name in the settings and in the log line of a request."""
    assert TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["RELEASE"] == {"Ref": "Release"}
    (transformation,) = TEMPLATE["Resources"]["ReleaseAnswers"]["Properties"]["MetricTransformations"]
    assert transformation["Dimensions"] == [{"Key": "Release", "Value": "$.release"}]


def test_a_gradual_deployment_is_valid(tmp_path):
    """No circle: what an alarm looks at must not come after the alias that the alarm guards."""
    path = tmp_path / "template.json"
    path.write_text(json.dumps(GRADUAL))
    command = ["cfn-lint", "--ignore-checks", "W", "--", str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_only_what_people_wait_for_starts_from_a_snapshot():
    """A snapshot costs by the hour and version; nobody waits for a step or a webhook."""
    names = {name for name, one in FUNCTIONS.items() if "SnapStart" in one["Properties"]}
    assert names == WAITED_FOR
    assert TEMPLATE["Parameters"]["SnapStart"]["Default"] == "None"
    for name in names:
        assert FUNCTIONS[name]["Properties"]["SnapStart"] == {"ApplyOn": {"Ref": "SnapStart"}}
        assert "EphemeralStorage" not in FUNCTIONS[name]["Properties"]  # more than 512 MB has no snapshot
