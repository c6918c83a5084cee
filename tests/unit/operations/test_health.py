"""A deep look: all parts at once, each with an answer of its own, and an end for every one."""

import threading
import time

from enhancer.domain.health import PartFailed, PartOff
from enhancer.operations.health import check_all


def fails(reason):
    def check():
        raise PartFailed(reason)

    return check


def off():
    raise PartOff


def test_each_part_has_its_own_outcome_in_the_order_asked():
    """One that is off is fine; one that fails says why."""
    found = check_all({"b": lambda: None, "a": fails("refused"), "c": off})
    assert [(one.name, one.ok, one.reason) for one in found] == [
        ("b", True, None), ("a", False, "refused"), ("c", True, "off"),
    ]  # fmt: skip


def test_a_hanging_part_fails_alone_and_in_time():
    """The others have answered long before; nobody waits for it."""
    over = threading.Event()
    started = time.monotonic()
    found = check_all({"hangs": over.wait, "fine": lambda: None}, seconds=0.2)
    over.set()
    assert [(one.name, one.ok, one.reason) for one in found] == [
        ("hangs", False, "timeout"), ("fine", True, None),
    ]  # fmt: skip
    assert time.monotonic() - started < 60


def test_parts_are_asked_at_the_same_time():
    """Two that wait for each other both come back."""
    barrier = threading.Barrier(2, timeout=60)
    found = check_all({"one": barrier.wait, "other": barrier.wait}, seconds=60)
    assert [one.reason for one in found] == [None, None]


def test_a_check_that_breaks_is_a_part_that_fails(monkeypatch):
    """Nothing of the error is told."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def breaks():
        raise ZeroDivisionError("secret-host.example")

    (found,) = check_all({"part": breaks})
    assert (found.ok, found.reason) == (False, "failing")
