"""Commands in processes that are loaded already: what takes a second to start, starts in a few hundredths.

`serving` loads the operator's commands and the AWS command line once; each call is a fork of that process with the
caller's arguments, environment, folder, input and output, so it does what the command of its own would do. The caller
is `CALLER`, a script that needs next to nothing itself::

    with serving(folder) as (caller, variables):
        subprocess.run([*caller, "aws", "sts", "get-caller-identity"], env={**os.environ, **variables})
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.template import ROOT

MODULES = ("flags", "outputs", "owners", "restore", "rollback", "secret", "smoke")
SERVICES = ("cloudformation", "cloudwatch", "dynamodb", "lambda", "logs", "sns", "sqs", "stepfunctions")
SOCKET = "WARM_COMMANDS"
MESSAGE_MAX = 1 << 17
CALLER = f"""
import json, os, socket, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
    line.connect(os.environ["{SOCKET}"])
    order = {{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd()}}
    socket.send_fds(line, [json.dumps(order).encode()], [0, 1, 2])
    sys.exit(int(line.recv(16) or b"70"))
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Run the process that is loaded; yield the beginning of a command, and the variables that it needs."""
    script, place = folder / "warm_caller.py", folder / "warm.sock"
    script.write_text(CALLER, "utf-8")
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "layers/common", "layers/vision"))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm_commands", str(place)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        cwd=ROOT,
        text=True,
    ) as server:
        try:
            assert server.stdout
            assert server.stdout.readline() == "ready\n"
            yield [sys.executable, "-S", "-E", str(script)], {SOCKET: str(place)}
        finally:
            server.kill()


def main(place: str) -> None:
    """Load everything, then fork for each caller until killed."""
    from awscli.clidriver import create_clidriver

    for name in MODULES:
        importlib.import_module(f"ops.{name}")
    driver = create_clidriver()
    for service in SERVICES:
        driver.session.get_service_model(service)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.bind(place)
        door.listen(16)
        print("ready", flush=True)
        while True:
            line, _ = door.accept()
            with line:
                message, files, _, _ = socket.recv_fds(line, MESSAGE_MAX, 3)
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _answer(line, json.loads(message), files, driver)
            for file in files:
                os.close(file)


def _answer(line: socket.socket, order: dict[str, Any], files: list[int], driver: Any) -> None:
    """In the child: be the command, tell its exit code, and end."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    code = 70
    try:
        code = _run(order["argv"], driver)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as an interpreter would: told, and exit code 70
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        line.sendall(str(code).encode())
        os._exit(code)


def _run(argv: list[str], driver: Any) -> int:
    sys.argv = argv
    if argv[0] == "aws":
        return int(driver.main(argv[1:]))
    return int(importlib.import_module(argv[0]).main(argv[1:]))


if __name__ == "__main__":
    main(sys.argv[1])
