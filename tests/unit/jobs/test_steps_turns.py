"""The steps of the state machine from try to try: duplicates, late and stale deliveries, deaths in between."""

from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain import errors
from enhancer.domain.costs import estimated
from enhancer.domain.digests import digest
from enhancer.domain.jobs import DEADLINE_MS, StaleAttempt
from enhancer.domain.periods import day_of
from enhancer.jobs.submit import EnhanceOrder
from tests.support.books import audit
from tests.support.world import REPLICATE_COST, WORKERS_AI_COST

ESRGAN = EnhanceOrder(model="real-esrgan", face=True)
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


def total(world):
    return world.spend.total(day_of(world.clock))


def refused_start(world, job, problem, *, turn=0):
    world.replicate.script = [problem]
    with pytest.raises(type(problem)):
        world.start_prediction(job, turn=turn)


def costing(problem, micros):
    problem.cost = micros
    return problem


def second_turn(world, job):
    """The first try was throttled and FinishItem has decided."""
    refused_start(world, job, errors.ProviderThrottled())
    assert world.finish_item(job, error="ProviderThrottled") == 0.0


def test_a_prediction_is_started_named_and_set_aside(world, caller, job):
    """The name is there before anybody calls back; the estimate counts against the day."""
    world.start_prediction(job, token="t")
    prediction = item_of(world, job).prediction
    assert (prediction.id, prediction.token, prediction.turn) == ("prediction-0-1-0", "t", 0)
    assert (total(world), world.workflow.woken) == (ESTIMATE, [])


def test_what_a_prediction_did_cost_replaces_what_was_set_aside(world, caller, job):
    """Booked once, on the day it was started."""
    started = world.clock
    done = world.execute(job)
    assert (done.items[0].cost, total(world)) == (REPLICATE_COST, REPLICATE_COST)
    line = world.table.get(keys.spend(day_of(started), "replicate", "real-esrgan", "pro", "user"))
    assert (line["micros"], line["runs"], line["failed"]) == (REPLICATE_COST, 1, 0)
    world.finish_item(job)
    assert total(world) == REPLICATE_COST


def test_a_provider_that_answers_at_once_wakes_its_step(world, caller):
    """Workers AI knows no call-back: the step goes on by itself."""
    job = world.batch(caller, 1, EnhanceOrder(model="flux-klein", prompt="x"))
    world.start_prediction(job, token="t")
    assert world.workflow.woken == ["t"]
    assert world.finish_item(job) is None
    assert item_of(world, job).cost == WORKERS_AI_COST


def test_a_throttled_prediction_is_tried_three_times_and_charged_once(world, caller, job):
    """Turn after turn, each decided by FinishItem."""
    world.replicate.script = [errors.ProviderThrottled(), errors.ProviderThrottled()]
    for turn in (0, 1):
        with pytest.raises(errors.ProviderThrottled):
            world.start_prediction(job, turn=turn)
        assert world.finish_item(job, error="ProviderThrottled", turn=turn) == 0.0
    world.start_prediction(job, turn=2)
    world.deliver(job)
    assert world.finish_item(job, turn=2) is None
    assert world.replicate.tries == [(job.id, 0, 1, 2)]
    assert (item_of(world, job).status, world.kinds(caller)) == ("succeeded", ["hold", "settle"])


def test_a_wait_that_was_asked_for_survives_the_way_through_the_state_machine(world, job):
    """Only the error's class travels; the seconds lie on the item, for this one decision."""
    refused_start(world, job, errors.ProviderThrottled(retry_after=7.5))
    assert item_of(world, job).retry_after == 7.5
    assert world.finish_item(job, error="ProviderThrottled") == 7.5
    assert item_of(world, job).retry_after is None
    refused_start(world, job, errors.ProviderThrottled(), turn=1)
    assert world.finish_item(job, error="ProviderThrottled", turn=1) == 0.0


def test_a_picture_that_could_not_be_looked_at_is_looked_at_in_the_next_turn(world, caller, job, monkeypatch):
    """The store failed once: the second try is prepared, run, settled and paid like a first one."""
    with monkeypatch.context() as broken:
        broken.setattr(world, "read", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.start_prediction(job)
    assert world.finish_item(job, error="ZeroDivisionError") == 0.0
    world.start_prediction(job, turn=1)
    assert (item_of(world, job).turn, item_of(world, job).prediction.turn) == (1, 1)
    world.deliver(job)
    assert world.finish_item(job, turn=1) is None
    assert (item_of(world, job).status, world.kinds(caller)) == ("succeeded", ["hold", "settle"])


def test_a_fallback_that_is_the_first_to_see_the_picture_is_indexed_as_itself(
    world, caller, job, monkeypatch
):
    """Nobody gets its result for the price of nothing when asking for the model that never ran."""
    with monkeypatch.context() as broken:
        broken.setattr(world, "read", lambda *_, **__: 1 / 0)
        for turn in range(3):
            with pytest.raises(ZeroDivisionError):
                world.start_prediction(job, turn=turn)
            assert world.finish_item(job, error="ZeroDivisionError", turn=turn) == 0.0
    world.start_prediction(job, turn=3)
    found = item_of(world, job)
    params = replace(job.params, face=False)
    assert found.fallback.model == "local/photo"
    assert found.result_digest == digest(found.digest, "local/photo", params, found.output_format)


def test_what_waits_for_a_model_that_is_switched_off_does_not_start_it(world, caller, job):
    """The operator's switch is felt by queued work, too: the fallback runs instead, and nothing is set aside."""
    world.off = {"replicate"}
    with pytest.raises(errors.ProviderUnavailable):
        world.start_prediction(job)
    assert (world.replicate.started, total(world)) == ([], 0)
    assert world.finish_item(job, error="ProviderUnavailable") == 0.0
    world.start_prediction(job, turn=1)
    assert world.predictor.tries == [(job.id, 0, 1, 1)]


def test_a_provider_that_asks_for_too_much_is_replaced_at_once(world, job):
    """Nobody waits two minutes in the state machine either."""
    refused_start(world, job, errors.ProviderThrottled(retry_after=120.0))
    assert world.finish_item(job, error="ProviderThrottled") == 0.0
    assert item_of(world, job).fallback.model == "local/photo"


def test_a_finish_that_died_before_it_could_answer_says_again(world, caller, job):
    """Its decision was recorded: the repeated delivery decides nothing anew, and waits no longer."""
    second_turn(world, job)
    before = world.stored(job)
    for error in ("ProviderThrottled", "ProviderFailed", "ImageUnreadable", None):
        assert world.finish_item(job, error=error) == 0.0
    assert (world.stored(job), world.kinds(caller)) == (before, ["hold"])


def test_of_two_finishes_that_decide_at_once_the_second_is_stale(world, caller, job, monkeypatch):
    """Both read the same turn; one advances it, and only once its cost is booked."""
    world.start_prediction(job)
    seen, real = world.stored(job), world.jobs.get
    world.replicate.fail(seen, seen.items[0], costing(errors.ProviderOutputInvalid(), 77))
    assert world.finish_item(job) == 0.0
    monkeypatch.setattr(world.jobs, "get", lambda owner, job_id: seen)
    with pytest.raises(StaleAttempt):
        world.finish_item(job)
    monkeypatch.setattr(world.jobs, "get", real)
    assert (item_of(world, job).turn, item_of(world, job).cost, total(world)) == (1, 77, 77)


@pytest.mark.parametrize("step", ["start_prediction", "poll_prediction"])
@pytest.mark.parametrize("turn", [0, 2])
def test_a_start_or_poll_of_another_turn_says_so_and_does_nothing(world, caller, job, step, turn):
    """Late from the turn before, or from one that never was."""
    second_turn(world, job)
    world.start_prediction(job, turn=1)
    before = world.stored(job), list(world.replicate.tries), world.usage_and_balance(caller)
    with pytest.raises(StaleAttempt):
        getattr(world, step)(job, turn=turn)
    assert (world.stored(job), world.replicate.tries, world.usage_and_balance(caller)) == before
    assert world.replicate.canceled == []


def test_a_late_result_of_an_earlier_turn_is_no_result_of_this_one(world, caller, job):
    """What counts is the item's target: whoever finds it there pays once."""
    second_turn(world, job)
    world.start_prediction(job, turn=1)
    world.deliver(job)
    assert [world.finish_item(job, turn=turn) for turn in (0, 1, 1, 0)] == [0.0, None, None, None]
    assert world.kinds(caller) == ["hold", "settle"]


def test_two_deliveries_of_a_start_in_a_later_turn_make_one_prediction(world, job):
    """The claim is one for each turn."""
    second_turn(world, job)
    world.start_prediction(job, token="first", turn=1)
    world.start_prediction(job, token="second", turn=1)
    assert world.replicate.tries == [(job.id, 0, 1, 1)]
    assert item_of(world, job).prediction.token == "second"


def test_a_poll_that_finds_nothing_stops_the_prediction_and_the_fallback_runs(world, caller, job):
    """Canceled by name, then replaced: the picture comes all the same, at its own price."""
    world.start_prediction(job)
    with pytest.raises(errors.ProviderTimeout):
        world.poll_prediction(job)
    assert world.replicate.canceled_names == ["prediction-0-1-0"]
    assert world.finish_item(job, error="ProviderTimeout") == 0.0
    world.start_prediction(job, turn=1)
    world.deliver(job)
    world.finish_item(job, turn=1)
    item = item_of(world, job)
    assert (item.charge, item.hold.total, item.fallback.model) == (10, 15, "local/photo")
    world.finish_job(job)
    audit({f"OWNER#user#{caller.owner.id}": "pro"}, records=world.records())


def test_a_prediction_that_ended_badly_is_decided_by_what_it_says(world, caller, job):
    """Woken, collected, and its failure costs us but nobody else."""
    world.off.add("local")
    world.start_prediction(job)
    stored = world.stored(job)
    world.replicate.fail(stored, stored.items[0], costing(errors.ProviderFailed(provider="replicate"), 450))
    assert world.finish_item(job) is None
    item = item_of(world, job)
    assert (item.status, item.error.code, item.cost, total(world)) == ("failed", "provider_failed", 450, 450)
    assert world.usage_and_balance(caller)[:2] == (0, 0)


@pytest.mark.parametrize(
    "problem", [errors.ProviderOutputInvalid(), errors.OutputTooLarge()], ids=["ours", "theirs"]
)
def test_the_cost_of_a_start_that_failed_stays_on_the_item(world, caller, problem):
    """A provider that answers at once may charge for a picture that nobody can use."""
    job = world.batch(caller, 1, EnhanceOrder(model="flux-klein", prompt="x"))
    world.workers_ai.script = [costing(problem, 346)]
    if isinstance(problem, errors.ProviderError):
        with pytest.raises(type(problem)):
            world.start_prediction(job)
        assert world.finish_item(job, error=type(problem).__name__) == 0.0
    else:
        world.start_prediction(job)
    assert (item_of(world, job).cost, total(world)) == (346, 346)


def test_a_start_over_the_days_cap_is_decided_like_a_provider_that_is_down(world, caller, job):
    """Refused before the provider is asked; the built-in model runs."""
    world.spend_cap = ESTIMATE - 1
    with pytest.raises(errors.ProviderExhausted):
        world.start_prediction(job)
    assert (world.replicate.started, total(world), item_of(world, job).prediction) == ([], 0, None)
    assert world.finish_item(job, error="ProviderExhausted") == 0.0
    world.start_prediction(job, turn=1)
    assert world.predictor.tries == [(job.id, 0, 1, 1)]


@pytest.mark.parametrize("problem", [errors.ProviderForbidden(provider="replicate"), errors.PromptRefused(model="x")],
                         ids=lambda problem: type(problem).__name__)  # fmt: skip
def test_a_start_that_nobody_else_would_do_better_ends_its_item(world, caller, job, problem):
    """Released with the details, and the waiting step is woken to go on."""
    world.replicate.script = [problem]
    world.start_prediction(job, token="t")
    assert (item_of(world, job).error.code, item_of(world, job).error.details) == (
        problem.code,
        problem.details,
    )
    assert (world.workflow.woken, world.usage_and_balance(caller)[:2], total(world)) == (["t"], (0, 0), 0)


def test_a_prediction_that_was_canceled_while_it_was_started_is_stopped_by_its_name(world, caller, job):
    """The cancel did not know it yet."""
    world.replicate.script = [lambda found, _item: world.cancel(found) and None]
    with pytest.raises(StaleAttempt):
        world.start_prediction(job)
    assert (world.replicate.canceled_names, world.replicate.stopped) == ([None], ["prediction-0-1-0"])
    assert (world.stored(job).status, world.usage_and_balance(caller)[:2]) == ("canceled", (0, 0))
    assert world.finish_item(job, error="StaleAttempt") is None


def test_a_cancel_stops_the_prediction_of_the_present_turn_at_its_provider(world, caller, job):
    """After a failover it is the other provider that is told."""
    refused_start(world, job, errors.ProviderFailed())
    world.finish_item(job, error="ProviderFailed")
    world.start_prediction(job, turn=1)
    world.cancel(job)
    assert (world.predictor.canceled, world.replicate.canceled) == ([(job.id, 0, 1)], [])
    assert world.finish_item(job, turn=1) is None
    assert world.kinds(caller) == ["hold", "release"]


def test_every_turn_is_a_sign_of_life(world, job):
    """The deadline counts from the last decision."""
    world.clock += DEADLINE_MS - 1
    second_turn(world, job)
    world.clock += DEADLINE_MS
    assert world.sweep().expired == 0
    world.clock += 1
    assert world.sweep().expired == 1


def test_an_execution_that_is_repaired_starts_in_the_present_turn(world, caller, monkeypatch):
    """A hand-over after a failed try died before the start: the sweep's execution knows the turn."""
    submitted = world.submit(caller, ESRGAN)
    job = submitted.job
    world.artifacts.put(job.items[0].input.key, submitted.original, "image/png")
    world.jobs.hand_over(job, replace(job.items[0], turn=2), now=world.clock)
    world.clock += 60_001
    assert world.sweep().started == 1
    assert world.workflow.executions[job.execution].turn == 2
    assert world.execute(world.stored(job)).status == "succeeded"
