"""Rate limits as arithmetic: the generic cell rate algorithm, in epoch milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.periods import seconds_until


@dataclass(frozen=True, slots=True)
class RateLimit:
    """``limit`` calls per ``window_seconds``, as a generic cell rate (GCRA).

    One number per caller, the theoretical arrival time ``tat`` (epoch ms), says it all: a call moves it one
    interval on and is refused when that would put it more than a window ahead. No window edge, so no double burst.
    """

    name: str
    limit: int
    window_seconds: int = 60

    @property
    def window_ms(self) -> int:
        """The window."""
        return self.window_seconds * 1000

    @property
    def interval_ms(self) -> int:
        """What one call uses up."""
        return self.window_ms // self.limit

    def latest_ms(self, now_ms: int) -> int:
        """The largest ``tat`` with which a call at ``now_ms`` is still allowed."""
        return now_ms + self.window_ms - self.interval_ms

    def remaining(self, tat_ms: int, now_ms: int) -> int:
        """Calls that would be allowed at once, given the ``tat`` after the last one."""
        return max(0, (now_ms + self.window_ms - max(tat_ms, now_ms)) // self.interval_ms)

    def retry_after(self, tat_ms: int, now_ms: int) -> int:
        """Whole seconds until the next call is allowed."""
        return seconds_until(tat_ms, self.latest_ms(now_ms))
