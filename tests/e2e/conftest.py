"""The product, built and deployed to the local emulator, once for all end-to-end tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from local.stack import LocalStack
from tests.e2e.browser import browser_fixture, visit_fixture
from tests.e2e.deployed import PATIENCE_SECONDS, Deployed, Store
from tests.support.client import Client

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "tests")  # for use cases that are called from here
__all__ = ["Store", "browser_fixture", "visit_fixture"]
FLAGS_FRESH_SECONDS = 2
"""How old the operator's flags may be in these functions; half a minute in others."""
WARM_SECONDS = 200
"""Starting a function costs more than most tests; kept longer, the processes of all tests together need much memory."""
LONG = (
    "test_faults",
    "test_page_billing",
    "test_crash",
    "test_restarts",
    "test_page_account",
    "test_sharing",
    "test_page_access",
    "test_concurrency",
    "test_stack",
    "test_billing",
    "test_jobs",
    "test_page_jobs",
    "test_page",
    "test_page_models",
    "test_billing_rounds",
    "test_openapi",
    "test_jobs_load",
    "test_providers",
)
"""The files that take more than half a minute, the longest first. They begin first, so that at the end the two workers
share what is short and none works alone; a file that is missing here only ends a little later than it might."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put long files first; within a file, and among all others, the order stays."""
    place = {name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONG)))


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
            name = found["FunctionName"]
            functions.update_function_configuration(FunctionName=name, Timeout=seconds)
            version = functions.publish_version(FunctionName=name)["Version"]
            functions.update_alias(FunctionName=name, Name="live", FunctionVersion=version)


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
