"""Settling for less than was held: the rest goes back to where it came from, in the same transaction."""

import pytest

from enhancer.domain.ledger import AlreadyResolved
from enhancer.domain.periods import month_of
from enhancer.domain.pricing import Split
from tests.support import aws
from tests.support.books import audit
from tests.support.world import at


def held(world, plan, credits):
    """Somebody with 50.0 bought credits and a job that holds so much of plan and credits."""
    caller = world.caller("pro")
    world.grant(caller, 500)
    return caller, world.hold(world.job(caller, [(plan, credits)]))


def audited(world, caller):
    audit({f"OWNER#user#{caller.owner.id}": "pro"}, records=aws.records())
    return world.balance(caller)


@pytest.mark.parametrize(
    ("hold", "paid"),
    [
        ((100, 0), (12, 0)), ((100, 0), (0, 0)), ((0, 100), (0, 12)), ((0, 100), (0, 0)),
        ((30, 70), (12, 0)), ((30, 70), (30, 0)), ((5, 95), (5, 7)), ((30, 70), (30, 69)), ((1, 1), (1, 0)),
    ],
)  # fmt: skip
def test_what_is_not_charged_goes_back_to_its_buckets(world, hold, paid):
    """Plan only, credits only, both: month, balance, entries and item agree, and the day counts the image."""
    caller, job = held(world, *hold)
    world.settle(job, paid=paid)
    assert world.usage_and_balance(caller) == (1, paid[0], 500 - paid[1], 0)
    assert audited(world, caller).spent == paid[1]
    item = world.stored(job).items[0]
    assert (item.charged, item.charge, item.hold.total) == (Split(*paid), sum(paid), sum(hold))
    moved = [(entry.kind, entry.plan, entry.credits) for entry in world.ledger.entries(caller.owner)][1:]
    rest = ("release", hold[0] - paid[0], hold[1] - paid[1])
    assert sorted(moved) == sorted([("hold", *hold), ("settle", *paid), rest])


@pytest.mark.parametrize("hold", [(10, 0), (0, 10), (4, 6)])
def test_a_charge_of_the_whole_hold_leaves_no_rest(world, hold):
    """No second entry, and the item says nothing special."""
    caller, job = held(world, *hold)
    world.settle(job, paid=hold)
    assert world.kinds(caller) == ["grant", "hold", "settle"]
    assert world.stored(job).items[0].paid is None
    assert world.stored(job).items[0].charge == 10
    audited(world, caller)


def test_the_rest_says_where_it_comes_from(world):
    """Named after its settle, with a reason, for the same item."""
    caller, job = held(world, 30, 70)
    world.settle(job, paid=(12, 0))
    settle, rest = (
        next(entry for entry in world.ledger.entries(caller.owner) if entry.kind == kind)
        for kind in ("settle", "release")
    )
    assert (rest.id, rest.reason) == (f"{settle.id}_rest", "cheaper_model")
    assert (rest.job_id, rest.item) == (settle.job_id, settle.item) == (job.id, 0)


def test_the_rest_goes_back_to_the_month_of_the_hold(world):
    """A run over midnight of the last day: the new month knows nothing of it."""
    world.clock = at("2026-11-30 23:59:59")
    caller, job = held(world, 100, 0)
    november = world.clock
    world.clock = at("2026-12-01 00:00:10")
    world.settle(job, paid=(12, 0))
    assert world.usage_and_balance(caller)[:2] == (0, 0)
    assert (month_of(november), world.ledger.usage_and_balance(caller.owner, now=november).month_used) == (
        "2026-11",
        12,
    )
    audited(world, caller)


@pytest.mark.parametrize("second", [None, (12, 0), (0, 0)])
def test_a_second_settle_gives_no_second_rest(world, second):
    """Once, however often and at whatever price."""
    caller, job = held(world, 30, 70)
    world.settle(job, paid=(12, 0), closes=False)
    with pytest.raises(AlreadyResolved):
        world.settle(job, paid=second, closes=False)
    with pytest.raises(AlreadyResolved):
        world.release(job, closes=False)
    assert world.usage_and_balance(caller) == (1, 12, 500, 0)
    world.ledger.close(world.stored(job), status="succeeded", now=world.clock)
    audited(world, caller)


def test_only_the_cheaper_item_of_a_batch_is_charged_less(world):
    """Each has its own price."""
    caller = world.caller("pro")
    world.grant(caller, 500)
    job = world.hold(world.job(caller, [(100, 0), (50, 50), (0, 100)]))
    for index, paid in ((0, None), (1, (12, 0)), (2, (0, 12))):
        world.settle(job, index, paid=paid, closes=index == 2)
    assert world.usage_and_balance(caller) == (3, 112, 488, 0)
    assert [item.charge for item in world.stored(job).items] == [100, 12, 12]
    audited(world, caller)
