"""Start a stand-in from a program or a test, and use its control channel."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import requests

from local.processes import LocalError, Process, free_port
from local.standins.control import Json

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
CALL_TIMEOUT_S = 60.0


class StandIn:
    """A running stand-in; a context manager.

    Args:
        module: ``replicate`` or ``workers_ai``.
        arguments: its options except ``--port``.
        log: the file that gets what it prints.
        port: where it listens; a free one unless given.
    """

    def __init__(self, module: str, arguments: Sequence[str], *, log: Path, port: int | None = None) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy and no .netrc between us and loopback
        command = [sys.executable, "-m", f"local.standins.{module}", "--port", str(self.port), *arguments]
        self._process = Process(command, env=os.environ, log=log, cwd=ROOT)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self.ready():
            if not self._process.running() or time.monotonic() > deadline:
                self._process.stop()
                raise LocalError(f"A stand-in did not start: {self._process.tail(1)}")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> bool:
        """Stop it; return False if it had to be killed."""
        self._session.close()
        return self._process.stop()

    def ready(self) -> bool:
        """Return whether it answers."""
        try:
            return self._session.get(f"{self.url}/_ctl/ready", timeout=2).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def control(self, what: str, **order: Any) -> Json:
        """POST to ``/_ctl/<what>``; LocalError if the command is refused."""
        answer = self._session.post(f"{self.url}/_ctl/{what}", json=order, timeout=CALL_TIMEOUT_S)
        if answer.status_code != 200:
            raise LocalError(f"/_ctl/{what} answered {answer.status_code}: {answer.text}")
        return dict(answer.json())

    def script(self, route: str, fault: str, **parameters: Any) -> None:
        """Play a fault at the next call of a route, or at the next ``times`` calls."""
        self.control("script", route=route, fault=fault, **parameters)

    def advance(self, seconds: float) -> None:
        """Move the simulated clock."""
        self.control("clock", advance=seconds)

    def reset(self) -> None:
        """Forget faults, log, predictions and clock."""
        self.control("reset")

    def state(self) -> Json:
        """Return what the stand-in for Stripe takes as ``--state``."""
        return dict(self._session.get(f"{self.url}/_ctl/state", timeout=CALL_TIMEOUT_S).json())

    def log(self) -> list[Json]:
        """Return every request so far except those of the control channel; header names in lower case."""
        answer = self._session.get(f"{self.url}/_ctl/log", timeout=CALL_TIMEOUT_S)
        return list(answer.json()["requests"])
