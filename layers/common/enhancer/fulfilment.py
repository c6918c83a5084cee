"""Running what is held: in one request, or step by step for the state machine; then settle, or release.

Every step may be delivered twice, late, or not at all, and may die between any two writes. What keeps it right:
a prediction is claimed before it is started, an item is resolved exactly once, and a job, item or attempt that
has ended is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enhancer.domain import errors
from enhancer.domain.errors import EnhancerError, InternalError, JobExpired, ProviderError, leaf_named, leaves
from enhancer.domain.jobs import Artifact, Item, Job, JobError, PredictionStarted, StaleAttempt
from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.owners import Owner
from enhancer.domain.predictions import StillRunning

if TYPE_CHECKING:
    from enhancer.adapters.artifacts import Artifacts
    from enhancer.adapters.jobs import Jobs
    from enhancer.adapters.ledger import Ledger
    from enhancer.adapters.workflow import Workflow
    from enhancer.domain.predictions import Predictor
    from enhancer.submission import Submitted

POLL_SECONDS = 0.4
_BY_CODE = {leaf.code: leaf for leaf in leaves()}
_TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")


@dataclass(frozen=True, slots=True)
class Ref:
    """Which item of which attempt a step is about. All that travels through the state machine."""

    owner: Owner
    job_id: str
    attempt: int
    item: int = 0


@dataclass(frozen=True, slots=True)
class Tools:
    """What running a job needs."""

    predictors: Mapping[str, Predictor]
    artifacts: Artifacts
    jobs: Jobs
    ledger: Ledger
    workflow: Workflow
    now: Callable[[], int]
    new_id: Callable[[str], str]


def finish(submitted: Submitted, *, tools: Tools, seconds_max: float) -> Job:
    """Return the job succeeded, or still open when it takes longer than ``seconds_max``.

    A fresh job is run now; one that another request runs is waited for. Raises what the job failed with.
    """
    if submitted.original is None:
        return await_end(submitted.job, jobs=tools.jobs, seconds_max=seconds_max)
    return run(submitted.job, submitted.original, tools=tools, seconds_max=seconds_max)


def run(job: Job, original: bytes, *, tools: Tools, seconds_max: float) -> Job:
    """Run a single-image job and return it settled, or handed over to the state machine and still open.

    Whatever goes wrong, the hold is released before the error is raised. When somebody else resolved the hold first
    (`JobCanceled`, `JobExpired`), nothing is charged and the late result changes nothing.
    """
    item = job.items[0]
    problem: EnhancerError | None = InternalError()
    started = time.perf_counter()
    try:
        _store_original(item, original, tools)
        try:
            output = tools.predictors[job.provider].predict(job, item, seconds_max=seconds_max)
        except StillRunning:
            handed_over = hand_over(job, item, tools=tools)
            problem = None
            return handed_over
        seconds = time.perf_counter() - started
        entry_id = tools.new_id("ent")
        tools.ledger.settle(
            job, item, output=output, seconds=seconds, closes=True, entry_id=entry_id, now=tools.now()
        )
        problem = None
        return _settled(job, item, output, seconds, tools.now())
    except (AlreadyResolved, StaleAttempt):
        problem = _why_resolved(job, tools)
        raise problem from None
    except EnhancerError as failed:
        problem = failed
        raise
    finally:
        if problem:
            release(job, item, problem, closes=True, tools=tools)


def launch(job: Job, original: bytes | None, *, concurrency: int, tools: Tools) -> None:
    """Give a held job to the state machine. Dying before the start is repaired by the sweep."""
    if original is not None:
        _store_original(job.items[0], original, tools)
    tools.workflow.start(job, concurrency=concurrency)


def hand_over(job: Job, item: Item, *, tools: Tools) -> Job:
    """Let the state machine wait for a prediction that is running; nothing is started or held again."""
    tools.jobs.hand_over(job, item, now=tools.now())
    handed_over = replace(job, kind="async")
    tools.workflow.start(handed_over, concurrency=1)
    return handed_over


def start_item(ref: Ref, token: str, *, tools: Tools, prepare: Callable[[Job, Item], Item | None]) -> None:
    """Step StartPrediction: look at the picture, start the model, leave ``token`` for whoever ends it.

    ``prepare`` returns the item ready to run, or None when it needed no run. A picture that is at fault resolves
    its item here, with the details; a `ProviderError` is for the state machine to retry.
    """
    job = _current(ref, tools)
    item = job.items[ref.item]
    try:
        ready = item if item.input else prepare(job, item)
    except PredictionStarted:  # delivered twice; the other one was faster
        job = _current(ref, tools)
        ready = job.items[ref.item]
    except ProviderError:
        raise
    except EnhancerError as problem:
        release(job, item, problem, closes=False, tools=tools)
        ready = None
    if ready is None or not ready.is_open:
        tools.workflow.wake(token)
        return
    predictor = tools.predictors[job.provider]
    if tools.jobs.claim(job, ready, token=token, now=tools.now()):
        try:
            predictor.start(job, ready)
        except ProviderError:
            tools.jobs.unclaim(job, ready, now=tools.now())
            raise
    elif predictor.look(job, ready):  # it ended before the token was there to wake us
        tools.workflow.wake(token)


def look_at_item(ref: Ref, *, tools: Tools) -> None:
    """Step PollPrediction, after nobody called back: fine when the result is there; raise `ProviderTimeout` if not."""
    job = _current(ref, tools)
    item = job.items[ref.item]
    predictor = tools.predictors[job.provider]
    if item.is_open and not predictor.look(job, item):
        predictor.cancel(job, item)
        raise errors.ProviderTimeout(provider=job.provider)


def finish_item(ref: Ref, error: str | None, *, tools: Tools) -> None:
    """Step FinishItem: settle a result that is there, release on everything else. ``error`` is a class name."""
    try:
        job = _current(ref, tools)
    except StaleAttempt:
        return
    item = job.items[ref.item]
    if not item.is_open:
        return
    output = None if error else tools.predictors[job.provider].look(job, item)
    if output is None:
        problem = problem_named(error) if error else errors.ProviderOutputInvalid()
        release(job, item, problem, closes=False, tools=tools)
        return
    started = item.prediction.started_at if item.prediction else tools.now()
    seconds, entry_id = (tools.now() - started) / 1000, tools.new_id("ent")
    try:
        tools.ledger.settle(
            job, item, output=output, seconds=seconds, closes=False, entry_id=entry_id, now=tools.now()
        )
    except AlreadyResolved:
        return


def finish_job(ref: Ref, *, tools: Tools) -> None:
    """Step FinishJob: nothing is left open, the job ends as its items did."""
    try:
        job = _current(ref, tools)
    except StaleAttempt:
        return
    close(job, InternalError(), tools=tools)


def close(job: Job, problem: EnhancerError, *, tools: Tools) -> None:
    """Release what is still open because of ``problem``, and end the job. Safe to repeat."""
    for item in job.open_items:
        release(job, item, problem, closes=False, tools=tools)
    ended = tools.jobs.get(job.owner, job.id) if job.open_items else job
    if ended and not ended.open_items and ended.attempt == job.attempt:
        status = "canceled" if ended.status == "canceled" else ended.outcome
        tools.ledger.close(ended, status=status, now=tools.now())


def release(job: Job, item: Item, problem: EnhancerError, *, closes: bool, tools: Tools) -> bool:
    """Give an item's hold back and record why; return False when it was resolved before."""
    error = JobError(problem.code, problem.details)
    entry_id = tools.new_id("ent")
    try:
        tools.ledger.release(job, item, error=error, closes=closes, entry_id=entry_id, now=tools.now())
    except AlreadyResolved:
        return False
    return True


def await_end(job: Job, *, jobs: Jobs, seconds_max: float) -> Job:
    """Wait for a job that somebody else is running, at most ``seconds_max``.

    Returns it succeeded, or as it is then; raises what it failed with.
    """
    end = time.monotonic() + seconds_max
    while job.is_open and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
        job = jobs.get(job.owner, job.id) or job
    item = job.items[0]
    if not job.is_open and item.output is None:
        raise problem_of(item.error) if item.error else errors.JobCanceled()
    return job


def problem_of(error: JobError) -> EnhancerError:
    """Return a recorded error as the exception it was."""
    return _BY_CODE[error.code](**error.details)


def problem_named(class_name: str) -> EnhancerError:
    """Return our error for what a step failed with; whatever is not ours is the provider's fault."""
    if class_name in _TIMEOUTS:
        return errors.ProviderTimeout()
    leaf = leaf_named(class_name)
    if leaf is None or not issubclass(leaf, errors.InvalidRequest | ProviderError | errors.Conflict):
        return errors.ProviderUnavailable()
    return leaf()


def _current(ref: Ref, tools: Tools) -> Job:
    """Return the job if this attempt of it is open; raise `StaleAttempt`."""
    job = tools.jobs.get(ref.owner, ref.job_id)
    if job is None or not job.is_open or job.attempt != ref.attempt:
        raise StaleAttempt
    return job


def _why_resolved(job: Job, tools: Tools) -> EnhancerError:
    """Return why somebody else ended the job first: it was canceled, or it took too long."""
    current = tools.jobs.get(job.owner, job.id)
    error = current.items[0].error if current else None
    return problem_of(error) if error else JobExpired(jobId=job.id)


def _store_original(item: Item, original: bytes, tools: Tools) -> None:
    if item.input:
        tools.artifacts.put(item.input.key, original, item.input.content_type)


def _settled(job: Job, item: Item, output: Artifact, seconds: float, now: int) -> Job:
    done = replace(item, status="succeeded", output=output, seconds=round(seconds, 3))
    return replace(job, status="succeeded", items=(done,), updated_at=now)
