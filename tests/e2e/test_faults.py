"""Killed anywhere or delivered twice, a step loses nothing and charges nothing twice; see docs/faults.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import fault_tables, faults
from tests.e2e.deployed import Deployed
from tests.e2e.fault_cases import SCENARIOS
from tests.e2e.faults import Bench, Scenario


@pytest.fixture(scope="module")
def bench(deployed: Deployed) -> Iterator[Bench]:
    """The deployed handlers, in this process."""
    with Bench(deployed).open() as opened:
        yield opened


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_step_killed_anywhere_or_delivered_twice_ends_closed_and_paid_once(
    bench: Bench, scenario: Scenario
) -> None:
    """At each call: the books hold at once; in the end nothing is held or open, and at most the price is paid."""
    found = {row.name for row in faults.rows(bench, scenario, every=False)}
    documented = {name for name in fault_tables.documented() if name[0] == scenario.name}
    assert found <= documented
    assert {call for _, call, _ in found} == {call for _, call, _ in documented}
