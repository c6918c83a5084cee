"""The steps of the state machine, one function each, and the call-backs that wake it.

Every step may be delivered twice, late, or not at all, and may die between any two writes. What keeps it right: a
prediction is claimed before it is started, each try has its turn, and a job, item, attempt or turn that has ended is
left alone.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from enhancer.domain import costs, errors
from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.errors import EnhancerError, InternalError, ProviderError, UploadNotFound, leaf_named
from enhancer.domain.jobs import Item, Job, PredictionStarted, StaleAttempt
from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.periods import day_of
from enhancer.domain.plans import plan_named
from enhancer.domain.predictions import StillRunning
from enhancer.domain.refs import Ref
from enhancer.jobs import sharing
from enhancer.jobs.resolve import close, next_try, release, settle, stop_begun
from enhancer.jobs.spending import book, set_aside
from enhancer.jobs.submit import look, store_original
from enhancer.telemetry import bind_order, count, logger

if TYPE_CHECKING:
    from enhancer.jobs.deps import JobDeps

_TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")
_STOPPED = (*_TIMEOUTS, errors.ProviderTimeout.__name__)
_KNOWN = (errors.InvalidRequest, errors.Forbidden, errors.Conflict, ProviderError)


def start_prediction(ref: Ref, token: str, *, deps: JobDeps) -> None:
    """Step StartPrediction: check the picture, start the model, store the task token with the prediction.

    A picture that was paid for before ends here, one that another item makes is put off by FinishItem. An invalid one
    fails its item at once, with the details; a `ProviderError` is raised, and FinishItem decides what follows. Raises
    `StaleAttempt` for an attempt or turn that is over.
    """
    job = _current(ref, deps)
    item = _in_turn(job, ref)
    ready = None
    try:
        ready = item if item.input else prepare_item(job, item, deps=deps)
        if not ready.is_open or not (ready.prediction or sharing.begin(job, ready, deps=deps)):
            deps.workflow.wake(token)
            return
        if deps.jobs.claim(job, ready, token=token, now=deps.now()):
            _start(job, ready, token, deps)
        elif deps.predictor_of(job, ready).ended(job, _in_turn(_current(ref, deps), ref)):
            deps.workflow.wake(token)  # it ended before the token was there to wake us
    except PredictionStarted:  # delivered twice: the other one was faster, and its picture counts
        start_prediction(ref, token, deps=deps)
    except ProviderError:
        raise
    except EnhancerError as problem:
        tried = ready or item
        release(job, replace(tried, cost=tried.cost + problem.cost), problem, closes=False, deps=deps)
        deps.workflow.wake(token)


def poll_prediction(ref: Ref, *, deps: JobDeps) -> None:
    """Step PollPrediction, after no call-back came within 280 s: return if the prediction ended.

    Otherwise cancel it and raise `ProviderTimeout`.
    """
    job = _current(ref, deps)
    item = _in_turn(job, ref)
    predictor = deps.predictor_of(job, item)
    if item.is_open and not predictor.ended(job, item):
        predictor.cancel(job, item)
        raise errors.ProviderTimeout(provider=job.model_of(item).provider)


def finish_item(ref: Ref, error: str | None, *, deps: JobDeps) -> float | None:
    """Step FinishItem: settle a result that is there; on everything else try again, or release.

    ``error`` is a class name. Returns the seconds until the next try, None when the item has ended.
    """
    try:
        job = _current(ref, deps)
    except StaleAttempt:
        return None
    item = job.items[ref.item]
    if not item.is_open:
        return None
    if item.turn > ref.turn:  # an earlier run of this step advanced the turn and crashed before returning
        return 0.0
    if (
        error is None and item.prediction is None
    ):  # nothing was started, because another item makes the same picture
        after, seconds = sharing.put_off(item)
        deps.jobs.next_turn(job, item, after, now=deps.now())
        return seconds
    try:
        if error:
            if item.prediction and leaf_named(error) is None:  # the step broke; its prediction may go on
                deps.predictor_of(job, item).cancel(job, item)
            raise _timed_out(job, item) if error in _STOPPED else problem_named(error)
        outcome = deps.predictor_of(job, item).collect(job, item)
    except StillRunning:
        deps.predictor_of(job, item).cancel(job, item)
        return _after(_timed_out(job, item), job, item, deps)
    except EnhancerError as problem:
        return _after(problem, job, item, deps)
    seconds = (deps.now() - _started_at(item, deps)) / 1000
    try:
        done = settle(job, item, outcome, seconds=seconds, closes=False, deps=deps)
    except AlreadyResolved:
        return None
    day = day_of(_started_at(item, deps))
    milliseconds = round(seconds * 1000)
    book(job, item, outcome.cost, day=day, failed=False, deps=deps, settled=done, milliseconds=milliseconds)
    count("PredictionMilliseconds", milliseconds, provider=job.model_of(item).provider)
    return None


def finish_job(ref: Ref, *, deps: JobDeps) -> None:
    """Step FinishJob: nothing is left open, the job ends as its items did."""
    try:
        job = _current(ref, deps)
    except StaleAttempt:
        return
    close(job, InternalError(), deps=deps)


def prediction_ended(ref: Ref, prediction_id: str, *, deps: JobDeps) -> bool:
    """A prediction has ended at its provider: send the task token to the waiting step; True if one was waiting.

    Nothing else is taken from the message: FinishItem asks the provider itself. Duplicate, unknown and late call-backs
    are ignored.
    """
    try:
        job = _current(ref, deps)
        item = _in_turn(job, ref)
    except StaleAttempt:
        return False
    prediction = item.prediction
    if not item.is_open or prediction is None or prediction.id not in (None, prediction_id):
        return False
    if prediction.id is None:
        with suppress(StaleAttempt):
            deps.jobs.name_prediction(job, item, prediction_id)
    return prediction.token is not None and deps.workflow.wake(prediction.token)


def prediction_began(ref: Ref, prediction_id: str, *, deps: JobDeps) -> bool:
    """A prediction has begun at Replicate: keep its id, or stop it when nobody waits for it; True if it goes on.

    So none is left over whose creation was not answered, or that began when its job, turn or process was gone.
    """
    try:
        job = _current(ref, deps)
        item = _in_turn(job, ref)
        if item.is_open and item.prediction:
            if item.prediction.id is None:
                deps.jobs.name_prediction(job, item, prediction_id)
            if item.prediction.id in (None, prediction_id):
                return True
    except StaleAttempt:
        pass
    logger.warning("prediction of nobody", extra={"jobId": ref.job_id, "predictionId": prediction_id})
    deps.predictors["replicate"].stop(prediction_id)
    return False


def problem_named(class_name: str) -> EnhancerError:
    """Return our error for what a step failed with; whatever is not ours is the provider's fault."""
    if class_name in _TIMEOUTS:
        return errors.ProviderTimeout()
    leaf = leaf_named(class_name)
    if leaf is None or not issubclass(leaf, _KNOWN):
        return errors.ProviderUnavailable()
    return leaf()


def _start(job: Job, item: Item, token: str, deps: JobDeps) -> None:
    """Start a claimed prediction and store its id; remove the claim when the provider refuses."""
    predictor = deps.predictor_of(job, item)
    day = None
    try:
        day = set_aside(job, item, deps=deps)
        started = predictor.start(job, item)
    except EnhancerError as problem:
        _refused(job, item, problem, day=day, deps=deps)
        raise
    if started.id:
        kept = False
        try:
            deps.jobs.name_prediction(job, item, started.id)
            kept = True
        finally:
            if (
                not kept
            ):  # canceled meanwhile, by somebody who did not know the name; or the table does not answer
                predictor.stop(started.id)
    told = {"provider": job.model_of(item).provider, "predictionId": started.id}
    logger.info("prediction started", extra=told)
    if started.ended:
        deps.workflow.wake(token)


def _refused(job: Job, item: Item, problem: EnhancerError, *, day: str | None, deps: JobDeps) -> None:
    """Remove the claim of a prediction that was refused, and keep the provider's Retry-After and the cost.

    The cost is booked last: a crash in between over-counts by the estimate, but never books the correction twice.
    """
    wait = problem.retry_after if isinstance(problem, ProviderError) else None
    try:
        begun = deps.jobs.unclaim(job, item, retry_after=wait, cost=problem.cost, now=deps.now())
        stop_begun(job, item, begun, deps=deps)
    except StaleAttempt:
        if day:
            book(job, item, problem.cost, day=day, failed=True, deps=deps)
        raise
    if day:
        book(job, item, problem.cost, day=day, failed=True, deps=deps)


def _timed_out(job: Job, item: Item) -> errors.ProviderTimeout:
    """Return the error for a prediction that we stopped, booked at its estimate; the real cost is unknown."""
    return errors.ProviderTimeout(cost=costs.estimated(job.model_of(item).slug) if item.prediction else 0)


def _after(problem: EnhancerError, job: Job, item: Item, deps: JobDeps) -> float | None:
    """Decide what follows a failed try, once: the next one in so many seconds, or nothing (None)."""
    following = next_try(job, item, problem, deps=deps)
    if following and following[0].prediction:  # what was made is fetched again, and paid once
        deps.jobs.next_turn(job, item, following[0], now=deps.now())
        return following[1]
    tried = replace(item, cost=item.cost + problem.cost)
    if following:
        following = (replace(following[0], cost=tried.cost), following[1])
        begun = deps.jobs.next_turn(job, item, following[0], now=deps.now())
        stop_begun(job, item, begun, deps=deps)
    elif not release(job, tried, problem, closes=False, deps=deps):
        return None
    if item.prediction:  # else its start was refused, and counted there
        day = day_of(item.prediction.started_at)
        book(job, item, problem.cost, day=day, failed=True, deps=deps)
    return following[1] if following else None


def _current(ref: Ref, deps: JobDeps) -> Job:
    """Return the job if this attempt of it is open; raise `StaleAttempt`."""
    job = deps.jobs.get(ref.owner, ref.job_id)
    if job is None or not job.is_open or job.attempt != ref.attempt:
        raise StaleAttempt
    bind_order(job.id, job.request_id)
    return job


def _in_turn(job: Job, ref: Ref) -> Item:
    """Return the item if it is this turn's; raise `StaleAttempt`."""
    if ref.item >= len(job.items) or (item := job.items[ref.item]).turn != ref.turn:
        raise StaleAttempt
    return item


def _started_at(item: Item, deps: JobDeps) -> int:
    return item.prediction.started_at if item.prediction else deps.now()


def prepare_item(job: Job, item: Item, *, deps: JobDeps) -> Item:
    """Fetch and decode the picture of an item that only has a source, and store its original.

    Raises what is wrong with it, `StaleAttempt` or `PredictionStarted`.
    """
    model, params = job.model_of(item), job.params_of(item)
    photo = deps.read_photo(_fetch(item, deps), pixels_max=plan_named(job.plan).input_pixels_max)
    ready, original = look(photo, model, params, kind="async").described(
        item, job.owner, new_name=deps.new_name
    )
    store_original(ready, original, deps=deps)
    deps.jobs.prepare(job, ready, now=deps.now())
    return ready


def _fetch(item: Item, deps: JobDeps) -> bytes:
    """Return the bytes of an item's upload, or of its URL; raise `UploadNotFound` or what the URL is refused for."""
    if item.source is None:
        raise UploadNotFound(field="source")
    if item.source.kind == "url":
        return deps.download(item.source.ref)
    try:
        return deps.artifacts.get(item.source.ref)
    except NoArtifact:
        raise UploadNotFound(field="uploadKey") from None
