"""The index of results, in the table: who makes a result and who has a copy."""

from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb import result_index
from enhancer.domain.ledger import Earlier, ResultTaken


def seen(world, job):
    """What the index says of the result of these tests."""
    return world.ledger.earlier(job.owner, key_hash=None, result_digest="same", now=world.clock)


def write(world, job, write, earlier):
    written = write(job, job.items[0], earlier, now=world.clock)
    world.jobs._table.transact(written if isinstance(written, list) else [written])


def leave(world, job):
    result_index.leave(world.jobs._table, job.owner, "same", job.id)


@pytest.fixture
def jobs(world):
    """Three jobs with one result."""
    caller = world.caller()
    found = [world.job(caller) for _ in range(3)]
    return [replace(job, items=(replace(job.items[0], result_digest="same"),)) for job in found]


def test_who_leaves_is_followed_by_one_that_has_a_copy(world, jobs):
    """Until nobody is left; leaving twice changes nothing."""
    one, two, three = jobs
    write(world, one, result_index.maker_write, Earlier())
    for job in (two, three):
        write(world, job, result_index.holder_write, seen(world, job))
    assert seen(world, one).holders == {(two.id, 0, 1), (three.id, 0, 1)}
    for _ in range(2):
        leave(world, one)
        after = seen(world, one)
        assert {after.result_job, *(job for job, _, _ in after.holders)} == {two.id, three.id}
        assert (after.result_item, after.result_attempt) == (0, 1)
    leave(world, three)
    assert seen(world, one) == Earlier(None, two.id, 0, 1)
    leave(world, two)
    leave(world, two)
    assert seen(world, one) == Earlier()


def test_who_takes_the_place_of_the_maker_takes_out_the_copies_that_it_found_gone(world, jobs):
    """A copy that came since stays; who saw another maker is refused and changes nothing."""
    one, two, three = jobs
    write(world, one, result_index.maker_write, Earlier())
    write(world, two, result_index.holder_write, seen(world, two))
    before = seen(world, three)
    write(world, replace(two, attempt=2), result_index.holder_write, before)
    write(world, three, result_index.maker_write, before)
    assert seen(world, one) == Earlier(None, three.id, 0, 1, frozenset({(two.id, 0, 2)}))
    with pytest.raises(ResultTaken):
        write(world, one, result_index.maker_write, before)
    assert seen(world, one).result_job == three.id


def test_a_copy_whose_maker_was_forgotten_meanwhile_takes_its_place(world, jobs):
    """Its write is never refused."""
    one, two, _ = jobs
    write(world, one, result_index.maker_write, Earlier())
    before = seen(world, two)
    leave(world, one)
    write(world, two, result_index.holder_write, before)
    assert seen(world, two) == Earlier(None, two.id, 0, 1, frozenset({(two.id, 0, 1)}))
    leave(world, two)
    assert seen(world, two) == Earlier()
