"""Running a held job: store the original, let the predictor work, then settle, or release on every other path."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from enhancer.domain.errors import EnhancerError, InternalError, JobExpired, RequestInProgress, leaves
from enhancer.domain.jobs import Artifact, Item, Job, JobError
from enhancer.domain.ledger import AlreadyResolved

if TYPE_CHECKING:
    from enhancer.adapters.artifacts import Artifacts
    from enhancer.adapters.jobs import Jobs
    from enhancer.adapters.ledger import Ledger
    from enhancer.domain.predictions import Predictor
    from enhancer.submission import Submitted

POLL_SECONDS = 0.4
AWAIT_SECONDS = 25.0
"""How long a repeated request waits for the first one."""
_BY_CODE = {leaf.code: leaf for leaf in leaves()}


def finish(
    submitted: Submitted,
    *,
    predictors: Mapping[str, Predictor],
    artifacts: Artifacts,
    jobs: Jobs,
    ledger: Ledger,
    now: Callable[[], int],
    new_id: Callable[[str], str],
) -> Job:
    """Return the job succeeded: run now if it is fresh, else as it ended or will end elsewhere."""
    if submitted.original is None:
        return await_end(submitted.job, jobs=jobs, seconds_max=AWAIT_SECONDS)
    return run(
        submitted.job,
        submitted.original,
        predictors=predictors,
        artifacts=artifacts,
        ledger=ledger,
        now=now,
        new_id=new_id,
    )


def run(
    job: Job,
    original: bytes,
    *,
    predictors: Mapping[str, Predictor],
    artifacts: Artifacts,
    ledger: Ledger,
    now: Callable[[], int],
    new_id: Callable[[str], str],
) -> Job:
    """Run a single-image job to its end and return it settled.

    Whatever goes wrong, the hold is released before the error is raised. `JobExpired` means that somebody else
    (the sweep) resolved the hold first; then nothing is charged, and the late result changes nothing.
    """
    item = job.items[0]
    problem: EnhancerError | None = InternalError()
    started = time.perf_counter()
    try:
        artifacts.put(item.input.key, original, item.input.content_type)
        output = predictors[job.provider].predict(job, item)
        seconds = time.perf_counter() - started
        ledger.settle(
            job, item, output=output, seconds=seconds, closes=True, entry_id=new_id("ent"), now=now()
        )
        problem = None
        return _settled(job, item, output, seconds, now())
    except AlreadyResolved:
        problem = JobExpired(jobId=job.id)
        raise problem from None
    except EnhancerError as failed:
        problem = failed
        raise
    finally:
        if problem:
            release(job, item, problem, closes=True, ledger=ledger, now=now(), new_id=new_id)


def release(
    job: Job,
    item: Item,
    problem: EnhancerError,
    *,
    closes: bool,
    ledger: Ledger,
    now: int,
    new_id: Callable[[str], str],
) -> bool:
    """Give an item's hold back and record why; return False when it was resolved before."""
    error = JobError(problem.code, problem.details)
    try:
        ledger.release(job, item, error=error, closes=closes, entry_id=new_id("ent"), now=now)
    except AlreadyResolved:
        return False
    return True


def await_end(job: Job, *, jobs: Jobs, seconds_max: float) -> Job:
    """Wait for a job that another request is running, at most ``seconds_max``.

    Returns it succeeded; raises what it failed with, or `RequestInProgress` when it is still open.
    """
    end = time.monotonic() + seconds_max
    while job.is_open and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        job = jobs.get(job.owner, job.id) or job
    if job.is_open:
        raise RequestInProgress(jobId=job.id)
    error = job.items[0].error
    if error:
        raise problem_of(error)
    return job


def problem_of(error: JobError) -> EnhancerError:
    """Return a recorded error as the exception it was."""
    return _BY_CODE[error.code](**error.details)


def _settled(job: Job, item: Item, output: Artifact, seconds: float, now: int) -> Job:
    done = replace(item, status="succeeded", output=output, seconds=round(seconds, 3))
    return replace(job, status="succeeded", items=(done,), updated_at=now)
