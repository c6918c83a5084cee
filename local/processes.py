"""Start processes, each in a process group of its own, stop them, and find free ports."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

STOP_GRACE_S = 15.0
READY_TIMEOUT_S = 120.0
PORTS = range(20_000, 32_000)


class LocalError(Exception):
    """A problem that a developer can solve; its message is shown without a traceback."""


class Process:
    """A child process with its own process group and its output in the file ``log``.

    Its standard input is a pipe that ends when this process ends, so that it can stop then.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str], log: Path, cwd: Path) -> None:
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The child's process id, which is also its group's."""
        return self._child.pid

    def running(self) -> bool:
        """Return whether the child is still running."""
        return self._child.poll() is None

    def tail(self, lines: int = 5) -> str:
        """Return the last lines that the child printed."""
        return "\n".join(self.log.read_text(errors="replace").rstrip().split("\n")[-lines:])

    def await_answer(self, url: str) -> None:
        """Wait until a URL that this process serves answers 200.

        Raises:
            LocalError: the process ended, or took more than `READY_TIMEOUT_S` seconds.
            HTTPError: it answered with an error other than 503.
        """
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.running():
                raise LocalError(f"{self.log.stem} stopped; {self.log} ends with:\n{self.tail()}")
            try:
                with urllib.request.urlopen(url, timeout=READY_TIMEOUT_S):
                    return
            except urllib.error.HTTPError as error:
                if error.code != 503:
                    raise
            except OSError:
                pass  # nobody listens yet
            time.sleep(0.05)
        raise LocalError(f"{self.log.stem} did not answer within {READY_TIMEOUT_S:.0f} s ({self.log}).")

    def stop(self, *, grace: bool = True) -> bool:
        """Send SIGTERM, wait some seconds, kill the group; return True if the child ended by itself in that time.

        Without ``grace`` the group is killed at once: for a process that keeps nothing.
        """
        clean = True
        if grace and self.running():
            self._child.terminate()
            try:
                self._child.wait(STOP_GRACE_S)
            except subprocess.TimeoutExpired:
                clean = False
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, signal.SIGKILL)
        self._child.wait()
        if self._child.stdin:
            self._child.stdin.close()
        return clean and self._child.returncode >= 0


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens now.

    Not one of those that a system gives to outgoing connections: such a port may be taken before we listen on it.
    """
    while True:
        port = secrets.choice(PORTS)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Return whether nothing listens on this port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def await_free(ports: Sequence[int], seconds: float) -> None:
    """Wait until nothing listens on these ports, at most so long: what a killed run left ends by itself soon."""
    deadline = time.monotonic() + seconds
    while not all(map(is_free, ports)) and time.monotonic() < deadline:
        time.sleep(0.05)


def require_free(port: int, what: str) -> None:
    """Raise LocalError if something listens on this port of 127.0.0.1; ``what`` is for the message."""
    if not is_free(port):
        raise LocalError(
            f"Port {port}, for {what}, is taken: stop that program or set PORT=… or EMULATOR_PORT=…"
        )
