"""The state machine's definition against the schema that CloudFormation's linter has of the language."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function:step"
LAGS_BEHIND = (
    "E3601 '{% $states.input.concurrency %}' is not of type 'number' at 'States/Items/MaxConcurrency'"
)
"""Step Functions takes a JSONata expression here (CDK: jsonataMaxConcurrency); the linter's schema does not know."""


def findings(definition, folder):
    """What the linter says of a definition, as lines."""
    text = json.dumps(definition).replace("${Partition}", "aws")
    for name in ("StartPrediction", "PollPrediction", "FinishItem", "FinishJob"):
        text = text.replace(f"${{{name}}}", FUNCTION)
    properties = {"RoleArn": "arn:aws:iam::123456789012:role/machine", "DefinitionString": text}
    machine = {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
    template = folder / "machine.json"
    template.write_text(json.dumps({"Resources": {"Machine": machine}}), "utf-8")
    command = [str(Path(sys.executable).parent / "cfn-lint"), "-t", str(template), "-r", "eu-central-1"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line for line in ran.stdout.splitlines() if line[:1] in "EW" and line[1:2].isdigit()]


def test_the_definition_is_valid_but_for_what_the_linter_does_not_know(tmp_path):
    """No state, field or transition is misspelt."""
    definition = json.loads((ROOT / "statemachines/enhance.asl.json").read_text("utf-8"))
    assert findings(definition, tmp_path) == [LAGS_BEHIND]


def test_a_misspelt_field_is_found(tmp_path):
    """The linter does look: a definition with one mistake has one finding more."""
    definition = json.loads((ROOT / "statemachines/enhance.asl.json").read_text("utf-8"))
    definition["States"]["FinishJob"]["TimeoutSecond"] = definition["States"]["FinishJob"].pop(
        "TimeoutSeconds"
    )
    assert len(findings(definition, tmp_path)) == 2
