"""What runs by the clock: holds past their deadline are given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from enhancer.domain.errors import JobExpired
from enhancer.domain.jobs import OPEN
from enhancer.fulfilment import release

if TYPE_CHECKING:
    from enhancer.adapters.jobs import Jobs
    from enhancer.adapters.ledger import Ledger


def sweep(*, jobs: Jobs, ledger: Ledger, now: int, new_id: Callable[[str], str]) -> int:
    """Fail every open job past its deadline and release its unresolved holds; return how many were released."""
    released = 0
    for job in jobs.overdue(now=now):
        unresolved = [item for item in job.items if item.status in OPEN]
        for item in unresolved:
            problem = JobExpired(jobId=job.id)
            closes = item is unresolved[-1]
            released += release(job, item, problem, closes=closes, ledger=ledger, now=now, new_id=new_id)
    return released
