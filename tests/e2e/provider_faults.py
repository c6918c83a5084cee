"""Every fault of a provider, met by a request that waits and by a job, on the deployed local stack.

``python -m tests.e2e.provider_faults`` prints the table and writes docs/provider-faults.md. Words behind it choose the
faults to play, by parts of their names, and then nothing is written.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from enhancer.domain.costs import estimated
from enhancer.domain.models import model_named
from enhancer.domain.pricing import credits
from local.stack import LocalStack
from tests.e2e import provider_cases, provider_cases_workers
from tests.e2e.deployed import Deployed
from tests.e2e.provider_lab import Lab
from tests.e2e.provider_play import Fault, Line, play
from tests.support.client import Client
from tests.support.template import ROOT

DOCUMENT = ROOT / "docs/provider-faults.md"
SECONDS = 0.4
"""How long a prediction of the stand-ins takes."""


def chapters(canary_url: str) -> dict[str, tuple[Fault, ...]]:
    """All faults, under their headings."""
    return {
        "Replicate: requests": provider_cases.REQUESTS,
        "Replicate: results": (*provider_cases.OUTCOMES, provider_cases.redirects(canary_url)),
        "Ends nobody hears of, caps and switches": provider_cases.ENDINGS,
        "Workers AI": provider_cases_workers.RUNS,
    }


@contextmanager
def lab(stack: LocalStack) -> Iterator[Lab]:
    """The stack as a laboratory; every client in a network of its own."""
    numbers = itertools.count(2)

    def fresh() -> Client:
        number = next(numbers)
        return Client(stack.url, f"127.2.{number // 250}.{number % 250 + 1}").meet()

    opened = Lab(Deployed(stack), fresh)
    try:
        yield opened
    finally:
        opened.canary.close()


def play_all(opened: Lab, faults: list[Fault], told: Callable[[Line], None]) -> tuple[list[Line], list[str]]:
    """Play all faults, those of different providers at the same time; return lines, and what went wrong."""
    found: list[Line] = []
    wrong: list[str] = []

    def lane(mine: list[Fault]) -> None:
        for fault in mine:
            for vias in fault.plays:
                try:
                    lines = play(opened, fault, *vias)
                except Exception:  # noqa: BLE001 - told at the end; the other faults are played all the same
                    wrong.append(f"{fault.name} ({fault.model}, {vias})\n{traceback.format_exc()}")
                else:
                    found.extend(lines)
                    for line in lines:
                        told(line)

    lanes: dict[str, list[Fault]] = {}
    for fault in sorted(faults, key=lambda fault: -len(fault.touches)):  # those that need all providers first
        lanes.setdefault(fault.touches[0], []).append(fault)
    threads = [threading.Thread(target=lane, args=(mine,)) for mine in lanes.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, wrong


def row(line: Line) -> list[str]:
    """A line as cells."""
    held = "none" if not line.held else f"{credits(line.held)} held"
    charge = f"{credits(line.charge)}" if line.charge else "–"
    return [line.fault, line.model, line.via, line.saw, str(line.calls), charge, held, str(line.cost)]


def markdown(found: list[Line], canary_url: str, seconds: float) -> str:
    """The table, as docs/provider-faults.md has it."""
    lines = [
        "# Faults of the providers",
        "",
        "What happens when a provider misbehaves: played by the stand-ins on the deployed local stack, each through",
        "`generate` (which waits for the result) and through a job. A model with a fallback is run by that one where",
        "another try does not help; `gfpgan` and `sd15` have none.",
        "",
        "Checked in each row: the books add up and nothing is held or open; a failure is free; a model that ran",
        "instead costs its own price, never more than the one asked for; what was booked as our cost is what the job",
        "says; no token reached the delivery host or a host that it redirected to; where an answer was lost, its",
        "prediction is found and not made again. In the end the day's total is, to the micro, what was booked and the",
        "estimates of predictions whose end nobody saw (`job_expired`).",
        "",
        "The caller sees a status; after `202` comes what the job came to: the model that made the picture, or the",
        "error. Calls are requests that the provider heard; the number of `gets`, which ask how a prediction stands,",
        "depends on the machine. Cost is what the provider bills us, in USD micros.",
        "",
        f"Written by `make provider-faults` ({len(found)} rows in {seconds:.0f} s).",
        "`tests/e2e/test_provider_faults.py` plays the most telling ones.",
    ]
    by_name = {line.name: line for line in found}
    for title, faults in chapters(canary_url).items():
        lines += ["", f"## {title}", ""]
        lines += ["| fault | model | through | the caller sees | calls | credits | held | cost |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for fault in faults:
            for via in fault.via:
                if line := by_name.get((fault.name, fault.model, via)):
                    lines.append(f"| {' | '.join(row(line))} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Play every fault on a stack of its own, print the lines, write the document."""
    words = sys.argv[1:]
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStack(port=0, emulator_port=0, state=Path(folder) / "state", provider_seconds=SECONDS) as stack,
        lab(stack) as opened,
    ):
        started = time.monotonic()

        def told(line: Line) -> None:
            sys.stdout.write(f"{time.monotonic() - started:4.0f} s  " + " | ".join(row(line)) + "\n")
            sys.stdout.flush()

        titles = chapters(opened.canary.url)
        chosen = [
            fault
            for faults in titles.values()
            for fault in faults
            if not words or any(word in f"{fault.name} {fault.model}" for word in words)
        ]
        found, wrong = play_all(opened, chosen, told)
        document = markdown(found, opened.canary.url, time.monotonic() - started)
        try:
            opened.check_spending(
                sum(estimated(model_named(line.model).slug) for line in found if "job_expired" in line.saw)
            )
        except AssertionError:
            wrong.append(traceback.format_exc())
    if wrong:
        sys.stdout.write("\n".join(["", "WENT WRONG", *wrong]))
    elif not words:
        DOCUMENT.write_text(document, "utf-8")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
