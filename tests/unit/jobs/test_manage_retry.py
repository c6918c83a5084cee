"""Retry: a new attempt of what failed, newly held; and delete."""

import pytest

from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.errors import (
    DailyQuotaExceeded,
    IdempotencyMismatch,
    InsufficientCredits,
    JobOpen,
    NothingToRetry,
    PlanRequired,
    ProviderDisabled,
    TooManyJobs,
)
from enhancer.domain.plans import PLANS
from enhancer.jobs import manage
from enhancer.jobs.submit import EnhanceOrder
from tests.support.images import png
from tests.support.world import at


@pytest.fixture
def half(world):
    """A caller, and their job of three pictures of which the second failed."""
    caller = world.caller("pro")
    job = world.batch(caller, 3)
    return caller, world.execute(job, errors={1: "ProviderFailed"})


def test_only_what_failed_is_held_and_run_again(world, half):
    """The good pictures stay as they are; the failed one starts over with a place of its own."""
    caller, failed = half
    assert (failed.status, world.usage_and_balance(caller)[:2]) == ("succeeded", (2, 20))
    again = world.retry(failed, caller)
    stored = world.stored(failed)
    assert (again.id, again.attempt, stored.attempt, stored.status) == (failed.id, 2, 2, "queued")
    assert [item.status for item in stored.items] == ["succeeded", "queued", "succeeded"]
    assert (stored.items[1].error, stored.items[1].prediction, stored.items[1].output) == (None, None, None)
    assert stored.items[1].target != failed.items[1].target
    assert [item.hold.attempt for item in stored.items] == [1, 2, 1]
    assert world.usage_and_balance(caller)[:2] == (3, 30)
    assert world.workflow.executions[again.execution].items == [1]
    assert world.execute(again).status == "succeeded"
    assert [item.status for item in world.stored(failed).items] == ["succeeded"] * 3
    assert (
        world.predictor.started.count((failed.id, 1, 1))
        == world.predictor.started.count((failed.id, 1, 2))
        == 1
    )


def test_a_retry_is_held_in_the_period_of_its_own_day(world):
    """Yesterday's failure gave back to yesterday; today's attempt counts today, in today's month."""
    caller = world.caller("pro")
    world.clock = at("2026-11-30 23:59:00")
    job = world.batch(caller)
    failed = world.execute(job, errors={0: "ProviderUnavailable"})
    world.clock = at("2026-12-01 00:01:00")
    hold = world.retry(failed, caller).items[0].hold
    assert (hold.day, hold.month, hold.attempt) == ("2026-12-01", "2026-12", 2)
    assert world.usage_and_balance(caller)[:2] == (1, 10)
    world.clock = at("2026-11-30 23:59:00")
    assert world.usage_and_balance(caller)[:2] == (0, 0)


def test_a_retry_that_fails_gives_back_to_its_own_hold(world, half):
    """Each attempt has its own once-keys: held twice, released twice."""
    caller, failed = half
    again = world.retry(failed, caller)
    world.execute(again, errors={1: "ProviderTimeout"})
    assert world.usage_and_balance(caller)[:2] == (2, 20)
    assert sorted(world.kinds(caller)) == ["hold"] * 4 + ["release"] * 2 + ["settle"] * 2
    assert world.stored(failed).items[1].error.code == "provider_timeout"
    assert world.stored(failed).status == "succeeded"


def test_of_two_retries_at_once_one_starts_and_the_other_is_told(world, half):
    """Both read the job as failed; one attempt is held, one execution started."""
    caller, failed = half
    world.retry(failed, caller)
    with pytest.raises(NothingToRetry) as refused:
        manage.retry(failed, caller=caller, idempotency_key=None, deps=world.job_deps)
    assert refused.value.details == {"jobId": failed.id, "status": "queued"}
    assert world.stored(failed).attempt == 2
    assert world.usage_and_balance(caller)[:2] == (3, 30)
    assert world.workflow.starts == [f"{failed.id}-1", f"{failed.id}-2"]


def test_a_repeated_retry_with_its_key_is_the_same_attempt(world, half):
    """Nothing is held again, while it runs and after it ended."""
    caller, failed = half
    first = world.retry(failed, caller, key="again")
    assert world.retry(failed, caller, key="again").attempt == first.attempt == 2
    world.execute(first, errors={1: "ProviderUnavailable"})
    assert world.retry(failed, caller, key="again").status == "succeeded"
    assert world.stored(failed).attempt == 2
    assert set(world.workflow.starts) == {f"{failed.id}-1", f"{failed.id}-2"}
    assert world.retry(failed, caller, key="once more").attempt == 3


def test_a_key_of_another_request_is_refused(world, half):
    """A key stands for one thing: the job it made cannot be retried with it, nor another job."""
    caller, failed = half
    world.batch(caller, key="k")
    with pytest.raises(IdempotencyMismatch):
        world.retry(failed, caller, key="k")
    assert world.stored(failed).attempt == 1


def test_without_funds_a_retry_is_refused_and_the_job_stays_as_it_ended(world, half):
    """402 with the numbers; no attempt, no execution."""
    caller, failed = half
    world.hold(world.job(caller, [(2975, 0)]))
    with pytest.raises(InsufficientCredits) as refused:
        world.retry(failed, caller)
    assert refused.value.details["available"] == 0.5
    assert world.stored(failed) == failed
    assert world.workflow.starts == [failed.execution]
    assert failed.id not in [job.id for job in world.jobs.open()]


def test_the_day_cap_holds_for_retries_too(world):
    """An image that failed was given back; its retry counts like any other."""
    caller = world.caller("free")
    failed = world.execute(world.batch(caller), errors={0: "ProviderUnavailable"})
    for _ in range(3):
        world.hold(world.job(caller), plan="free")
    with pytest.raises(DailyQuotaExceeded):
        world.retry(failed, caller)


def test_a_retry_takes_one_of_the_jobs_at_once(world):
    """And is refused while all of them run."""
    caller = world.caller("free")
    failed = world.execute(world.batch(caller), errors={0: "ProviderUnavailable"})
    running = world.batch(caller)
    with pytest.raises(TooManyJobs):
        world.retry(failed, caller)
    world.execute(running)
    again = world.retry(failed, caller)
    assert world.open_jobs(caller) == 1
    world.execute(again)
    assert world.open_jobs(caller) == 0


@pytest.mark.parametrize("errors", [{}, {0: "ProviderUnavailable"}])
def test_an_open_job_and_one_without_failures_have_nothing_to_retry(world, errors):
    """409 with the status, and nothing is held."""
    caller = world.caller("pro")
    job = world.batch(caller)
    with pytest.raises(NothingToRetry) as refused:
        world.retry(job, caller)
    assert refused.value.details["status"] == "queued"
    world.execute(job)
    with pytest.raises(NothingToRetry) as refused:
        world.retry(job, caller)
    assert refused.value.details == {"jobId": job.id, "status": "succeeded"}
    assert world.usage_and_balance(caller)[:2] == (1, 10)


def test_a_canceled_job_can_be_retried(world):
    """What was canceled is open again."""
    caller = world.caller("pro")
    job = world.batch(caller, 2)
    world.cancel(job)
    assert world.execute(world.retry(job, caller)).status == "succeeded"
    assert world.usage_and_balance(caller)[:2] == (2, 20)


def test_a_job_whose_cancel_broke_off_waits_for_the_sweep(world):
    """Before its holds are given back nothing of it is held again."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.start_prediction(job)
    world.jobs.cancel(job, now=world.clock)
    with pytest.raises(NothingToRetry):
        world.retry(job, caller)
    with pytest.raises(JobOpen):
        world.delete(job)
    assert world.artifacts.exists(world.stored(job).items[0].input.key)
    assert world.usage_and_balance(caller)[:2] == (1, 10)
    world.clock += 1
    world.sweep()
    assert world.retry(job, caller).attempt == 2


def test_a_failed_sync_job_is_retried_by_the_state_machine(world):
    """Its original is still there; the new attempt is an async one."""
    caller = world.caller("pro")
    submitted = world.submit(caller)
    world.predictor.script = [RuntimeError("crash")]
    with pytest.raises(RuntimeError):
        world.finish(submitted)
    again = world.retry(submitted.job, caller)
    assert (again.kind, again.counted, again.attempt) == ("async", True, 2)
    assert world.execute(again).status == "succeeded"


def test_a_retry_is_gated_like_a_new_order(world):
    """A smaller plan, or a provider that was switched off: refused before anything is held."""
    caller = world.caller("pro")
    failed = world.execute(world.batch(caller, 1, EnhanceOrder(scale=4)), errors={0: "ProviderUnavailable"})
    smaller = Caller(caller.owner, PLANS["free"], "user", "net", None, access=EVERYBODY)
    with pytest.raises(PlanRequired):
        world.retry(failed, smaller)
    before = world.usage_and_balance(caller)
    world.off.add("embedded")
    with pytest.raises(ProviderDisabled):
        world.retry(failed, caller)
    assert world.usage_and_balance(caller) == before


def test_what_was_made_as_a_guest_is_retried_on_the_guests_account(world):
    """A signed-in browser does not spend its plan on it, nor lift the guest's caps with it."""
    guest, user = world.caller("guest"), world.caller("pro")
    both = Caller(user.owner, user.plan, "user", guest.network, guest.owner, access=EVERYBODY)
    failed = world.execute(world.batch(guest), errors={0: "ProviderUnavailable"})
    again = world.retry(failed, both, key="k")
    assert (again.owner, again.plan, again.items[0].hold.network) == (guest.owner, "guest", guest.network)
    assert world.usage_and_balance(guest)[0] == 1
    assert world.usage_and_balance(user) == (0, 0, 0, 0)
    assert world.retry(failed, both, key="k").attempt == 2


def test_an_open_job_cannot_be_deleted(world):
    """Cancel it first; nothing is lost by trying."""
    caller = world.caller("pro")
    job = world.batch(caller)
    with pytest.raises(JobOpen) as refused:
        world.delete(job)
    assert refused.value.details == {"jobId": job.id}
    assert world.execute(job).status == "succeeded"


def test_a_deleted_job_takes_its_pictures_and_their_index_along(world):
    """Record, original and result are gone; the same picture is paid for anew; the books stay."""
    caller, file = world.caller("pro"), png(shade=111)
    done = world.execute(world.batch(caller, [file]))
    item, balance = done.items[0], world.balance(caller)
    world.delete(done)
    assert world.jobs.get(caller.owner, done.id) is None
    assert not world.artifacts.exists(item.input.key)
    assert not world.artifacts.exists(item.output.key)
    assert world.ledger.earlier(
        caller.owner, key_hash=None, result_digest=item.result_digest, now=world.clock
    ).result_job is None  # fmt: skip
    assert (world.kinds(caller), world.balance(caller)) == (["hold", "settle"], balance)
    assert world.execute(world.batch(caller, [file])).items[0].free is False


def test_a_job_that_runs_again_meanwhile_is_not_deleted(world):
    """Who read it as failed does not remove the record of the new attempt and its hold."""
    caller = world.caller("pro")
    failed = world.execute(world.batch(caller), errors={0: "ProviderUnavailable"})
    again = world.retry(failed, caller)
    with pytest.raises(JobOpen):
        manage.delete(failed, deps=world.job_deps)
    assert world.stored(again).attempt == 2
