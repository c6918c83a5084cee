"""What was made at a provider and is paid for: fetched again rather than made again, and counted when it is stopped."""

import pytest

from enhancer.domain import errors
from enhancer.domain.costs import estimated
from enhancer.domain.periods import day_of
from enhancer.jobs.submit import EnhanceOrder
from tests.support.world import REPLICATE_COST

ESRGAN = EnhanceOrder(model="real-esrgan")
ESTIMATE = estimated("nightmareai/real-esrgan")


@pytest.fixture
def caller(world):
    """Somebody with a plan that has room."""
    return world.caller("pro")


@pytest.fixture
def job(world, caller):
    """A job of one picture for a hosted model, held and started."""
    return world.batch(caller, 1, ESRGAN)


def item_of(world, job):
    return world.stored(job).items[0]


def unfetched(world, job, *, turn=0):
    """The prediction ended well, and its delivery fails."""
    problem = errors.ProviderUnavailable(provider="replicate", made=True, cost=REPLICATE_COST)
    world.replicate.fail(world.stored(job), item_of(world, job), problem)
    return world.finish_item(job, turn=turn)


def test_a_result_that_cannot_be_fetched_is_fetched_again_and_paid_once(world, caller, job):
    """The next turn finds the same prediction, wakes at once and settles; nothing is started or counted twice."""
    world.start_prediction(job)
    assert unfetched(world, job) is not None
    kept = item_of(world, job)
    assert (kept.turn, kept.cost, kept.prediction.turn) == (1, 0, 1)
    world.replicate.deliver(world.stored(job), kept)
    world.start_prediction(job, turn=1, token="again")
    assert world.workflow.woken == ["again"]
    assert world.finish_item(job, turn=1) is None
    done = item_of(world, job)
    assert (done.status, done.cost, len(world.replicate.started)) == ("succeeded", REPLICATE_COST, 1)
    assert world.spend.total(day_of(world.clock)) == REPLICATE_COST


def test_a_result_that_never_can_be_fetched_is_given_up_after_three_times(world, caller, job):
    """Its cost is counted once; the fallback runs."""
    world.start_prediction(job)
    assert unfetched(world, job) is not None
    assert unfetched(world, job, turn=1) is not None
    assert unfetched(world, job, turn=2) == 0.0
    given_up = item_of(world, job)
    assert (given_up.turn, given_up.cost, given_up.fallback.model) == (3, REPLICATE_COST, "local/photo")
    assert given_up.prediction is None


def test_a_prediction_stopped_for_time_costs_what_was_set_aside(world, caller, job):
    """The provider bills it for its time; nobody knows better than the estimate."""
    world.start_prediction(job)
    with pytest.raises(errors.ProviderTimeout):
        world.poll_prediction(job)
    world.finish_item(job, error="ProviderTimeout")
    assert item_of(world, job).cost == ESTIMATE
    assert world.spend.total(day_of(world.clock)) == ESTIMATE


def test_a_canceled_prediction_costs_what_was_set_aside(world, caller, job):
    """The owner pays nothing, and the report knows what it cost us."""
    world.start_prediction(job)
    world.cancel(job)
    canceled = item_of(world, job)
    assert (canceled.status, canceled.charge, canceled.cost) == ("canceled", 0, ESTIMATE)
    assert world.spend.total(day_of(world.clock)) == ESTIMATE
