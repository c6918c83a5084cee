"""The AWS emulator on loopback, with every correction of `local.corrections` applied.

`local.stack.LocalStack` runs it as ``python -m local.emulator``, gives it its environment and ends it.
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
from local.corrections.release import Json, Module

KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")


def environment(
    host: Mapping[str, str],
    *,
    port: int,
    python: Path,
    layers: Path,
    state: Path,
    mark: Path,
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
        "STATE_DIR": str(state),
        "S3_DATA_DIR": str(state / "s3"),
        "EMULATOR_PYTHON": str(python),
        "EMULATOR_LAYERS": str(layers),
        "EMULATOR_MARK": str(mark),
        "EMULATOR_FUNCTION_LOG": str(state.parent / "functions.log"),
        "PYTHONUNBUFFERED": "1",
    }


def write_function_logs(service: Module) -> None:
    """Append the log lines of every invocation to the file ``EMULATOR_FUNCTION_LOG``."""
    execute, file = service._execute_function_warm, Path(os.environ["EMULATOR_FUNCTION_LOG"])

    def execute_and_write(func: Json, event: Any, request_id: str) -> Json:
        result: Json = execute(func, event, request_id)
        if text := result.get("log"):
            name = (func.get("config") or func).get("FunctionName", "")
            with file.open("a") as log:
                log.write("".join(f"{name}  {line}\n" for line in text.splitlines()))
        return result

    service._execute_function_warm = execute_and_write


def stop_with_parent() -> None:
    """Send ourselves SIGTERM when the process at the other end of standard input has ended, for whatever reason."""

    def watch() -> None:
        os.read(0, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    emulator, functions = correct_all()
    write_function_logs(functions)
    stop_with_parent()
    sys.argv = ["ministack"]
    emulator.main()
    # Reached only after a clean stop, by which state is written; the mark of a running stack stays otherwise.
    Path(os.environ["EMULATOR_MARK"]).unlink(missing_ok=True)
