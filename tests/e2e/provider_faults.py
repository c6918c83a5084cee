"""Every fault of a provider, met by a request that waits and by a job, on the deployed local stack.

``python -m tests.e2e.provider_faults`` prints every row, and writes the full table to .local/provider-faults.md and its
summary to docs/provider-faults.md. Words behind it choose the faults to play, by parts of their names, and then nothing
is written.
"""

from __future__ import annotations

import itertools
import re
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
from tests.e2e.provider_play import FALLBACK, GENERATE, JOB, OWN, Fault, Line, play
from tests.support.client import Client
from tests.support.template import ROOT

DOCUMENT = ROOT / "docs/provider-faults.md"
TABLE = ROOT / ".local/provider-faults.md"
SECONDS = 0.4
"""How long a prediction of the stand-ins takes."""
INTRODUCTION = """\
# Faults of the providers

What happens when a provider misbehaves: played by the stand-ins on the deployed local stack, each through
`generate` (which waits for the result) and through a job. A model with a fallback is run by that one where
another try does not help; `gfpgan` and `sd15` have none.

Checked in each row: the books add up and nothing is held or open; a failure is free; a model that ran
instead costs its own price, never more than the one asked for; what was booked as our cost is what the job
says; no token reached the delivery host or a host that it redirected to; where an answer was lost, its
prediction is found and not made again; when all is over, nothing is left running at the provider. In the end
the day's total is, to the micro, what was booked and the estimates of predictions whose end nobody saw
(`job_expired`).

A run ends with a picture, of the model that was asked for or of its fallback, or with the code of an error. Our
cost is what the provider bills us, in USD micros.

"""


def chapters(canary_url: str) -> dict[str, tuple[Fault, ...]]:
    """All faults, under their headings."""
    return {
        "Replicate: requests": provider_cases.REQUESTS,
        "Replicate: results": (*provider_cases.OUTCOMES, provider_cases.redirects(canary_url)),
        "Webhooks, deadlines, spend caps and switches": provider_cases.ENDINGS,
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
    seen = [line.fault, line.model, line.via, line.saw, str(line.calls), str(line.left)]
    return [*seen, charge, held, str(line.cost)]


def table(found: list[Line], canary_url: str) -> str:
    """Every row, under the heading of its chapter.

    Calls are requests that the provider received; the number of ``gets``, which ask how a prediction stands, depends
    on the machine.
    """
    lines = ["# Faults of the providers, every row"]
    for title, mine in _by_chapter(found, canary_url).items():
        lines += ["", f"## {title}", ""]
        lines += [
            "| fault | model | through | the caller sees | calls | left running | credits | held | cost |"
        ]
        lines += ["|---|---|---|---|---|---|---|---|---|"]
        lines += [f"| {' | '.join(row(line))} |" for line in mine]
    return "\n".join(lines) + "\n"


def summary(found: list[Line], canary_url: str, seconds: float) -> str:
    """The faults by what became of the run, as docs/provider-faults.md has them."""
    lines = [
        f"`make provider-faults` prints all {len(found)} rows, with the calls made, in {seconds / 60:.0f} minutes.",
        "It writes them to `.local/provider-faults.md`, and this summary anew. `make provider-faults FAULTS=429` plays",
        "only the faults named so. `tests/e2e/test_provider_faults.py` plays the most telling ones.",
        "",
        "| where | ended with | rows | left running | credits | our cost | faults |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, mine in _by_chapter(found, canary_url).items():
        for end in sorted({line.ended for line in mine}, key=lambda end: (end != OWN, end != FALLBACK, end)):
            some = [line for line in mine if line.ended == end]
            paid = [f"{credits(tenths)}" for tenths in sorted({line.charge for line in some})]
            cost = [f"{micros}" for micros in sorted({line.cost for line in some})]
            left = f"{sum(line.left for line in some)}"
            cells = [title, end, f"{len(some)}", left, _range(paid), _range(cost), _faults(some)]
            lines.append(f"| {' | '.join(cells)} |")
    return INTRODUCTION + "\n".join(lines) + "\n"


def _by_chapter(found: list[Line], canary_url: str) -> dict[str, list[Line]]:
    by_name = {line.name: line for line in found}
    return {
        title: [
            by_name[name]
            for fault in faults
            for via in fault.via
            if (name := (fault.name, fault.model, via)) in by_name
        ]
        for title, faults in chapters(canary_url).items()
    }


def _range(ordered: list[str]) -> str:
    return ordered[0] if len(ordered) == 1 else f"{ordered[0]} to {ordered[-1]}"


def _faults(lines: list[Line]) -> str:
    """Their names and models, with the call if it is met by one only."""
    vias: dict[tuple[str, str], list[str]] = {}
    for line in lines:
        vias.setdefault((line.fault, line.model), []).append(line.via)
    return "; ".join(
        f"{fault} ({model})" if len(met) > 1 else f"{fault} ({model}, {met[0]} only)"
        for (fault, model), met in vias.items()
    )


def documented() -> list[tuple[str, str, str]]:
    """The names of the rows that docs/provider-faults.md sums up."""
    found = list[tuple[str, str, str]]()
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("| where"):
            for shown in line.split("|")[-2].strip().split("; "):
                parts = re.fullmatch(r"(.+) \(([^(), ]+)(?:, (\w+) only)?\)", shown)
                assert parts, shown
                fault, model, only = parts.groups()
                found += [(fault, model, via) for via in ([only] if only else (GENERATE, JOB))]
    return found


def main() -> int:
    """Play the faults on a stack of its own and print their lines; after all of them, write the documents."""
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
        documents = {
            TABLE: table(found, opened.canary.url),
            DOCUMENT: summary(found, opened.canary.url, time.monotonic() - started),
        }
        try:
            opened.check_spending(
                sum(estimated(model_named(line.model).slug) for line in found if "job_expired" in line.saw)
            )
        except AssertionError:
            wrong.append(traceback.format_exc())
    if wrong:
        sys.stdout.write("\n".join(["", "WENT WRONG", *wrong]))
    elif not words:
        TABLE.parent.mkdir(exist_ok=True)
        for path, text in documents.items():
            path.write_text(text, "utf-8")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
