"""Days and months in UTC. All moments are epoch milliseconds.

A period is named ``2026-11-20`` or ``2026-11``; the name is part of every key that counts usage.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY_MS = 86_400_000


def day_of(now_ms: int) -> str:
    """Return the day's name, such as ``2026-11-20``."""
    return _utc(now_ms).strftime("%Y-%m-%d")


def month_of(now_ms: int) -> str:
    """Return the calendar month's name, such as ``2026-11``."""
    return _utc(now_ms).strftime("%Y-%m")


def day_reset_ms(now_ms: int) -> int:
    """Return when the day ends: the next midnight."""
    return (now_ms // DAY_MS + 1) * DAY_MS


def month_reset_ms(now_ms: int) -> int:
    """Return when the calendar month ends: midnight of the next month's first day."""
    first = _utc(now_ms).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((first + timedelta(days=32)).replace(day=1).timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Month:
    """The month that a plan's credits are counted in.

    ``name``: ``2026-11`` for a calendar month; the days on which a paid one begins and ends: ``2026-11-20/2026-12-20``.
    ``resets_at``: when the next month begins.
    """

    name: str
    resets_at: int


def calendar_month(now_ms: int) -> Month:
    """Return the calendar month: the one that counts without a subscription."""
    return Month(month_of(now_ms), month_reset_ms(now_ms))


def months_later(moment_ms: int, months: int) -> int:
    """Return the same day and time so many months later; the month's last day where it has no such day."""
    at = _utc(moment_ms)
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    day = min(at.day, calendar.monthrange(year, month)[1])
    return round(at.replace(year=year, month=month, day=day).timestamp() * 1000)


def seconds_until(moment_ms: int, now_ms: int) -> int:
    """Return the whole seconds until then, rounded up, at least 1: a value for the header ``Retry-After``."""
    return max(1, -(-(moment_ms - now_ms) // 1000))


def _utc(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)
