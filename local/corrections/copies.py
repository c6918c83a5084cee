"""Lambda: a further environment of a function starts as a copy of its first one.

AWS gives each call that runs at the same time an environment of its own, and so does ministack. Where a start on AWS
costs a caller some time, here all of them share the machine's cores, and importing the same libraries dozens of times
costs more than the work that is asked for. So the first environment of a function is started as ever, up to the
moment when its handler is imported, and stays as it is: the *original*. It never sees an event. Environments are
copies of it (``fork``) with a process, pipes and a folder of their own, as Lambda's SnapStart makes them. What a
function keeps between calls is therefore as separate as before, and every environment counts as a cold start.

A function that has threads at that moment, as the embedded model has, is not copied: each environment of it starts by
itself. So it is where there is no ``/proc``.

An original belongs to one configuration and one code of a function; for another one it is started anew.
"""

from __future__ import annotations

import inspect
import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

from local.corrections.functions import rewrite_worker
from local.corrections.release import Module, require

ANSWER_TIMEOUT_S = 60.0
"""How long making a copy may take: milliseconds, but for a machine that is busy with other things."""
LINE = "EMULATOR_COPIES"
"""Variable with the number of the socket that an original gets its orders from."""
OWN = ("AWS_LAMBDA_LOG_STREAM_NAME", "LAMBDA_TASK_ROOT")
"""Variables that each environment of a function has for itself."""

STARTED = ("_proc", "_tmpdir", "_start_time", "_stderr_queue", "_stderr_thread")
"""What a start leaves in an environment."""


def become_copies(number: str, code_dir: str) -> bool:
    """Run inside the process of an original, whose handler is imported: each order is answered by a copy.

    Its source is part of ministack's worker script, so it imports what it needs. It returns True in copies, and
    False where there is no line, or where threads run already, which a copy would not have: what they hold is
    locked in a copy for ever.
    """
    import json
    import os
    import signal
    import socket
    import sys

    if not number:
        return False
    line = socket.socket(fileno=int(number))
    threads = "/proc/self/task"
    if not os.path.isdir(threads) or len(os.listdir(threads)) > 1:  # noqa: PTH112, PTH208 - inside a function
        line.close()
        return False
    line.sendall(b"ready\n")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a copy ended
    while True:
        text, files, _, _ = socket.recv_fds(line, 65_536, 4)
        if not text:
            os._exit(0)  # the emulator is gone, or wants no more copies
        copy = os.fork()
        if not copy:
            break
        for file in files:
            os.close(file)
        line.sendall(f"{copy}\n".encode())
    line.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for target, file in enumerate(files[:3]):
        os.dup2(file, target)
        os.close(file)
    os.set_inheritable(files[3], False)  # open as long as this process lives
    order = json.loads(text)
    os.environ.update(order["environ"])
    os.chdir(order["code_dir"])
    sys.path[sys.path.index(code_dir)] = order["code_dir"]
    sys.stdin.readline()  # the original was told all of that
    return True


class Copy:
    """The process of a copy, as far as ministack uses `subprocess.Popen`."""

    def __init__(self, pid: int, pipes: tuple[int, int, int], alive: int) -> None:
        self.pid = pid
        self.stdin = os.fdopen(pipes[0], "w", buffering=1)
        self.stdout, self.stderr = os.fdopen(pipes[1]), os.fdopen(pipes[2])
        self.returncode: int | None = None
        self._alive = alive

    def poll(self) -> int | None:
        """Return None while it runs, and afterwards a number that says nothing about how it ended."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end."""
        code = self._look(None if timeout is None else timeout * 1000)
        if code is None:
            raise subprocess.TimeoutExpired("a copy", timeout or 0)
        return code

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _look(self, milliseconds: float | None) -> int | None:
        """See whether the other end of the pipe that nobody writes to is closed."""
        if self.returncode is None:
            watched = select.poll()
            watched.register(self._alive, select.POLLIN)
            if watched.poll(milliseconds):
                self.returncode = -int(signal.SIGKILL)
                os.close(self._alive)
        return self.returncode


class Original:
    """The first environment of a function in one configuration, and the line to it."""

    def __init__(self, key: str, worker: Any, line: socket.socket) -> None:
        self.key = key
        self.said: list[str] = []
        """What it wrote to its log before the first event."""
        self._worker, self._process, self._line = worker, worker._proc, line

    @property
    def runs(self) -> bool:
        """Whether it can be copied."""
        return self._process.poll() is None

    def copy(self, environ: dict[str, str], code_dir: str) -> Copy:
        """Make a copy with these variables and this folder."""
        with pipes(4) as (told, said, logged, alive):
            order = json.dumps({"environ": environ, "code_dir": code_dir}).encode()
            socket.send_fds(self._line, [order], [told[0], said[1], logged[1], alive[1]])
            answer = read_line(self._line)
            if not answer:
                raise RuntimeError("the first environment of a function ended")
            ours = told.pop(), said.pop(0), logged.pop(0)
            return Copy(int(answer), ours, alive.pop(0))

    def end(self) -> None:
        """End its process alone: its copies go on, and read the files of the function from its folder."""
        self._line.close()
        self._process.kill()
        self._process.wait()


def read_line(line: socket.socket) -> bytes:
    """Read what an original answers; nothing if it has closed the line."""
    answer = b""
    while not answer.endswith(b"\n"):
        if not (more := line.recv(64)):
            return b""
        answer += more
    return answer


@contextmanager
def pipes(count: int) -> Iterator[list[list[int]]]:
    """Open pipes, each as a list of the end to read and the end to write; what is still in a list is closed then."""
    found = [list(os.pipe()) for _ in range(count)]
    try:
        yield found
    finally:
        for ends in found:
            for end in ends:
                os.close(end)


class Copies:
    """Starts environments as copies; takes the place of ``Worker._spawn``."""

    def __init__(self, runtime: Module) -> None:
        self._runtime, self._spawn = runtime, runtime.Worker._spawn
        self._originals: dict[str, Original] = {}
        self._without: dict[str, str] = {}
        """Functions that cannot be copied, as they have threads when their handler is imported: name -> key."""
        self._guards: dict[str, threading.Lock] = {}
        self._now = threading.local()

    def spawn(self, worker: Any) -> None:
        """Start the process of an environment."""
        with self._guards.setdefault(worker.func_name, threading.Lock()):
            original = self._original_of(worker)
            if original is None:
                if worker._proc is None or worker._proc.poll() is not None:
                    self._spawn(worker)
                return
            self._now.start = original.copy
            try:
                self._spawn(worker)
            finally:
                del self._now.start
            for text in original.said:
                worker._stderr_queue.put(text)

    def popen(self, command: list[str], **options: Any) -> Any:
        """Take the place of `subprocess.Popen` in ministack's module."""
        start = getattr(self._now, "start", None)
        if start is None:
            return subprocess.Popen(command, **options)
        if isinstance(start, socket.socket):
            number = start.fileno()
            return subprocess.Popen(
                command, **{**options, "env": {**options["env"], LINE: str(number)}, "pass_fds": (number,)}
            )
        return start({name: options["env"][name] for name in OWN}, options["cwd"])

    def forget(self, name: str) -> None:
        """End the original of a function."""
        with self._guards.setdefault(name, threading.Lock()):
            if original := self._originals.pop(name, None):
                original.end()

    def _original_of(self, worker: Any) -> Original | None:
        """Return the original of an environment; None if it starts by itself, or just did so instead of one."""
        key = json.dumps([worker.config, hash(worker.code_zip)], sort_keys=True, default=str)
        if self._without.get(worker.func_name) == key:
            return None
        found = self._originals.get(worker.func_name)
        if found and found.key == key and found.runs:
            return found
        if found:
            del self._originals[worker.func_name]
            found.end()
        first, line = self._start(worker)
        if read_line(line) != b"ready\n":
            line.close()
            self._without[worker.func_name] = key
            for name in STARTED:
                setattr(worker, name, getattr(first, name))
            return None
        self._originals[worker.func_name] = made = Original(key, first, line)
        made.said = [text for text in first._drain_stderr_bounded().split("\n") if text]
        return made

    def _start(self, worker: Any) -> tuple[Any, socket.socket]:
        """Start the first environment of a function; return it and the line to it."""
        first = self._runtime.Worker(worker.func_name, worker.config, worker.code_zip)
        ours, theirs = socket.socketpair()
        ours.settimeout(ANSWER_TIMEOUT_S)
        self._now.start = theirs
        try:
            self._spawn(first)
        except BaseException:
            ours.close()
            first.kill()
            raise
        finally:
            del self._now.start
            theirs.close()
        return first, ours


def correct_starts(runtime: Module, service: Module) -> None:
    """Start every environment of a function as a copy of its original; see this module's docstring."""
    require(runtime.subprocess is subprocess, "subprocess in the runtime")
    require(service.invalidate_worker is runtime.invalidate_worker, "invalidate_worker")
    own = f'_line = os.environ.pop("{LINE}", "")\n\n{inspect.getsource(become_copies)}\n'
    rewrite_worker(runtime, "\ndef run():\n", f"\n{own}\ndef run():\n")
    loop = "    while True:\n        line = sys.stdin.readline()\n"
    ready = '_real_stdout.write(json.dumps({"status": "ready", "cold": True}) + "\\n")'
    begin = f"    if become_copies(_line, code_dir):\n        {ready}\n        _real_stdout.flush()\n"
    rewrite_worker(runtime, loop, begin + loop)
    copies, invalidate = Copies(runtime), runtime.invalidate_worker

    def invalidate_with_original(name: str, *place: Any, **places: Any) -> None:
        copies.forget(name)
        invalidate(name, *place, **places)

    service.invalidate_worker = invalidate_with_original
    runtime.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": copies.popen})

    def start(worker: Any) -> None:
        copies.spawn(worker)

    runtime.Worker._spawn = start
