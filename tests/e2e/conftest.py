"""The product, built and deployed to the local emulator, once for all end-to-end tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from enhancer.adapters.jobs import Jobs
from enhancer.adapters.ledger import Ledger
from enhancer.adapters.table import Table
from local.stack import LocalStack
from tests.support.client import Client


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The deployed local stack on free ports with a state of its own."""
    with LocalStack(port=0, emulator_port=0, state=tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="session")
def fresh_client(stack: LocalStack) -> Callable[[], Client]:
    """A new browser in a network nobody used before, with cookies."""
    numbers = itertools.count(2)

    def make() -> Client:
        number = next(numbers)
        return Client(stack.url, f"127.1.{number // 250}.{number % 250 + 1}").meet()

    return make


@dataclass(frozen=True)
class Store:
    """The deployed table and bucket, read and written past the API."""

    table: Table
    ledger: Ledger
    jobs: Jobs
    s3: Any
    bucket: str


@pytest.fixture(scope="session")
def store(stack: LocalStack) -> Store:
    """Adapters on the deployed table."""
    table = Table(stack.client("dynamodb"), stack.physical_id("Table"))
    return Store(table, Ledger(table), Jobs(table), stack.client("s3"), stack.physical_id("Bucket"))
