"""The state machine's definition against the schema that CloudFormation's linter has of the language."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:step"
LAGS_BEHIND = (
    "E3601 '{% $states.input.concurrency %}' is not of type 'number' at 'States/Items/MaxConcurrency'"
)
"""Step Functions takes a JSONata expression here (CDK: jsonataMaxConcurrency); the linter's schema does not know."""


def template_of(definition):
    """A CloudFormation template with this definition, its placeholders filled in."""
    text = json.dumps(definition).replace("${Partition}", "aws")
    for name in ("StartPrediction", "PollPrediction", "FinishItem", "FinishJob"):
        text = text.replace(f"${{{name}}}", FUNCTION)
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/machine", "DefinitionString": text}
    return {"Resources": {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}}}


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What the linter says of the definition as it is and with a misspelt field; loading its schemas takes seconds."""
    folder = tmp_path_factory.mktemp("definitions")
    definition = json.loads((ROOT / "statemachines/enhance.asl.json").read_text("utf-8"))
    (folder / "right.json").write_text(json.dumps(template_of(definition)), "utf-8")
    last = definition["States"]["FinishJob"]
    last["TimeoutSecond"] = last.pop("TimeoutSeconds")
    (folder / "misspelt.json").write_text(json.dumps(template_of(definition)), "utf-8")
    command = [str(Path(sys.executable).parent / "cfn-lint"), "--format", "json", "-r", "eu-central-1"]
    command += ["-t", str(folder / "right.json"), str(folder / "misspelt.json")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    found = json.loads(ran.stdout)
    return {
        name: [f"{one['Rule']['Id']} {one['Message']}" for one in found if Path(one["Filename"]).stem == name]
        for name in ("right", "misspelt")
    }


def test_the_definition_is_valid_but_for_what_the_linter_does_not_know(findings):
    """No state, field or transition is misspelt."""
    assert findings["right"] == [LAGS_BEHIND]


def test_a_misspelt_field_is_found(findings):
    """The linter does look: a definition with one mistake has one finding more."""
    assert len(findings["misspelt"]) == 2
