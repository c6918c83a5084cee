"""Jobs in the table: what is stored comes back, and only to its owner."""

from dataclasses import replace

from enhancer.adapters.dynamodb import keys
from enhancer.domain.models import Params
from enhancer.domain.owners import Owner


def test_a_stored_job_comes_back_equal(world):
    """Every field survives the table, fractions included."""
    caller = world.caller()
    job = world.job(caller, [(10, 5)], network="net")
    params = Params(
        scale=4, face=True, quality="pro", prompt="ä “quoted”", strength=0.35, guidance=7.5, steps=20
    )
    job = replace(job, params=params)
    world.grant(caller, 100)
    world.hold(job)
    assert world.jobs.get(caller.owner, job.id) == job


def test_a_settled_job_comes_back_with_its_result(world):
    """Output, seconds and charge are on the item that succeeded."""
    caller = world.caller()
    job = world.hold(world.job(caller, [(15, 0)]))
    world.clock += 5000
    world.settle(job)
    item = world.jobs.get(caller.owner, job.id).items[0]
    assert (item.status, item.output.width, item.output.height, item.seconds, item.charge) == (
        "succeeded", 16, 12, 0.5, 15,
    )  # fmt: skip
    assert world.jobs.get(caller.owner, job.id).updated_at == world.clock


def test_somebody_elses_job_is_as_absent_as_a_missing_one(world):
    """The owner is in the key, so foreign and missing cannot be told apart."""
    job = world.hold(world.job(world.caller()))
    other = world.caller().owner
    assert world.jobs.get(other, job.id) is None
    assert world.jobs.get(other, "job_missing") is None


def test_a_guest_and_a_user_of_the_same_id_are_two_owners(world):
    """The owner's type is part of the key."""
    caller = world.caller()
    job = world.hold(world.job(caller))
    assert world.jobs.get(Owner("guest", caller.owner.id), job.id) is None


def test_open_jobs_past_their_deadline_are_found_in_every_shard(world):
    """The sweep sees each overdue job exactly once, whichever shard it hashed to."""
    jobs = [world.hold(world.job(world.caller())) for _ in range(24)]
    assert {keys.open_shard(job.id) for job in jobs} == {f"OPEN#{shard}" for shard in range(4)}
    mine = {job.id for job in jobs}
    found = [job.id for job in world.jobs.overdue(now=jobs[0].deadline + 1) if job.id in mine]
    assert sorted(found) == sorted(mine)


def test_a_job_is_not_overdue_at_its_deadline(world):
    """Only what lies strictly in the past is overdue."""
    job = world.hold(world.job(world.caller()))
    assert job.id not in [found.id for found in world.jobs.overdue(now=job.deadline)]


def test_a_closed_job_leaves_the_index(world):
    """Settled or released, a job is never looked at by the sweep again."""
    settled, released = (world.hold(world.job(world.caller())) for _ in range(2))
    world.settle(settled)
    world.release(released)
    found = [job.id for job in world.jobs.overdue(now=settled.deadline + 86_400_000)]
    assert settled.id not in found
    assert released.id not in found
