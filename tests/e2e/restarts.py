"""Stop the local stack again and again, by any signal at any moment, in the middle of work: it always starts again.

``python -m tests.e2e.restarts --rounds 50`` prints what each round did and writes docs/restarts.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

from enhancer.domain.owners import Owner
from local.build import ROOT
from local.processes import free_port
from local.stack import LocalStack
from tests.e2e.restart_work import Promise, Shift, check_money, check_nothing_hangs

DOCUMENT = ROOT / "docs/restarts.md"
SEED = 7
ROUNDS = 50
LOST_S = 5.0
"""What a kill may cost at most."""
PATIENCE_S = 240.0
"""How long a start or a stop may take on a busy machine; nothing here asserts speed."""
WORK_S = (0.5, 12.0)
"""How long people work before the stack is stopped."""
OLDER = 12
"""How many promises of earlier rounds are looked at in each round; at the end it is all of them."""
MOMENTS = ("starting", "working", "saving", "stopping")
SIGNALS = ("INT", "TERM", "KILL")
BAD_WORDS = ("Traceback", "damaged", "fault of ours", "cannot", "Cannot", "missing")


@dataclass(frozen=True)
class Stop:
    """How a round ends: at which moment, by which signal, to the process alone or to its group."""

    moment: str
    signal: str
    group: bool

    def __str__(self) -> str:
        return f"{self.signal} to the {'group' if self.group else 'process'} while {self.moment}"


@dataclass
class Round:
    """What a round came to, in seconds; ``lost``: the age of the oldest promise that was lost, 0 for none."""

    stop: Stop
    start_s: float = 0.0
    stop_s: float = 0.0
    given: int = 0
    lost: float = 0.0


@dataclass
class Run:
    """`make run` in a process group of its own; ``lines``: what it printed."""

    stack: LocalStack
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        ports = ",".join(str(port) for port in self.stack.providers.standin_ports)
        command = [sys.executable, "-m", "local", "--no-check", "--port", str(self.stack.port)]
        command += ["--emulator-port", str(self.stack.emulator_port), "--state", str(self.stack.state)]
        command += ["--provider-ports", ports]
        self.began = time.monotonic()
        self._ready = threading.Event()
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self.lines.append(line)
            if "Ready" in line:
                self._ready.set()
        self._ready.set()

    def ready(self) -> float:
        """Wait until it serves; return the seconds that took."""
        assert self._ready.wait(PATIENCE_S), self.lines
        assert any("Ready" in line for line in self.lines), self.lines
        return time.monotonic() - self.began

    def send(self, name: str, *, group: bool) -> None:
        """Send a signal."""
        number = signal.Signals[f"SIG{name}"]
        with suppress(ProcessLookupError):
            (os.killpg if group else os.kill)(self.process.pid, number)

    def ended(self) -> None:
        """Wait for its end."""
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)

    def check_words(self) -> None:
        """Nothing that would frighten a newcomer was printed."""
        bad = [line for line in self.lines if any(word in line for word in BAD_WORDS)]
        assert bad == []


class Torture:
    """Rounds of start, work, stop with one state; raises AssertionError at the first thing that must not be."""

    def __init__(self, state: Path, *, seed: int = SEED, work_s: tuple[float, float] = WORK_S) -> None:
        ports = tuple(free_port() for _ in range(6))
        self.stack = LocalStack(port=0, emulator_port=0, state=state, provider_ports=ports)
        self.paid = 0
        self._work_s = work_s
        self._chance = Random(seed)  # noqa: S311 - repeatable
        self._shifts: list[Shift] = []
        self._checked: list[Promise] = []
        self._fresh: list[Promise] = []
        self._stopped: tuple[str, bool, float] = ("", False, 0.0)

    def stops(self, rounds: int) -> list[Stop]:
        """Random ways to stop, all of them before any comes again."""
        every = [
            Stop(moment, name, group) for moment in MOMENTS for name in SIGNALS for group in (False, True)
        ]
        every = [one for one in every if (one.moment, one.signal) != ("stopping", "KILL")]
        chosen: list[Stop] = []
        while len(chosen) < rounds:
            chosen += self._chance.sample(every, len(every))
        return chosen[:rounds]

    def play(self, stop: Stop) -> Round:
        """One round."""
        found, run = Round(stop), Run(self.stack)
        try:
            if stop.moment == "starting" and self._shifts:
                time.sleep(self._chance.uniform(0, 5))
            else:
                found.start_s = run.ready()
                found.lost = self._check(OLDER)
                self._work(stop, found)
            began = time.monotonic()
            run.send(stop.signal, group=stop.group)
            second = self._second(run, stop)
            if found.start_s:
                self._stopped = (f"{stop} {second}", "KILL" in (stop.signal, second), began)
            run.ended()
            found.stop_s = time.monotonic() - began
        finally:
            run.send("KILL", group=True)
            if self._shifts:
                self._shifts[-1].end()
        if found.start_s:
            self._fresh = self._shifts[-1].promises
        run.check_words()
        return found

    def finish(self) -> float:
        """Start once more, look at everything ever promised, let the sweep end what is open; return the loss."""
        run = Run(self.stack)
        try:
            run.ready()
            lost = self._check(len(self._checked))
            check_nothing_hangs(self.stack, self._owners())
        finally:
            run.send("TERM", group=False)
            run.ended()
        assert run.process.returncode == 0, run.lines
        return lost

    def _second(self, run: Run, stop: Stop) -> str:
        """While it stops, interrupt or kill it."""
        if stop.moment != "stopping":
            return ""
        time.sleep(self._chance.uniform(0, 1.5))
        second = self._chance.choice(["KILL", "INT"])
        run.send(second, group=stop.group)
        return second

    def _work(self, stop: Stop, found: Round) -> None:
        shift = Shift(self.stack, len(self._shifts))
        self._shifts.append(shift)
        shift.start()
        time.sleep(self._chance.uniform(*self._work_s))
        if stop.moment == "saving":
            end = time.monotonic() + 10
            while not list(self.stack.state.glob("generations/*.partial")) and time.monotonic() < end:
                time.sleep(0.002)
        found.given = len(shift.promises)

    def _owners(self) -> list[Owner]:
        return [shift.owner for shift in self._shifts if shift.owner]

    def _check(self, older: int) -> float:
        """Look at every fresh promise and some older ones; return how old the oldest was that is lost, in seconds."""
        how, killed, at = self._stopped
        lost = [promise for promise in self._fresh if not promise.kept()]
        oldest = max([0.0, *(at - promise.at for promise in lost)])
        assert killed or not lost, f"lost after {how}: {lost}"
        assert oldest <= LOST_S, f"lost after {how}, {oldest:.1f} s old: {lost}"
        for promise in self._chance.sample(self._checked, min(older, len(self._checked))):
            assert promise.kept(), f"lost after it had been there: {promise}"
        self._checked += [promise for promise in self._fresh if promise not in lost]
        self._fresh = []
        self.paid = check_money(self.stack, self._owners())
        return oldest


def markdown(rounds: list[Round], torture: Torture) -> str:
    """docs/restarts.md."""
    groups: dict[str, list[Round]] = defaultdict(list)
    for one in rounds:
        groups[f"{one.stop.moment} | {one.stop.signal}"].append(one)
    table = "\n".join(
        f"| {name} | {len(found)} | {sum(one.given for one in found)} | {max(one.stop_s for one in found):.1f} s |"
        for name, found in sorted(groups.items())
    )
    starts = [one.start_s for one in rounds[1:] if one.start_s]
    lost = max((one.lost for one in rounds), default=0.0)
    return f"""# Restarts

`make restarts N={len(rounds)}` starts the local stack, works on it with three people at once (enhance, hand in
jobs, buy credits), stops it by a signal at a random moment, to the process or to its group, and starts it again:
{len(rounds)} times with one state. A stop that has begun gets a second signal, or is killed, within 1.5 s
("stopping").

| stopped while | signal | rounds | promises given | longest stop |
|---|---|---|---|---|
{table}

- Every start came up, without a traceback. A start took {median(starts):.1f} s (median), {max(starts):.1f} s at
  most; the first one, which builds and deploys, {rounds[0].start_s:.1f} s.
- A promise is an answer that somebody got: an account, a picture, a job, a job's result. After INT and TERM all were
  kept; after KILL the oldest one that was lost was {lost:.1f} s old ({LOST_S:.0f} s allowed).
- {torture.paid} packs were paid at the stand-in for Stripe; each was granted once, and all books add up.
- At the end everything promised in any round was there, and the sweep left no job open and nothing held.
"""


@contextmanager
def folder_for(given: Path | None) -> Iterator[Path]:
    """The folder that was asked for, or one that goes away."""
    with tempfile.TemporaryDirectory() as temporary:
        yield given or Path(temporary) / "state"


def main() -> None:
    """Play the rounds, print each and write the document."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--seed", type=int, default=SEED)
    options.add_argument("--state", type=Path)
    chosen = options.parse_args()
    with folder_for(chosen.state) as state:
        torture = Torture(state, seed=chosen.seed)
        rounds = []
        for number, stop in enumerate(torture.stops(chosen.rounds), 1):
            one = torture.play(stop)
            rounds.append(one)
            print(
                f"{number:3}  {stop!s:44} start {one.start_s:5.1f} s  stop {one.stop_s:5.1f} s  "
                f"promises {one.given:3}  lost before {one.lost:.1f} s",
                flush=True,
            )
        torture.finish()
    text = markdown(rounds, torture)
    print(text)
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
