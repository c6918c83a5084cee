"""Periods and rate limits: pure arithmetic on UTC time in epoch milliseconds."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

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


def _utc(now_ms: int) -> datetime:
    return datetime.fromtimestamp(now_ms / 1000, UTC)
