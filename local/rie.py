"""Run one function under AWS's Lambda Runtime Interface Emulator, with the local AWS emulator as its AWS.

It has Lambda's own runtime client, time-out and error answers, which ministack only imitates::

    with runtime(stack, "GenerateFunction") as invoke:
        answer = invoke(json.loads(event_file.read_text()))
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import shutil
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse

from local import build
from local.deployment import REGION
from local.processes import LocalError, Process, free_port
from local.stack import LocalStack

Json = dict[str, Any]
RUNTIME_CLIENT = ("awslambdaric", "simplejson", "snapshot-restore-py")
"""Packages that Lambda's runtime adds to a function."""
START_TIMEOUT_S = 10.0
INVOKE_TIMEOUT_S = 120.0


def available() -> bool:
    """Whether Lambda's emulator runs on this machine; there is a build for Linux only."""
    return sys.platform == "linux"


@contextmanager
def runtime(stack: LocalStack, logical_id: str) -> Iterator[Callable[[Json], Any]]:
    """Yield a callable that sends one event and returns the function's answer, or Lambda's error document.

    It takes one event at a time; the first one imports the function.
    """
    deployed = stack.client("lambda").get_function_configuration(FunctionName=stack.physical_id(logical_id))
    code, layers = artefacts(stack.built, logical_id)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="rie-") as scratch:
        command = [str(emulator_binary())]
        command += ["--runtime-interface-emulator-address", f"127.0.0.1:{port}"]
        command += ["--runtime-api-address", f"127.0.0.1:{free_port()}"]
        command += [str(build.bare_interpreter()), "-m", "awslambdaric", deployed["Handler"]]
        env = environment(deployed, code=code, layers=layers, endpoint=stack.endpoint)
        process = Process(command, env=env, log=Path(scratch) / "rie.log", cwd=code)
        try:
            await_listener(process, port)
            yield lambda event: invoke(port, event)
        finally:
            process.stop()


def artefacts(built: Path, logical_id: str) -> tuple[Path, list[Path]]:
    """Return the folders with the built code of a function and of its layers."""
    template = yaml_parse(built.read_text())
    resources = template["Resources"]
    properties = resources[logical_id]["Properties"]
    common = template.get("Globals", {}).get("Function", {})
    names = [layer["Ref"] for layer in [*common.get("Layers", []), *properties.get("Layers", [])]]
    folder = built.parent
    code = folder / (properties.get("CodeUri") or common["CodeUri"])
    return code.resolve(), [
        (folder / resources[name]["Properties"]["ContentUri"]).resolve() for name in names
    ]


def environment(deployed: Json, *, code: Path, layers: list[Path], endpoint: str) -> dict[str, str]:
    """Return the function's environment: the deployed variables, Lambda's own, and the emulator as AWS."""
    search = [*(layer / "python" for layer in reversed(layers)), runtime_client()]
    return {
        "PATH": os.environ.get("PATH", ""),
        **(deployed.get("Environment") or {}).get("Variables", {}),
        "PYTHONPATH": os.pathsep.join(map(str, search)),
        "LAMBDA_TASK_ROOT": str(code),
        "_HANDLER": deployed["Handler"],
        "AWS_LAMBDA_FUNCTION_NAME": deployed["FunctionName"],
        "AWS_LAMBDA_FUNCTION_TIMEOUT": str(deployed["Timeout"]),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(deployed["MemorySize"]),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_ENDPOINT_URL": endpoint,
    }


def emulator_binary() -> Path:
    """Return an executable copy of the Lambda Runtime Interface Emulator in the SAM CLI."""
    if not available():
        raise LocalError("The Lambda Runtime Interface Emulator runs on Linux only.")
    name = f"aws-lambda-rie-{'arm64' if platform.machine() in ('aarch64', 'arm64') else 'x86_64'}"
    shipped = Path(
        str(importlib.metadata.distribution("aws-sam-cli").locate_file(f"samcli/local/rapid/{name}"))
    )
    copy = build.CACHE / "rie" / name
    if not copy.exists():
        copy.parent.mkdir(parents=True, exist_ok=True)
        partial = copy.with_suffix(f".{os.getpid()}")
        shutil.copy(shipped, partial)
        partial.chmod(0o755)
        partial.rename(copy)
    return copy


def runtime_client() -> Path:
    """Return a folder with Lambda's runtime client and no other package of this environment."""
    folder = build.CACHE / f"runtime-client-{sys.version_info[0]}.{sys.version_info[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in RUNTIME_CLIENT:
        distribution = importlib.metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or []}:
            if top != ".." and not top.endswith(".dist-info"):
                with suppress(FileExistsError):
                    (folder / top).symlink_to(Path(str(distribution.locate_file(top))))
    return folder


def await_listener(process: Process, port: int) -> None:
    """Return when the port accepts connections."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.running():
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise LocalError(f"The Lambda Runtime Interface Emulator did not start:\n{process.tail()}")


def invoke(port: int, event: Json) -> Any:
    """Send one event and return the answer; a time-out is the only one that is not JSON."""
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
    with urllib.request.urlopen(url, data=json.dumps(event).encode(), timeout=INVOKE_TIMEOUT_S) as answer:
        text = answer.read().decode()
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return {"errorType": "Sandbox.Timedout", "errorMessage": text}
