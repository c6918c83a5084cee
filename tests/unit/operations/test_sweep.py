"""The sweep: what is past its deadline fails and is given back, once."""

from dataclasses import replace

import pytest

from enhancer.domain.jobs import DEADLINE_MS, Prediction
from enhancer.operations.sweep import GRACE_MS, Swept
from tests.support.world import at


def test_an_overdue_job_fails_and_its_hold_comes_back(world):
    """Nobody pays for a run whose function died."""
    caller = world.caller("pro")
    world.grant(caller, 100)
    job = world.hold(world.job(caller, [(5, 10)]))
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == Swept(expired=1)
    assert world.usage_and_balance(caller) == (0, 0, 100, 0)
    stored = world.jobs.get(caller.owner, job.id)
    assert (stored.status, stored.items[0].error.code) == ("failed", "job_expired")
    assert stored.items[0].error.details == {"jobId": job.id}


def test_a_job_within_its_deadline_is_left_alone(world):
    """At the deadline itself a run may still settle."""
    caller = world.caller("pro")
    job = world.hold(world.job(caller))
    world.clock += DEADLINE_MS
    world.sweep()
    assert world.jobs.get(caller.owner, job.id).is_open
    world.settle(job)
    assert world.usage_and_balance(caller)[0] == 1


def test_a_second_sweep_finds_nothing(world):
    """Sweeping is safe to repeat."""
    caller = world.caller("pro")
    world.hold(world.job(caller))
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == Swept(expired=1)
    assert world.sweep() == Swept()
    assert world.kinds(caller) == ["hold", "release"]


def test_every_open_item_of_a_job_is_released_and_the_last_one_closes_it(world):
    """A batch whose first item succeeded keeps that and gets the rest back."""
    caller = world.caller("pro")
    job = world.hold(world.job(caller, [(10, 0), (20, 0), (30, 0)]))
    world.settle(job, 0, closes=False)
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == Swept(expired=1)
    stored = world.jobs.get(caller.owner, job.id)
    assert [item.status for item in stored.items] == ["succeeded", "failed", "failed"]
    assert not stored.is_open
    assert world.usage_and_balance(caller) == (1, 10, 0, 0)
    assert world.sweep() == Swept()


def test_a_sweep_the_next_day_gives_back_to_the_day_of_the_hold(world):
    """The counter of the new month is not touched by yesterday's failure."""
    caller = world.caller("pro")
    world.clock = at("2026-11-30 23:59:00")
    world.hold(world.job(caller))
    world.clock = at("2026-12-01 00:05:00")
    world.hold(world.job(caller))
    assert world.sweep() == Swept(expired=1)
    assert world.usage_and_balance(caller)[:2] == (1, 10)
    world.clock = at("2026-11-30 23:59:00")
    assert world.usage_and_balance(caller)[:2] == (0, 0)


def test_jobs_of_many_owners_are_all_swept(world):
    """One sweep clears every shard."""
    callers = [world.caller("pro") for _ in range(12)]
    for caller in callers:
        world.hold(world.job(caller))
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == Swept(expired=12)
    assert {world.usage_and_balance(caller) for caller in callers} == {(0, 0, 0, 0)}


def test_an_expired_job_stops_its_execution_and_its_predictions(world):
    """Nothing goes on working for a job that ended; its place among the jobs is free."""
    caller = world.caller("pro")
    job = world.batch(caller, 2)
    world.start_prediction(job, 1)
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == Swept(expired=1)
    assert world.workflow.executions[job.execution].status == "ABORTED"
    assert world.predictor.canceled == [(job.id, 1, 1)]
    assert (world.stored(job).status, world.open_jobs(caller)) == ("failed", 0)
    assert {item.error.code for item in world.stored(job).items} == {"job_expired"}


def test_a_cancel_that_broke_off_half_way_is_ended(world):
    """Marked, and nothing given back yet: due at once."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.start_prediction(job)
    world.jobs.cancel(job, now=world.clock)
    assert world.usage_and_balance(caller)[0] == 1
    world.clock += 1
    assert world.sweep() == Swept(canceled=1)
    ended = world.stored(job)
    assert (ended.status, ended.items[0].status) == ("canceled", "canceled")
    assert (world.usage_and_balance(caller)[0], world.open_jobs(caller)) == (0, 0)
    assert (world.workflow.stops, world.predictor.canceled) == ([job.execution], [(job.id, 0, 1)])
    assert world.sweep() == Swept()


def test_a_cancel_that_broke_off_before_the_close_is_ended(world):
    """All given back, only the place among the jobs still taken."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.jobs.cancel(job, now=world.clock)
    world.release(world.stored(job), closes=False)
    assert world.open_jobs(caller) == 1
    world.clock += 1
    assert world.sweep() == Swept(canceled=1)
    assert (world.open_jobs(caller), world.kinds(caller)) == (0, ["hold", "release"])


def test_a_job_without_an_execution_gets_one_once(world):
    """The process died between the hold and the start; the plan decides how many run side by side."""
    caller = world.caller("pro")
    job = world.batch(caller, 2, launch=False)
    world.clock += GRACE_MS + 1
    assert world.sweep() == Swept(started=1)
    found = world.workflow.executions[job.execution]
    assert (found.items, found.concurrency, found.attempt) == ([0, 1], 3, 1)
    assert world.sweep() == Swept()
    assert world.execute(job).status == "succeeded"


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"])
def test_an_open_job_whose_execution_has_ended_is_closed(world, status):
    """Nobody will come any more: what is open is given back as our fault, what is done stays."""
    caller = world.caller("pro")
    job = world.batch(caller, 2)
    world.start_prediction(job, 0)
    world.deliver(job, 0)
    world.finish_item(job, 0)
    world.workflow.executions[job.execution].status = status
    world.clock += GRACE_MS + 1
    assert world.sweep() == Swept(closed=1)
    ended = world.stored(job)
    assert (ended.status, [item.status for item in ended.items]) == ("succeeded", ["succeeded", "failed"])
    assert ended.items[1].error.code == "internal_error"
    assert (world.usage_and_balance(caller)[0], world.open_jobs(caller)) == (1, 0)


def without_job(world, job, caller):
    world.delete(world.execute(job))


def closed(world, job, caller):
    world.execute(job)


def other_attempt(world, job, caller):
    world.retry(world.execute(job, errors={0: "ProviderUnavailable"}), caller)


@pytest.mark.parametrize("lost", [without_job, closed, other_attempt], ids=lambda lost: lost.__name__)
def test_an_execution_that_lost_its_job_is_stopped(world, lost):
    """Gone, ended, or at a later attempt: it has nothing to do any more. The later attempt's own one runs on."""
    caller = world.caller("pro")
    job = world.batch(caller)
    lost(world, job, caller)
    world.workflow.executions[job.execution].status = "RUNNING"
    world.clock += GRACE_MS + 1
    assert world.sweep() == Swept(stopped=1)
    assert world.workflow.stops == [job.execution]
    assert world.sweep() == Swept()


def test_what_is_young_is_left_alone(world):
    """A job and its execution are made in two steps: a minute is enough for both."""
    caller = world.caller("pro")
    job = world.batch(caller, launch=False)
    ended = world.batch(caller)
    world.workflow.executions[ended.execution].status = "FAILED"
    lost = world.batch(caller)
    world.delete(world.execute(lost))
    world.workflow.executions[lost.execution].status = "RUNNING"
    world.clock += 60_000
    assert world.sweep() == Swept()
    assert job.execution not in world.workflow.starts
    world.clock += 1
    assert world.sweep() == Swept(started=1, closed=1, stopped=1)


def test_a_sync_job_is_never_given_to_the_state_machine(world):
    """Its own request runs it; only its deadline counts."""
    world.submit(world.caller("pro"))
    world.clock += DEADLINE_MS - 1
    assert world.sweep() == Swept()
    assert world.workflow.starts == []


def test_one_job_that_cannot_be_ended_does_not_keep_the_others(world):
    """A model that is no longer there breaks its own jobs only, and they are counted."""
    callers = [world.caller("pro"), world.caller("pro")]
    orphan = world.job(callers[0])
    started = replace(orphan.items[0], prediction=Prediction(1, world.clock))
    world.hold(replace(orphan, model="gone", items=(started,)))
    world.hold(world.job(callers[1]))
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == Swept(expired=1, broken=1)
    assert [world.usage_and_balance(caller)[0] for caller in callers] == [1, 0]
