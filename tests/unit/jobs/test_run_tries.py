"""The tries of a run inside one request: again, with another model, later, or not at all. Charged once, if ever."""

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain import errors
from enhancer.domain.costs import estimated
from enhancer.domain.periods import day_of
from enhancer.domain.predictions import OutOfTime, StillRunning
from enhancer.jobs import run
from enhancer.jobs.submit import EnhanceOrder
from tests.support.images import png
from tests.support.world import REPLICATE_COST

ESRGAN = EnhanceOrder(model="real-esrgan", scale=4)
ESTIMATE = estimated("nightmareai/real-esrgan")


@pytest.fixture
def caller(world):
    """Somebody with a plan that has room."""
    return world.caller("pro")


@pytest.fixture
def slept(monkeypatch):
    """Every pause between tries, on a clock that moves with them."""
    pauses = []
    monkeypatch.setattr(run.time, "sleep", pauses.append)
    monkeypatch.setattr(run.time, "monotonic", lambda: sum(pauses))
    return pauses


def costing(problem, micros):
    problem.cost = micros
    return problem


def total(world):
    return world.spend.total(day_of(world.clock))


def line(world, provider, model):
    """Micros, runs and failures of a model today."""
    found = world.table.get(keys.spend(day_of(world.clock), provider, model, "pro", "user")) or {}
    return found.get("micros", 0), found.get("runs", 0), found.get("failed", 0)


def test_two_throttled_tries_and_a_good_one_are_three_calls_and_one_charge(world, caller, slept):
    """The caller notices nothing but the time."""
    world.replicate.script = [errors.ProviderThrottled(), errors.ProviderThrottled()]
    world.chance = 0.5
    done = world.finish(world.submit(caller, ESRGAN))
    assert (len(world.replicate.runs), slept) == (3, [1.0, 2.0])
    assert [item.turn for item in world.replicate.runs] == [0, 1, 2]
    assert (world.kinds(caller), done.items[0].charge) == (["hold", "settle"], 20)
    assert world.stored(done).items[0].fallback is None
    assert total(world) == REPLICATE_COST
    assert line(world, "replicate", "real-esrgan") == (REPLICATE_COST, 3, 2)


@pytest.mark.parametrize(
    "problem",
    [errors.ProviderRejected(provider="replicate", model="real-esrgan"), errors.PromptRefused(model="real-esrgan"),
     errors.ProviderForbidden(provider="replicate"), errors.OutputTooLarge(width=1, height=1, limit=1)],
    ids=lambda problem: type(problem).__name__,
)  # fmt: skip
def test_wrong_input_and_a_refused_token_are_one_call_and_no_fallback(world, caller, slept, problem):
    """Nobody else would be of help; nothing is charged."""
    world.replicate.script = [costing(problem, 225)]
    submitted = world.submit(caller, ESRGAN)
    with pytest.raises(type(problem)) as failed:
        world.finish(submitted)
    assert failed.value is problem
    assert (len(world.replicate.runs), world.predictor.runs, slept) == (1, [], [])
    assert (world.kinds(caller), world.usage_and_balance(caller)[:2]) == (["hold", "release"], (0, 0))
    assert (total(world), world.stored(submitted.job).items[0].cost) == (225, 225)


@pytest.mark.parametrize(
    ("problem", "calls"),
    [(errors.ProviderUnavailable(), 3), (errors.ProviderThrottled(), 3), (errors.ProviderOutputInvalid(), 2),
     (errors.ProviderFailed(), 1), (errors.ProviderTimeout(), 1), (errors.ProviderExhausted(), 1),
     (errors.ProviderThrottled(retry_after=31), 1)],
    ids=lambda found: getattr(type(found), "__name__", ""),
)  # fmt: skip
def test_a_model_that_is_down_is_tried_within_bounds_and_then_replaced(world, caller, slept, problem, calls):
    """The built-in model runs instead, and the job says so."""
    world.replicate.script = [problem] * calls
    done = world.finish(world.submit(caller, ESRGAN))
    assert (len(world.replicate.runs), len(world.predictor.runs)) == (calls, 1)
    assert (done.status, done.model) == ("succeeded", "nightmareai/real-esrgan")
    assert done.model_of(done.items[0]).alias == "local"
    assert world.stored(done).items[0].fallback.turn == calls


def test_the_costs_of_failed_tries_are_kept_and_booked(world, caller, slept):
    """Each under the model that ran; the item says what all of them cost."""
    world.replicate.script = [
        costing(errors.ProviderOutputInvalid(), 700),
        costing(errors.ProviderFailed(), 40),
    ]
    world.predictor.cost = 55
    done = world.finish(world.submit(caller, ESRGAN))
    assert world.stored(done).items[0].cost == done.items[0].cost == 795
    assert line(world, "replicate", "real-esrgan") == (740, 2, 2)
    assert line(world, "embedded", "local") == (55, 1, 0)
    assert total(world) == 740


def test_the_costs_of_a_run_that_failed_for_good_are_kept_too(world, caller, slept):
    """Nothing is charged, and what it cost us is known."""
    world.off.add("local")
    world.replicate.script = [costing(errors.ProviderFailed(), 40)]
    submitted = world.submit(caller, ESRGAN)
    with pytest.raises(errors.ProviderFailed):
        world.finish(submitted)
    assert world.stored(submitted.job).items[0].cost == total(world) == 40


def test_a_fallback_that_is_switched_off_leaves_the_error_of_the_last_try(world, caller, slept):
    """The caller learns what went wrong last."""
    world.off.add("local")
    last = errors.ProviderUnavailable(provider="replicate")
    world.replicate.script = [errors.ProviderThrottled(), errors.ProviderThrottled(), last]
    with pytest.raises(errors.ProviderUnavailable) as failed:
        world.finish(world.submit(caller, ESRGAN))
    assert failed.value is last
    assert (world.predictor.runs, world.usage_and_balance(caller)[:2]) == ([], (0, 0))


@pytest.mark.parametrize(("cap", "ran"), [(0, "local"), (ESTIMATE - 1, "local"), (ESTIMATE, "real-esrgan")])
def test_a_days_cap_that_is_reached_lets_the_built_in_model_run(world, caller, slept, cap, ran):
    """Not one micro beyond, and the caller gets a picture all the same."""
    world.spend_cap = cap
    done = world.finish(world.submit(caller, ESRGAN))
    assert done.model_of(done.items[0]).alias == ran
    assert (len(world.replicate.runs), total(world)) == ((1, REPLICATE_COST) if cap == ESTIMATE else (0, 0))


def test_a_cap_without_a_fallback_is_told_as_exhausted(world, caller):
    """Nobody steps in for the restorer."""
    world.spend_cap = 0
    with pytest.raises(errors.ProviderExhausted) as failed:
        world.finish(world.submit(caller, EnhanceOrder(model="gfpgan")))
    assert failed.value.details == {"provider": "replicate"}
    assert (world.replicate.runs, world.usage_and_balance(caller)[:2], total(world)) == ([], (0, 0), 0)


def test_the_built_in_model_is_no_part_of_the_cap(world, caller):
    """Its cost is our own function's: reported, never stopped."""
    world.spend_cap, world.predictor.cost = 0, 55
    assert world.finish(world.submit(caller)).status == "succeeded"
    assert (total(world), line(world, "embedded", "local")) == (0, (55, 1, 0))


@pytest.mark.parametrize("seconds", [23.0, 30.0])
def test_a_wait_that_does_not_fit_into_the_request_is_handed_over(world, caller, slept, seconds):
    """Nothing runs meanwhile: the state machine starts the next try, in its turn."""
    world.replicate.script = [costing(errors.ProviderThrottled(retry_after=seconds), 9)]
    job = world.finish(world.submit(caller, ESRGAN), seconds_max=25.0)
    stored = world.stored(job).items[0]
    assert (job.is_open, stored.prediction, stored.turn, stored.cost, slept) == (True, None, 1, 9, [])
    assert world.workflow.executions[job.execution].turn == 1
    done = world.execute(world.stored(job))
    assert (done.status, world.replicate.tries, world.kinds(caller)) == (
        "succeeded", [(job.id, 0, 1, 1)], ["hold", "settle"],
    )  # fmt: skip


def test_a_predictor_without_enough_time_is_handed_over_without_a_prediction(world, caller):
    """What was set aside for it is given back."""
    world.replicate.script = [OutOfTime()]
    job = world.finish(world.submit(caller, ESRGAN))
    assert (job.is_open, world.stored(job).items[0].prediction) == (True, None)
    assert (total(world), world.usage_and_balance(caller)[:2]) == (0, (1, 20))
    assert world.execute(world.stored(job)).items[0].cost == REPLICATE_COST


def test_a_run_that_goes_on_is_handed_over_with_its_name_and_turn(world, caller, slept):
    """The second try still runs: the state machine waits for that one."""
    world.replicate.script = [costing(errors.ProviderUnavailable(), 3), StillRunning("p2")]
    job = world.finish(world.submit(caller, ESRGAN))
    found = world.stored(job).items[0]
    assert (found.prediction.id, found.prediction.turn, found.turn, found.cost) == ("p2", 1, 1, 3)
    assert total(world) == 3 + ESTIMATE
    done = world.execute(world.stored(job))
    assert (done.items[0].cost, total(world)) == (3 + REPLICATE_COST, 3 + REPLICATE_COST)
    assert (world.replicate.tries, world.kinds(caller)) == ([], ["hold", "settle"])


def test_a_run_that_goes_on_after_a_cancel_is_stopped(world, caller):
    """Nobody waits for it any more; the cancel knows its name, and whoever handed it over does, too."""
    submitted = world.submit(caller, ESRGAN)

    def slow(job, _item):
        world.cancel(job)
        raise StillRunning("prediction-0-1-0")

    world.replicate.script = [slow]
    with pytest.raises(errors.JobCanceled):
        world.finish(submitted)
    assert set(world.replicate.canceled_names) == {"prediction-0-1-0"}
    assert world.workflow.starts == []
    assert world.usage_and_balance(caller)[:2] == (0, 0)


def test_a_fallback_that_is_too_much_for_a_request_becomes_a_job(world, caller, slept):
    """At eight times, the built-in model would need longer than the request lasts."""
    photo = world.photo(png((1240, 980)))
    world.replicate.script = [errors.ProviderFailed()]
    job = world.finish(world.submit(caller, EnhanceOrder(model="real-esrgan", scale=6), photo=photo))
    found = world.stored(job).items[0]
    assert (job.is_open, found.fallback.model, found.prediction) == (True, "local/photo", None)
    assert world.predictor.runs == []
    world.start_prediction(job, turn=1)
    assert world.predictor.tries == [(job.id, 0, 1, 1)]
