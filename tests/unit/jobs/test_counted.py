"""What a job counts: its end once, whoever ends it and however often; what was charged; what was given free."""

import pytest

from enhancer.domain import errors
from enhancer.domain.jobs import DEADLINE_MS
from enhancer.jobs import manage
from enhancer.jobs.submit import EnhanceOrder

HOSTED = EnhanceOrder(model="real-esrgan")


def test_a_job_of_the_state_machine_ends_once(world, counted):
    """FinishItem and FinishJob delivered twice count nothing more; the credits are the owner's price."""
    job = world.batch(world.caller("pro"), 2, HOSTED)
    for item in (0, 1):
        world.start_prediction(job, item)
        world.clock += 2_500
        world.deliver(job, item)
        assert [world.finish_item(job, item) for _ in range(2)] == [None, None]
    assert counted("JobsEnded") == {}
    world.finish_job(job)
    world.finish_job(job)
    assert counted("JobsEnded") == {"": [1.0], "succeeded": [1.0]}
    assert counted("PredictionMilliseconds") == {"": [2500.0] * 2, "replicate": [2500.0] * 2}
    charged = [item.charge / 10 for item in world.stored(job).items]
    assert counted("CreditsConsumed") == {"": charged, "pro": charged}


def test_a_job_that_fails_ends_once_and_charges_nothing(world, counted):
    """Also when the step that ends it comes again after the sweep."""
    job = world.batch(world.caller("pro"), 1, HOSTED)
    world.execute(job, errors={0: "ImageUnreadable"})
    world.finish_job(job)
    world.clock += DEADLINE_MS + 1
    world.sweep()
    assert counted("JobsEnded") == {"": [1.0], "failed": [1.0]}
    assert counted("CreditsConsumed") == counted("PredictionMilliseconds") == {}


def test_a_run_in_the_request_ends_once_whichever_way(world, counted):
    """Settled or released, by one transaction with the job's status."""
    world.finish(world.submit(world.caller("pro")))
    assert counted("JobsEnded") == {"": [1.0], "succeeded": [1.0]}
    assert set(counted("PredictionMilliseconds")) == {"", "embedded"}
    counted.forget()
    world.predictor.script = [errors.ImageUnreadable(field="image")]
    with pytest.raises(errors.ImageUnreadable):
        world.finish(world.submit(world.caller("pro")))
    world.clock += DEADLINE_MS + 1
    world.sweep()
    assert counted("JobsEnded") == {"": [1.0], "failed": [1.0]}


def test_a_canceled_job_ends_once(world, counted):
    """By its owner; the execution's last step and the sweep come too late."""
    job = world.batch(world.caller("pro"), 2, HOSTED)
    manage.cancel(job, deps=world.job_deps)
    world.finish_job(job)
    world.sweep()
    assert counted("JobsEnded") == {"": [1.0], "canceled": [1.0]}


def test_each_attempt_ends_and_a_job_that_is_born_free_never_ran(world, counted):
    """A retry is a run of its own; a copy of what was paid for is counted as such alone."""
    caller = world.caller("pro")
    photo = world.photo()
    job = world.finish(world.submit(caller, photo=photo))
    counted.forget()
    again = world.submit(caller, photo=photo)
    assert again.deduplicated
    assert counted("ResultsReused") == {"": [1.0]}
    assert counted("JobsEnded") == counted("CreditsConsumed") == {}
    failed = world.batch(caller, 1, HOSTED)
    world.execute(failed, errors={0: "ImageUnreadable"})
    retried = manage.retry(world.stored(failed), caller=caller, idempotency_key=None, deps=world.job_deps)
    world.execute(retried)
    assert counted("JobsEnded") == {"": [1.0, 1.0], "failed": [1.0], "succeeded": [1.0]}
    assert job.id != again.job.id


def test_a_copy_that_a_step_makes_is_counted(world, counted):
    """The same picture in two batches: one pays, the other copies."""
    caller, picture = world.caller("pro"), world.upload(world.caller("pro"))
    data = world.artifacts.get(picture)
    for _ in range(2):
        world.execute(world.batch(caller, [data], HOSTED))
    assert counted("ResultsReused") == {"": [1.0]}
    assert counted("JobsEnded") == {"": [1.0, 1.0], "succeeded": [1.0, 1.0]}
