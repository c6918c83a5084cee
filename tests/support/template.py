"""The SAM template as data: what is deployed is what the tests create and check."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

ROOT = Path(__file__).resolve().parents[2]
Json = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads CloudFormation's short forms as their long ones."""


def _intrinsic(loader: _Loader, suffix: str, node: yaml.Node) -> Json:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".")
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


def load(path: Path = ROOT / "template.yaml") -> Json:
    """The template with every tag in its long form."""
    loaded: Json = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader with tags
    return loaded


def resources(template: Json, kind: str) -> dict[str, Json]:
    """Logical id -> resource, of one CloudFormation type."""
    return {name: found for name, found in template["Resources"].items() if found["Type"] == kind}


def functions(template: Json) -> dict[str, Json]:
    """Logical id -> properties of every function, the globals filled in."""
    common = template["Globals"]["Function"]
    return {
        name: common | found["Properties"]
        for name, found in resources(template, "AWS::Serverless::Function").items()
    }


def statements(template: Json, name: str) -> list[Json]:
    """What the role of a function or state machine may do: its own policies and the shared ones it refers to."""
    found: list[Json] = []
    for policy in template["Resources"][name]["Properties"].get("Policies", []):
        shared = resources(template, "AWS::IAM::ManagedPolicy").get(policy.get("Ref"))
        found += shared["Properties"]["PolicyDocument"]["Statement"] if shared else policy["Statement"]
    return found


def table_definition(template: Json, name: str) -> Json:
    """Arguments of ``create_table`` for the one table of the template."""
    (table,) = resources(template, "AWS::DynamoDB::Table").values()
    wanted = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {"TableName": name, **{field: table["Properties"][field] for field in wanted}}


def time_to_live(template: Json) -> Json:
    """The table's TTL, as ``update_time_to_live`` takes it."""
    (table,) = resources(template, "AWS::DynamoDB::Table").values()
    wanted: Json = table["Properties"]["TimeToLiveSpecification"]
    return wanted


def condition(template: Json, name: str, **parameters: str) -> bool:
    """Evaluate one of the template's conditions with these parameters, the others at their defaults."""
    defaults = {key: str(found.get("Default", "")) for key, found in template["Parameters"].items()}
    return bool(_value(template, template["Conditions"][name], defaults | parameters))


def _value(template: Json, expression: Any, parameters: dict[str, str]) -> Any:
    if not isinstance(expression, dict):
        return expression
    ((operator, operand),) = expression.items()
    match operator:
        case "Ref":
            return parameters[operand]
        case "Condition":
            return _value(template, template["Conditions"][operand], parameters)
        case "Fn::Not":
            return not _value(template, operand[0], parameters)
        case "Fn::Equals":
            first, second = (_value(template, part, parameters) for part in operand)
            return first == second
        case "Fn::Or":
            return any(_value(template, part, parameters) for part in operand)
        case "Fn::And":
            return all(_value(template, part, parameters) for part in operand)
    raise NotImplementedError(operator)


def transformed(path: Path = ROOT / "template.yaml", **parameters: str) -> Json:
    """The template as CloudFormation gets it: SAM's own transform, with a code address in place of our folders.

    ``parameters`` beside the defaults: SAM looks some of them up while it transforms.
    """
    sources = load(path)
    for found in sources["Resources"].values():
        for field in ("CodeUri", "ContentUri", "DefinitionUri"):
            if field in found.get("Properties", {}):
                found["Properties"][field] = "s3://bucket/key"
    known = {name: found.get("Default", "") for name, found in sources["Parameters"].items()} | parameters
    with mock.patch.dict(os.environ, {"AWS_DEFAULT_REGION": "eu-central-1"}):
        translator = Translator({}, Parser())
        translated: Json = translator.translate(sources, known)
    return translated
