"""The built layers are small, complete and ready to import."""

import os
import subprocess
from pathlib import Path

import pytest

from local import build
from local.stack import LocalStack

LAMBDA_LIMIT_BYTES = 250 * 1024 * 1024  # function and layers together, unpacked
COMMON_LIMIT_BYTES = 100 * 1024 * 1024  # a third of it is the client of Stripe
CLIENTS = (
    "dynamodb",
    "s3",
    "lambda",
    "stepfunctions",
    "secretsmanager",
    "ssm",
    "sns",
    "cloudwatch",
    "events",
    "sts",
)


@pytest.fixture(scope="module")
def layers(stack: LocalStack) -> dict[str, Path]:
    """The `python` folder of each layer the product is built with."""
    folder = stack.built.parent
    return {name: folder / f"{name}Layer" / "python" for name in ("Common", "Vision")}


def size(folder: Path) -> int:
    """Bytes of all files below."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_layers_fit_into_lambda_with_room(layers: dict[str, Path]) -> None:
    """The common layer, which every function loads, stays far below the limit."""
    assert size(layers["Common"]) < COMMON_LIMIT_BYTES
    assert size(layers["Common"]) + size(layers["Vision"]) < LAMBDA_LIMIT_BYTES


def test_unused_files_are_left_out(layers: dict[str, Path]) -> None:
    """No tests, no examples, no descriptions of services we never call."""
    common = layers["Common"]
    assert not list(common.rglob("tests"))
    services = {path.name for path in (common / "botocore" / "data").iterdir() if path.is_dir()}
    assert services >= set(CLIENTS)
    assert len(services) < 20


def test_every_client_works_from_the_layer_alone(layers: dict[str, Path]) -> None:
    """On an interpreter with nothing else each client we use can be built, and the libraries imported."""
    program = "import boto3, multipart, PIL.Image, aws_lambda_powertools, pydantic, enhancer\n"
    program += "import pi_heif, pygal, joserfc, stripe, replicate, sentry_sdk\n"
    program += (
        "import cryptography.hazmat.primitives.asymmetric.rsa as rsa; rsa.generate_private_key(65537, 2048)\n"
    )
    program += "hooks = dict(default_integrations=False, auto_enabling_integrations=False)\n"
    program += "sentry_sdk.init('http://key@127.0.0.1:9/1', **hooks); sentry_sdk.capture_message('x')\n"
    program += f"for name in {CLIENTS!r}: boto3.client(name, region_name='eu-central-1')"
    environment = {"PYTHONPATH": str(layers["Common"]), "PATH": os.defpath}
    done = subprocess.run(
        [str(build.bare_interpreter()), "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_bytecode_never_looks_at_times(layers: dict[str, Path]) -> None:
    """Precompiled files are of the kind that is used without comparing dates, which zip files do not keep."""
    compiled = list(layers["Common"].rglob("*.pyc"))
    assert len(compiled) > 300
    flags = {int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled}
    assert flags == {0b01}, "hash-based and unchecked"
