"""The same picture asked for again while it is made, or after: made once, paid once, and everybody has a copy."""

from contextlib import suppress
from dataclasses import replace

import pytest

from enhancer.domain.errors import DailyQuotaExceeded, ProviderFailed, ProviderTimeout
from enhancer.domain.ledger import ResultTaken
from enhancer.jobs import run, sharing, submit
from enhancer.jobs.submit import EnhanceOrder
from tests.support.books import audit
from tests.support.crashes import Died, Mortal
from tests.support.images import png
from tests.support.memory_table import MemoryTable
from tests.support.world import World

PLAIN = EnhanceOrder()


@pytest.fixture
def caller(world):
    """Somebody with three jobs at once."""
    return world.caller("pro")


@pytest.fixture
def meanwhile(monkeypatch):
    """What happens while an order waits for another one: one step per look."""
    steps = []

    def sleep(seconds):
        if seconds == submit.LOOK_AGAIN_SECONDS:
            steps.pop(0)()

    monkeypatch.setattr(submit.time, "sleep", sleep)
    return steps


def order(world, caller, photo, seconds_max=25.0, **more):
    """A sync order that waits so long for another one."""
    model, params = submit.interpret(PLAIN)
    wanted = {"kind": "sync", "idempotency_key": None, "now": world.clock, "deps": world.job_deps, **more}
    return submit.submit_photo(model, params, photo, caller=caller, seconds_max=seconds_max, **wanted)


def settles(world, caller):
    """How often something was charged."""
    return world.kinds(caller).count("settle")


def checked(world, caller, plan="pro"):
    audit({f"OWNER#{caller.owner.type}#{caller.owner.id}": plan}, records=world.records())


def test_a_picture_that_is_being_made_is_waited_for_and_free(world, caller, meanwhile):
    """No second hold, no second run: a job of its own with a copy of what the first one made."""
    photo = world.photo()
    first = world.submit(caller, photo=photo)
    meanwhile += [lambda: None, lambda: world.finish(first)]
    second = order(world, caller, photo)
    assert (second.deduplicated, second.job.status, second.job.items[0].charge) == (True, "succeeded", 0)
    made, copy = world.stored(first.job).items[0].output, second.job.items[0].output
    assert (made.key != copy.key, world.artifacts.get(copy.key)) == (True, world.artifacts.get(made.key))
    assert (world.kinds(caller), len(world.predictor.runs)) == (["hold", "settle"], 1)
    checked(world, caller)


def test_the_last_image_of_a_day_asked_for_twice_at_once_is_had_twice(world, meanwhile):
    """What costs nothing is not refused for want of quota."""
    caller, photo = world.caller("free"), world.photo()
    for _ in range(2):
        world.finish(world.submit(caller))
    first = world.submit(caller, photo=photo)
    with pytest.raises(DailyQuotaExceeded):
        world.submit(caller)
    meanwhile.append(lambda: world.finish(first))
    assert order(world, caller, photo).deduplicated


@pytest.mark.parametrize("end", ["failed", "canceled", "cancel broke off", "deleted"])
def test_when_the_first_one_does_not_make_it_the_second_runs_and_pays_itself(world, caller, meanwhile, end):
    """Charged once, for the one that made it."""
    photo = world.photo()
    first = world.submit(caller, photo=photo)

    def ends():
        if end == "failed":
            world.predictor.script = [ProviderFailed()]
            with pytest.raises(ProviderFailed):
                world.finish(first)
        elif end == "cancel broke off":
            world.jobs.cancel(first.job, now=world.clock)
        else:
            world.cancel(first.job)
        if end == "deleted":
            world.delete(first.job)

    meanwhile.append(ends)
    second = order(world, caller, photo)
    assert (second.fresh, second.job.kind) == (True, "sync")
    assert world.finish(second).status == "succeeded"
    world.clock += 1
    world.sweep()
    assert (settles(world, caller), world.usage_and_balance(caller)[:2]) == (1, (1, 10))


def test_the_second_is_refused_clearly_when_it_must_pay_and_cannot(world, meanwhile):
    """The first one failed, and in the meantime another picture used the day up."""
    caller, photo = world.caller("free"), world.photo()
    for _ in range(2):
        world.finish(world.submit(caller))
    first = world.submit(caller, photo=photo)

    def ends():
        world.cancel(first.job)
        world.finish(world.submit(caller))

    meanwhile.append(ends)
    with pytest.raises(DailyQuotaExceeded):
        order(world, caller, photo)


def waiting(world, caller, photo):
    """A job that waits for one that runs: the running one, and the other after its first look."""
    first = world.submit(caller, photo=photo)
    second = order(world, caller, photo, seconds_max=0.0)
    assert (second.fresh, second.job.kind, second.job.status, second.job.counted) == (
        True,
        "async",
        "queued",
        False,
    )
    world.artifacts.put(second.job.items[0].input.key, second.original, "image/png")
    world.start_prediction(second.job, token="t")
    assert world.workflow.woken.pop() == "t"
    assert world.finish_item(second.job) == sharing.LOOK_AGAIN_SECONDS[0]
    assert world.predictor.started == []
    return first, second.job


def test_an_order_whose_time_is_up_goes_on_waiting_as_a_job(world, caller):
    """It has its own hold, which comes back when the first one has made the picture."""
    first, second = waiting(world, caller, world.photo())
    world.start_prediction(second, turn=1)
    assert world.finish_item(second, turn=1) == sharing.LOOK_AGAIN_SECONDS[1]
    world.finish(first)
    world.start_prediction(second, turn=2)
    assert world.finish_item(second, turn=2) is None
    world.finish_job(second)
    done = world.stored(second)
    assert (done.status, done.items[0].free, done.items[0].charge) == ("succeeded", True, 0)
    assert (settles(world, caller), world.usage_and_balance(caller)[:2]) == (1, (1, 10))
    checked(world, caller)


def test_a_job_that_waited_in_vain_runs_on_its_own_hold_with_all_its_tries(world, caller):
    """Looking again is no failed try; one picture, one charge."""
    first, second = waiting(world, caller, world.photo())
    world.cancel(first.job)
    world.start_prediction(second, turn=1)
    item = world.stored(second).items[0]
    assert (item.status, item.turn, item.waited, item.tries) == ("processing", 1, 1, 0)
    world.deliver(second)
    assert world.finish_item(second, turn=1) is None
    assert (settles(world, caller), world.usage_and_balance(caller)[:2]) == (1, (1, 10))
    checked(world, caller)


def test_a_canceled_wait_costs_nothing_and_leaves_the_first_alone(world, caller):
    """The hold of the one that waited comes back."""
    first, second = waiting(world, caller, world.photo())
    assert world.cancel(second).status == "canceled"
    assert world.finish(first).status == "succeeded"
    assert world.usage_and_balance(caller)[:2] == (1, 10)


def test_one_upload_three_times_in_a_batch_is_made_once_although_all_start_at_once(world, caller):
    """Whoever comes first makes it, the others look again; three pictures, one charge."""
    file = png(shade=71)
    job = world.batch(caller, [file] * 3)
    for item in (2, 0, 1):
        world.start_prediction(job, item)
    assert world.predictor.started == [(job.id, 2, 1)]
    assert [world.finish_item(job, item) for item in (0, 1)] == [1.0, 1.0]
    world.deliver(job, 2)
    world.finish_item(job, 2)
    for item in (0, 1):
        world.start_prediction(job, item, turn=1)
        assert world.finish_item(job, item, turn=1) is None
    world.finish_job(job)
    done = world.stored(job)
    assert [item.charge for item in done.items] == [0, 0, 10]
    assert len({item.output.key for item in done.items} | {item.input.key for item in done.items}) == 6
    assert world.usage_and_balance(caller)[:2] == (1, 10)
    checked(world, caller)


def test_of_two_orders_that_looked_at_once_one_runs(world, caller, meanwhile, monkeypatch):
    """The second finds the place taken in its own transaction, before any quota is looked at, and waits."""
    photo, looked = world.photo(), world.ledger.earlier
    first = world.submit(caller, photo=photo)
    blind = [replace(looked(caller.owner, key_hash="none", now=world.clock))]
    monkeypatch.setattr(world.ledger, "earlier", lambda *a, **b: blind.pop() if blind else looked(*a, **b))
    meanwhile.append(lambda: world.finish(first))
    assert order(world, caller, photo).deduplicated
    assert world.kinds(caller) == ["hold", "settle"]


def test_of_two_steps_that_looked_at_once_one_runs(world, caller, monkeypatch):
    """The index is taken on condition that it still says what was read."""
    job, looked = world.batch(caller, [png(shade=72)] * 2), world.ledger.earlier
    nothing = looked(caller.owner, key_hash="none", now=world.clock)
    world.start_prediction(job, 0)
    blind = [nothing]
    monkeypatch.setattr(world.ledger, "earlier", lambda *a, **b: blind.pop() if blind else looked(*a, **b))
    world.start_prediction(job, 1)
    assert world.predictor.started == [(job.id, 0, 1)]


def test_pictures_of_a_retried_batch_do_not_wait_for_those_behind_them(world, caller):
    """One at a time, the first would wait for ever for the last, which the index names since it ran before."""
    file = png(shade=73)
    job = world.batch(caller, [file, file])
    world.start_prediction(job, 1)
    failed = world.cancel(job)
    again = world.retry(failed, caller)
    world.start_prediction(again, 0)
    assert world.predictor.started[-1] == (job.id, 0, 2)


def test_deleting_the_job_that_paid_leaves_every_copy(world, caller):
    """Originals and results: each job has its own."""
    file = png(shade=74)
    paid = world.finish(world.submit(caller, photo=world.photo(file)))
    free, batch = (
        world.submit(caller, photo=world.photo(file)).job,
        world.execute(world.batch(caller, [file])),
    )
    world.delete(paid)
    for job in (free, batch):
        item = world.stored(job).items[0]
        assert item.free
        assert world.artifacts.exists(item.input.key)
        assert world.artifacts.exists(item.output.key)


def test_a_result_that_goes_while_it_is_copied_is_made_and_paid_for(world, caller, monkeypatch):
    """The job that paid is deleted between the look and the copy."""
    photo, copy = world.photo(), world.artifacts.copy
    paid = world.finish(world.submit(caller, photo=photo))
    monkeypatch.setattr(world.artifacts, "copy", lambda *keys: (world.delete(paid), copy(*keys)))
    second = world.submit(caller, photo=photo)
    assert (second.fresh, second.deduplicated) == (True, False)
    done = world.finish(second)
    assert (world.artifacts.exists(done.items[0].output.key), settles(world, caller)) == (True, 2)


def test_whoever_waited_takes_what_a_cheaper_model_made(world, caller, meanwhile):
    """It would have got the same; who comes later gets the model that was asked for."""
    photo, asked = world.photo(), EnhanceOrder(model="real-esrgan")
    world.replicate.script = [ProviderFailed()]
    first = world.submit(caller, asked, photo=photo)
    meanwhile.append(lambda: world.finish(first))
    model, params = submit.interpret(asked)
    second = submit.submit_photo(model, params, photo, kind="sync", caller=caller, idempotency_key=None,
                                 now=world.clock, deps=world.job_deps, seconds_max=25.0)  # fmt: skip
    item = second.job.items[0]
    assert (item.free, second.job.model_of(item).alias) == (True, "local")
    assert world.submit(caller, asked, photo=photo).fresh


CALLS = 22
"""More than a job makes that waits once and then finds what it waited for; those behind its end change nothing."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
def test_a_wait_that_dies_at_any_call_is_charged_once_in_all(call, after):
    """The step is delivered again; the books add up, the first pays, and the second has its copy."""
    client = Mortal(MemoryTable())
    world = World(table=client)
    world.artifacts = client.bind(world.artifacts, "put", "get", "exists", "copy", "delete")
    caller = world.caller("pro")
    file = png(shade=75)
    job = world.batch(caller, [file, file])
    world.start_prediction(job, 0)
    client.fate.doom(call, after=after)

    def stepped(step):
        for _ in range(2):
            with suppress(Died):
                return step()
            client.fate.revive()
        return None

    turn = 0
    while True:
        stepped(lambda turn=turn: world.start_prediction(job, 1, turn=turn))
        if stepped(lambda turn=turn: world.finish_item(job, 1, turn=turn)) is None:
            break
        turn += 1
        if turn == 1:
            stepped(lambda: world.deliver(job, 0))
            stepped(lambda: world.finish_item(job, 0))
    stepped(lambda: world.finish_job(job))
    client.fate.revive()
    checked(world, caller)
    done = world.stored(job)
    assert [item.charge for item in done.items] == [10, 0]
    assert world.artifacts.exists(done.items[1].output.key)
    assert (settles(world, caller), world.usage_and_balance(caller)[:2]) == (1, (1, 10))


@pytest.mark.parametrize("ends", ["before", "after"])
def test_a_fallback_of_a_request_is_not_paid_twice(world, caller, ends):
    """Its result was paid for before, or is being made: the state machine copies it, and gives the price back."""
    photo = world.photo()
    first = world.submit(caller, photo=photo)
    if ends == "before":
        world.finish(first)
    world.replicate.script = [ProviderFailed()]
    open_job = world.finish(world.submit(caller, EnhanceOrder(model="real-esrgan"), photo=photo))
    assert (open_job.status, open_job.kind) == ("processing", "async")
    if ends == "after":
        world.finish(first)
    done = world.execute(open_job)
    assert (done.status, done.items[0].free, done.items[0].fallback.model) == (
        "succeeded",
        True,
        first.job.model,
    )
    assert (settles(world, caller), len(world.predictor.runs)) == (1, 1)
    checked(world, caller)


def test_a_fallback_that_was_paid_for_before_is_kept_whoever_waits_for_it(world, caller):
    """Nobody takes the answer of the request any more: it costs nothing, and no half-ended job is left."""
    photo = world.photo()
    world.finish(world.submit(caller, photo=photo))
    world.replicate.script = [ProviderFailed()]
    second = world.submit(caller, EnhanceOrder(model="real-esrgan"), photo=photo)
    with pytest.raises(ProviderTimeout):
        run.finish(second, deps=world.job_deps, seconds_max=25, gone_after=-1)
    ended = world.stored(second.job)
    assert (ended.status, ended.items[0].output) == ("failed", None)
    checked(world, caller)


def test_two_requests_with_the_same_fallback_run_it_once(world, caller):
    """The first to begin with it is the one that makes it."""
    photo = world.photo()
    first, second = (
        world.submit(caller, EnhanceOrder(model="real-esrgan", face=face), photo=photo)
        for face in (False, True)
    )
    handed_over = []
    world.replicate.script = [ProviderFailed(), ProviderFailed()]
    world.predictor.script = [lambda *_: handed_over.append(world.finish(second))]
    world.finish(first)
    assert handed_over[0].is_open
    done = world.execute(handed_over[0])
    assert (done.items[0].free, settles(world, caller), len(world.predictor.runs)) == (True, 1, 1)


def test_who_saw_an_item_that_had_failed_does_not_take_the_place_of_its_retry(world, caller):
    """The index names the same item before and after, but of another attempt, which makes the result now."""
    data = png(shade=77)
    job = world.batch(caller, [data])
    world.start_prediction(job)
    world.cancel(job)
    result = world.stored(job).items[0].result_digest
    seen = world.ledger.earlier(caller.owner, key_hash=None, result_digest=result, now=world.clock)
    again = world.retry(world.stored(job), caller)
    world.start_prediction(again)
    other = world.submit(caller, photo=world.photo(data), kind="async").job
    assert other.items[0].result_digest == result
    with pytest.raises(ResultTaken):
        world.jobs.take_result(other, other.items[0], seen, now=world.clock)
