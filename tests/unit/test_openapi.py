"""The API's description is what the handlers' types say."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.described import operation
from tests.support.event_cases import CASES

ROOT = Path(__file__).resolve().parents[2]


def test_the_committed_description_is_current():
    """docs/openapi.json is generated, and nobody forgot to."""
    ran = subprocess.run(
        [sys.executable, "-m", "local.openapi", "--check"],
        cwd=ROOT,
        env={"PYTHONPATH": "layers/common:layers/vision", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout.strip() == "docs/openapi.json is current.", ran.stderr[-2000:]


DESCRIBED = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))


def operation_of(case):
    """The description of what an example event calls, or None where it calls no operation."""
    return operation(case.event["requestContext"]["http"]["method"], case.event["rawPath"])


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if isinstance(case.outcome, int) and operation_of(case)]
)
def test_every_example_is_answered_with_a_status_that_is_described(name):
    """A route that answers something new says so; `tests.support.events.Browser` checks it of every answer, too."""
    assert str(CASES[name].outcome) in operation_of(CASES[name])["responses"]


def test_no_operation_hides_behind_a_default():
    """Every status has a name of its own, every error our envelope, and every object its fields and no others."""
    for verbs in DESCRIBED["paths"].values():
        for found in verbs.values():
            assert all(status.isdigit() for status in found["responses"])
            assert {"500", "503"} <= set(found["responses"])
    loose = [
        name
        for name, schema in DESCRIBED["components"]["schemas"].items()
        if "properties" in schema and schema.get("additionalProperties") is not False
    ]
    assert loose == []
