"""Jobs in the table: what is stored comes back, and only to its owner."""

from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.jobs import StaleAttempt
from enhancer.domain.ledger import ResultTaken
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


def test_a_deleted_job_is_gone_for_all_but_the_sweep_until_it_is_removed(world):
    """Marked once, and only while it is closed; removing it takes its result out of the index."""
    caller = world.caller()
    job, kept = world.hold(world.job(caller)), world.hold(world.job(caller))
    assert world.jobs.mark_deleted(job, now=world.clock) is False
    world.settle(job)
    assert [world.jobs.mark_deleted(job, now=world.clock) for _ in range(2)] == [True, False]
    assert world.jobs.get(caller.owner, job.id) is None
    assert [found.id for found in world.jobs.page(caller.owner, statuses=(), limit=9, after=None)[0]] == [
        kept.id
    ]
    due = [found for found in world.jobs.deleted(before=world.clock + 1) if found.owner == caller.owner]
    assert [found.id for found in due] == [job.id]
    for _ in range(2):
        world.jobs.remove(due[0])
    assert world.table.get(keys.job(caller.owner, job.id)) is None
    assert world.table.get(keys.result(caller.owner, job.items[0].result_digest)) is None


def test_a_job_that_was_not_deleted_is_never_removed(world):
    """Whatever is asked, the record of a job that may run again stays."""
    job = world.hold(world.job(world.caller()))
    world.settle(job)
    world.jobs.remove(job)
    assert world.jobs.get(job.owner, job.id)


def test_a_result_is_taken_once_by_who_saw_it_free_or_saw_the_one_before(world):
    """With the status of the item, in one transaction; an ended job takes nothing."""
    caller = world.caller()
    jobs = [world.job(caller) for _ in range(3)]
    one, two, three = (
        world.hold(replace(job, items=(replace(job.items[0], status="queued", result_digest="same"),)))
        for job in jobs
    )
    free = world.ledger.earlier(caller.owner, key_hash=None, result_digest="same", now=world.clock)
    world.jobs.take_result(one, one.items[0], free, now=world.clock)
    assert world.jobs.get(caller.owner, one.id).items[0].status == "processing"
    with pytest.raises(ResultTaken):
        world.jobs.take_result(two, two.items[0], free, now=world.clock)
    assert world.jobs.get(caller.owner, two.id).items[0].status == "queued"
    seen = world.ledger.earlier(caller.owner, key_hash=None, result_digest="same", now=world.clock)
    assert (seen.result_job, seen.result_item) == (one.id, 0)
    world.jobs.take_result(two, two.items[0], seen, now=world.clock)
    world.release(three)
    with pytest.raises(StaleAttempt):
        world.jobs.take_result(three, three.items[0], seen, now=world.clock)


def test_a_closed_job_leaves_the_index(world):
    """Settled or released, a job is never looked at by the sweep again."""
    settled, released = (world.hold(world.job(world.caller())) for _ in range(2))
    world.settle(settled)
    world.release(released)
    found = [job.id for job in world.jobs.overdue(now=settled.deadline + 86_400_000)]
    assert settled.id not in found
    assert released.id not in found
