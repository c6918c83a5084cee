"""One fault of a provider, played on the deployed stack through a call, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import requests

from enhancer.domain.jobs import Job
from enhancer.domain.models import model_named
from enhancer.domain.owners import Owner
from enhancer.domain.pricing import price
from tests.e2e.provider_lab import PLANS, REPLICATE, WORKERS, Calls, Lab, size_of
from tests.support.client import Client, picture

GENERATE, JOB = "generate", "job"
OWN, FALLBACK = "a picture of the model", "a picture of its fallback"
ALWAYS = 20
"""More often than anybody tries."""
PROMPT = "a calm harbour at dawn"
PARAMETERS: dict[str, dict[str, str]] = {"real-esrgan": {"scale": "2"}, "nano-banana": {"prompt": PROMPT}}
PARAMETERS |= {"flux-klein": {"prompt": PROMPT}, "sd15": {"prompt": PROMPT}}


@dataclass
class Stage:
    """A fault being played."""

    lab: Lab
    client: Client
    owner: Owner

    @property
    def job(self) -> Job:
        """The one job of this owner, as stored."""
        return self.lab.deployed.jobs_of(self.owner)[0]


Meanwhile = Callable[[Stage], None]


@dataclass(frozen=True)
class Fault:
    """What a provider does wrong.

    ``scripts`` are orders to stand-ins: provider, route, fault, parameters. ``wait`` is how long a request waits
    (``Prefer: wait``), None as long as it does by itself. ``around`` holds while it is played; ``meanwhile`` happens
    while a job runs; ``afterwards`` when it has ended. ``made`` is how many predictions there must be at Replicate.
    ``also`` are further providers that must be quiet; ``apart``: the calls cannot be made at the same time.
    """

    name: str
    model: str
    scripts: tuple[tuple[str, str, str, dict[str, Any]], ...] = ()
    via: tuple[str, ...] = (GENERATE, JOB)
    wait: int | None = None
    around: Callable[[Lab], AbstractContextManager[None]] = lambda _: nullcontext()
    meanwhile: Meanwhile | None = None
    afterwards: Meanwhile | None = None
    made: int | None = None
    also: tuple[str, ...] = ()
    apart: bool = False

    @property
    def runs_on(self) -> set[str]:
        """The providers of the model and of its fallbacks."""
        found, model = set[str](), model_named(self.model)
        while True:
            found.add(model.provider)
            if model.fallback is None:
                return found
            model = model_named(model.fallback)

    @property
    def touches(self) -> tuple[str, ...]:
        """The providers that must be quiet for it: those it runs on, and those of the scripts."""
        return tuple(
            sorted(({order[0] for order in self.scripts} | set(self.also) | self.runs_on) - {"embedded"})
        )

    @property
    def plays(self) -> list[tuple[str, ...]]:
        """Which calls are made at the same time: both, where every call meets the fault and says whose it is."""
        lasting = all(parameters.get("times") == ALWAYS for *_, parameters in self.scripts)
        together = lasting and not self.apart and WORKERS not in self.runs_on
        return [self.via] if together else [(via,) for via in self.via]


@dataclass(frozen=True)
class Line:
    """One line of the table: a fault, met by a call. ``charge`` and ``held`` in tenths, ``cost`` in USD micros.

    ``left``: predictions still running at Replicate when all was over.
    """

    fault: str
    model: str
    via: str
    saw: str
    calls: Calls = field(default_factory=Calls)
    charge: int = 0
    held: int = 0
    cost: int = 0
    left: int = 0

    @property
    def name(self) -> tuple[str, str, str]:
        """What was played how."""
        return self.fault, self.model, self.via

    @property
    def ended(self) -> str:
        """`OWN`, `FALLBACK`, "canceled", or the code of the error that the caller saw, at once or in the job."""
        last = self.saw.split(" ")[-1]
        if ":" in self.saw or "," not in self.saw:
            return last
        return {self.model: OWN, "canceled": last}.get(last, FALLBACK)


def play(lab: Lab, fault: Fault, *vias: str) -> list[Line]:
    """Play a fault through these calls at once, wait until all is over, check every book, and say what came of it."""
    with lab.held(*fault.touches), fault.around(lab):
        for provider, route, kind, parameters in fault.scripts:
            (lab.replicate if provider == REPLICATE else lab.workers).script(route, kind, **parameters)
        with ThreadPoolExecutor(len(vias)) as threads:
            lines = list(threads.map(lambda via: _play(lab, fault, via), vias))
        lab.check_tokens()
    return lines


def _play(lab: Lab, fault: Fault, via: str) -> Line:
    plan = PLANS[via == JOB]
    counted = {*fault.touches, *fault.runs_on} - ({WORKERS} - fault.runs_on)
    stage = Stage(lab, *lab.someone(plan))
    before = lab.booked(*counted, plan=plan)
    answer = _ask(stage.client, fault, via, picture(seed=next(lab.seeds)))
    if fault.meanwhile:
        fault.meanwhile(stage)
    job = lab.is_over(stage.job)
    if fault.afterwards:
        fault.afterwards(stage)
        job = stage.job
    left = lab.left_running(stage.owner)
    assert left == 0, (fault, via, left)
    calls = lab.calls(stage.owner, *counted)
    lab.check_books(stage.owner)
    _check_price(job)
    spent, item = lab.booked(*counted, plan=plan) - before, job.items[0]
    assert sum(spent.values()) == item.cost, (fault, via, spent, item)
    assert fault.made in (None, calls.made), (fault, via, calls)
    held = lab.deployed.balance(stage.owner).held
    saw = _seen(stage.client, answer, job)
    cost = sum(micros for provider, micros in spent.items() if provider != "embedded")
    return Line(fault.name, fault.model, via, saw, calls, item.charge, held, cost, left)


def _ask(client: Client, fault: Fault, via: str, photo: bytes) -> requests.Response:
    parameters = {"model": fault.model, **PARAMETERS.get(fault.model, {})}
    if via == JOB:
        return client.start(image=photo, **parameters)
    headers = None if fault.wait is None else {"Prefer": f"wait={fault.wait}"}
    return client.generate(photo, headers=headers, **parameters)


def _seen(client: Client, answer: requests.Response, job: Job) -> str:
    """What the caller saw: the status, then the model that made the picture, or the code of the error."""
    told = answer.json()
    if answer.status_code not in (200, 202):
        assert job.status == "failed"
        return f"{answer.status_code} {told['error']['code']}"
    if answer.status_code == 200:
        ran = told["data"]
        size, url = (ran["width"], ran["height"]), ran["imageUrl"]
    else:
        ran = client.job(job.id)
        if ran["error"]:
            return f"202, {ran['status']}: {ran['error']['code']}"
        if ran["status"] != "succeeded":
            return f"202, {ran['status']}"
        size, url = (ran["output"]["width"], ran["output"]["height"]), ran["output"]["url"]
    assert size_of(client, url) == size
    return f"{answer.status_code}, {model_named(ran['model']).alias}"


def _check_price(job: Job) -> None:
    """A failure is free; a model that ran instead costs its own price, and never more than what was asked for."""
    for item in job.items:
        model, params = job.model_of(item), job.params_of(item)
        own = price(model, scale=params.scale, face=params.face, quality=params.quality)
        assert item.charge == (min(own, item.hold.total) if item.status == "succeeded" else 0), item
