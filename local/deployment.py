"""`sam deploy` of the built template to the emulator, and images of the emulator as a deployment left it.

An image makes the next start of the same thing quick. It holds no data and is never needed: whatever is wrong with
one, it is deleted and the stack deployed anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from local import build
from local.snapshot import CONTENT, content, second_name

STACK_NAME = "ai-image-enhancer"
REGION = "eu-central-1"
IMAGES_KEPT = 3
HOST_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def image_of(state: Path, built: Path, overrides: Sequence[str]) -> Path:
    """Return the folder for the image of this deployment, which may not be there yet; forget old ones.

    It is named after everything that a deployment follows from: template and sources, parameters, our emulator.
    """
    digest = hashlib.sha256(json.dumps([built.parents[1].name, *overrides]).encode())
    own = [
        *(build.ROOT / "local" / "corrections").glob("*.py"),
        *(build.ROOT / "requirements").glob("local.*"),
    ]
    for path in sorted([*own, Path(__file__), build.ROOT / "local" / "snapshot.py"]):
        digest.update(path.read_bytes())
    image = state / "images" / digest.hexdigest()[:24]
    image.parent.mkdir(parents=True, exist_ok=True)
    if image.exists():
        image.touch()
    build.forget_old(image.parent, IMAGES_KEPT)
    return image


def overrides(template: Path, values: Mapping[str, str]) -> list[str]:
    """Return the parameters of a local stack that the template declares, in SAM's notation."""
    known = {"Environment": "development", "Local": "true", "AdminEmail": "admin@example.com", **values}
    declared = build.template_parameters(template)
    return [f"{name}={json.dumps(known[name])}" for name in sorted(known) if name in declared]


def whole(image: Path) -> bool:
    """Return whether an image has all that was written, at least by size."""
    try:
        return bool(json.loads((image / CONTENT).read_text()) == content(image))
    except (OSError, ValueError):
        return False


def clear_scratch(state: Path, image: Path | None) -> Path:
    """Return an empty folder for the files of an emulator, with the image's in it if one is given."""
    for left in state.glob("scratch-*"):
        shutil.rmtree(left, ignore_errors=True)
    scratch = state / f"scratch-{os.getpid()}"
    (scratch / "tmp").mkdir(parents=True, exist_ok=True)
    if image:
        shutil.copytree(image, scratch / "aws", copy_function=second_name)  # nothing changes a file in place
    return scratch


def deploy(built: Path, overrides: Sequence[str], endpoint: str, *, name: str = STACK_NAME) -> None:
    """Deploy a built template to the emulator at this URL, as it would be deployed to AWS."""
    command = ["sam", "deploy", "--template-file", str(build.packed_template(built)), "--config-env", "local"]
    command += ["--config-file", str(build.ROOT / "samconfig.toml")]
    command += ["--stack-name", name, "--region", REGION]
    if overrides:
        command += ["--parameter-overrides", *overrides]
    build.run_sam(command, env=tool_environment(endpoint), cwd=build.ROOT)


def tool_environment(endpoint: str) -> dict[str, str]:
    """Return the environment of ``sam``: the emulator as AWS, no profile, no telemetry, our tools first in PATH."""
    kept = {name: os.environ[name] for name in HOST_VARIABLES if name in os.environ}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.2",  # 5 s is meant for the real service
        "NO_PROXY": "127.0.0.1,localhost",
    }
