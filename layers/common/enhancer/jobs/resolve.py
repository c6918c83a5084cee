"""How an item ends: settled, released, or tried again; and how a job is closed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from enhancer.domain import costs, recovery
from enhancer.domain.credits import LOW_TENTHS
from enhancer.domain.digests import digest
from enhancer.domain.errors import EnhancerError, JobCanceled, leaves
from enhancer.domain.jobs import Fallback, Item, Job, JobError, Prediction
from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.periods import day_of
from enhancer.domain.predictions import Outcome
from enhancer.domain.pricing import Split, credits, price_of
from enhancer.jobs.spending import book
from enhancer.telemetry import count

if TYPE_CHECKING:
    from enhancer.jobs.deps import JobDeps

_BY_CODE = {leaf.code: leaf for leaf in leaves()}


def next_try(job: Job, item: Item, problem: EnhancerError, *, deps: JobDeps) -> tuple[Item, float] | None:
    """Return the item prepared for its next try and the seconds to wait before it; None means to give up.

    The rule is `domain.recovery.after`.
    """
    step = recovery.after(
        problem,
        model=job.model_of(item),
        params=job.params_of(item),
        tries=item.tries + 1,
        asked=item.retry_after,
        megapixels=item.megapixels,
        enabled=deps.enabled,
        chance=deps.chance(),
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
            return replace(after, fallback=fallback, result_digest=result, waited=0), 0.0
    return None


def settle(job: Job, item: Item, outcome: Outcome, *, seconds: float, closes: bool, deps: JobDeps) -> Item:
    """Charge for a result and return its item as it is now; raise `AlreadyResolved`.

    A fallback is charged at its own price, and never more than was held.
    """
    paid = None
    if item.fallback:
        own = price_of(job.model_of(item), item.fallback.params)
        total = min(item.hold.total, own)
        from_plan = min(item.hold.plan, total)
        paid = Split(plan=from_plan, credits=total - from_plan)
    charged = replace(item, cost=item.cost + outcome.cost, paid=paid)
    deps.ledger.settle(
        job,
        charged,
        output=outcome.output,
        seconds=seconds,
        closes=closes,
        entry_id=deps.new_id("ent"),
        now=deps.now(),
        paid=paid,
    )
    count("CreditsConsumed", float(credits((paid or item.hold).total)), plan=job.plan)
    if closes:
        count("JobsEnded", outcome="succeeded")
    if item.hold.credits and deps.ledger.low_once(job.owner, below=LOW_TENTHS):
        deps.notify("credits_low", job.owner, below=credits(LOW_TENTHS))
    return replace(charged, status="succeeded", output=outcome.output, seconds=round(seconds, 3))


def release(job: Job, item: Item, problem: EnhancerError, *, closes: bool, deps: JobDeps) -> bool:
    """Give an item's hold back and record why; return False when it was resolved before."""
    error = JobError(problem.code, problem.details)
    entry_id = deps.new_id("ent")
    try:
        deps.ledger.release(job, item, error=error, closes=closes, entry_id=entry_id, now=deps.now())
    except AlreadyResolved:
        return False
    if closes:
        count("JobsEnded", outcome="failed")
    return True


def close(job: Job, problem: EnhancerError, *, deps: JobDeps) -> None:
    """Release what is still open because of ``problem``, stop its predictions, and end the job. Safe to repeat.

    A prediction that was running is booked at its estimate; the real cost is unknown. What a request runs that was
    canceled is booked by the request.
    """
    in_request = job.kind == "sync" and isinstance(problem, JobCanceled)
    for item in job.open_items:
        running, micros = item.prediction, costs.estimated(job.model_of(item).slug)
        if running:
            deps.predictor_of(job, item).cancel(job, item)
        tried = replace(item, cost=item.cost + micros) if running else item
        released = release(job, tried, problem, closes=False, deps=deps)
        if released and running and micros and not in_request:
            book(job, item, micros, day=day_of(running.started_at), failed=True, deps=deps)
    ended = deps.jobs.get(job.owner, job.id) if job.open_items else job
    for item in job.open_items if ended else ():
        stop_begun(job, item, ended.items[item.index].prediction if ended else None, deps=deps)
    if ended and not ended.open_items and ended.attempt == job.attempt:
        status = "canceled" if ended.status == "canceled" else ended.outcome
        if deps.ledger.close(ended, status=status, now=deps.now()):
            count("JobsEnded", outcome=status)


def stop_begun(job: Job, item: Item, stored: Prediction | None, *, deps: JobDeps) -> None:
    """Stop the prediction that is ``stored`` for this try of the item, if it is one that the item did not know.

    Replicate reported that it had begun while the try was ended: as the last one who sees its id, we stop it.
    """
    known = item.prediction.id if item.prediction else None
    same = stored is not None and (stored.attempt, stored.turn) == (job.attempt, item.turn)
    if stored and same and stored.id and stored.id != known:
        deps.predictor_of(job, item).stop(stored.id)


def problem_of(error: JobError) -> EnhancerError:
    """Return a recorded error as the exception it was."""
    return _BY_CODE[error.code](**error.details)
