"""The limit on creating predictions that Replicate sets an account with little credit."""

from __future__ import annotations

import math
import threading

from flask import Response

from local.standins.control import Clock, answer_json

EVERY_S = 10.0  # six a minute


class Throttle:
    """The limit on creating predictions for an account with less than $5 of credit: 6 a minute, a burst of 1.

    Off until `set`; a create that is refused does not count. Times are those of the simulated clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._every_s = 0.0
        self._free_at = 0.0
        self._lock = threading.Lock()

    def set(self, every_s: float, *, spent: bool = False) -> None:
        """Let a create through every so many seconds, 0 for no limit; ``spent``: the first has to wait, too."""
        with self._lock:
            self._every_s = every_s
            self._free_at = self._clock.now() + (every_s if spent else 0.0)

    def take(self) -> Response | None:
        """Let a create through and return None, or return its refusal as Replicate words it."""
        with self._lock:
            now = self._clock.now()
            if now >= self._free_at:
                self._free_at = now + self._every_s
                return None
            seconds = math.ceil(self._free_at - now)
        detail = (
            "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per minute"
            " with a burst of 1 requests while you have less than $5.0 in credit."
            f" Your rate limit resets in ~{seconds}s."
        )
        return answer_json({"detail": detail, "status": 429, "retry_after": seconds}, 429)
