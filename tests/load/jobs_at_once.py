"""Many jobs of many owners at once: all of them end, nothing stays held, and every book adds up.

``python -m tests.load.jobs_at_once`` starts a stack of its own, prints the result and writes docs/load.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from enhancer.domain.jobs import Job
from enhancer.domain.owners import Owner
from local.stack import LocalStack
from tests.e2e.deployed import Deployed
from tests.support.client import Client, picture
from tests.support.template import ROOT

DOCUMENT = ROOT / "docs/load.md"
JOBS, OWNERS = 100, 20
USD_PER_1000_TRANSITIONS = 0.025
"""List price of a Standard workflow."""
TRIES, GATEWAY_BUSY = 20, 503
CALLERS = 24
"""Requests under way at the same time; jobs are open at once as many as were asked for."""
TRANSITIONS_MAX = 7
"""For a job of one picture: what the state machine may cost."""


@dataclass(frozen=True)
class Outcome:
    """What came of it. ``seconds`` from each job's creation to its end; ``transitions`` of each execution.

    ``retries``: steps that the state machine tried again. ``repeats``: requests sent again with their key, because
    the gateway gave up on the first.
    """

    jobs: list[Job]
    seconds: list[float]
    transitions: list[int]
    whole_seconds: float
    repeats: int
    retries: int


def run(deployed: Deployed, clients: list[Client], jobs: int) -> Outcome:
    """Start ``jobs`` single-picture jobs spread over the clients' owners at once, and wait for all to end."""
    owners = [Owner("user", client.login("premium")) for client in clients]
    photos = [picture(seed=20_000 + number) for number in range(jobs)]
    started, repeats = time.monotonic(), list[int]()

    def start(number: int) -> tuple[Owner, str]:
        place = number % len(clients)
        key = {"Idempotency-Key": f"load {number}"}
        for _ in range(TRIES):
            answer = clients[place].copy().start(image=photos[number], headers=key)
            if answer.status_code != GATEWAY_BUSY:
                break
            repeats.append(number)  # the gateway gave up waiting; asking again with the key is safe
        assert answer.status_code == 202, answer.text
        return owners[place], answer.json()["data"]["id"]

    with ThreadPoolExecutor(min(jobs, CALLERS)) as pool:
        begun = list(pool.map(start, range(jobs)))
    ended = [deployed.ended(owner, job_id) for owner, job_id in begun]
    whole = time.monotonic() - started
    for job in ended:
        assert deployed.over(job) == "SUCCEEDED"
    for owner in owners:
        check_books(deployed, owner)
    return Outcome(
        ended,
        sorted((job.updated_at - job.created_at) / 1000 for job in ended),
        [transitions(deployed, job) for job in ended],
        whole,
        len(repeats),
        sum(retries(deployed.history(job)) for job in ended),
    )


def check_books(deployed: Deployed, owner: Owner) -> None:
    """Nothing is held, every hold was settled, and images, credits and entries agree."""
    jobs = deployed.jobs_of(owner)
    assert [job.status for job in jobs] == ["succeeded"] * len(jobs)
    assert deployed.balance(owner).held == 0
    assert deployed.kinds(owner) == {"hold": len(jobs), "settle": len(jobs)}
    assert deployed.used(owner) == (len(jobs), 10 * len(jobs))
    assert deployed.open_jobs(owner) == 0


def transitions(deployed: Deployed, job: Job) -> int:
    """State transitions of a job as AWS counts them, without retries: every state entered, and the end.

    The emulator does not record states entered inside a Map. Each task there is one that was scheduled, and each
    FinishItem is followed by two states that schedule nothing: Again, and Done or Wait.
    """
    history = deployed.history(job)
    outside = sum(n for name, n in history.items() if name.partition(" ")[0].endswith("StateEntered"))
    scheduled = sum(n for name, n in history.items() if name.startswith("TaskScheduled"))
    finish_job = history["TaskStateEntered FinishJob"]
    finish_items = history["TaskScheduled lambda:invoke"] - finish_job - retries(history)
    return outside + scheduled + 2 * finish_items - finish_job - retries(history) + 1


def retries(history: Counter[str]) -> int:
    """How many tries of a step failed and were made again; each is a transition more."""
    return sum(n for name, n in history.items() if name.startswith("TaskFailed"))


def markdown(outcome: Outcome, owners: int) -> str:
    """The table, as docs/load.md has it."""
    cuts = quantiles(outcome.seconds, n=100, method="inclusive")
    most = max(outcome.transitions)
    price = most * USD_PER_1000_TRANSITIONS / 1000
    succeeded = sum(job.status == "succeeded" for job in outcome.jobs)
    return f"""# Load

`make load` starts {len(outcome.jobs)} jobs of one small picture (24 x 16 pixels) at once, from {owners} owners, on the
deployed local stack.

| what | measured |
|---|---|
| jobs that ended | {succeeded} of {len(outcome.jobs)} succeeded |
| requests repeated with their key (gateway timed out) | {outcome.repeats} |
| holds left, books that do not add up | 0 of {owners} owners |
| all jobs, start to last end | {outcome.whole_seconds:.1f} s |
| time of a job, p50 / p95 | {cuts[49]:.1f} s / {cuts[94]:.1f} s |
| state transitions of a job | {most} (at most {TRANSITIONS_MAX} allowed) |
| steps tried again by the state machine, all jobs | {outcome.retries} |
| list price of the transitions | {price:.6f} USD a job (0.025 USD per 1,000) |

Machine: {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, shared with other work.

What an emulator cannot show: how fast AWS is. Every function, the model, the table and the state machine share these
cores here, so the times say how work queues up on this machine. Only the counts carry over: all jobs end, the books
agree, and so many transitions a job takes (the two states behind each FinishItem, which the emulator does not record,
are added). Lambda's concurrency limits, throttling of the table and cold starts of
many environments show on AWS alone.
"""


def main() -> None:
    """Run it on a stack of its own, print and write the table."""
    options = argparse.ArgumentParser()
    options.add_argument("--jobs", type=int, default=JOBS)
    options.add_argument("--owners", type=int, default=OWNERS)
    chosen = options.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStack(port=0, emulator_port=0, state=Path(folder) / "state") as stack,
    ):
        clients = [Client(stack.url, f"127.2.0.{number + 1}").meet() for number in range(chosen.owners)]
        outcome = run(Deployed(stack), clients, chosen.jobs)
    text = markdown(outcome, chosen.owners)
    sys.stdout.write(text)
    assert max(outcome.transitions) <= TRANSITIONS_MAX
    DOCUMENT.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
