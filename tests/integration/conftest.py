"""The providers' stand-ins as processes of their own, and the adapters in front of them, as production builds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from enhancer.adapters.predictors.replicate import Replicate
from enhancer.adapters.predictors.results import Results
from enhancer.adapters.predictors.workers_ai import WorkersAi
from local.processes import free_port
from local.standins.started import StandIn
from tests.support.bucket import Bucket, now, serving
from tests.support.stripe_account import Cashier


class Provider:
    """A stand-in and what it heard."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.script, self.advance, self.url = stand_in.script, stand_in.advance, stand_in.url

    def calls(self, method: str, end: str = "") -> list[dict[str, Any]]:
        """The requests to its API whose path ends so."""
        return [
            call
            for call in self.stand_in.log()
            if call["port"] == self.stand_in.port and call["method"] == method and call["path"].endswith(end)
        ]

    def fetched(self) -> list[dict[str, Any]]:
        """The requests to any other of its ports: the delivery host."""
        return [call for call in self.stand_in.log() if call["port"] != self.stand_in.port]


@pytest.fixture(scope="module")
def _replicate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    options = ["--delivery-port", str(free_port()), "--token", "r8_local", "--seconds", "0.3"]
    with StandIn("replicate", options, log=tmp_path_factory.mktemp("replicate") / "log") as started:
        yield Provider(started)


@pytest.fixture(scope="module")
def _workers_ai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    options = ["--account", "local", "--token", "cf_local", "--seconds", "0.05"]
    with StandIn("workers_ai", options, log=tmp_path_factory.mktemp("workers_ai") / "log") as started:
        yield Provider(started)


@pytest.fixture(scope="module")
def _stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn("stripe", ["--webhook-url", ""], log=tmp_path_factory.mktemp("stripe") / "log") as started:
        yield started


@pytest.fixture
def cashier(_stripe: StandIn) -> Cashier:
    """The Stripe stand-in, as new, with one customer."""
    _stripe.reset()
    return Cashier(_stripe)


@pytest.fixture
def replicate_api(_replicate: Provider) -> Provider:
    """The Replicate stand-in, as new."""
    _replicate.stand_in.reset()
    return _replicate


@pytest.fixture
def workers_ai_api(_workers_ai: Provider) -> Provider:
    """The Workers AI stand-in, as new."""
    _workers_ai.stand_in.reset()
    return _workers_ai


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """A bucket whose links the stand-ins really fetch."""
    with serving(Bucket()) as found:
        yield found


@pytest.fixture
def replicate(replicate_api: Provider, bucket: Any) -> Replicate:
    """The adapter for Replicate."""
    return Replicate(
        base_url=replicate_api.url,
        token=lambda fresh: "r8_local",
        results=Results(bucket),
        artifacts=bucket,
        callback_url=lambda job, item: None,
        now=now,
    )


@pytest.fixture
def workers_ai(workers_ai_api: Provider, bucket: Any) -> WorkersAi:
    """The adapter for Workers AI."""
    return WorkersAi(
        base_url=f"{workers_ai_api.url}/client/v4",
        credentials=lambda fresh: ("local", "cf_local"),
        results=Results(bucket),
        artifacts=bucket,
    )
