"""What CloudFormation gets after SAM's transform: two stacks side by side, a failed first deployment, one processor."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from samcli.commands.deploy.auth_utils import auth_per_resource
from samcli.lib.providers.sam_stack_provider import SamLocalStackProvider

from tests.support import template

TRANSFORMED = template.transformed()["Resources"]
REGION = "eu-central-1"
NAMES_SOMETHING_ELSE = {"MetricName"}
"""Properties that end in "Name" and name no resource."""
GIVEN = ("Domain",)
"""Parameters by which the operator names something that exists once, and which are empty by default."""
NAMED_WITHIN = {"AWS::Lambda::Alias": ("FunctionName", "Name")}
"""What has its name within another resource, and an address made of both."""


def varies(value):
    """Whether a value is another one in another stack: it holds the stack's name, or refers to a resource."""
    text = json.dumps(value)
    if "AWS::StackName" in text:
        return True
    referred = re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)', text) + re.findall(r"\$\{(\w+)[.}]", text)
    return any(name in TRANSFORMED or name in GIVEN for name in referred)


def identifiers(kind):
    """The properties that tell resources of a kind apart within an account and region: tuples of names."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    listed = [schema["primaryIdentifier"], *schema.get("additionalIdentifiers", [])]
    found = [tuple(path.removeprefix("/properties/") for path in one) for one in listed]
    return [*found, *([NAMED_WITHIN[kind]] if kind in NAMED_WITHIN else [])]


def fixed_names(kind, properties):
    """The names of ours that would be the same in every stack of an account."""
    keys = identifiers(kind)
    scoped = {part for key in keys if any(varies(properties.get(one)) for one in key) for part in key}
    named = {one for key in keys for one in key} | {one for one in properties if one.endswith("Name")}
    given = named & set(properties) - scoped - NAMES_SOMETHING_ELSE
    return sorted(name for name in given if not varies(properties[name]))


def test_no_two_stacks_of_an_account_want_the_same_name():
    """Staging is deployed beside testing: whatever has a name has the stack's in it, or CloudFormation makes one."""
    found = {
        name: fixed
        for name, one in TRANSFORMED.items()
        if (fixed := fixed_names(one["Type"], one.get("Properties", {})))
    }
    assert found == {}


def test_a_schedule_named_by_its_event_would_be_noticed():
    """What SAM makes of a schedule by default; and of what is named within another resource, nothing is reported."""
    assert fixed_names("AWS::Scheduler::Schedule", {"Name": "SweepEveryMinute"}) == ["Name"]
    assert fixed_names("AWS::ApiGatewayV2::Stage", {"ApiId": {"Ref": "Api"}, "StageName": "$default"}) == []


def namespaces(node):
    """Every metric namespace in a piece of the template."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key.lower().endswith("namespace"):
                yield value
            yield from namespaces(value)
    elif isinstance(node, list):
        for value in node:
            yield from namespaces(value)


def test_every_stack_counts_for_itself():
    """An alarm of one stack never goes off for what happened in another."""
    own = [one for one in namespaces(TRANSFORMED) if not str(one).startswith("AWS/")]
    functions = [one for one in TRANSFORMED.values() if one["Type"] == "AWS::Lambda::Function"]
    assert len(own) > len(functions)
    assert [one for one in own if not varies(one)] == []


KEEPS = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue")
"""Kinds of resources that hold what cannot be made again."""


def test_what_cannot_be_made_again_outlives_its_stack_but_not_a_failed_first_deployment():
    """Otherwise the second attempt stands beside orphans of the first, which cost money and confuse."""
    for name, one in TRANSFORMED.items():
        if (
            one["Type"] == "AWS::Lambda::Version"
        ):  # the way back to an earlier release; gone with its function
            continue
        kept = one["Type"] in KEEPS or "SecretString" in one.get("Properties", {})
        policies = (one.get("DeletionPolicy", "Delete"), one.get("UpdateReplacePolicy", "Delete"))
        assert policies == (("RetainExceptOnCreate", "Retain") if kept else ("Delete", "Delete")), name


def test_sam_asks_nobody_whether_a_function_may_be_open():
    """Its own question of a guided deployment, which stands at No and would be asked for every function."""
    stacks, _ = SamLocalStackProvider.get_stacks(str(template.ROOT / "template.yaml"))
    asked = auth_per_resource(stacks)
    assert len(asked) > 15
    assert [name for name, declared in asked if not declared] == []


def test_the_processor_is_chosen_once():
    """One line names it for functions and layers; no parameter of a deployment can differ from what was built."""
    text = (template.ROOT / "template.yaml").read_text()
    assert len(re.findall(r"\b(?:x86_64|arm64)\b", re.sub(r"#.*", "", text))) == 1
    assert not [name for name in template.load()["Parameters"] if "rchitecture" in name]
    layers = [
        one for one in template.load()["Resources"].values() if one["Type"] == "AWS::Serverless::LayerVersion"
    ]
    chosen = template.load()["Globals"]["Function"]["Architectures"]
    for one in layers:
        assert (
            [one["Metadata"]["BuildArchitecture"]] == one["Properties"]["CompatibleArchitectures"] == chosen
        )


def layer_build(folder: Path, layer: str, architectures: str, path: str = os.environ["PATH"]) -> str:
    """What a layer's Makefile would run, or say, beside a template with this line."""
    shutil.copytree(template.ROOT / "layers" / layer, folder / "layers" / layer)
    shutil.copy(template.ROOT / "layers" / "target.mk", folder / "layers")
    text = (template.ROOT / "template.yaml").read_text()
    (folder / "template.yaml").write_text(text.replace("[&architecture x86_64]", architectures))
    command = [str(shutil.which("make")), "-n", f"build-{layer.title()}Layer", "ARTIFACTS_DIR=out"]
    ran = subprocess.run(
        command,
        cwd=folder / "layers" / layer,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("layer", ["common", "vision"])
@pytest.mark.parametrize(("processor", "machine"), [("x86_64", "x86_64"), ("arm64", "aarch64")])
def test_layers_are_built_for_the_processor_of_the_template(tmp_path, layer, processor, machine):
    """A layer with libraries of another processor deploys, and then no function can be loaded."""
    shown = layer_build(tmp_path, layer, f"[&architecture {processor}]")
    assert f"--python-platform {machine}-manylinux_2_28" in shown


def test_a_layer_for_an_unknown_processor_is_not_built(tmp_path):
    """Nothing is guessed."""
    assert "names no processor" in layer_build(tmp_path, "common", "[&architecture riscv]")


def test_a_build_without_its_tools_says_what_to_do(tmp_path):
    """`sam build` outside the virtual environment finds it by itself, or names the way on."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for tool in ("sed", "sh"):
        (bare / tool).symlink_to(str(shutil.which(tool)))
    assert "run `make build`" in layer_build(tmp_path, "common", "[&architecture arm64]", path=str(bare))
    (tmp_path / "elsewhere").mkdir()
    venv = tmp_path / "elsewhere" / ".venv" / "bin"
    venv.mkdir(parents=True)
    (venv / "uv").touch()
    shown = layer_build(tmp_path / "elsewhere", "common", "[&architecture arm64]", path=str(bare))
    assert '"../../.venv/bin/uv" pip install' in shown
