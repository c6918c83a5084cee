"""The operator's switches: kept for a short while, felt within a minute."""

import pytest

from enhancer.adapters.dynamodb import flags
from enhancer.adapters.dynamodb.flags import FRESH_SECONDS, FlagStore
from enhancer.domain.flags import Flags


@pytest.fixture
def clock(monkeypatch):
    """The seconds that a process has lived."""
    passed = {"seconds": 1000.0}
    monkeypatch.setattr(flags.time, "monotonic", lambda: passed["seconds"])
    return passed


def turn(world, store, flags):
    """Set the switches as the operator does."""
    store.set(flags, actor="operator", reason="tests", entry_id=world.new_id("flg"), now=world.clock)


def test_without_a_record_nothing_is_off(world):
    """A fresh table has no switches and the default cap."""
    assert FlagStore(world.table).get() == Flags(off=(), spend_cap=None)


def test_what_was_set_comes_back_everywhere_at_once_for_who_set_it(world, clock):
    """A cap of 0 is a cap."""
    store = FlagStore(world.table)
    assert store.get() == Flags()
    turn(world, store, Flags(off=["topaz", "replicate"], spend_cap=0))
    assert store.get() == Flags(off=("replicate", "topaz"), spend_cap=0)


def test_switches_can_be_taken_back(world, clock):
    """Nothing of the earlier record stays."""
    store = FlagStore(world.table)
    turn(world, store, Flags(off=["topaz"], spend_cap=5))
    turn(world, store, Flags())
    assert FlagStore(world.table).get() == Flags()


def test_a_change_is_felt_within_a_minute_and_not_asked_for_every_time(world, clock, monkeypatch):
    """One read in half a minute, however often the switches are looked at."""
    reads, real = [], world.table.get
    monkeypatch.setattr(world.table, "get", lambda key: reads.append(key) or real(key))
    store = FlagStore(world.table)
    store.get()
    turn(world, FlagStore(world.table), Flags(off=["replicate"]))
    clock["seconds"] += FRESH_SECONDS
    assert (store.get(), len(reads)) == (Flags(), 1)
    clock["seconds"] += 0.001
    assert (store.get(), len(reads)) == (Flags(off=("replicate",)), 2)
    assert FRESH_SECONDS <= 60
