"""Changing and rolling back what the operator sets: merged, versioned, with a reason."""

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.flags import FlagStore
from enhancer.domain.errors import FlagsChanged, InvalidFields
from enhancer.domain.flags_document import document_of
from enhancer.operations import flags


class Operator:
    """Somebody who changes flags."""

    def __init__(self, world):
        self.world = world
        self.store = FlagStore(world.table)

    def change(self, expected=None, reason="as agreed", **what):
        return flags.change(
            what, reason=reason, actor="boss", now=self.world.clock, flags=self.store, expected=expected
        )[1]

    def roll_back(self, version=None):
        return flags.roll_back(
            version, reason="too many errors", actor="boss", now=self.world.clock, flags=self.store
        )[1]


@pytest.fixture
def boss(world):
    return Operator(world)


@pytest.fixture
def launched(boss):
    """Versions 1 to 3: I1, I2 with guests, open."""
    boss.change(phase="I1")
    boss.change(phase="I2", guests={"on": True})
    boss.change(phase="open")
    return boss


def test_a_change_keeps_what_it_does_not_name(boss):
    """And tells what was before."""
    boss.change(off=["sd15"], guests={"imagesPerDay": 2})
    before, after = flags.change(
        {"guests": {"on": True}}, reason="guests", actor="boss", now=0, flags=boss.store
    )
    assert document_of(before)["guests"] == {"on": False, "imagesPerDay": 2}
    assert document_of(after) == {**document_of(before), "guests": {"on": True, "imagesPerDay": 2}}
    assert (before.version, after.version) == (1, 2)


def test_a_rollback_brings_the_version_before_back_as_a_new_one(launched):
    """Whole, with who did it, why, and which it was."""
    found = launched.roll_back()
    assert (found.phase, found.guests.on, found.version) == ("I2", True, 4)
    entry = launched.store.entry(4)
    assert (entry.restores, entry.actor, entry.reason) == (2, "boss", "too many errors")


def test_rolling_back_again_goes_further_back_and_never_forward(launched):
    """An operator in a hurry does not undo their own rollback; at the beginning there is nothing more."""
    assert [launched.roll_back().phase for _ in range(3)] == ["I2", "I1", "open"]
    assert launched.store.get().guests.on is False
    with pytest.raises(InvalidFields):
        launched.roll_back()


def test_a_change_after_a_rollback_is_rolled_back_to_it(launched):
    """The version before is what was in force."""
    launched.roll_back()
    launched.change(canaryPercent=10)
    found = launched.roll_back()
    assert (found.phase, found.canary_percent) == ("I2", 0)
    assert launched.store.entry(6).restores == 2


@pytest.mark.parametrize(("version", "phase"), [(0, "open"), (1, "I1"), (3, "open")])
def test_any_version_can_be_brought_back(launched, version, phase):
    """By its number."""
    assert launched.roll_back(version).phase == phase


@pytest.mark.parametrize(
    "record", [{"document": {"phase": "I9"}, "version": 3}, {"off": ["sd15"], "spend_cap": None}]
)
def test_a_rollback_from_what_is_no_version_goes_to_the_newest_one(launched, record):
    """Not a step past it: what nobody can read, or a former release wrote, is not in the history."""
    launched.change(phase="I2")
    launched.world.table.put({**keys.flags(), **record})
    found = launched.roll_back()
    assert (found.phase, found.off, found.version) == ("I2", (), 5)
    assert launched.roll_back().phase == "open"


@pytest.mark.parametrize("version", [4, -1, 99])
def test_a_version_that_does_not_exist_is_refused(launched, version):
    """And nothing changes."""
    with pytest.raises(InvalidFields):
        launched.roll_back(version)
    assert launched.store.get().version == 3


def test_nothing_can_be_rolled_back_before_anything_was_changed(boss):
    """The stack's own values are no version."""
    with pytest.raises(InvalidFields):
        boss.roll_back()


def test_who_had_an_older_version_before_their_eyes_is_refused(launched):
    """They are told which one is in force."""
    with pytest.raises(FlagsChanged) as refused:
        launched.change(expected=2, phase="I1")
    assert refused.value.details == {"version": 3, "expected": 2}
    assert launched.change(expected=3, phase="I1").version == 4


@pytest.mark.parametrize("reason", ["", "  ", "ok", "x" * 301])
def test_every_change_needs_a_reason_that_says_something(launched, reason):
    """Three to three hundred characters."""
    with pytest.raises(InvalidFields) as refused:
        launched.change(reason=reason, phase="I1")
    assert refused.value.details["fields"][0]["field"] == "reason"
    assert launched.store.get().version == 3


def test_a_reason_that_is_no_text_is_kept_as_far_as_it_is(launched):
    """A shell in another encoding passes bytes on that nothing can store."""
    launched.change(reason="zu viele Fehler \udcfcber Nacht", phase="I1")
    assert launched.store.entry(4).reason == "zu viele Fehler ?ber Nacht"


def test_the_history_is_told_page_by_page_newest_first(launched):
    """Until its beginning."""
    page, cursor = flags.history(limit=3, before=None, flags=launched.store)
    assert ([entry.version for entry in page], cursor) == ([3, 2, 1], 1)
    page, cursor = flags.history(limit=3, before=cursor, flags=launched.store)
    assert ([entry.version for entry in page], cursor) == ([0], None)
