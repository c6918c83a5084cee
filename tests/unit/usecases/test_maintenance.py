"""The sweep: what is past its deadline fails and is given back, once."""

from enhancer.domain.jobs import DEADLINE_MS
from tests.support.world import at


def test_an_overdue_job_fails_and_its_hold_comes_back(world):
    """Nobody pays for a run whose function died."""
    caller = world.caller("pro")
    world.grant(caller, 100)
    job = world.hold(world.job(caller, [(5, 10)]))
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == 1
    assert world.standing(caller) == (0, 0, 100, 0)
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
    assert world.standing(caller)[0] == 1


def test_a_second_sweep_finds_nothing(world):
    """Sweeping is safe to repeat."""
    caller = world.caller("pro")
    world.hold(world.job(caller))
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == 1
    assert world.sweep() == 0
    assert world.kinds(caller) == ["hold", "release"]


def test_every_open_item_of_a_job_is_released_and_the_last_one_closes_it(world):
    """A batch whose first item succeeded keeps that and gets the rest back."""
    caller = world.caller("pro")
    job = world.hold(world.job(caller, [(10, 0), (20, 0), (30, 0)]))
    world.settle(job, 0, closes=False)
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == 2
    stored = world.jobs.get(caller.owner, job.id)
    assert [item.status for item in stored.items] == ["succeeded", "failed", "failed"]
    assert not stored.is_open
    assert world.standing(caller) == (1, 10, 0, 0)
    assert world.sweep() == 0


def test_a_sweep_the_next_day_gives_back_to_the_day_of_the_hold(world):
    """The counter of the new month is not touched by yesterday's failure."""
    caller = world.caller("pro")
    world.clock = at("2026-11-30 23:59:00")
    world.hold(world.job(caller))
    world.clock = at("2026-12-01 00:05:00")
    world.hold(world.job(caller))
    assert world.sweep() == 1
    assert world.standing(caller)[:2] == (1, 10)
    world.clock = at("2026-11-30 23:59:00")
    assert world.standing(caller)[:2] == (0, 0)


def test_jobs_of_many_owners_are_all_swept(world):
    """One sweep clears every shard."""
    callers = [world.caller("pro") for _ in range(12)]
    for caller in callers:
        world.hold(world.job(caller))
    world.clock += DEADLINE_MS + 1
    assert world.sweep() == 12
    assert {world.standing(caller) for caller in callers} == {(0, 0, 0, 0)}
