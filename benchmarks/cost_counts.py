"""What one image makes the product ask of AWS: its own handlers, run on a table and a bucket in memory, counted.

Log lines are what the handlers write; what Lambda and the gateway add to them is in `benchmarks.cost_model`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

from benchmarks.counted_table import CountedTable, Counts
from enhancer import runtime
from enhancer.adapters.aws.secrets import Secrets
from enhancer.adapters.predictors.embedded import Embedded
from enhancer.telemetry import logger
from tests.support import aws, functions
from tests.support.events import CONTEXT, Answer, Browser
from tests.support.images import png
from tests.support.world import World

STEP_MS = 1000
"""How far the clock goes from one call to the next, so that deadlines move as they do."""
PAGE_READS = {"/api/auth/me": "sign_in", "/api/ai-image/usage": "usage", "/api/ai-image/models": "usage"}
"""What the page asks when it is opened, beside its own files, and the function that answers."""


class Bench:
    """The product in this process, counted: a world whose table, bucket and functions note what they are asked."""

    def __init__(self) -> None:
        self.table = CountedTable()
        self.world = World(seed=1, table=self.table)
        self.apps = {name: _loaded(name) for name in functions.NAMES}
        self.bucket = _Files(self.world.artifacts, self.table)
        self.world.artifacts = self.bucket  # type: ignore[assignment]
        self.world.predictor = Embedded(lambda _: self, "upscale", self.bucket)  # type: ignore[assignment, arg-type]
        for hosted in (self.world.replicate, self.world.workers_ai):
            hosted.artifacts = self.bucket  # type: ignore[assignment]
        self._later: list[dict[str, Any]] = []

    @property
    def counts(self) -> Counts:
        """What was counted since `take`."""
        return self.table.counts

    def take(self) -> Counts:
        """Return what was counted so far, and count anew."""
        taken, self.table.counts = self.table.counts, Counts()
        return taken

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        """Lambda's Invoke: the model at once, or, as an event, when `run_later` is called."""
        event = json.loads(Payload)
        if InvocationType == "Event":
            self._later.append(event)
            return {"Payload": io.BytesIO(b"")}
        return {"Payload": io.BytesIO(json.dumps(self.call(FunctionName, event)).encode())}

    def run_later(self) -> None:
        """Run what was started as an event."""
        while self._later:
            self.call("upscale", self._later.pop(0))

    def call(self, name: str, event: dict[str, Any]) -> Any:
        """Invoke a function; its log lines, metrics among them, are counted."""
        stream, outer = io.StringIO(), self.table.function
        self.table.function = name
        self.world.clock += STEP_MS
        os.environ["AWS_LAMBDA_FUNCTION_NAME"] = f"tests-{name}-x"
        self.counts.invocations[name] += 1
        with (
            mock.patch.object(logger.registered_handler, "stream", stream),
            contextlib.redirect_stdout(stream),
        ):
            try:
                answer = self.apps[name](event, CONTEXT)
            finally:
                self.table.function = outer
        lines = stream.getvalue().splitlines()
        self.counts.log_bytes[name] += sum(len(line) + 1 for line in lines)
        self.counts.log_events[name] += len(lines)
        self.counts.metrics.update(found for line in lines for found in _metrics(line))
        return answer

    def http(self, browser: Browser, name: str, method: str, path: str, **more: Any) -> Answer:
        """A request through the gateway."""
        self.counts.gateway += 1
        return browser.send(lambda event, _: self.call(name, event), method, path, **more)

    def generate(self, browser: Browser, model: str) -> Answer:
        """One picture within the request."""
        self.counts.gateway += 1
        return browser.post_form(
            lambda event, _: self.call("generate", event),
            "/api/ai-image/generate",
            {"model": model, **({"prompt": "brighter"} if model in ("nano-banana", "flux-klein") else {})},
            image=png(shade=self.world.random.randrange(200)),
        )

    def job(self, browser: Browser, model: str, *, polls: int) -> None:
        """One picture as a job: submitted, run step by step, looked at so many times while it runs."""
        started, told = self.submit(browser, model)
        step = {**told, "item": 0, "turn": 0}
        self.run_later()
        for _ in range(polls):
            self.http(browser, "jobs", "GET", f"/api/ai-image/jobs/{started.job_id}")
        self._deliver(started)
        self.call("finish_item", {**step, "error": None})
        self.call("finish_job", told)
        with self.uncounted():
            stored = self.world.jobs.get(started.owner, started.job_id)
        assert stored, "the job is gone"
        assert stored.status == "succeeded", stored

    def submit(self, browser: Browser, model: str) -> tuple[Any, dict[str, Any]]:
        """Submit a job and start its model; return its execution and what its steps are told."""
        self.counts.gateway += 1
        answer = browser.post_form(
            lambda event, _: self.call("jobs", event),
            "/api/ai-image/jobs",
            {"model": model, **({"prompt": "brighter"} if model in ("nano-banana", "flux-klein") else {})},
            image=png(shade=self.world.random.randrange(200)),
        )
        assert answer.status == 202, answer.content
        started = self.world.workflow.executions[next(reversed(self.world.workflow.executions))]
        self.counts.starts += 1
        told = {
            "ownerType": started.owner.type,
            "ownerId": started.owner.id,
            "jobId": started.job_id,
            "attempt": started.attempt,
        }
        self.call("start_prediction", {**told, "item": 0, "turn": 0, "token": "token"})
        return started, told

    @contextlib.contextmanager
    def uncounted(self) -> Iterator[None]:
        """What is done here nobody pays for."""
        counts, self.table.counts = self.table.counts, Counts()
        try:
            yield
        finally:
            self.table.counts = counts

    def _deliver(self, started: Any) -> None:
        """What a hosted model does: outside, so it is not counted."""
        with self.uncounted():
            job = self.world.jobs.get(started.owner, started.job_id)
            assert job, "the job is gone"
            found = self.world.job_deps.predictor_of(job, job.items[0])
            if found is not self.world.predictor:
                found.deliver(job, job.items[0])  # type: ignore[attr-defined]


class _Files:
    """The bucket in memory; requests are counted as S3 bills them."""

    def __init__(self, real: Any, table: CountedTable) -> None:
        self._real, self._table = real, table

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        kinds = {
            "get": "gets",
            "head": "gets",
            "exists": "gets",
            "put": "puts",
            "copy": "puts",
            "put_file": "puts",
        }
        if name not in kinds:
            return found

        def counted(*arguments: Any, **named: Any) -> Any:
            counts = self._table.counts
            setattr(counts, kinds[name], getattr(counts, kinds[name]) + 1)
            counts.files[self._table.function] += 1
            return found(*arguments, **named)

        return counted


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    """The product in this process, in place of AWS's clients."""
    with aws.environment():
        os.environ["POWERTOOLS_METRICS_DISABLED"] = "false"
        here = Bench()
        world = here.world

        def published(kind: str, owner: Any, **more: Any) -> None:
            here.counts.notices += 1
            world.notify(kind, owner, **more)

        there = {
            "table": lambda: here.table,
            "artifacts": lambda: here.bucket,
            "secrets": cache(lambda: Secrets(world.secrets)),  # type: ignore[arg-type]
            "now": world.now,
            "predictors": lambda: world.job_deps.predictors,
            "workflow": lambda: world.workflow,
            "job_deps": lambda: replace(world.job_deps, notify=published),
            "payments": lambda: world.cashier,
            "notify": published,
            "enabled": lambda _: True,
        }
        with contextlib.ExitStack() as stack:
            for name, value in there.items():
                stack.enter_context(mock.patch.object(runtime, name, value))
            yield here
    aws.clear_caches()


def person(here: Bench, plan: str = "premium", *, credits: int = 0) -> Browser:
    """A signed-in browser of this plan; bought credits in tenths. Nothing of it is counted."""
    browser = Browser(ip=f"2001:db8::{here.world.random.randrange(65536):x}:1")
    answer = browser.post_json(
        lambda event, _: here.call("debug_login", event), "/api/debug-login", {"plan": plan, "email": None}
    )
    if credits:
        owner = here.world.caller(plan).owner
        here.world.ledger.grant(
            replace(owner, id=answer.data["userId"]), credits, source="bench", reason="", actor="bench",
            entry_id=here.world.new_id("ent"), now=here.world.clock,
        )  # fmt: skip
    here.take()
    return browser


def _metrics(line: str) -> Iterator[str]:
    """The custom metrics that a line in the embedded metric format makes: name, and value of its dimension."""
    found = json.loads(line) if '"_aws"' in line else {}
    for directive in found.get("_aws", {}).get("CloudWatchMetrics", []):
        for names in directive["Dimensions"]:
            about = " ".join(str(found[name]) for name in names)
            yield from (f"{metric['Name']} {about}".strip() for metric in directive["Metrics"])


def _loaded(name: str) -> Callable[[dict[str, Any], SimpleNamespace], Any]:
    handler: Callable[[dict[str, Any], SimpleNamespace], Any] = functions.load(name).lambda_handler
    return handler
