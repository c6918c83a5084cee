"""The operator's flags in the table: felt within a minute, versioned, never undone by what cannot be read."""

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from enhancer.adapters.dynamodb import flags, keys
from enhancer.adapters.dynamodb.flags import AGAIN_SECONDS, FRESH_SECONDS, FlagStore
from enhancer.domain.errors import FlagsChanged
from enhancer.domain.flags import CLOSED, Flags
from tests.support.flags import set_flags

BAD_RECORDS = [
    ({"document": {"phase": "I9"}, "version": 3}, "bad"), ({"document": "I1", "version": 3}, "bad"),
    ({"document": {"phase": "I1", "surprise": True}, "version": 3}, "bad"), ({"off": "replicate"}, "bad"),
    ({"off": [], "spend_cap": "much"}, "bad"), ({"document": {"phase": "I1"}, "version": "three"}, "bad"),
    ({"document": {"phase": "I1"}, "version": 3, "schema": 2}, "newer"),
]  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    """The seconds that a process has lived."""
    passed = {"seconds": 1000.0}
    monkeypatch.setattr(flags.time, "monotonic", lambda: passed["seconds"])
    return passed


@pytest.fixture
def counted(monkeypatch):
    """The metrics written: (name, dimensions)."""
    found = []
    monkeypatch.setattr(flags, "count", lambda name, **dimension: found.append((name, dimension)))
    return found


@pytest.fixture
def outage(world, monkeypatch):
    """Makes the table refuse or go silent: ``outage["problem"] = …``; counts the reads that were tried."""
    state, real = {"problem": None, "reads": 0}, world.table.get

    def get(key):
        state["reads"] += 1
        if state["problem"]:
            raise state["problem"]
        return real(key)

    monkeypatch.setattr(world.table, "get", get)
    return state


# ----------------------------------------------------------------------------------------- freshness


def test_without_a_record_the_stacks_own_values_hold(world):
    """A fresh table has no switches."""
    assert FlagStore(world.table).get() == Flags()
    own = Flags(phase="I1", credits_cta=False)
    assert FlagStore(world.table, defaults=own).get() == own


def test_a_change_is_felt_after_half_a_minute_and_not_asked_for_every_time(world, clock, outage):
    """One read in 30 real seconds by the process's own clock, however often the flags are looked at."""
    store = FlagStore(world.table)
    assert store.get() == Flags()
    set_flags(world.table, off=("replicate",), phase="I1")
    reads = outage["reads"]
    clock["seconds"] += FRESH_SECONDS - 0.001
    assert (store.get(), outage["reads"]) == (Flags(), reads)
    clock["seconds"] += 0.001
    assert [store.get().phase for _ in range(5)] == ["I1"] * 5
    assert outage["reads"] == reads + 1
    assert FRESH_SECONDS == 30


def test_a_shorter_time_is_only_shorter(world, clock):
    """As a stack of the tests has it."""
    store = FlagStore(world.table, fresh_seconds=1)
    store.get()
    set_flags(world.table, phase="I1")
    clock["seconds"] += 1
    assert store.get().phase == "I1"


@pytest.mark.parametrize(
    "problem",
    [
        ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, "GetItem"),
        EndpointConnectionError(endpoint_url="https://dynamodb.example"),
    ],
    ids=["refuses", "silent"],
)
def test_the_last_good_flags_stay_while_the_table_does_not_answer(
    world, clock, outage, counted, logs, problem
):
    """No request fails for it, the table is left in peace for some seconds, and the change is felt within 60."""
    set_flags(world.table, phase="I1")
    store = FlagStore(world.table)
    assert store.get().phase == "I1"
    set_flags(world.table, phase="I2")
    changed_at, reads = clock["seconds"], outage["reads"]
    clock["seconds"] += FRESH_SECONDS
    outage["problem"] = problem
    assert [store.get().phase for _ in range(10)] == ["I1"] * 10
    assert (outage["reads"], counted) == (reads + 1, [("FlagsIgnored", {"reason": "unreachable"})])
    assert logs.lines[-1]["level"] == "ERROR"
    clock["seconds"] += AGAIN_SECONDS
    outage["problem"] = None
    assert store.get().phase == "I2"
    assert clock["seconds"] - changed_at <= 60


def test_a_function_that_knew_nothing_yet_tells_of_a_table_that_does_not_answer(world, outage, counted):
    """Nothing can be held then, either; guessing would turn away who may start."""
    outage["problem"] = EndpointConnectionError(endpoint_url="https://dynamodb.example")
    with pytest.raises(EndpointConnectionError):
        FlagStore(world.table).get()


# --------------------------------------------------------------------------------- unreadable records


@pytest.mark.parametrize(("record", "reason"), BAD_RECORDS)
def test_a_record_that_cannot_be_read_is_ignored_and_told(world, clock, counted, logs, record, reason):
    """The last good flags stay; a function that has just started serves who pays, without providers."""
    set_flags(world.table, phase="I2", jobs_paused=True)
    warm = FlagStore(world.table)
    good = warm.get()
    world.table.put({**keys.flags(), **record})
    clock["seconds"] += FRESH_SECONDS
    assert warm.get() == good
    assert FlagStore(world.table).get() == CLOSED
    assert counted == [("FlagsIgnored", {"reason": reason})] * 2
    assert (logs.lines[-1]["level"], logs.lines[-1]["reason"]) == ("ERROR", reason)


@pytest.mark.parametrize("record", [record for record, _ in BAD_RECORDS])
def test_a_record_that_cannot_be_read_is_repaired_by_the_next_change(world, record):
    """It builds on the newest version that can be read, and is a version like any other."""
    set_flags(world.table, phase="I1")
    set_flags(world.table, phase="I2", jobs_paused=True)
    world.table.put({**keys.flags(), **record})
    store = FlagStore(world.table)
    seen = store.seen()
    assert seen.flags.phase == "I2"
    assert seen.unreadable or "document" not in record
    store.write(replace(seen.flags, canary_percent=5), seen, actor="ops", reason="repair", now=1)
    found = FlagStore(world.table).get()
    assert (found.phase, found.jobs_paused, found.canary_percent, found.version) == ("I2", True, 5, 3)


# ------------------------------------------------------------------------------- releases side by side


def test_a_record_of_a_release_without_versions_counts(world):
    """Its two fields, and the stack's own values for all that it does not know."""
    world.table.put({**keys.flags(), "off": ["replicate", "topaz"], "spend_cap": 0})
    own = Flags(phase="I1")
    found = FlagStore(world.table, defaults=own).get()
    assert found == replace(own, off=("replicate", "topaz"), spend_cap=0)


def test_such_a_release_finds_its_two_fields_in_a_new_record(world):
    """It may be deployed again at any time."""
    set_flags(world.table, off=("topaz",), spend_cap=5, phase="I1")
    record = world.table.get(keys.flags())
    assert (record["off"], record["spend_cap"]) == (["topaz"], 5)


def test_what_such_a_release_writes_over_a_new_record_counts_and_the_numbers_go_on(world):
    """It puts a record without a version in place; the history stays whole."""
    set_flags(world.table, phase="I1")
    world.table.put({**keys.flags(), "off": ["sd15"], "spend_cap": None})
    store = FlagStore(world.table)
    assert (store.get().off, store.get().version) == (("sd15",), 0)
    assert set_flags(world.table, phase="I2").version == 2
    assert [entry.version for entry in store.history()] == [2, 1, 0]


def test_the_history_shows_what_such_a_release_kept_of_its_changes(world):
    """Without a number, after all that have one."""
    old = {"off": ["sd15"], "spend_cap": 1_500_000, "actor": "boss", "reason": "costs", "at": 5}
    world.table.put({"pk": "FLAGS", "sk": "AUDIT#act_01", **old})
    set_flags(world.table, phase="I1")
    *_, last = FlagStore(world.table).history()
    assert (last.version, last.actor, last.document) == (None, "boss", {"off": ["sd15"], "spendCapUsd": 1.5})


# ------------------------------------------------------------------------------------------ versions


def test_every_change_is_a_version_with_the_whole_document(world):
    """Who made it, why, when; and what was before the first."""
    store = FlagStore(world.table)
    new = store.write(Flags(phase="I1"), store.seen(), actor="boss", reason="launch", now=7)
    assert new == Flags(phase="I1", version=1)
    second = replace(new, invited=("ada@example.com",))
    store.write(second, store.seen(), actor="ada", reason="friends", now=8, restores=0)
    found = list(store.history())
    assert [(one.version, one.actor, one.reason, one.at, one.restores) for one in found] == [
        (2, "ada", "friends", 8, 0), (1, "boss", "launch", 7, None), (0, "-", "before", 7, None),
    ]  # fmt: skip
    assert [one.document["phase"] for one in found] == ["I1", "I1", "open"]
    assert found[0].document["invited"] == ["ada@example.com"]
    assert store.entry(1) == found[1]
    assert store.entry(3) is None
    assert [one.version for one in store.history(before=2)] == [1, 0]
    assert store.get().version == 2


@pytest.mark.parametrize("versions", [0, 1, 3])
def test_of_two_who_change_at_once_one_is_refused(world, versions):
    """Whoever comes second is told which version is in force; nothing of theirs is kept."""
    for _ in range(versions):
        set_flags(world.table)
    one, other = FlagStore(world.table), FlagStore(world.table)
    seen, seen_too = one.seen(), other.seen()
    one.write(Flags(phase="I1"), seen, actor="a", reason="first", now=1)
    with pytest.raises(FlagsChanged) as refused:
        other.write(Flags(phase="I2"), seen_too, actor="b", reason="second", now=1)
    assert refused.value.details == {"version": versions + 1, "expected": versions}
    assert FlagStore(world.table).get().phase == "I1"
    assert [entry.actor for entry in one.history()].count("b") == 0
