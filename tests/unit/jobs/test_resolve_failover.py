"""Another model instead: named, never dearer, indexed as what it is, and forgotten by a retry."""

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain import errors
from enhancer.domain.digests import digest
from enhancer.domain.pricing import Split
from enhancer.jobs.submit import EnhanceOrder
from tests.support.books import audit
from tests.support.images import png
from tests.support.world import REPLICATE_COST

FACE, PLAIN = EnhanceOrder(model="real-esrgan", face=True), EnhanceOrder(model="real-esrgan")
NANO = EnhanceOrder(model="nano-banana", prompt="a castle")


@pytest.fixture
def caller(world):
    """Somebody with 4.0 plan credits left and 50.0 bought."""
    found = world.caller("pro")
    world.grant(found, 500)
    world.settle(world.hold(world.job(found, [(2960, 0)])))
    return found


def down(world, *, workers_ai=False):
    world.replicate.script = [errors.ProviderFailed()]
    world.workers_ai.script = [errors.ProviderFailed()] if workers_ai else []


def checked(world, caller):
    audit({f"OWNER#user#{caller.owner.id}": "pro"}, records=world.records())
    return world.usage_and_balance(caller)


def run(world, caller, order, *, photo=None, way="sync"):
    """Run an order to its end, in a request or as a job."""
    if way == "sync":
        return world.finish(world.submit(caller, order, photo=photo))
    submitted = world.submit(caller, order, photo=photo, kind="async")
    world.artifacts.put(submitted.job.items[0].input.key, submitted.original, "image/png")
    world.workflow.start(submitted.job, concurrency=1)
    world.start_prediction(submitted.job) if not world.replicate.script else fail_start(world, submitted.job)
    return world.execute(world.stored(submitted.job))


def fail_start(world, job):
    """The state machine's first turn: its start is refused, FinishItem decides."""
    with pytest.raises(errors.ProviderFailed):
        world.start_prediction(job)
    assert world.finish_item(job, error="ProviderFailed") == 0.0


@pytest.mark.parametrize("way", ["sync", "async"])
def test_a_cheaper_model_is_named_and_charged_at_its_own_price(world, caller, way):
    """1.5 held for faces, 1.0 charged: the rest is back."""
    down(world)
    done = run(world, caller, FACE, way=way)
    item = done.items[0]
    assert (done.model, done.model_of(item).slug) == ("nightmareai/real-esrgan", "local/photo")
    assert (item.hold.total, item.charge, item.fallback.params.face) == (15, 10, False)
    assert checked(world, caller) == (2, 2970, 500, 0)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_plan_pays_first_for_the_cheaper_model_too(world, caller, way):
    """4.0 from the plan and 6.0 bought are held; 1.2 cost the plan 1.2 and the credits nothing."""
    down(world)
    done = run(world, caller, NANO, way=way)
    assert (done.items[0].hold.plan, done.items[0].hold.credits) == (40, 60)
    assert (done.model_of(done.items[0]).alias, done.items[0].charged) == ("flux-klein", Split(12, 0))
    assert checked(world, caller) == (2, 2972, 500, 0)


def test_a_chain_is_gone_down_to_its_end(world, caller):
    """Two models are down: the third one runs, at its price, and all costs are known."""
    down(world, workers_ai=True)
    done = run(world, caller, NANO)
    assert (world.replicate.models, world.workers_ai.models) == (["nano-banana"], ["flux-klein", "sd15"])
    assert (done.model_of(done.items[0]).alias, done.items[0].charge) == ("sd15", 10)
    assert (done.items[0].turn, done.items[0].fallback.turn) == (2, 2)
    checked(world, caller)


def test_a_whole_chain_that_is_down_costs_nothing(world, caller):
    """The error of the last model is what is told."""
    down(world)
    world.workers_ai.script = [errors.ProviderFailed(), errors.ProviderExhausted(provider="workers_ai")]
    with pytest.raises(errors.ProviderExhausted):
        run(world, caller, NANO)
    assert checked(world, caller) == (1, 2960, 500, 0)


def test_every_model_of_a_chain_has_its_own_tries(world, caller):
    """Three of the first, then three of the second."""
    throttled = [errors.ProviderThrottled() for _ in range(2)]
    world.replicate.script = [*throttled, errors.ProviderThrottled()]
    world.workers_ai.script = [*throttled]
    done = run(world, caller, NANO)
    assert (len(world.replicate.runs), len(world.workers_ai.runs)) == (3, 3)
    assert (done.model_of(done.items[0]).alias, done.items[0].turn) == ("flux-klein", 5)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_real_model_is_not_answered_with_the_fallbacks_picture(world, caller, way):
    """Once it is up again, the same order runs and is paid for; so the better picture is had."""
    photo = world.photo()
    down(world)
    first = run(world, caller, PLAIN, photo=photo, way=way)
    again = world.submit(caller, PLAIN, photo=photo)
    assert (again.deduplicated, again.fresh) == (False, True)
    done = world.finish(again)
    assert (world.replicate.models[-1], done.items[0].fallback) == ("real-esrgan", None)
    assert done.items[0].output.key != first.items[0].output.key
    checked(world, caller)


@pytest.mark.parametrize("way", ["sync", "async"])
def test_the_fallbacks_own_order_is_answered_with_its_picture(world, caller, way):
    """It was paid for at that model's price, with these parameters: the same order is free."""
    photo = world.photo()
    down(world)
    first = run(world, caller, PLAIN, photo=photo, way=way)
    again = world.submit(caller, EnhanceOrder(model="local"), photo=photo)
    assert (again.deduplicated, again.job.items[0].fallback) == (True, None)
    item = world.stored(first).items[0]
    assert world.artifacts.get(again.job.items[0].output.key) == world.artifacts.get(item.output.key)
    assert item.result_digest == digest(item.digest, "local/photo", item.fallback.params, "png")


def test_a_deleted_job_takes_the_fallbacks_index_along(world, caller):
    """Nothing points to a picture that is gone."""
    down(world)
    done = run(world, caller, PLAIN)
    found = world.stored(done).items[0].result_digest
    assert world.table.get(keys.result(caller.owner, found))["job"] == done.id
    world.delete(done)
    assert world.table.get(keys.result(caller.owner, found)) is None


def test_a_retry_after_a_failover_asks_for_the_real_model_again(world, caller):
    """Held at its full price, run with what was ordered, indexed as itself; the costs of before are kept."""
    world.replicate.script = [errors.ProviderFailed()]
    world.predictor.script = [errors.ProviderFailed()]
    submitted = world.submit(caller, FACE)
    with pytest.raises(errors.ProviderFailed):
        world.finish(submitted)
    failed = world.stored(submitted.job).items[0]
    assert (failed.fallback.model, failed.turn) == ("local/photo", 1)
    again = world.retry(submitted.job, caller).items[0]
    assert (again.fallback, again.turn, again.prediction, again.hold.total) == (None, 0, None, 15)
    assert again.result_digest == submitted.job.items[0].result_digest
    done = world.execute(world.stored(submitted.job))
    assert (world.replicate.tries, world.replicate.models[-1]) == ([(done.id, 0, 2, 0)], "real-esrgan")
    assert (done.items[0].charge, done.items[0].fallback, done.items[0].cost) == (15, None, REPLICATE_COST)
    checked(world, caller)


def test_a_picture_of_a_batch_that_fell_back_has_its_own_prompt(world, caller):
    """What was written for it, not what was written for all."""
    order = EnhanceOrder(model="nano-banana", prompt="for all")
    job = world.batch(caller, [png(shade=201), png(shade=202)], order, prompts=["for this one", None])
    for index in (0, 1):
        world.replicate.script = [errors.ProviderFailed()]
        with pytest.raises(errors.ProviderFailed):
            world.start_prediction(job, index)
        world.finish_item(job, index, error="ProviderFailed")
        world.start_prediction(job, index, turn=1)
        world.finish_item(job, index, turn=1)
    stored = world.stored(job)
    assert [stored.params_of(item).prompt for item in stored.items] == ["for this one", "for all"]
    assert [item.charge for item in stored.items] == [12, 12]
    world.finish_job(job)
    assert checked(world, caller)[0] == 3
