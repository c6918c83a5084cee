"""SAM's transform in the emulator, corrected: it knows the parameters of the stack, as on AWS."""

import json
import os
import subprocess
import sys

from tests.support.template import ROOT

PROGRAM = """
import json, sys
from local.corrections import correct_all
correct_all()
from ministack.services.cloudformation import changesets, handlers
template = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {"Release": {"Type": "String", "Default": "0000byhand"}},
    "Resources": {"Probe": {"Type": "AWS::Serverless::Function", "Properties": {
        "Handler": "app.handler", "Runtime": "python3.13", "CodeUri": "s3://bucket/key",
        "AutoPublishAlias": "live", "AutoPublishCodeSha256": {"Ref": "Release"}}}},
}
given = [{"Key": "Release", "Value": "2611290456abc"}]
print(json.dumps([sorted(module._apply_transforms(template, parameters)["Resources"])
                  for module in (changesets, handlers) for parameters in (given, [])]))
"""


def test_a_release_that_is_given_is_another_version_than_the_default(tmp_path):
    """Whether a stack is made, changed or planned: otherwise no second release would ever go live."""
    env = {**os.environ, "EMULATOR_PYTHON": sys.executable, "EMULATOR_LAYERS": str(tmp_path), "AUTH": "true",
           "STATE_DIR": str(tmp_path), "GATEWAY_PORT": "0"}  # fmt: skip
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    named, default = (
        ["Probe", "ProbeAliaslive", "ProbeRole", f"ProbeVersion{one}"] for one in ("2611290456", "0000byhand")
    )
    assert found == [named, default, named, default]
