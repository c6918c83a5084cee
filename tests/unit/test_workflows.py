"""GitHub's workflows: pinned actions, no stored keys, the same commands as by hand, production behind an approval."""

import re
import tomllib

import pytest
import yaml

from tests.support import template

FOLDER = template.ROOT / ".github" / "workflows"
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.yml"))}
TEXTS = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.yml"))}
CONFIG = tomllib.loads((template.ROOT / "samconfig.toml").read_text("utf-8"))
MAKEFILE = (template.ROOT / "Makefile").read_text("utf-8")
ROLE = template.load(template.ROOT / ".github" / "aws" / "oidc-role.yaml")


def steps(name):
    return [step for job in WORKFLOWS[name]["jobs"].values() for step in job.get("steps", [])]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_what_nobody_can_move(name):
    """A tag can be moved to other code, which would run with our role; a commit cannot."""
    used = re.findall(r"uses: (\S+)(?: (# v\d+\.\d+\.\d+))?$", TEXTS[name], re.MULTILINE)
    assert used
    for action, version in used:
        assert action.startswith("./") or (re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) and version), (
            action
        )


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_workflow_has_keys_or_more_rights_than_it_needs(name):
    """The role is taken over by the run's own token, and only the jobs that deploy get one."""
    assert WORKFLOWS[name]["permissions"].keys() <= {"contents", "id-token"}
    assert WORKFLOWS[name]["permissions"]["contents"] == "read"
    assert not re.search(r"aws-access-key|aws-secret|AWS_SECRET|AKIA", TEXTS[name])
    assert all(step["with"]["persist-credentials"] is False
               for step in steps(name) if step.get("uses", "").startswith("actions/checkout"))  # fmt: skip
    if "pull_request" in TEXTS[name]:
        assert "id-token" not in TEXTS[name]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_nothing_from_outside_becomes_part_of_a_command(name):
    """What somebody types into a form or names a branch is a variable of the shell, and no text of it."""
    for step in steps(name):
        assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_workflows_run_is_there_for_people_too(name):
    """Every target of make exists."""
    for step in steps(name):
        for target in re.findall(r"\bmake (?:-s )?([a-z-]+)", step.get("run", "")):
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) or target == "smoke", target


def test_environments_follow_each_other_with_one_build_and_production_moves_gradually():
    """Testing, staging, production; each waits for the one before, and all get what was built once."""
    jobs = WORKFLOWS["deploy"]["jobs"]
    order = [name for name, job in jobs.items() if job.get("uses", "").endswith("deploy-one.yml")]
    assert order == ["testing", "staging", "production"]
    for earlier, name in zip(["build", *order], order, strict=False):
        assert earlier in jobs[name]["needs"]
        assert jobs[name]["with"]["environment"] == name
        assert CONFIG[name]["deploy"]["parameters"]["stack_name"]
    assert jobs["build"]["needs"] == "test"
    assert [jobs[name]["with"]["gradual"] for name in order] == ["false", "false", "true"]
    assert WORKFLOWS["deploy"]["concurrency"] == {"group": "deploy", "cancel-in-progress": False}


def test_a_failed_smoke_test_goes_back_by_itself():
    """Only where a promise is broken: what fails before changed nothing, what cannot be checked proves nothing."""
    runs = [(step.get("run", ""), step.get("if")) for step in steps("deploy-one")]
    smoke = next(place for place, (run, _) in enumerate(runs) if "-m ops.smoke" in run)
    assert runs[smoke + 1] == ('make rollback ENV="$ENV"', "failure() && steps.smoke.outputs.code == '1'")


def test_going_back_waits_for_nothing():
    """No queue behind a deployment, and an environment of its own that needs no reviewer."""
    assert "concurrency" not in WORKFLOWS["rollback"]
    (job,) = WORKFLOWS["rollback"]["jobs"].values()
    assert job["environment"]["name"] == "${{ inputs.environment }}-rollback"
    subjects = str(ROLE["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"])
    assert ":environment:${Environment}-rollback" in subjects


def test_only_this_repositorys_environments_may_take_the_role():
    """By the token's subject, compared whole: a star would let every branch or fork in."""
    (statement,) = ROLE["Resources"]["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"].keys() == {"StringEquals"}
    assert (
        statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:aud"]
        == "sts.amazonaws.com"
    )
    assert "*" not in str(statement)


def test_the_workflow_cannot_make_resources_itself_and_cloudformation_only_ours():
    """The role that GitHub gets hands its work to the other one; that one makes roles for our services only."""
    (own,) = ROLE["Resources"]["DeployRole"]["Properties"]["Policies"]
    allowed = [one for one in own["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
    assert all(one["Resource"] != "*" for one in allowed)
    actions = {
        action
        for one in allowed
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert {one for one in actions if one.startswith("iam:")} == {"iam:PassRole"}
    assert not [one for one in actions if "*" in one]
    (makes,) = ROLE["Resources"]["CloudFormationRole"]["Properties"]["Policies"]
    for one in makes["PolicyDocument"]["Statement"]:
        if "iam:" in str(one["Action"]):
            assert all(
                "${StackName}-*" in str(each)
                for each in (one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]])
            )
        if one["Resource"] == "*":
            assert not [action for action in one["Action"] if action.endswith("*")]
