"""A batch is held whole or not at all; its pictures are paid one by one, and never twice."""

import pytest

from enhancer.domain import errors
from enhancer.domain.errors import (
    DailyQuotaExceeded,
    IdempotencyMismatch,
    InsufficientCredits,
    NetworkQuotaExceeded,
    TooManyJobs,
)
from enhancer.domain.jobs import JobError, Source
from enhancer.jobs.submit import EnhanceOrder
from tests.support.images import png


def holds(job):
    return [(item.hold.plan, item.hold.credits) for item in job.items]


def test_the_months_rest_pays_the_first_pictures_and_credits_the_others(world):
    """1.5 credits of the month are left: one whole picture, half of the next, nothing of the rest."""
    caller = world.caller("pro")
    world.grant(caller, 100)
    world.hold(world.job(caller, [(2985, 0)]))
    job = world.batch(caller, 4)
    assert holds(job) == [(10, 0), (5, 5), (0, 10), (0, 10)]
    assert world.usage_and_balance(caller) == (5, 3000, 75, 25)
    done = world.execute(job, errors={1: "ProviderUnavailable", 3: "ProviderTimeout"})
    assert done.status == "succeeded"
    assert world.usage_and_balance(caller) == (3, 2995, 90, 0)
    assert world.balance(caller).spent == 10


def test_a_batch_that_the_day_does_not_take_whole_takes_nothing(world):
    """Two images are left and three asked for: no hold, no job, no execution."""
    caller = world.caller("free")
    world.hold(world.job(caller), plan="free")
    with pytest.raises(DailyQuotaExceeded) as refused:
        world.batch(caller, 3)
    assert refused.value.details["used"] == 1
    assert (world.usage_and_balance(caller), world.open_jobs(caller)) == ((1, 10, 0, 0), 0)
    assert world.workflow.starts == []
    assert world.batch(caller, 2).status == "queued"


def test_a_batch_that_cannot_be_paid_whole_takes_nothing(world):
    """The refusal is about the whole batch."""
    caller = world.caller("pro")
    world.grant(caller, 15)
    world.hold(world.job(caller, [(2990, 0)]))
    with pytest.raises(InsufficientCredits) as refused:
        world.batch(caller, 3)
    assert (refused.value.details["required"], refused.value.details["available"]) == (3.0, 2.5)
    assert world.usage_and_balance(caller) == (1, 2990, 15, 0)
    assert holds(world.batch(caller, 2)) == [(10, 0), (0, 10)]


def test_ten_pictures_are_one_transaction(world, monkeypatch):
    """Holds, entries, counters, account, key and job: all or nothing, in one call."""
    sizes, transact = [], world.table.transact
    monkeypatch.setattr(world.table, "transact", lambda writes: sizes.append(len(writes)) or transact(writes))
    caller = world.caller("pro")
    job = world.batch(caller, 10, key="k")
    assert sizes == [1 + 2 * 10 + 4]
    assert world.kinds(caller) == ["hold"] * 10
    assert [item.index for item in job.items] == list(range(10))
    assert world.usage_and_balance(caller)[:2] == (10, 100)


def test_a_networks_cap_counts_every_picture_of_a_batch(world):
    """Fifteen a day for all guests of a network; a batch that is one too many takes nothing."""
    network = world.new_name()
    for _ in range(4):
        world.batch(world.caller("guest", network=network), 3)
    last = world.caller("guest", network=network)
    world.execute(world.batch(last, 1))
    other = world.caller("guest", network=network)
    with pytest.raises(NetworkQuotaExceeded):
        world.batch(other, 3)
    assert world.batch(other, 2).status == "queued"


@pytest.mark.parametrize(("plan", "cap"), [("guest", 1), ("free", 1), ("pro", 3), ("enterprise", 10)])
def test_as_many_jobs_run_at_once_as_the_plan_has_and_not_one_more(world, plan, cap):
    """Exact, refused with what to wait for, and free again with each job that ends, however it ends."""
    caller = world.caller(plan)
    jobs = [world.batch(caller) for _ in range(cap)]
    with pytest.raises(TooManyJobs) as refused:
        world.batch(caller)
    assert (refused.value.retry_after_seconds, refused.value.details) == (5, {"scope": "jobs", "limit": cap})
    assert world.usage_and_balance(caller)[0] == cap
    world.cancel(jobs[0])
    again = world.batch(caller)
    with pytest.raises(TooManyJobs):
        world.batch(caller)
    world.execute(again, errors={0: "ProviderUnavailable"})
    last = world.batch(caller)
    world.execute(last)
    for job in jobs[1:]:
        world.execute(job)
    assert world.open_jobs(caller) == 0


def test_a_refused_batch_takes_no_place_among_the_jobs(world):
    """The count is part of the same transaction."""
    caller = world.caller("pro")
    world.hold(world.job(caller, [(3000, 0)]))
    with pytest.raises(InsufficientCredits):
        world.batch(caller)
    assert world.open_jobs(caller) == 0


def test_sync_runs_take_no_place_among_the_jobs(world):
    """A guest with a running job still gets single pictures."""
    caller = world.caller("free")
    world.batch(caller)
    assert world.finish(world.submit(caller)).status == "succeeded"
    assert world.open_jobs(caller) == 1


def test_a_place_is_freed_once_however_often_a_job_is_closed(world):
    """Repeated ends do not make room for more than the plan has."""
    caller = world.caller("pro")
    job, _ = world.batch(caller), world.batch(caller)
    ended = world.execute(job)
    world.finish_job(job)
    assert world.ledger.close(ended, status="succeeded", now=world.clock) is False
    assert world.open_jobs(caller) == 1


def test_the_same_picture_twice_in_a_batch_is_paid_once(world):
    """The second finds the first one's result: its hold comes back, it runs nothing, it has a copy of its own."""
    caller, file = world.caller("pro"), png(shade=91)
    job = world.execute(world.batch(caller, [file, file]))
    first, second = job.items
    assert (job.status, second.status, second.free, second.charge) == ("succeeded", "succeeded", True, 0)
    assert world.artifacts.get(second.output.key) == world.artifacts.get(first.output.key)
    assert len({first.input.key, first.output.key, second.input.key, second.output.key}) == 4
    assert world.predictor.started == [(job.id, 0, 1)]
    assert world.usage_and_balance(caller)[:2] == (1, 10)
    assert sorted(world.kinds(caller)) == ["hold", "hold", "release", "settle"]


def test_a_picture_paid_for_by_a_single_run_is_free_in_a_batch(world):
    """One index for all ways in, and back."""
    caller, file, other = world.caller("pro"), png(shade=92), png(shade=93)
    single = world.finish(world.submit(caller, photo=world.photo(file)))
    job = world.execute(world.batch(caller, [file, other]))
    assert job.items[0].free
    assert world.artifacts.get(job.items[0].output.key) == world.artifacts.get(single.items[0].output.key)
    assert world.usage_and_balance(caller)[:2] == (2, 20)
    assert world.submit(caller, photo=world.photo(other)).deduplicated


def test_a_reused_result_wakes_the_waiting_step_at_once(world):
    """There is no run to wait for."""
    caller, file = world.caller("pro"), png(shade=94)
    world.execute(world.batch(caller, [file]))
    job = world.batch(caller, [file])
    world.start_prediction(job, token="t")
    assert world.workflow.woken == ["t"]
    world.start_prediction(job, token="again")
    assert world.workflow.woken == ["t", "again"]
    assert world.kinds(caller).count("release") == 1


def test_each_picture_may_have_a_prompt_of_its_own(world):
    """It is kept with the item and shapes what counts as the same result."""
    caller = world.caller("pro")
    job = world.batch(caller, 2, prompts=["a castle", None])
    assert [item.prompt for item in world.stored(job).items] == ["a castle", None]


def test_the_same_key_and_batch_are_the_same_job(world):
    """Replayed while it runs and after; another batch under the key is refused."""
    caller = world.caller("pro")
    uploads = [Source("upload", world.upload(caller)) for _ in range(2)]
    job = world.batch(caller, uploads, key="k")
    assert world.batch(caller, uploads, key="k").id == job.id
    world.execute(job)
    assert world.batch(caller, uploads, key="k").status == "succeeded"
    for other in (uploads[:1], uploads[::-1], [*uploads, uploads[0]]):
        with pytest.raises(IdempotencyMismatch):
            world.batch(caller, other, key="k")
    with pytest.raises(IdempotencyMismatch):
        world.batch(caller, uploads, EnhanceOrder(scale=4), key="k")
    with pytest.raises(IdempotencyMismatch):
        world.batch(caller, uploads, key="k", prompts=["x", None])
    assert (world.usage_and_balance(caller)[:2], world.workflow.starts) == ((2, 20), [job.execution])


def test_a_picture_by_url_is_fetched_in_its_step(world):
    """Not while the order is taken; what comes is decoded like any other file."""
    caller = world.caller("pro")
    job = world.batch(caller, [Source("url", "https://pictures.example/a.png")])
    world.pages["https://pictures.example/a.png"] = png(shade=95)
    assert world.execute(job).status == "succeeded"


@pytest.mark.parametrize(
    "problem",
    [
        errors.ImageUrlRefused(field="imageUrl", reason="address"),
        errors.ImageUrlUnreachable(field="imageUrl", reason="dns"),
        errors.FileTooLarge(size=1, limit=1),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_a_bad_url_fails_its_picture_and_not_the_job(world, problem):
    """With the reason; the others go on."""
    caller = world.caller("pro")
    world.pages["https://bad.example/a.png"] = problem
    job = world.execute(world.batch(caller, [Source("url", "https://bad.example/a.png"), png(shade=96)]))
    assert [item.status for item in job.items] == ["failed", "succeeded"]
    assert job.items[0].error == JobError(problem.code, problem.details)
    assert (job.status, world.usage_and_balance(caller)[:2]) == ("succeeded", (1, 10))
