"""Rate limits as arithmetic: the generic cell rate algorithm (GCRA). Moments in epoch milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.periods import seconds_until


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most ``limit`` calls per ``window_seconds``.

    One number is stored per caller: the theoretical arrival time ``tat`` (epoch ms). A call moves it on by one
    interval, from now if it lies in the past, and is refused if that would put it more than a window ahead. As there
    are no fixed windows, nobody gets two bursts around the edge of one.
    Source: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm
    """

    name: str
    limit: int
    window_seconds: int = 60

    @property
    def window_ms(self) -> int:
        """The window in milliseconds."""
        return self.window_seconds * 1000

    @property
    def interval_ms(self) -> int:
        """How far one call moves ``tat`` on, in milliseconds."""
        return self.window_ms // self.limit

    def latest_ms(self, now_ms: int) -> int:
        """Return the largest stored ``tat`` with which a call at ``now_ms`` is still allowed."""
        return now_ms + self.window_ms - self.interval_ms

    def remaining(self, tat_ms: int, now_ms: int) -> int:
        """Return how many calls are allowed at once at ``now_ms``, given the stored ``tat``."""
        return max(0, (now_ms + self.window_ms - max(tat_ms, now_ms)) // self.interval_ms)

    def retry_after(self, tat_ms: int, now_ms: int) -> int:
        """Return the whole seconds until the next call is allowed, at least 1."""
        return seconds_until(tat_ms, self.latest_ms(now_ms))
