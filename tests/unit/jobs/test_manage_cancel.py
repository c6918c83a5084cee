"""Cancel: whatever stage a job is in, it ends once, gives back what was not done, and stays as it ended."""

import pytest

from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.errors import JobCanceled, JobExpired, JobFinished, NotFound
from enhancer.domain.jobs import JobError
from enhancer.domain.ledger import AlreadyResolved, Earlier
from enhancer.jobs import manage


def queued(world, job):
    """Held and given to the state machine; no step has run."""


def prepared(world, job):
    """The provider refused to start: looked at, and not claimed."""
    world.predictor.script = [JobExpired()]
    with pytest.raises(JobExpired):
        world.start_prediction(job)


def claimed(world, job):
    """The model is running."""
    world.start_prediction(job)


def result_stored(world, job):
    """The model ended; nobody has settled it yet."""
    world.start_prediction(job)
    world.deliver(job)


@pytest.mark.parametrize(
    "stage", [queued, prepared, claimed, result_stored], ids=lambda stage: stage.__name__
)
def test_a_job_canceled_at_any_stage_gives_everything_back(world, stage):
    """Execution stopped, hold released, place among the jobs free, closed for good."""
    caller = world.caller("pro")
    world.grant(caller, 50)
    world.hold(world.job(caller, [(2995, 0)]))
    job = world.batch(caller)
    assert world.usage_and_balance(caller) == (2, 3000, 45, 5)
    stage(world, job)
    canceled = world.cancel(job)
    assert (canceled.status, canceled.items[0].status) == ("canceled", "canceled")
    assert canceled.items[0].error == JobError("job_canceled", {})
    assert world.usage_and_balance(caller) == (1, 2995, 50, 0)
    assert world.open_jobs(caller) == 0
    assert world.workflow.stops == [job.execution]
    assert world.balance(caller).spent == 0
    assert canceled.id not in [found.id for found in world.jobs.open()]


@pytest.mark.parametrize(("stage", "told"), [(queued, 0), (prepared, 0), (claimed, 1), (result_stored, 1)])
def test_the_provider_is_told_to_stop_what_was_started(world, stage, told):
    """What never began is not canceled there."""
    job = world.batch(world.caller("pro"))
    stage(world, job)
    world.cancel(job)
    assert world.predictor.canceled == [(job.id, 0, 1)] * told


def test_a_second_cancel_is_refused_with_how_the_job_ended(world):
    """Nothing is given back twice."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.cancel(job)
    before = world.usage_and_balance(caller), world.kinds(caller)
    with pytest.raises(JobFinished) as refused:
        world.cancel(job)
    assert refused.value.details == {"jobId": job.id, "status": "canceled"}
    assert (world.usage_and_balance(caller), world.kinds(caller)) == before


def test_a_finished_job_cannot_be_canceled(world):
    """What was paid for stays paid for."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.execute(job)
    with pytest.raises(JobFinished) as refused:
        world.cancel(job)
    assert refused.value.details["status"] == "succeeded"
    assert (world.stored(job).status, world.usage_and_balance(caller)[:2]) == ("succeeded", (1, 10))


def test_a_job_that_ended_just_before_is_finished_and_not_canceled(world):
    """The status in the table decides, not the one that was read."""
    job = world.batch(world.caller("pro"))
    seen = world.stored(job)
    world.execute(job)
    with pytest.raises(JobFinished) as refused:
        manage.cancel(seen, deps=world.job_deps)
    assert refused.value.details["status"] == "succeeded"
    assert world.workflow.stops == []


def late_finish(world, job):
    world.finish_item(job)


def late_start(world, job):
    world.start_prediction(job)


def late_poll(world, job):
    world.poll_prediction(job)


def late_settle(world, job):
    world.settle(job)


@pytest.mark.parametrize(
    ("late", "ends"),
    [(late_finish, None), (late_start, "StaleAttempt"), (late_poll, "StaleAttempt"), (late_settle, "AlreadyResolved")],
)  # fmt: skip
def test_a_late_success_after_a_cancel_changes_nothing(world, late, ends):
    """The result may lie there and any step may still come: job, books and predictions stay as they are."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.start_prediction(job)
    world.cancel(job)
    world.deliver(job)
    before = (
        world.stored(job),
        world.usage_and_balance(caller),
        world.kinds(caller),
        list(world.predictor.started),
    )
    problem = None
    try:
        late(world, world.stored(job))
    except Exception as raised:  # noqa: BLE001 - its class is compared
        problem = type(raised).__name__
    assert problem == ends
    after = (
        world.stored(job),
        world.usage_and_balance(caller),
        world.kinds(caller),
        list(world.predictor.started),
    )
    assert after == before


def test_no_item_succeeds_from_the_moment_of_the_cancel_on(world):
    """Also before its hold is given back: the status changes first."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.start_prediction(job)
    started = world.stored(job)
    assert world.jobs.cancel(started, now=world.clock)
    with pytest.raises(AlreadyResolved):
        world.settle(started, closes=False)
    assert world.usage_and_balance(caller)[:2] == (1, 10)
    manage.end_canceled(world.stored(job), deps=world.job_deps)
    assert world.usage_and_balance(caller)[:2] == (0, 0)


def test_what_was_done_before_the_cancel_stays_done_and_paid(world):
    """Three pictures, one ready: one charge, two given back."""
    caller = world.caller("pro")
    job = world.batch(caller, 3)
    world.start_prediction(job, 1)
    world.deliver(job, 1)
    world.finish_item(job, 1)
    canceled = world.cancel(job)
    assert [item.status for item in canceled.items] == ["canceled", "succeeded", "canceled"]
    assert canceled.status == "canceled"
    assert world.usage_and_balance(caller)[:2] == (1, 10)
    assert world.artifacts.exists(canceled.items[1].output.key)


def test_a_sync_job_can_be_canceled_from_elsewhere(world):
    """Its own request ends without a charge, and there is no execution to stop."""
    caller = world.caller("pro")
    world.predictor.script = [lambda job, item: world.cancel(job)]
    submitted = world.submit(caller)
    with pytest.raises(JobCanceled):
        world.finish(submitted)
    assert world.stored(submitted.job).status == "canceled"
    assert world.workflow.stops == []
    assert (world.usage_and_balance(caller), world.kinds(caller)) == ((0, 0, 0, 0), ["hold", "release"])


def test_a_canceled_item_is_told_as_canceled(world):
    """Who repeats the request reads why."""
    caller, photo = world.caller("pro"), world.photo()
    job = world.submit(caller, photo=photo, key="k").job
    world.cancel(job)
    with pytest.raises(JobCanceled):
        world.finish(world.submit(caller, photo=photo, key="k"))


def test_a_foreign_job_is_as_absent_as_a_missing_one(world):
    """Who is not the owner learns nothing from any of the calls."""
    job, stranger = world.batch(world.caller("pro")), world.caller("pro")
    for job_id in (job.id, "job_missing"):
        with pytest.raises(NotFound) as refused:
            manage.find(job_id, caller=stranger, deps=world.job_deps)
        assert refused.value.details == {}


def test_a_guests_job_is_found_after_signing_in(world):
    """By the browser that made it, and only by it."""
    guest, user = world.caller("guest"), world.caller("pro")
    job = world.batch(guest)
    both = Caller(user.owner, user.plan, "user", "net", guest.owner, access=EVERYBODY)
    assert manage.find(job.id, caller=both, deps=world.job_deps).id == job.id
    with pytest.raises(NotFound):
        manage.find(job.id, caller=user, deps=world.job_deps)


def test_a_key_canceled_after_signing_in_is_void_for_the_guest_too(world):
    """What the browser sent before it signed in may arrive after; a run that arrives in between is canceled."""
    guest, user = world.caller("guest"), world.caller("pro")
    both = Caller(user.owner, user.plan, "user", "net", guest.owner, access=EVERYBODY)
    assert manage.cancel_ordered("k", caller=both, deps=world.job_deps) is None
    for caller in (guest, user):
        with pytest.raises(JobCanceled):
            world.submit(caller, key="k")
    world.ledger.earlier, real = lambda *_, **__: Earlier(), world.ledger.earlier
    job = world.submit(guest, key="late").job
    canceled = manage.cancel_ordered("late", caller=both, deps=world.job_deps)
    world.ledger.earlier = real
    assert (canceled.id, canceled.status) == (job.id, "canceled")
