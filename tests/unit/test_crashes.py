"""A process that dies before or after any single call of a run: the sweep makes it as if nothing had happened."""

from contextlib import suppress

import pytest

from enhancer.domain.jobs import DEADLINE_MS
from tests.support.books import audit, open_holds
from tests.support.crashes import Died, Mortal
from tests.support.memory_table import MemoryTable
from tests.support.world import World

PLAN = "pro"
CALLS = 8
"""A run whose price is split: look, hold (refused), look at what is left, hold, settle, whether few credits are left,
book; and one never made."""
HOLD, SETTLE = 3, 4


def lived(*, doomed=None, after=False):
    """A run of a caller with 0.5 plan credits left and 10 bought; return world, caller, photo and client."""
    client = Mortal(MemoryTable())
    world = World(table=client)
    caller, photo = world.caller(PLAN), world.photo()
    world.grant(caller, 100)
    world.settle(world.hold(world.job(caller, [(2995, 0)])))
    client.fate.calls = 0
    if doomed is not None:
        client.fate.doom(doomed, after=after)
    with suppress(Died):
        world.finish(world.submit(caller, photo=photo, key="k"))
    client.fate.revive()
    return world, caller, photo, client


def plans(caller):
    return {f"OWNER#user#{caller.owner.id}": PLAN}


def test_a_whole_run_makes_as_many_calls_as_the_crashes_cover():
    """Every call of a run is a point where it dies in the tests below."""
    *_, client = lived()
    assert client.fate.calls == CALLS - 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
def test_after_a_crash_at_any_call_nothing_is_lost_or_charged_for_nothing(call, after):
    """The books add up at once; after the sweep either the result was paid for and is there, or all is back."""
    world, caller, _, _ = lived(doomed=call, after=after)
    audit(plans(caller), records=world.records())
    world.clock += DEADLINE_MS + 1
    world.sweep()
    audit(plans(caller), records=world.records())
    assert open_holds(world.records()) == 0
    settled = world.kinds(caller).count("settle") - 1
    assert settled == int(call > SETTLE or (call == SETTLE and after))
    assert world.usage_and_balance(caller) == ((2, 3000, 95, 0) if settled else (1, 2995, 100, 0))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", range(CALLS))
def test_a_repeated_request_after_a_crash_pays_at_most_once(call, after):
    """The client tries again with its key and, when that ended, with a new one: one result, one charge."""
    world, caller, photo, _ = lived(doomed=call, after=after)
    world.clock += DEADLINE_MS + 1
    world.sweep()
    job = world.finish(world.submit(caller, photo=photo, key="another"))
    assert job.status == "succeeded"
    assert world.kinds(caller).count("settle") - 1 == 1
    assert world.usage_and_balance(caller) == (2, 3000, 95, 0)
    assert world.artifacts.exists(job.items[0].output.key)
    audit(plans(caller), records=world.records())


@pytest.mark.parametrize("call", range(CALLS))
def test_a_reply_that_is_lost_after_any_call_is_the_same_job_when_asked_again(call):
    """The call had its effect, but nobody heard of it; the client sends the request again under its key."""
    world, caller, photo, _ = lived(doomed=call, after=True)
    again = world.submit(caller, photo=photo, key="k")
    ordered = [
        job
        for job in world.jobs.page(caller.owner, statuses=(), limit=9, after=None)[0]
        if job.fingerprint != "fingerprint"
    ]
    assert [job.id for job in ordered] == [again.job.id]
    assert again.replayed is (call > HOLD - 1)
    assert world.kinds(caller).count("hold") == 2
    audit(plans(caller), records=world.records())
