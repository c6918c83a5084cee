"""Every minute: repair what a crash, a lost call-back or a client that went away left behind.

Expire overdue jobs, finish half-done cancels and deletions, start or stop orphaned executions, purge deleted accounts,
wake steps whose call-back was lost.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enhancer.accounts import owner_data
from enhancer.domain import costs
from enhancer.domain.errors import EnhancerError, InternalError, JobExpired
from enhancer.domain.periods import day_of
from enhancer.domain.plans import plan_named
from enhancer.jobs import manage, resolve
from enhancer.telemetry import count, logger, report

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.owner_data import OwnerRecords
    from enhancer.domain.jobs import Job
    from enhancer.jobs.deps import JobDeps

GRACE_MS = 60_000
"""Grace period for new jobs and executions; younger ones may be only half created."""
SILENCE_MS = 30_000
"""How long a prediction may run before its provider is asked; usually it has called back by then."""
ASK_SECONDS = 25.0
"""How long one sweep goes on asking providers, after everything else; the next sweep asks about the rest."""


@dataclass(slots=True)
class Swept:
    """What a sweep did, counted.

    ``expired``: jobs past their deadline. ``canceled``: cancels that were finished. ``started``, ``stopped``:
    executions. ``closed``: jobs whose execution ended without them. ``woken``: waiting steps. ``removed``: jobs that
    were deleted, ``purged``: accounts. ``broken``: jobs, executions or accounts whose repair failed.
    """

    expired: int = 0
    canceled: int = 0
    started: int = 0
    closed: int = 0
    stopped: int = 0
    woken: int = 0
    removed: int = 0
    purged: int = 0
    broken: int = 0

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Repair one job, execution or account; an error is logged and counted, and the others are still repaired."""
        try:
            yield
        except Exception as problem:  # noqa: BLE001 - counted and logged; the next sweep tries again
            self.broken += 1
            logger.exception("sweep failed", extra={"jobId": name})
            report(problem)


def sweep(*, deps: JobDeps, owner_records: OwnerRecords) -> Swept:
    """Repair every overdue job, every job without execution and every execution without job. Safe to repeat."""
    swept, now = Swept(), deps.now()
    overdue = deps.jobs.overdue(now=now)
    for job in overdue:
        with swept.on(job.id):
            _end(job, deps, swept)
    unclosed = deps.jobs.open()
    with swept.on("metrics"):
        _measure({job.id: job for job in [*overdue, *unclosed]}.values(), deps, now)
    waiting = [job for job in unclosed if job.kind == "async" and job.is_open]
    for job in waiting:
        if job.updated_at < now - GRACE_MS:
            with swept.on(job.id):
                _repair(job, deps, swept)
    for job in deps.jobs.deleted(before=now - GRACE_MS):
        with swept.on(job.id):
            manage.remove(job, deps=deps)
            swept.removed += 1
    for owner in owner_records.deleted_owners(before=now - GRACE_MS):
        with swept.on(owner.id):
            owner_data.purge(owner, deps=deps, owner_records=owner_records)
            swept.purged += 1
    for execution, ref in deps.workflow.running(started_before=now - GRACE_MS):
        with swept.on(execution):
            found = deps.jobs.get(ref.owner, ref.job_id)
            if found is None or not found.is_open or found.attempt != ref.attempt:
                deps.workflow.stop(execution)
                swept.stopped += 1
    ends = time.monotonic() + ASK_SECONDS
    # In random order: a provider that hangs must not use up the time of the same jobs each time.
    for job in sorted(waiting, key=lambda _: deps.chance()):
        if time.monotonic() > ends:
            break
        with swept.on(job.id):
            swept.woken += _wake(job, deps, now)
    return swept


def _measure(unclosed: Collection[Job], deps: JobDeps, now: int) -> None:
    """Count the jobs that the sweep found unclosed, the age of the oldest, and how much of today's money is spent."""
    count("OpenJobs", len(unclosed))
    count("OldestJobSeconds", max((job.age_seconds(now) for job in unclosed), default=0.0))
    count("SpendShare", costs.spend_share(deps.spend.total(day_of(now)), cap=deps.spend_cap()))


def _end(job: Job, deps: JobDeps, swept: Swept) -> None:
    """Finish a cancel that was begun, or end a job that made no progress for too long."""
    if job.status == "canceled":
        manage.end_canceled(job, deps=deps)
        swept.canceled += 1
    else:
        _expire(job, deps)
        swept.expired += 1


def _expire(job: Job, deps: JobDeps) -> None:
    """End a job without progress: stop its execution and predictions, release what it holds."""
    if job.kind == "async":
        deps.workflow.stop(job.execution)
    resolve.close(job, JobExpired(jobId=job.id), deps=deps)


def _repair(job: Job, deps: JobDeps, swept: Swept) -> None:
    """An open job whose execution was never started gets one; one whose execution has ended is closed."""
    status = deps.workflow.status(job)
    if status is None:
        deps.workflow.start(job, concurrency=plan_named(job.plan).jobs_at_once)
        swept.started += 1
    elif status != "RUNNING":
        resolve.close(job, InternalError(), deps=deps)
        swept.closed += 1


def _wake(job: Job, deps: JobDeps, now: int) -> int:
    """Wake the steps whose prediction has ended and whose call-back was lost; return how many."""
    woken = 0
    for item in job.open_items:
        waiting = item.prediction
        if waiting is None or waiting.token is None or waiting.started_at > now - SILENCE_MS:
            continue
        with suppress(EnhancerError):  # a provider that does not answer is asked again by the next sweep
            if deps.predictor_of(job, item).ended(job, item):
                woken += deps.workflow.wake(waiting.token)
    return woken
