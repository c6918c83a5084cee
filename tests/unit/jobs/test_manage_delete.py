"""Deleting a job: refused it changes nothing, begun it is finished, and nothing of it stays behind."""

from contextlib import suppress
from dataclasses import replace

import pytest

from enhancer.domain.errors import JobOpen, NotFound
from enhancer.domain.ledger import Earlier
from enhancer.jobs import manage
from enhancer.operations.sweep import GRACE_MS, Swept
from tests.support.books import audit
from tests.support.crashes import Died, Mortal
from tests.support.images import png
from tests.support.memory_table import MemoryTable
from tests.support.world import World

CALLS = 8
"""Mark, two pictures of two items each, two index entries, the record."""


def half_failed(world, caller):
    """An ended job with one good picture and one that failed."""
    job = world.execute(world.batch(caller, 2), errors={1: "ProviderUnavailable"})
    assert [item.status for item in job.items] == ["succeeded", "failed"]
    return job


def stored_keys(job):
    """Everything that lies in the bucket for a job."""
    artifacts = [found for item in job.items for found in (item.input, item.output) if found]
    return [artifact.key for artifact in artifacts]


def test_a_deletion_that_loses_to_a_retry_changes_nothing(world):
    """Who read the job before it ran again is refused; the picture that was paid for and its index are there."""
    caller = world.caller("pro")
    job = half_failed(world, caller)
    world.retry(job, caller)
    before, pictures = world.records(), world.artifacts.keys()
    with pytest.raises(JobOpen):
        manage.delete(job, deps=world.job_deps)
    assert (world.records(), world.artifacts.keys()) == (before, pictures)


def test_a_retry_that_loses_to_a_deletion_finds_no_job_and_holds_nothing(world, monkeypatch):
    """From the mark on the job cannot run again, also while its pictures are being removed."""
    caller = world.caller("pro")
    job = half_failed(world, caller)
    before = world.usage_and_balance(caller)
    monkeypatch.setattr(world.artifacts, "delete", lambda _key: world.retry(job, caller))
    monkeypatch.setattr(world, "stored", lambda _job: job)
    with pytest.raises(NotFound):
        manage.delete(job, deps=world.job_deps)
    assert world.usage_and_balance(caller) == before
    assert world.jobs.get(caller.owner, job.id) is None


def test_a_deleted_job_is_gone_at_once_for_everybody(world):
    """Neither found, listed nor deleted again, although a crash left its pictures for a minute."""
    caller = world.caller("pro")
    job = half_failed(world, caller)
    assert world.jobs.mark_deleted(job, now=world.clock)
    assert world.jobs.get(caller.owner, job.id) is None
    assert world.jobs.page(caller.owner, statuses=(), limit=9, after=None) == ([], None)
    with pytest.raises(NotFound):
        manage.delete(job, deps=world.job_deps)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
def test_a_deletion_that_dies_at_any_call_is_finished_by_the_sweep(call, after):
    """Before the mark nothing has changed; from it on a minute later no record, picture or index entry is left."""
    client = Mortal(MemoryTable())
    world = World(table=client)
    real, caller = world.artifacts, world.caller("pro")
    job = half_failed(world, caller)
    kept = real.keys()
    world.artifacts = client.bind(real, "delete")
    client.fate.doom(call, after=after)
    with suppress(Died):
        manage.delete(job, deps=world.job_deps)
    client.fate.revive()
    audit({f"OWNER#user#{caller.owner.id}": "pro"}, [job], records=world.records())
    if call == 0 and not after:
        assert real.keys() == kept
        assert world.stored(job) == job
        world.delete(job)
    assert world.jobs.get(caller.owner, job.id) is None
    world.clock += GRACE_MS + 1
    assert world.sweep() in (Swept(removed=1), Swept())
    assert not [key for key in stored_keys(job) if real.exists(key)]
    assert not [record for record in world.records() if record["sk"].startswith(("JOB#", "RESULT#"))]
    assert world.sweep() == Swept()


def test_a_result_that_came_after_a_cancel_goes_with_its_job(world):
    """Nobody paid for it and no record shows it, but it lies where the item's result was to be."""
    caller = world.caller("pro")
    job = world.batch(caller)
    world.start_prediction(job)
    target = world.stored(job).items[0].target
    world.cancel(job)
    world.artifacts.put(target, png(), "image/png")
    world.delete(job)
    assert not world.artifacts.exists(target)


def test_a_free_picture_of_an_earlier_version_leaves_the_pictures_it_shows(world):
    """It has no place of its own: what it shows belongs to the job that paid."""
    caller = world.caller("pro")
    paid = world.execute(world.batch(caller))
    item = paid.items[0]
    old = replace(world.job(caller), status="succeeded")
    shown = replace(
        old.items[0], status="succeeded", free=True, target="", input=item.input, output=item.output
    )
    world.ledger.store_free(replace(old, items=(shown,)), key_hash=None, earlier=Earlier(), now=world.clock)
    world.delete(old)
    assert world.jobs.get(caller.owner, old.id) is None
    assert [world.artifacts.exists(key) for key in stored_keys(paid)] == [True, True]
