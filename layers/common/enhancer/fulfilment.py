"""Running what is held, in one request; and what every run needs, wherever it runs: settle, release, try again.

An item is resolved exactly once; whoever comes late changes nothing. A try that fails is followed by another one, by
another model, or by giving everything back. What takes longer than a request goes on in `enhancer.execution`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enhancer.domain import costs, errors, recovery
from enhancer.domain.credits import LOW_TENTHS
from enhancer.domain.digests import digest
from enhancer.domain.entitlement import check_sync
from enhancer.domain.errors import EnhancerError, InternalError, JobExpired, NeedsJob, leaves
from enhancer.domain.jobs import Fallback, Item, Job, JobError, Prediction, StaleAttempt
from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.models import Model
from enhancer.domain.predictions import Outcome, OutOfTime, StillRunning
from enhancer.domain.pricing import Split, credits, price
from enhancer.domain.quota import day_of

if TYPE_CHECKING:
    from enhancer.adapters.artifacts import Artifacts
    from enhancer.adapters.jobs import Jobs
    from enhancer.adapters.ledger import Ledger
    from enhancer.adapters.spend import Spend
    from enhancer.adapters.workflow import Workflow
    from enhancer.domain.predictions import Predictor
    from enhancer.submission import Submitted

POLL_SECONDS = 0.4
TRY_SECONDS_MIN = 3.0
"""With less time left in a request, another try is left to the state machine."""
_BY_CODE = {leaf.code: leaf for leaf in leaves()}


@dataclass(frozen=True, slots=True)
class Tools:
    """What running a job needs. ``enabled`` says whether a model may run here now; ``chance`` is random, 0 to 1.

    ``notify`` is called with the kind of notice, the owner and its fields.
    """

    predictors: Mapping[str, Predictor]
    artifacts: Artifacts
    jobs: Jobs
    ledger: Ledger
    spend: Spend
    workflow: Workflow
    now: Callable[[], int]
    new_id: Callable[[str], str]
    enabled: Callable[[Model], bool]
    spend_cap: Callable[[], int]
    notify: Callable[..., None]
    chance: Callable[[], float] = random.random

    def predictor_of(self, job: Job, item: Item) -> Predictor:
        """Whoever runs this item: the provider of the model asked for, or of its fallback."""
        return self.predictors[job.model_of(item).provider]


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


def next_try(job: Job, item: Item, problem: EnhancerError, *, tools: Tools) -> tuple[Item, float] | None:
    """Return the item as its next try finds it, and the seconds until then; None when nothing would help."""
    step = recovery.after(
        problem,
        model=job.model_of(item),
        params=job.params_of(item),
        tries=item.tries + 1,
        megapixels=item.megapixels,
        enabled=tools.enabled,
        chance=tools.chance(),
    )
    after = replace(item, turn=item.turn + 1, prediction=None, retry_after=None)
    match step:
        case recovery.Again(seconds, keep) if keep and item.prediction:
            return replace(after, prediction=replace(item.prediction, turn=after.turn)), seconds
        case recovery.Again(seconds):
            return after, seconds
        case recovery.Instead(model, params):
            fallback = Fallback(model.slug, params, after.turn)
            result = digest(item.digest, model.slug, params, item.output_format)
            return replace(after, fallback=fallback, result_digest=result), 0.0
    return None


def settle(job: Job, item: Item, outcome: Outcome, *, seconds: float, closes: bool, tools: Tools) -> Item:
    """Charge for a result and return its item as it is now; raise `AlreadyResolved`.

    A fallback is charged at its own price, and never more than was held.
    """
    paid = None
    if item.fallback:
        params = item.fallback.params
        own = price(job.model_of(item), scale=params.scale, face=params.face, quality=params.quality)
        total = min(item.hold.total, own)
        from_plan = min(item.hold.plan, total)
        paid = Split(plan=from_plan, credits=total - from_plan)
    charged = replace(item, cost=item.cost + outcome.cost, paid=paid)
    tools.ledger.settle(
        job,
        charged,
        output=outcome.output,
        seconds=seconds,
        closes=closes,
        entry_id=tools.new_id("ent"),
        now=tools.now(),
        paid=paid,
    )
    if item.hold.credits and tools.ledger.low_once(job.owner, below=LOW_TENTHS):
        tools.notify("credits_low", job.owner, below=credits(LOW_TENTHS))
    return replace(charged, status="succeeded", output=outcome.output, seconds=round(seconds, 3))


def release(job: Job, item: Item, problem: EnhancerError, *, closes: bool, tools: Tools) -> bool:
    """Give an item's hold back and record why; return False when it was resolved before."""
    error = JobError(problem.code, problem.details)
    entry_id = tools.new_id("ent")
    try:
        tools.ledger.release(job, item, error=error, closes=closes, entry_id=entry_id, now=tools.now())
    except AlreadyResolved:
        return False
    return True


def close(job: Job, problem: EnhancerError, *, tools: Tools) -> None:
    """Release what is still open because of ``problem``, and end the job. Safe to repeat.

    A prediction that was running is taken to cost what was set aside: nobody waits to learn more.
    """
    for item in job.open_items:
        running, micros = item.prediction, costs.estimated(job.model_of(item).slug)
        tried = replace(item, cost=item.cost + micros) if running else item
        if release(job, tried, problem, closes=False, tools=tools) and running and micros:
            book(job, item, micros, day=day_of(running.started_at), failed=True, tools=tools)
    ended = tools.jobs.get(job.owner, job.id) if job.open_items else job
    if ended and not ended.open_items and ended.attempt == job.attempt:
        status = "canceled" if ended.status == "canceled" else ended.outcome
        tools.ledger.close(ended, status=status, now=tools.now())


def set_aside(job: Job, item: Item, *, tools: Tools) -> str:
    """Count what a try is expected to cost against today's cap and return the day.

    Raises `ProviderExhausted`, and `ProviderUnavailable` for a model that was switched off since it was ordered.
    """
    model, now = job.model_of(item), tools.now()
    if not tools.enabled(model):
        raise errors.ProviderUnavailable(provider=model.provider)
    day, estimate = day_of(now), costs.estimated(model.slug)
    if estimate and not tools.spend.set_aside(day, estimate, cap=tools.spend_cap(), now=now):
        raise errors.ProviderExhausted(provider=model.provider)
    return day


def book(job: Job, item: Item, micros: int, *, day: str, failed: bool, tools: Tools) -> None:
    """Count what a try of this item did cost, in place of what was set aside."""
    model = job.model_of(item)
    tools.spend.book(
        day,
        provider=model.provider,
        model=model.alias,
        plan=job.plan,
        micros=micros,
        set_aside=micros if model.provider == "embedded" else costs.estimated(model.slug),
        failed=failed,
        now=tools.now(),
    )


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


def problem_of(error: JobError) -> EnhancerError:
    """Return a recorded error as the exception it was."""
    return _BY_CODE[error.code](**error.details)


def _why_resolved(job: Job, tools: Tools) -> EnhancerError:
    """Return why somebody else ended the job first: it was canceled, or it took too long."""
    current = tools.jobs.get(job.owner, job.id)
    error = current.items[0].error if current else None
    return problem_of(error) if error else JobExpired(jobId=job.id)


def _store_original(item: Item, original: bytes, tools: Tools) -> None:
    if item.input:
        tools.artifacts.put(item.input.key, original, item.input.content_type)
