"""Who answers: always the stand-in, and the real service too where its keys are in the environment.

The same assertions for both, so that a stand-in cannot drift from what it stands in for. ``make contract`` runs it;
it is not part of ``make test``, because real calls cost real money (about 0.05 USD a run).
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator

import pytest

from enhancer.adapters.predictors.replicate import Replicate
from enhancer.adapters.predictors.results import Results
from enhancer.adapters.predictors.workers_ai import WorkersAi
from local.processes import free_port
from local.standins.started import StandIn
from tests.support.bucket import Bucket, now

REPLICATE, WORKERS_AI = "https://api.replicate.com", "https://api.cloudflare.com/client/v4"
REPLICATE_KEYS = ("REPLICATE_API_TOKEN",)
WORKERS_KEYS = ("CLOUDFLARE_ACCOUNT_ID", "CLOUDFLARE_API_TOKEN")
STRIPE_KEYS = ("STRIPE_SECRET",)


class OpenBucket(Bucket):
    """A bucket whose links anybody can read: the picture itself, as a data URL."""

    def link(self, key: str, *, headers: dict[str, str], seconds: int = 300) -> str:
        """The picture, inside its URL."""
        data, content_type, _ = self.stored[key]
        return f"data:{content_type};base64,{b64encode(data).decode()}"


def services(keys: tuple[str, ...]) -> list[str]:
    """The stand-in, and the real one if all its keys are there."""
    return ["stand-in", "real"] if all(os.environ.get(name) for name in keys) else ["stand-in"]


def pytest_report_header() -> list[str]:
    """Say which real services are not asked, and why."""
    return [
        f"{name}: real service asked"
        if len(services(keys)) > 1
        else f"{name}: stand-in only ({', '.join(keys)} not set)"
        for name, keys in (
            ("Replicate", REPLICATE_KEYS),
            ("Workers AI", WORKERS_KEYS),
            ("Stripe", STRIPE_KEYS),
        )
    ]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each test once per service that can be asked."""
    for fixture, keys in (("replicate", REPLICATE_KEYS), ("workers_ai", WORKERS_KEYS)):
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, services(keys), indirect=True)
    if "stripe_service" in metafunc.fixturenames:
        metafunc.parametrize("stripe_service", services(STRIPE_KEYS))


@pytest.fixture
def bucket() -> OpenBucket:
    """An empty bucket."""
    return OpenBucket()


@pytest.fixture(scope="session")
def replicate_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    options = ["--delivery-port", str(free_port()), "--token", "r8_local", "--seconds", "0.5"]
    with StandIn("replicate", options, log=tmp_path_factory.mktemp("replicate") / "log") as started:
        yield started.url


@pytest.fixture(scope="session")
def workers_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    options = ["--account", "local", "--token", "cf_local", "--seconds", "0.1"]
    with StandIn("workers_ai", options, log=tmp_path_factory.mktemp("workers") / "log") as started:
        yield f"{started.url}/client/v4"


@pytest.fixture
def replicate(request: pytest.FixtureRequest, bucket: OpenBucket) -> Replicate:
    """The adapter in front of the stand-in, or of the real service."""
    real = request.param == "real"
    url = REPLICATE if real else request.getfixturevalue("replicate_stand_in")
    token = os.environ["REPLICATE_API_TOKEN"] if real else "r8_local"
    return replicate_at(url, token, bucket)


@pytest.fixture
def workers_ai(request: pytest.FixtureRequest, bucket: OpenBucket) -> WorkersAi:
    """The adapter in front of the stand-in, or of the real service."""
    real = request.param == "real"
    url = WORKERS_AI if real else request.getfixturevalue("workers_stand_in")
    account, token = (os.environ[name] for name in WORKERS_KEYS) if real else ("local", "cf_local")
    return workers_at(url, account, token, bucket)


def replicate_at(url: str, token: str, bucket: OpenBucket) -> Replicate:
    """The adapter with any token."""
    return Replicate(
        base_url=url,
        token=lambda _: token,
        results=Results(bucket),  # type: ignore[arg-type]
        artifacts=bucket,  # type: ignore[arg-type]
        callback_url=lambda *_: None,
        now=now,
    )


def workers_at(url: str, account: str, token: str, bucket: OpenBucket) -> WorkersAi:
    """The adapter with any credentials."""
    return WorkersAi(
        base_url=url,
        credentials=lambda _: (account, token),
        results=Results(bucket),  # type: ignore[arg-type]
        artifacts=bucket,  # type: ignore[arg-type]
    )
