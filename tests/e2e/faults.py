"""Every step of a job, killed before and after each of its AWS calls, and delivered twice.

The handlers run in this process against the deployed stack, so that a call can be chosen to die at; from then on
every further call dies too, as in a process that is gone. What follows is what production does: the step is
delivered again, or the caller asks again, and the sweep runs. ``python -m tests.e2e.fault_play`` prints every row, and
writes the full table to .local/faults.md and its summary to docs/faults.md. Words behind it choose the steps to run, by
parts of their names, and then nothing is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from unittest import mock

import boto3

from enhancer import runtime
from enhancer.adapters.predictors.embedded import Embedded
from enhancer.domain.jobs import Artifact, Item, Job
from enhancer.domain.owners import Owner
from enhancer.domain.predictions import StillRunning
from enhancer.domain.pricing import credits
from local.deployment import REGION
from tests.e2e.deployed import Deployed
from tests.e2e.fault_tables import AFTER, BEFORE, TWICE, WHOLE, Row
from tests.support.functions import load

READS = ("Get", "Query", "Head", "List", "Describe")
ENVIRONMENTS = ("Jobs", "StartPrediction", "Generate")
"""Functions whose variables together are those of all."""


class Killed(BaseException):
    """The process is gone: nothing catches this, and nothing that is cleaned up on the way reaches AWS."""


@dataclass
class Line:
    """The line between handlers and AWS: names and counts calls, and is cut at a chosen one."""

    fatal: int = 0
    moment: str = BEFORE
    dead: bool = False
    calls: list[str] = field(default_factory=list)

    def cut(self, call: int, moment: str) -> None:
        """Die at this call (from 1; 0: never), before or after it has its effect."""
        self.fatal, self.moment, self.dead, self.calls = call, moment, False, []

    def before(self, model: Any, **_: Any) -> None:
        """A call is about to be made."""
        if not self.dead:
            self.calls.append(f"{model.service_model.service_id} {model.name}".replace("SFN ", "States "))
        self._die(BEFORE)

    def after(self, **_: Any) -> None:
        """A call had its effect; its answer has not been seen."""
        self._die(AFTER)

    def _die(self, moment: str) -> None:
        self.dead = self.dead or (len(self.calls) == self.fatal and moment == self.moment)
        if self.dead:
            raise Killed


@dataclass
class Run:
    """One delivery: "killed", "done", a status or the class of an error; the calls begun, and those with an effect."""

    outcome: str
    calls: list[str]
    effects: list[str]


class Bench:
    """Runs the handlers of functions here, as the deployed ones would run."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self.seeds = count(10_000)
        self._line = Line()
        self._handlers: dict[str, Callable[[Any, Any], Any]] = {}

    @contextmanager
    def open(self) -> Iterator[Bench]:
        """The environment of the deployed functions, and clients whose calls can be cut."""
        session = boto3.Session(region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        session.events.register("before-call", self._line.before)
        session.events.register("after-call", self._line.after)
        with (
            mock.patch.dict(os.environ, self._environment()),
            mock.patch("boto3.DEFAULT_SESSION", session),
            mock.patch.object(Embedded, "predict", too_slow),
        ):
            forget_clients()
            runtime.signing_keys()  # read once per process
            yield self
        forget_clients()

    def _environment(self) -> dict[str, str]:
        found = {
            "AWS_ENDPOINT_URL": self.deployed.stack.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        for name in ENVIRONMENTS:
            function = self.deployed.stack.physical_id(name)
            shown = self.deployed.functions.get_function_configuration(FunctionName=function)
            found |= shown["Environment"]["Variables"]
        return found | {"FLAGS_FRESH_SECONDS": "30"}

    def run(self, function: str, event: Any, call: int = 0, moment: str = BEFORE) -> Run:
        """Deliver an event to a handler, killed at the given call."""
        if function not in self._handlers:
            self._handlers[function] = load(function).lambda_handler
        runtime.flags().get()  # else some deliveries would read them, and others not
        self._line.cut(call, moment)
        outcome = "done"
        try:
            answer = self._handlers[function](event, None)
        except Killed:
            outcome = "killed"
        except Exception as failed:  # noqa: BLE001 - what a step raises is its outcome
            outcome = type(failed).__name__
        else:
            if isinstance(answer, dict) and "statusCode" in answer:
                outcome = str(answer["statusCode"])
        calls = self._line.calls
        self._line.cut(0, BEFORE)
        return Run(outcome, calls, calls[:-1] if outcome == "killed" and moment == BEFORE else calls)


def too_slow(self: Embedded, job: Job, item: Item, *, seconds_max: float) -> Artifact:
    """A request never waits long enough here; the model runs on without it."""
    self.start(job, item)
    raise StillRunning


def forget_clients() -> None:
    """Let `runtime` read its settings and build its clients anew."""
    for builder in vars(runtime).values():
        if hasattr(builder, "cache_clear"):
            builder.cache_clear()


@dataclass
class Case:
    """One owner with one job in the state that a step finds, and the event of that step.

    ``effects`` are the AWS calls of the step that had their effect so far; ``charge`` what was paid before it.
    """

    owner: Owner
    token: str
    event: dict[str, Any] = field(default_factory=dict)
    job_id: str = ""
    effects: list[str] = field(default_factory=list)
    charge: int = 0
    month: int = 0


@dataclass(frozen=True)
class Scenario:
    """A step in a situation: how it comes about, and what production does after the step was cut.

    ``charge_max``: what may be paid at most in the end, in tenths.
    """

    name: str
    function: str
    arrange: Callable[[Bench], Case]
    recover: Callable[[Bench, Scenario, Case], None]
    charge_max: int

    def deliver(self, bench: Bench, case: Case, call: int = 0, moment: str = BEFORE) -> Run:
        """Deliver the step's event, killed at the given call."""
        run = bench.run(self.function, case.event, call, moment)
        case.effects += run.effects
        return run


def rows(bench: Bench, scenario: Scenario, *, every: bool = True) -> Iterator[Row]:
    """Deliver the step twice, then kill it at each of its calls; check the books each time, at once and in the end.

    Not ``every``: a read is killed before it only, because the moment after it is the one before the next call.
    """
    running = partial(bench.deployed.job_deps.workflow.running, started_before=2**43)
    bench.deployed.until(
        lambda: not list(running()), "the end of other executions, which a sweep would look at"
    )
    case = scenario.arrange(bench)
    whole = scenario.deliver(bench, case)
    yield _row(bench, scenario, case, WHOLE, TWICE, whole)
    for call in count(1):
        for moment in (BEFORE, AFTER):
            case = scenario.arrange(bench)
            run = scenario.deliver(bench, case, call, moment)
            if run.outcome != "killed":
                assert call > len(whole.calls), f"{scenario.name}: call {call} was never made"
                scenario.recover(bench, scenario, case)
                return
            last = run.calls[-1]
            yield _row(bench, scenario, case, f"{last} {run.calls.count(last)}", moment, run)
            if not every and any(word in last for word in READS):
                break


def _row(bench: Bench, scenario: Scenario, case: Case, call: str, moment: str, run: Run) -> Row:
    left = _at_once(bench, case)
    if moment == TWICE:
        scenario.deliver(bench, case)
    scenario.recover(bench, scenario, case)
    if moment == TWICE:
        scenario.deliver(bench, case)
        left = run.outcome
    ended, charge = _in_the_end(bench, scenario, case)
    return Row(scenario.name, call, moment, left, ended, charge)


def _at_once(bench: Bench, case: Case) -> str:
    """The books hold, what is held belongs to open pictures, and says so in words."""
    deployed = bench.deployed
    balance, jobs = deployed.balance(case.owner), deployed.jobs_of(case.owner)
    items = [item for job in jobs for item in job.items]
    assert balance.held == sum(item.hold.credits for item in items if item.is_open), case
    counted = [item for item in items if item.is_open or item.charge]
    plan = sum(item.hold.plan for item in counted)
    assert deployed.used(case.owner) == (len(counted), case.month + plan), case
    if not jobs:
        return "nothing"
    held = sum(item.hold.total for item in items if item.is_open)
    statuses = ", ".join(sorted({job.status for job in jobs}))
    return f"{statuses}; {credits(held)} held" if held else statuses


def _in_the_end(bench: Bench, scenario: Scenario, case: Case) -> tuple[str, int]:
    """Nothing is held, everything is closed, every hold resolved once, and at most the price was paid."""
    deployed = bench.deployed
    _at_once(bench, case)
    jobs = deployed.jobs_of(case.owner)
    assert len(jobs) <= 1, case
    for job in jobs:
        assert not job.is_open, job
        assert not job.open_items, job
        deployed.until(lambda job=job: deployed.status(job) != "RUNNING", "the end of its execution")  # type: ignore[misc]
    assert case.owner not in {job.owner for job in deployed.store.jobs.open()}, case
    assert deployed.open_jobs(case.owner) == 0, case
    balance, kinds = deployed.balance(case.owner), deployed.kinds(case.owner)
    assert balance.held == 0
    assert kinds["hold"] == kinds["settle"] + kinds["release"], case
    charge = balance.spent + deployed.used(case.owner)[1] - case.month
    assert charge == sum(item.charge for job in jobs for item in job.items)
    assert charge <= scenario.charge_max, (charge, case)
    return (jobs[0].status if jobs else "no job"), charge
