"""Many jobs at once; the large version is `make load`."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.deployed import Deployed
from tests.load.jobs_at_once import TRANSITIONS_MAX, run
from tests.support.client import Client


def test_twenty_jobs_of_five_owners_at_once_all_end_with_exact_books(
    fresh_client: Callable[[], Client], deployed: Deployed
) -> None:
    """Every job succeeds, no hold is left, each owner's entries add up, and a job takes at most seven transitions."""
    outcome = run(deployed, [fresh_client() for _ in range(5)], jobs=20)
    assert [job.status for job in outcome.jobs] == ["succeeded"] * 20
    assert max(outcome.transitions) <= TRANSITIONS_MAX
