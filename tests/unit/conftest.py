"""What every unit test stands on: no real AWS, a clock that stands still, and a world per test."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest

from enhancer import runtime
from enhancer.adapters.aws.secrets import Secrets
from enhancer.adapters.dynamodb import table
from enhancer.telemetry import logger
from tests.support import aws, functions
from tests.support.world import World

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "tests")
# Threads of the model that wait for each other sleep: several workers share the cores. Read when its library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


@pytest.fixture(scope="module")
def configured() -> Iterator[None]:
    """The settings of a function, for a module."""
    with aws.environment():
        yield


@pytest.fixture(scope="module")
def cloud() -> Iterator[None]:
    """AWS on moto, shared by a module: the table of the template, the bucket and the secrets."""
    with aws.cloud():
        yield


@pytest.fixture
def world(configured: None) -> World:
    """Use cases on a table and a bucket in memory, with ids and a clock of the test's own."""
    return World()


@pytest.fixture(scope="module")
def apps(configured: None) -> SimpleNamespace:
    """The handler of every function, freshly loaded for the module."""
    return SimpleNamespace(**{name: functions.load(name).lambda_handler for name in functions.NAMES})


@pytest.fixture
def served(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The handlers run on the world's table, bucket, secrets and clock, its scripted predictor, workflow and Stripe."""
    aws.clear_caches()
    monkeypatch.setattr(runtime, "table", lambda: world.table)
    monkeypatch.setattr(runtime, "artifacts", lambda: world.artifacts)
    monkeypatch.setattr(runtime, "secrets", cache(lambda: Secrets(world.secrets)))
    monkeypatch.setattr(runtime, "now", world.now)
    monkeypatch.setattr(runtime, "predictors", lambda: world.job_deps.predictors)
    monkeypatch.setattr(runtime, "workflow", lambda: world.workflow)
    monkeypatch.setattr(runtime, "job_deps", lambda: world.job_deps)
    monkeypatch.setattr(runtime, "payments", lambda: world.cashier)
    monkeypatch.setattr(runtime, "stripe_books", lambda: SimpleNamespace(moves=lambda **_: iter(())))
    monkeypatch.setattr(runtime, "counts", lambda: None)
    yield world
    aws.clear_caches()


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Change settings for one test: ``setting(APP_ORIGIN="https://enhance.example")``."""

    def change(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        runtime.settings.cache_clear()

    yield change
    monkeypatch.undo()
    runtime.settings.cache_clear()


class Logs:
    """The log lines written so far."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        """Everything, as written."""
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """One object per line; fails on a line that is not one."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Logs:
    """What the product logs during the test."""
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return Logs(stream)


class Counted:
    """The metrics written so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.lines: list[dict[str, Any]] = []

    def __call__(self, name: str) -> dict[str, list[float]]:
        """Every value of a metric since the last look at all of them, by its dimension's value; "" in all."""
        found: dict[str, list[float]] = {}
        for line in self.look():
            for told in line["_aws"]["CloudWatchMetrics"]:
                if name in [one["Name"] for one in told["Metrics"]]:
                    for dimensions in told["Dimensions"]:
                        label = "".join(line[dimension] for dimension in dimensions)
                        found.setdefault(label, []).extend(line[name])
        return found

    def look(self) -> list[dict[str, Any]]:
        """Every line written since the test began or `forget` was called."""
        text = self._capsys.readouterr().out
        self.lines += [json.loads(line) for line in text.splitlines() if line.startswith('{"_aws"')]
        return self.lines

    def forget(self) -> None:
        """Begin anew."""
        self.look()
        self.lines.clear()


@pytest.fixture
def counted(capsys: pytest.CaptureFixture[str]) -> Counted:
    """What the product counts during the test."""
    return Counted(capsys)


@pytest.fixture(autouse=True)
def real_pause(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Nothing in a unit test waits: pauses between attempts cost no time. Returns the real one."""
    real = table.pause
    monkeypatch.setattr(table, "pause", lambda attempt: None)
    return real
