"""The AWS emulator on loopback, with every correction of `local.corrections` applied.

`local.stack.LocalStack` runs it as ``python -m local.emulator``, gives it its environment and ends it. It always
starts empty or as an earlier deployment left it; what it holds besides is saved and restored through
`local.snapshot`, so it may be killed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.corrections import correct_all
from local.corrections.alarms import Alarms
from local.corrections.release import Json, Module
from local.snapshot import Snapshots

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def environment(
    host: Mapping[str, str],
    *,
    port: int,
    python: Path,
    layers: Path,
    scratch: Path,
    log: Path,
    region: str,
    warm_seconds: int,
) -> dict[str, str]:
    """Return the environment of the emulator process, out of the ``host``'s.

    The emulator passes its whole environment to every function. Only `KEPT_VARIABLES` are kept and nothing of
    ``AWS_*``, so a function sees what its template gives it, as on AWS, and never a developer's real keys.
    """
    return {
        **{name: host[name] for name in KEPT_VARIABLES if name in host},
        "BIND_HOST": "127.0.0.1",  # the default is every interface
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": region,
        "IOT_MTLS_ENABLED": "0",  # else a listener opens on 0.0.0.0:8883
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": "unix:///nonexistent",  # never start or remove a container
        "LAMBDA_WARM_TTL_SECONDS": str(warm_seconds),
        "AUTH": "true",  # a function may do what its role allows, and no more
        "OMP_WAIT_POLICY": "passive",  # models that run side by side leave the cores to each other while they wait
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        "STATE_DIR": str(scratch / "aws"),
        "S3_DATA_DIR": str(scratch / "s3"),
        "TMPDIR": str(scratch / "tmp"),
        "EMULATOR_PYTHON": str(python),
        "EMULATOR_LAYERS": str(layers),
        "EMULATOR_FUNCTION_LOG": str(log),
        "PYTHONUNBUFFERED": "1",
    }


def write_function_logs(service: Module) -> None:
    """Append the log lines of every invocation to the file ``EMULATOR_FUNCTION_LOG``."""
    execute, file = service._execute_function_warm, Path(os.environ["EMULATOR_FUNCTION_LOG"])

    def execute_and_write(func: Json, event: Any, request_id: str) -> Json:
        result: Json = execute(func, event, request_id)
        if text := result.get("log"):
            name = (func.get("config") or func).get("FunctionName", "")
            with file.open("a") as log:  # a line ends at a line feed alone: what was logged may hold U+2028
                log.write("".join(f"{name}  {line}\n" for line in text.rstrip("\n").split("\n")))
        return result

    service._execute_function_warm = execute_and_write


def snapshots_of(emulator: Module, alarms: Alarms) -> Snapshots:
    """Add the routes of `local.snapshot`, and the clock of alarms, to the emulator."""
    from ministack.core import persistence  # imported late, like everything of the emulator
    from ministack.services import dynamodb, s3, sqs

    more = {"clock": alarms.answer_clock}
    return Snapshots(emulator, dynamodb=dynamodb, s3=s3, sqs=sqs, persistence=persistence, more=more)


def end_with_parent() -> None:
    """Kill our group, functions included, when the process at the other end of standard input has ended."""

    def watch() -> None:
        os.read(0, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    end_with_parent()
    emulator, functions, alarms = correct_all()
    write_function_logs(functions)
    snapshots_of(emulator, alarms)
    alarms.start()
    sys.argv = ["ministack"]
    emulator.main()
