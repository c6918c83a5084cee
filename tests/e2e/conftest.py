"""The product, built and deployed to the local emulator, once for all end-to-end tests."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from local.stack import LocalStack
from tests.e2e.browser import browser_fixture, visit_fixture
from tests.e2e.deployed import PATIENCE_SECONDS, Deployed, Store
from tests.support.client import Client

__all__ = ["Store", "browser_fixture", "visit_fixture"]
FLAGS_FRESH_SECONDS = 2
"""How old the operator's flags may be in these functions; half a minute in others."""
WARM_SECONDS = 200
"""Starting a function costs more than most tests; kept longer, the processes of all tests together need much memory."""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The deployed local stack on free ports with a state of its own."""
    state = tmp_path_factory.mktemp("state")
    patience = {"warm_seconds": WARM_SECONDS, "integration_seconds": PATIENCE_SECONDS}
    parameters = {"FlagsFreshSeconds": str(FLAGS_FRESH_SECONDS)}
    with LocalStack(port=0, emulator_port=0, state=state, parameters=parameters, **patience) as running:
        be_patient(running)
        yield running


def be_patient(stack: LocalStack) -> None:
    """Let functions take their time: here it starts before they are loaded, on a machine that may be busy."""
    functions = stack.client("lambda")
    for page in functions.get_paginator("list_functions").paginate():
        for found in page["Functions"]:
            seconds = max(found["Timeout"], int(PATIENCE_SECONDS))
            functions.update_function_configuration(FunctionName=found["FunctionName"], Timeout=seconds)


@pytest.fixture(scope="session")
def fresh_client(stack: LocalStack) -> Callable[[], Client]:
    """A new browser in a network nobody used before, with cookies."""
    numbers = itertools.count(2)

    def make() -> Client:
        number = next(numbers)
        return Client(stack.url, f"127.1.{number // 250}.{number % 250 + 1}").meet()

    return make


@pytest.fixture(scope="session")
def deployed(stack: LocalStack) -> Deployed:
    """The stack past its API: store, state machine, logs, and the clock of the sweep."""
    return Deployed(stack)


@pytest.fixture(scope="session")
def store(deployed: Deployed) -> Store:
    """Adapters on the deployed table."""
    return deployed.store
