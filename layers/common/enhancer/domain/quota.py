"""Periods and rate limits: pure arithmetic on UTC time in epoch milliseconds."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from enhancer.domain.errors import DailyQuotaExceeded, KeyCapReached, NetworkQuotaExceeded

DAY_MS = 86_400_000


def day_of(now_ms: int) -> str:
    """Return the day period, for example ``2026-11-20``."""
    return _utc(now_ms).strftime("%Y-%m-%d")


def month_of(now_ms: int) -> str:
    """Return the month period, for example ``2026-11``."""
    return _utc(now_ms).strftime("%Y-%m")


def day_reset_ms(now_ms: int) -> int:
    """Return the next midnight UTC."""
    return (now_ms // DAY_MS + 1) * DAY_MS


def month_reset_ms(now_ms: int) -> int:
    """Return the start of the next month, UTC."""
    first = _utc(now_ms).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((first + timedelta(days=32)).replace(day=1).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Month:
    """The period that a plan's monthly credits are counted in, and when the next one begins (epoch ms).

    ``name`` is a calendar month such as ``2026-11``, or the dates of a paid one: ``2026-11-20/2026-12-20``.
    """

    name: str
    resets_at: int


def calendar_month(now_ms: int) -> Month:
    """Return the month of who has no subscription."""
    return Month(month_of(now_ms), month_reset_ms(now_ms))


def months_later(moment_ms: int, months: int) -> int:
    """Return the same day and time so many months later, or the last day of a month that is too short."""
    at = _utc(moment_ms)
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    day = min(at.day, calendar.monthrange(year, month)[1])
    return round(at.replace(year=year, month=month, day=day).timestamp() * 1000)


def seconds_until(moment_ms: int, now_ms: int) -> int:
    """Whole seconds to wait, rounded up, at least 1: a value for ``Retry-After``."""
    return max(1, -(-(moment_ms - now_ms) // 1000))


def daily_quota_exceeded(*, used: int, limit: int, now_ms: int) -> DailyQuotaExceeded:
    """Return the refusal of one more image today."""
    reset = day_reset_ms(now_ms)
    wait = seconds_until(reset, now_ms)
    return DailyQuotaExceeded(retry_after_seconds=wait, scope="daily", used=used, limit=limit, resetAt=reset)


def key_cap_reached(*, used: float, limit: float, now_ms: int) -> KeyCapReached:
    """Return the refusal of more work through an API key this month; amounts in credits."""
    reset = month_reset_ms(now_ms)
    wait = seconds_until(reset, now_ms)
    return KeyCapReached(retry_after_seconds=wait, scope="key", used=used, limit=limit, resetAt=reset)


def network_quota_exceeded(*, used: int, limit: int, now_ms: int) -> NetworkQuotaExceeded:
    """Return the refusal of one more guest image from a network today."""
    reset = day_reset_ms(now_ms)
    wait = seconds_until(reset, now_ms)
    return NetworkQuotaExceeded(
        retry_after_seconds=wait, scope="network", used=used, limit=limit, resetAt=reset
    )


def _utc(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)


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
