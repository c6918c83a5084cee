"""A look at everything the product stands on, at once: a hanging part costs its own time-out and no other's answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue

from enhancer.domain.health import Checked, PartFailed, Reason

SECONDS_MAX = 12.0
"""The longest that all checks together may take; the gateway gives up after 30 s."""
Check = Callable[[], None]
"""Asks one part; raises `PartFailed` with the reason if it is not fine, `PartOff` if nobody expects it to be."""


def check_all(checks: Mapping[str, Check], *, seconds: float = SECONDS_MAX) -> list[Checked]:
    """Run every check in a thread of its own and return what was found after ``seconds`` at most, in their order.

    A check without an answer by then has the reason ``timeout``. Its thread is left alone: it holds nothing, and ends
    by the time-outs of its own connection. A check that raises anything else than `PartFailed` has ``failing``.
    """
    started, done = time.monotonic(), SimpleQueue[Checked]()
    for name, check in checks.items():
        threading.Thread(target=_run, args=(name, check, done), name=f"health-{name}", daemon=True).start()
    found: dict[str, Checked] = {}
    while len(found) < len(checks):
        try:
            one = done.get(timeout=max(0.0, started + seconds - time.monotonic()))
        except Empty:
            break
        found[one.name] = one
    late = round(seconds * 1000)
    return [found.get(name) or Checked(name, late, "timeout") for name in checks]


def _run(name: str, check: Check, done: SimpleQueue[Checked]) -> None:
    started = time.monotonic()
    outcome: Reason | None = "failing"
    try:
        check()
        outcome = None
    except PartFailed as failed:
        outcome = failed.reason
    finally:
        done.put(Checked(name, round((time.monotonic() - started) * 1000), outcome))
