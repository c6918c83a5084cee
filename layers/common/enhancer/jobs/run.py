"""Run a held job inside the request; hand over to the state machine what takes longer.

An item is resolved exactly once; a late result changes nothing. A try that fails is followed by another one, by another
model, or by the release of the hold (`enhancer.jobs.resolve`). The state machine goes on in `enhancer.jobs.steps`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enhancer.domain import costs, errors
from enhancer.domain.entitlement import check_sync
from enhancer.domain.errors import (
    EnhancerError,
    InternalError,
    JobCanceled,
    JobExpired,
    NeedsJob,
    ProviderTimeout,
)
from enhancer.domain.jobs import DEADLINE_MS, Item, Job, Prediction, StaleAttempt
from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.predictions import Outcome, OutOfTime, StillRunning
from enhancer.jobs import resolve, sharing
from enhancer.jobs.deps import JobDeps
from enhancer.jobs.resolve import next_try, problem_of, release, settle
from enhancer.jobs.spending import book, set_aside
from enhancer.jobs.submit import store_original
from enhancer.telemetry import count

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.jobs import Jobs
    from enhancer.domain.jobs import Submitted

POLL_SECONDS = 0.4
TRY_SECONDS_MIN = 3.0
"""With less time left in a request, another try is left to the state machine."""


def finish(
    submitted: Submitted, *, deps: JobDeps, seconds_max: float, gone_after: float = float("inf")
) -> Job:
    """Return the job succeeded, or still open when it takes longer than ``seconds_max``.

    A fresh job is run now; one that another request runs is waited for. After ``gone_after`` seconds nobody is there
    any more to take the answer, and nothing is charged. Raises what the job failed with.
    """
    if not submitted.fresh:
        return await_end(submitted.job, jobs=deps.jobs, seconds_max=seconds_max)
    return run(submitted.job, submitted.original, deps=deps, seconds_max=seconds_max, gone_after=gone_after)


def run(
    job: Job, original: bytes, *, deps: JobDeps, seconds_max: float, gone_after: float = float("inf")
) -> Job:
    """Run a single-image job and return it settled, or handed over to the state machine and still open.

    Whatever goes wrong, what runs at a provider is stopped and the hold is released before the error is raised. When
    somebody else resolved the hold first (`JobCanceled`, `JobExpired`), nothing is charged and the late result changes
    nothing.
    """
    began = time.monotonic()
    tries = _Tries(job, job.items[0], deps, ends=began + seconds_max, gone=began + gone_after)
    problem: EnhancerError | None = InternalError()
    started = time.perf_counter()
    try:
        store_original(tries.item, original, deps=deps)
        try:
            outcome = tries.to_end()
        except (StillRunning, OutOfTime):
            tries.check_presence()
            handed_over = tries.hand_over()
            problem = None
            return handed_over
        tries.check_presence(cost=outcome.cost)
        seconds = time.perf_counter() - started
        done = settle(job, tries.item, outcome, seconds=seconds, closes=True, deps=deps)
        problem = None
        tries.book_made(done)
        return replace(job, status="succeeded", items=(done,), updated_at=deps.now())
    except (AlreadyResolved, StaleAttempt, JobCanceled):
        deps.artifacts.delete(tries.item.target)  # nobody pays for it, so nobody keeps it
        problem = _why_resolved(job, deps)
        raise problem from None
    except EnhancerError as failed:
        problem = failed
        raise
    finally:
        if problem:
            tries.book_made(None)
            tries.stop()
            release(job, tries.item, problem, closes=True, deps=deps)
            tries.stop_begun()


@dataclass(slots=True)
class _Tries:
    """The tries of one item inside one request. ``item`` is kept up to date, whatever is raised.

    It has a prediction as long as one may be running: noted in the job before it starts, so that whoever comes after a
    crash finds it, and named as soon as its name is known. ``tried`` is the item of the last try, if it ended without
    a name: its prediction may have begun all the same. ``made``: cost, day and milliseconds of a good try that is still
    to be booked.
    """

    job: Job
    item: Item
    deps: JobDeps
    ends: float
    gone: float
    tried: Item | None = None
    made: tuple[int, str, int] | None = None

    def to_end(self) -> Outcome:
        """Try until it worked, nothing helps any more, or time is up (`StillRunning`, `OutOfTime`)."""
        while True:
            try:
                return self._once()
            except EnhancerError as problem:
                self.item = replace(self.item, cost=self.item.cost + problem.cost)
                following = next_try(self.job, self.item, problem, deps=self.deps)
                if following is None:
                    raise
                changed = following[0].fallback != self.item.fallback
                self.item, wait = following
                if wait + TRY_SECONDS_MIN > self.ends - time.monotonic() or not self._fits():
                    raise OutOfTime from None
                if changed and not self._runs_now():
                    raise OutOfTime from None
                time.sleep(wait)

    def hand_over(self) -> Job:
        """Let the state machine go on: wait for the prediction that is running, or start the next try."""
        stored = self.deps.jobs.hand_over(self.job, self.item, now=self.deps.now())
        self._stop_begun(stored)
        handed_over = replace(self.job, kind="async", items=(self.item,))
        self.deps.workflow.start(handed_over, concurrency=1)
        return handed_over

    def check_presence(self, *, cost: int = 0) -> None:
        """Raise `ProviderTimeout` when nobody takes the answer any more; ``cost``: USD micros of a result in vain."""
        if time.monotonic() > self.gone:
            self.item = replace(self.item, cost=self.item.cost + cost)
            self.deps.artifacts.delete(self.item.target)  # nobody pays for it, so nobody keeps it
            raise ProviderTimeout(provider=self.job.model_of(self.item).provider)

    def stop(self) -> None:
        """Stop the prediction that may be running."""
        if self.item.prediction:
            self.deps.predictor_of(self.job, self.item).cancel(self.job, self.item)

    def _once(self) -> Outcome:
        self._note()
        try:
            outcome = self._predicted()
        except StillRunning as running:
            noted = self.item.prediction or self._new_prediction()
            self.item = replace(self.item, prediction=replace(noted, id=running.prediction_id or noted.id))
            raise
        except (EnhancerError, OutOfTime):
            self._forget()
            raise
        self._forget()
        return outcome

    def _runs_now(self) -> bool:
        """Whether the model that comes next is to run: not if its result was paid for before, or is being made.

        Then the state machine goes on, which copies it.
        """
        self._stop_begun(self.deps.jobs.note(self.job, self.item, now=self.deps.now()))
        self.tried = None
        return sharing.begin(self.job, self.item, copies=False, deps=self.deps)

    def _note(self) -> None:
        """Note in the job that a prediction is about to start; raise `StaleAttempt` when nobody wants it any more."""
        runs_on = self.deps.predictor_of(self.job, self.item).runs_on
        self.item = replace(self.item, prediction=self._new_prediction() if runs_on else None)
        if runs_on or self.item.turn:
            self._stop_begun(self.deps.jobs.note(self.job, self.item, now=self.deps.now()))
        self.tried = None

    def _named(self, prediction_id: str) -> None:
        noted = self.item.prediction or self._new_prediction()
        self.item = replace(self.item, prediction=replace(noted, id=prediction_id))
        self.deps.jobs.name_prediction(self.job, self.item, prediction_id)

    def _new_prediction(self) -> Prediction:
        return Prediction(self.job.attempt, self.deps.now(), turn=self.item.turn)

    def stop_begun(self) -> None:
        """Stop what was reported to have begun while the last try was given up."""
        found = self.deps.jobs.get(self.job.owner, self.job.id) if self.tried else None
        if self.tried and found:
            self._stop_begun(found.items[self.tried.index].prediction)

    def _stop_begun(self, stored: Prediction | None) -> None:
        if self.tried:
            resolve.stop_begun(self.job, self.tried, stored, deps=self.deps)

    def _forget(self) -> None:
        """None is running any more, or none was made."""
        nameless = self.item.prediction is not None and self.item.prediction.id is None
        self.tried = self.item if nameless else None
        self.item = replace(self.item, prediction=None)

    def _predicted(self) -> Outcome:
        """Run the model once, and book what it cost."""
        job, item, deps = self.job, self.item, self.deps
        day = set_aside(job, item, deps=deps)
        began = time.monotonic()
        left = max(self.ends - began, 0.1)
        try:
            outcome = deps.predictor_of(job, item).predict(job, item, seconds_max=left, named=self._named)
        except StaleAttempt:  # canceled while it was made; it is stopped, and what it cost is not known
            self._book(costs.estimated(job.model_of(item).slug), day=day, failed=True)
            raise
        except OutOfTime:
            self._book(0, day=day, failed=True)
            raise
        except EnhancerError as problem:
            self._book(problem.cost, day=day, failed=True, since=began)
            raise
        milliseconds = _ms_since(began)
        count("PredictionMilliseconds", milliseconds, provider=job.model_of(item).provider)
        if not self._is_overdue():
            self.made = outcome.cost, day, milliseconds
        return outcome

    def book_made(self, settled: Item | None) -> None:
        """Book the good try: after the item was settled, because only then it is known what the owner was charged."""
        made, self.made = self.made, None
        if made:
            micros, day, milliseconds = made
            book(
                self.job, self.item, micros, day=day, failed=False, deps=self.deps, settled=settled,
                milliseconds=milliseconds,
            )  # fmt: skip

    def _book(self, micros: int, *, day: str, failed: bool, since: float | None = None) -> None:
        """Book what a try did cost, unless its job is overdue: then the sweep ends it, and books its estimate."""
        if not self._is_overdue():
            took = 0 if since is None else _ms_since(since)
            book(self.job, self.item, micros, day=day, failed=failed, deps=self.deps, milliseconds=took)

    def _is_overdue(self) -> bool:
        noted = self.item.prediction
        return noted is not None and self.deps.now() > noted.started_at + DEADLINE_MS

    def _fits(self) -> bool:
        """Whether the model that comes next can do it inside a request."""
        model, params = self.job.model_of(self.item), self.job.params_of(self.item)
        try:
            check_sync(model, self.item.megapixels, params)
        except NeedsJob:
            return False
        return True


def launch(job: Job, *, original: bytes = b"", concurrency: int, deps: JobDeps) -> None:
    """Give a held job to the state machine, which runs ``concurrency`` of its items at once.

    ``original``: the cleaned picture of a job whose picture was looked at already. A process that dies before the
    start is repaired by the sweep.
    """
    if original:
        store_original(job.items[0], original, deps=deps)
    deps.workflow.start(job, concurrency=concurrency)


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


def _ms_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def _why_resolved(job: Job, deps: JobDeps) -> EnhancerError:
    """Return why somebody else ended the job first: it was canceled, or it took too long."""
    current = deps.jobs.get(job.owner, job.id)
    error = current.items[0].error if current else None
    return problem_of(error) if error else JobExpired(jobId=job.id)
