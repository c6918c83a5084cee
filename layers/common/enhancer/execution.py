"""The steps of the state machine, one function each, and the call-backs that wake it.

Every step may be delivered twice, late, or not at all, and may die between any two writes. What keeps it right: a
prediction is claimed before it is started, each try has its turn, and a job, item, attempt or turn that has ended is
left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enhancer.domain import costs, errors
from enhancer.domain.errors import EnhancerError, InternalError, ProviderError, leaf_named
from enhancer.domain.jobs import Item, Job, Prediction, PredictionStarted, StaleAttempt
from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.owners import Owner
from enhancer.domain.predictions import StillRunning
from enhancer.domain.quota import day_of
from enhancer.fulfilment import book, close, next_try, release, set_aside, settle

if TYPE_CHECKING:
    from enhancer.fulfilment import Tools

_TIMEOUTS = ("States.Timeout", "States.HeartbeatTimeout")
_STOPPED = (*_TIMEOUTS, errors.ProviderTimeout.__name__)
_KNOWN = (errors.InvalidRequest, errors.Refused, errors.Conflict, ProviderError)


@dataclass(frozen=True, slots=True)
class Ref:
    """Which item of which attempt a step is about, and in which turn. All that travels through the state machine."""

    owner: Owner
    job_id: str
    attempt: int
    item: int = 0
    turn: int = 0


def start_item(ref: Ref, token: str, *, tools: Tools, prepare: Callable[[Job, Item], Item | None]) -> None:
    """Step StartPrediction: look at the picture, start the model, leave ``token`` for whoever ends it.

    ``prepare`` returns the item ready to run, or None when it needed no run. A picture that is at fault resolves
    its item here, with the details; a `ProviderError` is for FinishItem to decide about.
    """
    job = _current(ref, tools)
    item = _in_turn(job, ref)
    ready = None
    try:
        ready = _prepared(job, item, prepare)
        if ready is None or not ready.is_open:
            tools.workflow.wake(token)
            return
        if tools.jobs.claim(job, ready, token=token, now=tools.now()):
            _start(job, ready, token, tools)
        elif tools.predictor_of(job, ready).ended(job, _in_turn(_current(ref, tools), ref)):
            tools.workflow.wake(token)  # it ended before the token was there to wake us
    except (
        PredictionStarted
    ):  # delivered twice; the other one was faster, and its picture is the one that counts
        start_item(ref, token, tools=tools, prepare=prepare)
    except ProviderError:
        raise
    except EnhancerError as problem:
        tried = ready or item
        release(job, replace(tried, cost=tried.cost + problem.cost), problem, closes=False, tools=tools)
        tools.workflow.wake(token)


def look_at_item(ref: Ref, *, tools: Tools) -> None:
    """Step PollPrediction, after nobody called back: fine when it ended; raise `ProviderTimeout` if not."""
    job = _current(ref, tools)
    item = _in_turn(job, ref)
    predictor = tools.predictor_of(job, item)
    if item.is_open and not predictor.ended(job, item):
        predictor.cancel(job, item)
        raise errors.ProviderTimeout(provider=job.model_of(item).provider)


def finish_item(ref: Ref, error: str | None, *, tools: Tools) -> float | None:
    """Step FinishItem: settle a result that is there; on everything else try again, or release.

    ``error`` is a class name. Returns the seconds until the next try, None when the item has ended.
    """
    try:
        job = _current(ref, tools)
    except StaleAttempt:
        return None
    item = job.items[ref.item]
    if not item.is_open:
        return None
    if item.turn > ref.turn:  # an earlier delivery of this step decided, and died before it could say so
        return 0.0
    try:
        if error:
            if item.prediction and leaf_named(error) is None:  # the step broke; its prediction may go on
                tools.predictor_of(job, item).cancel(job, item)
            raise _timed_out(job, item) if error in _STOPPED else problem_named(error)
        outcome = tools.predictor_of(job, item).collect(job, item)
    except StillRunning:
        tools.predictor_of(job, item).cancel(job, item)
        return _after(_timed_out(job, item), job, item, tools)
    except EnhancerError as problem:
        return _after(problem, job, item, tools)
    seconds = (tools.now() - _started_at(item, tools)) / 1000
    try:
        settle(job, item, outcome, seconds=seconds, closes=False, tools=tools)
    except AlreadyResolved:
        return None
    day = day_of(_started_at(item, tools))
    book(job, item, outcome.cost, day=day, failed=False, tools=tools)
    return None


def finish_job(ref: Ref, *, tools: Tools) -> None:
    """Step FinishJob: nothing is left open, the job ends as its items did."""
    try:
        job = _current(ref, tools)
    except StaleAttempt:
        return
    close(job, InternalError(), tools=tools)


def heard(ref: Ref, prediction_id: str, *, tools: Tools) -> bool:
    """A provider says that a prediction has ended: wake whoever waits for it; return whether somebody did.

    Nothing is taken from the message but that: FinishItem asks the provider itself. Duplicates, strangers and whatever
    comes late change nothing.
    """
    try:
        job = _current(ref, tools)
        item = _in_turn(job, ref)
    except StaleAttempt:
        return False
    prediction = item.prediction
    if not item.is_open or prediction is None or prediction.id not in (None, prediction_id):
        return False
    if prediction.id is None:
        with suppress(StaleAttempt):
            tools.jobs.name_prediction(job, item, prediction_id)
    return prediction.token is not None and tools.workflow.wake(prediction.token)


def problem_named(class_name: str) -> EnhancerError:
    """Return our error for what a step failed with; whatever is not ours is the provider's fault."""
    if class_name in _TIMEOUTS:
        return errors.ProviderTimeout()
    leaf = leaf_named(class_name)
    if leaf is None or not issubclass(leaf, _KNOWN):
        return errors.ProviderUnavailable()
    return leaf()


def _prepared(job: Job, item: Item, prepare: Callable[[Job, Item], Item | None]) -> Item | None:
    return item if item.input else prepare(job, item)


def _start(job: Job, item: Item, token: str, tools: Tools) -> None:
    """Start a claimed prediction and record its name; give the claim back when the provider refuses."""
    predictor = tools.predictor_of(job, item)
    day = None
    try:
        day = set_aside(job, item, tools=tools)
        started = predictor.start(job, item)
    except EnhancerError as problem:
        _refused(job, item, problem, day=day, tools=tools)
        raise
    if started.id:
        try:
            tools.jobs.name_prediction(job, item, started.id)
        except StaleAttempt:  # canceled meanwhile, by somebody who did not know the name
            named = Prediction(job.attempt, tools.now(), id=started.id, turn=item.turn)
            predictor.cancel(job, replace(item, prediction=named))
            raise
    if started.ended:
        tools.workflow.wake(token)


def _refused(job: Job, item: Item, problem: EnhancerError, *, day: str | None, tools: Tools) -> None:
    """Give a claim back, with the wait that was asked for and what the start did cost.

    Booked afterwards: dying in between leaves the estimate counted, never the correction twice.
    """
    wait = problem.retry_after if isinstance(problem, ProviderError) else None
    try:
        tools.jobs.unclaim(job, item, retry_after=wait, cost=problem.cost, now=tools.now())
    except StaleAttempt:
        if day:
            book(job, item, problem.cost, day=day, failed=True, tools=tools)
        raise
    if day:
        book(job, item, problem.cost, day=day, failed=True, tools=tools)


def _timed_out(job: Job, item: Item) -> errors.ProviderTimeout:
    """The error for a prediction that we stopped: billed for its time, and taken to cost what was set aside."""
    problem = errors.ProviderTimeout()
    problem.cost = costs.estimated(job.model_of(item).slug) if item.prediction else 0
    return problem


def _after(problem: EnhancerError, job: Job, item: Item, tools: Tools) -> float | None:
    """Decide what follows a failed try, once: the next one in so many seconds, or nothing (None)."""
    if isinstance(problem, ProviderError) and problem.retry_after is None:
        problem.retry_after = item.retry_after
    following = next_try(job, item, problem, tools=tools)
    if following and following[0].prediction:  # what was made is fetched again, and paid once
        tools.jobs.next_turn(job, item, following[0], now=tools.now())
        return following[1]
    tried = replace(item, cost=item.cost + problem.cost)
    if following:
        following = (replace(following[0], cost=tried.cost), following[1])
        tools.jobs.next_turn(job, item, following[0], now=tools.now())
    elif not release(job, tried, problem, closes=False, tools=tools):
        return None
    if item.prediction:  # else its start was refused, and counted there
        day = day_of(item.prediction.started_at)
        book(job, item, problem.cost, day=day, failed=True, tools=tools)
    return following[1] if following else None


def _current(ref: Ref, tools: Tools) -> Job:
    """Return the job if this attempt of it is open; raise `StaleAttempt`."""
    job = tools.jobs.get(ref.owner, ref.job_id)
    if job is None or not job.is_open or job.attempt != ref.attempt:
        raise StaleAttempt
    return job


def _in_turn(job: Job, ref: Ref) -> Item:
    """Return the item if it is this turn's; raise `StaleAttempt`."""
    if ref.item >= len(job.items) or (item := job.items[ref.item]).turn != ref.turn:
        raise StaleAttempt
    return item


def _started_at(item: Item, tools: Tools) -> int:
    return item.prediction.started_at if item.prediction else tools.now()
