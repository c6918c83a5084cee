"""Composition root: builds each client and adapter once, on first use, and hands out time and ids."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from enhancer.adapters.accounts import Accounts
from enhancer.adapters.artifacts import Artifacts
from enhancer.adapters.jobs import Jobs
from enhancer.adapters.ledger import Ledger
from enhancer.adapters.rates import Rates
from enhancer.adapters.secrets import Secrets
from enhancer.adapters.table import Table
from enhancer.adapters.workflow import Workflow
from enhancer.domain.ids import RANDOM_BYTES, ordered_id, random_name
from enhancer.fulfilment import Tools
from enhancer.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from enhancer.adapters.fetch import Downloads
    from enhancer.adapters.pixels import Photo
    from enhancer.domain.predictions import Predictor

PREDICT_SECONDS_MAX = 25.0
"""The longest a request waits for a predictor; HTTP APIs end at 30 s."""
_QUICK = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=20,
)
_BUCKET = _QUICK.merge(Config(signature_version="s3v4", read_timeout=20))


def now() -> int:
    """Return the time in epoch ms."""
    return time.time_ns() // 1_000_000


def new_id(prefix: str) -> str:
    """Return a fresh id that sorts by time."""
    return ordered_id(prefix, now(), os.urandom(RANDOM_BYTES))


def new_name() -> str:
    """Return 128 fresh random bits, as a name."""
    return random_name(os.urandom(RANDOM_BYTES))


@cache
def settings() -> Settings:
    """The environment, read and checked once."""
    return Settings.load()


@cache
def table() -> Table:
    """The one table."""
    return Table(boto3.client("dynamodb", config=_QUICK), settings().table)


@cache
def artifacts() -> Artifacts:
    """The bucket."""
    return Artifacts(boto3.client("s3", config=_BUCKET), settings().bucket)


@cache
def secrets() -> Secrets:
    """Secrets by name."""
    return Secrets(boto3.client("secretsmanager", config=_QUICK))


def signing_keys() -> list[bytes]:
    """The keys that sign guests and networks, newest first."""
    return secrets().signing_keys(settings().signing_secret)


@cache
def ledger() -> Ledger:
    """Money."""
    return Ledger(table())


@cache
def jobs() -> Jobs:
    """Jobs."""
    return Jobs(table())


@cache
def accounts() -> Accounts:
    """Users and sessions."""
    return Accounts(table())


@cache
def rates() -> Rates:
    """Rate limits."""
    return Rates(table())


def providers() -> frozenset[str]:
    """Names of the providers that are switched on here; the embedded model always is."""
    return frozenset({"embedded"})


@cache
def predictors() -> dict[str, Predictor]:
    """The predictors of those providers, by name."""
    from enhancer.adapters.predictors.embedded import Embedded  # noqa: PLC0415 - only functions that run models

    return {"embedded": Embedded(lambda_client, settings().upscale_function, artifacts())}


@cache
def lambda_client(seconds_max: float) -> LambdaClient:
    """A Lambda client that waits for an answer at most so long, and never sends twice."""
    config = Config(
        connect_timeout=2, read_timeout=seconds_max, retries={"mode": "standard", "total_max_attempts": 1}
    )
    return boto3.client("lambda", config=config)


@cache
def workflow() -> Workflow:
    """The state machine."""
    return Workflow(boto3.client("stepfunctions", config=_QUICK), settings().state_machine)


@cache
def downloads() -> Downloads:
    """Pictures by URL, from public addresses only."""
    from enhancer.adapters.fetch import Downloads  # noqa: PLC0415 - only the step that fetches

    return Downloads()


@cache
def tools() -> Tools:
    """What running jobs needs."""
    return Tools(
        predictors=predictors(),
        artifacts=artifacts(),
        jobs=jobs(),
        ledger=ledger(),
        workflow=workflow(),
        now=now,
        new_id=new_id,
    )


def read_photo(data: bytes, *, pixels_max: int) -> Photo:
    """Decode a picture; the decoder is loaded on first use. See `enhancer.adapters.pixels.read`."""
    from enhancer.adapters.pixels import read  # noqa: PLC0415 - Pillow costs a cold start 20 ms

    return read(data, pixels_max=pixels_max)
