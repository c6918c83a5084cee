"""The ``Prefer`` header (RFC 7240): how long a caller wants to wait for a result."""

from __future__ import annotations

import re
from dataclasses import dataclass

WAIT_SECONDS_MAX = 25.0
"""The longest wait, and the default; HTTP APIs end at 30 s."""
_WAIT = re.compile(r"wait\s*=\s*\"?([0-9]{1,6})\"?")


@dataclass(frozen=True, slots=True)
class Preference:
    """``seconds`` to wait before the answer becomes a 202; ``applied`` is the answer's Preference-Applied, if any."""

    seconds: float
    applied: str | None

    @property
    def is_async(self) -> bool:
        """True when the caller does not want to wait at all."""
        return self.seconds == 0


def read(header: str) -> Preference:
    """Return what is preferred; anything we do not understand is ignored, as the RFC asks."""
    wishes = [wish.partition(";")[0].strip().lower() for wish in header.split(",")]
    if "respond-async" in wishes and not any(_WAIT.fullmatch(wish) for wish in wishes):
        return Preference(0, "respond-async")
    for wish in wishes:
        if found := _WAIT.fullmatch(wish):
            seconds = min(float(found[1]), WAIT_SECONDS_MAX)
            return Preference(seconds, f"wait={seconds:.0f}" if seconds else "respond-async")
    return Preference(WAIT_SECONDS_MAX, None)
