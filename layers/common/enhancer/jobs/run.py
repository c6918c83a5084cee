"""Running what is held, in one request; and what every run needs, wherever it runs: settle, release, try again.

An item is resolved exactly once; whoever comes late changes nothing. A try that fails is followed by another one, by
another model, or by giving everything back. What takes longer than a request goes on in `enhancer.jobs.steps`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enhancer.domain import errors
from enhancer.domain.entitlement import check_sync
from enhancer.domain.errors import EnhancerError, InternalError, JobExpired, NeedsJob
from enhancer.domain.jobs import Item, Job, Prediction, StaleAttempt
from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.predictions import Outcome, OutOfTime, StillRunning
from enhancer.jobs.deps import Tools
from enhancer.jobs.resolve import next_try, problem_of, release, settle
from enhancer.jobs.spending import book, set_aside

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.jobs import Jobs
    from enhancer.domain.jobs import Submitted

POLL_SECONDS = 0.4
TRY_SECONDS_MIN = 3.0
"""With less time left in a request, another try is left to the state machine."""


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
    tries = _Tries(job, job.items[0], tools, ends=time.monotonic() + seconds_max)
    problem: EnhancerError | None = InternalError()
    started = time.perf_counter()
    try:
        _store_original(tries.item, original, tools)
        try:
            outcome = tries.to_end()
        except (StillRunning, OutOfTime) as unfinished:
            handed_over = hand_over(job, tries.item, unfinished, tools=tools)
            problem = None
            return handed_over
        seconds = time.perf_counter() - started
        done = settle(job, tries.item, outcome, seconds=seconds, closes=True, tools=tools)
        problem = None
        return replace(job, status="succeeded", items=(done,), updated_at=tools.now())
    except (AlreadyResolved, StaleAttempt):
        problem = _why_resolved(job, tools)
        raise problem from None
    except EnhancerError as failed:
        problem = failed
        raise
    finally:
        if problem:
            release(job, tries.item, problem, closes=True, tools=tools)


@dataclass(slots=True)
class _Tries:
    """The tries of one item inside one request. ``item`` is kept up to date, whatever is raised."""

    job: Job
    item: Item
    tools: Tools
    ends: float

    def to_end(self) -> Outcome:
        """Try until it worked, nothing helps any more, or time is up (`StillRunning`, `OutOfTime`)."""
        while True:
            try:
                return self._once()
            except EnhancerError as problem:
                self.item = replace(self.item, cost=self.item.cost + problem.cost)
                following = next_try(self.job, self.item, problem, tools=self.tools)
                if following is None:
                    raise
                self.item, wait = following
                if wait + TRY_SECONDS_MIN > self.ends - time.monotonic() or not self._fits():
                    raise OutOfTime from None
                time.sleep(wait)

    def _once(self) -> Outcome:
        job, item, tools = self.job, self.item, self.tools
        day = set_aside(job, item, tools=tools)
        left = max(self.ends - time.monotonic(), 0.1)
        try:
            outcome = tools.predictor_of(job, item).predict(job, item, seconds_max=left)
        except OutOfTime:
            book(job, item, 0, day=day, failed=True, tools=tools)
            raise
        except EnhancerError as problem:
            book(job, item, problem.cost, day=day, failed=True, tools=tools)
            raise
        book(job, item, outcome.cost, day=day, failed=False, tools=tools)
        return outcome

    def _fits(self) -> bool:
        """Whether the model that comes next can do it inside a request."""
        model, params = self.job.model_of(self.item), self.job.params_of(self.item)
        try:
            check_sync(model, self.item.megapixels, params)
        except NeedsJob:
            return False
        return True


def launch(job: Job, original: bytes | None, *, concurrency: int, tools: Tools) -> None:
    """Give a held job to the state machine. Dying before the start is repaired by the sweep."""
    if original is not None:
        _store_original(job.items[0], original, tools)
    tools.workflow.start(job, concurrency=concurrency)


def hand_over(job: Job, item: Item, unfinished: StillRunning | OutOfTime, *, tools: Tools) -> Job:
    """Let the state machine go on: wait for the prediction that is running, or start the next try."""
    prediction = None
    if isinstance(unfinished, StillRunning):
        prediction = Prediction(job.attempt, tools.now(), id=unfinished.prediction_id, turn=item.turn)
    going_on = replace(item, prediction=prediction)
    try:
        tools.jobs.hand_over(job, item, prediction, now=tools.now())
    except StaleAttempt:  # ended meanwhile, by somebody who did not know that anything runs
        if prediction:
            tools.predictor_of(job, going_on).cancel(job, going_on)
        raise
    handed_over = replace(job, kind="async", items=(going_on,))
    tools.workflow.start(handed_over, concurrency=1)
    return handed_over


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


def _why_resolved(job: Job, tools: Tools) -> EnhancerError:
    """Return why somebody else ended the job first: it was canceled, or it took too long."""
    current = tools.jobs.get(job.owner, job.id)
    error = current.items[0].error if current else None
    return problem_of(error) if error else JobExpired(jobId=job.id)


def _store_original(item: Item, original: bytes, tools: Tools) -> None:
    if item.input:
        tools.artifacts.put(item.input.key, original, item.input.content_type)
