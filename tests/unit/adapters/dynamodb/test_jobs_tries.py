"""The writes that tell one try from the next: claimed once, named, given back, advanced, handed over."""

from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.jobs import DEADLINE_MS, Fallback, Prediction, StaleAttempt
from enhancer.domain.models import Params

FALLBACK = Fallback("local/photo", Params(2, face=False, strength=0.35), 1)


@pytest.fixture
def job(world):
    """A held job of one item."""
    return world.hold(world.job(world.caller()))


def claim(world, job, **more):
    return world.jobs.claim(job, replace(job.items[0], **more), token="t", now=world.clock)


def item_of(world, job):
    return world.stored(job).items[0]


def canceled(world, job):
    world.jobs.cancel(job, now=world.clock)


def settled(world, job):
    world.settle(job)


def advanced(world, job):
    world.jobs.next_turn(job, job.items[0], replace(job.items[0], turn=1), now=world.clock)


LATE = [canceled, settled, advanced]


def test_a_claim_is_taken_once_in_a_turn_and_anew_in_the_next(world, job):
    """The second of a turn leaves its token only; the next turn has a prediction of its own."""
    world.clock += 5
    assert claim(world, job) is True
    taken = item_of(world, job).prediction
    assert taken == Prediction(1, world.clock, "t", turn=0)
    world.clock += 5
    assert world.jobs.claim(job, job.items[0], token="u", now=world.clock) is False
    assert item_of(world, job).prediction == replace(taken, token="u")
    advanced(world, job)
    assert item_of(world, job).prediction is None
    assert claim(world, job, turn=1) is True
    assert item_of(world, job).prediction.turn == 1


@pytest.mark.parametrize("late", LATE, ids=lambda found: found.__name__)
def test_a_late_claim_changes_nothing(world, job, late):
    """Canceled, ended, or another turn runs."""
    late(world, job)
    before = world.stored(job)
    with pytest.raises(StaleAttempt):
        claim(world, job)
    assert world.stored(job) == before


def test_a_waiter_that_comes_later_is_given_all_the_time_of_a_waiter(world, job):
    """The first start died and was delivered again: the sweep does not end the job while the second one waits."""
    claim(world, job)
    world.clock += DEADLINE_MS - 1
    assert world.jobs.claim(job, job.items[0], token="u", now=world.clock) is False
    world.clock += DEADLINE_MS
    assert list(world.jobs.overdue(now=world.clock)) == []
    assert [late.id for late in world.jobs.overdue(now=world.clock + 1)] == [job.id]


def without_turns(world, job):
    """Store the job as the version before stored it: nothing in it knows turns."""
    record = world.table.get(keys.job(job.owner, job.id))
    new = ("turn", "cost", "retry_after", "fallback", "paid")
    for item in record["items"]:
        if prediction := item.get("prediction"):
            item["prediction"] = {name: prediction[name] for name in prediction if name not in ("turn", "id")}
    record["items"] = [{name: item[name] for name in item if name not in new} for item in record["items"]]
    world.table.put(record)


def test_a_job_stored_before_there_were_turns_is_in_its_first(world, job):
    """What was open during a deployment is claimed, named, given back and advanced like any other."""
    without_turns(world, job)
    assert claim(world, job) is True
    without_turns(world, job)
    assert world.jobs.claim(job, job.items[0], token="u", now=world.clock) is False
    world.jobs.name_prediction(job, job.items[0], "p1")
    found = item_of(world, job).prediction
    assert (found.token, found.id) == ("u", "p1")
    world.jobs.unclaim(job, job.items[0], retry_after=None, cost=0, now=world.clock)
    without_turns(world, job)
    advanced(world, job)
    assert item_of(world, job).turn == 1
    without_turns(world, job)
    with pytest.raises(StaleAttempt):
        claim(world, job, turn=1)


def test_a_start_of_an_earlier_turn_that_fails_late_gives_back_nothing(world, job):
    """The prediction that runs now keeps its name and its waiter, and the item its cost."""
    first = job.items[0]
    world.jobs.next_turn(job, first, replace(first, turn=1, cost=9), now=world.clock)
    claim(world, job, turn=1)
    before = world.stored(job)
    with pytest.raises(StaleAttempt):
        world.jobs.unclaim(job, first, retry_after=None, cost=346, now=world.clock)
    assert world.stored(job) == before


def test_a_name_is_recorded_beside_the_token(world, job):
    """What the provider calls it; nothing else changes."""
    claim(world, job)
    world.jobs.name_prediction(job, job.items[0], "p1")
    assert item_of(world, job).prediction == Prediction(1, world.clock, "t", "p1")


@pytest.mark.parametrize(
    "late", [*LATE, lambda *_: None], ids=["canceled", "settled", "advanced", "not_claimed"]
)
def test_a_name_of_what_no_longer_runs_is_refused(world, job, late):
    """Also one for a prediction that nobody claimed."""
    if late in LATE:
        claim(world, job)
    late(world, job)
    with pytest.raises(StaleAttempt):
        world.jobs.name_prediction(job, job.items[0], "p1")


@pytest.mark.parametrize(("asked", "kept"), [(None, None), (0.0, None), (7.5, 7.5)])
def test_a_claim_that_is_given_back_keeps_the_wait_and_the_cost(world, job, asked, kept):
    """The next try waits as the provider asked, and what the start did cost is not forgotten."""
    claim(world, job)
    world.jobs.unclaim(job, replace(job.items[0], cost=5), retry_after=asked, cost=346, now=world.clock)
    found = item_of(world, job)
    assert (found.prediction, found.retry_after, found.cost) == (None, kept, 351)
    assert claim(world, job) is True


def test_the_next_turn_takes_the_wait_and_the_prediction_along(world, job):
    """Turn, cost and fallback are recorded, fractions included; the deadline moves on."""
    claim(world, job)
    world.jobs.unclaim(job, job.items[0], retry_after=7.5, cost=0, now=world.clock)
    world.clock += 1000
    after = replace(job.items[0], turn=1, cost=9, fallback=FALLBACK, result_digest="of the fallback")
    world.jobs.next_turn(job, job.items[0], after, now=world.clock)
    found = world.stored(job)
    assert found.items[0] == after
    assert found.updated_at == world.clock
    assert [late.id for late in world.jobs.overdue(now=world.clock + DEADLINE_MS)] == []
    assert [late.id for late in world.jobs.overdue(now=world.clock + DEADLINE_MS + 1)] == [job.id]


@pytest.mark.parametrize("late", LATE, ids=lambda found: found.__name__)
def test_of_two_who_advance_a_turn_the_second_is_late(world, job, late):
    """And so is who advances what has ended."""
    late(world, job)
    before = world.stored(job)
    with pytest.raises(StaleAttempt):
        advanced(world, job)
    assert world.stored(job) == before


@pytest.mark.parametrize(
    "prediction", [None, Prediction(1, 7, id="p1", turn=1)], ids=["nothing runs", "one runs"]
)
def test_a_hand_over_takes_everything_that_was_tried_along(world, job, prediction):
    """Turn, cost and fallback; the prediction where there is one."""
    tried = replace(job.items[0], turn=1, cost=9, fallback=FALLBACK, result_digest="of the fallback")
    world.jobs.note(job, replace(job.items[0], prediction=Prediction(1, 3, id="p0")), now=world.clock)
    world.jobs.hand_over(job, replace(tried, prediction=prediction), now=world.clock)
    found = world.stored(job)
    assert (found.kind, found.items[0]) == ("async", replace(tried, prediction=prediction))


@pytest.mark.parametrize("late", [canceled, settled], ids=lambda found: found.__name__)
def test_a_hand_over_of_what_has_ended_is_refused(world, job, late):
    """It is not opened again."""
    late(world, job)
    with pytest.raises(StaleAttempt):
        world.jobs.hand_over(job, job.items[0], now=world.clock)
    assert world.stored(job).kind == "sync"
