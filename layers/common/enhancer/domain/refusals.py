"""The errors of quotas that are used up: what was used, the limit, and when it is reset."""

from __future__ import annotations

from enhancer.domain.errors import DailyQuotaExceeded, KeyCapReached, NetworkQuotaExceeded
from enhancer.domain.periods import day_reset_ms, month_reset_ms, seconds_until


def daily_quota_exceeded(*, used: int, limit: int, now_ms: int) -> DailyQuotaExceeded:
    """Return the error for an owner whose plan allows no further image today; counts of images."""
    reset = day_reset_ms(now_ms)
    wait = seconds_until(reset, now_ms)
    return DailyQuotaExceeded(retry_after_seconds=wait, scope="daily", used=used, limit=limit, resetAt=reset)


def key_cap_reached(*, used: float, limit: float, now_ms: int) -> KeyCapReached:
    """Return the error for an API key whose own limit of this calendar month is reached; amounts in credits."""
    reset = month_reset_ms(now_ms)
    wait = seconds_until(reset, now_ms)
    return KeyCapReached(retry_after_seconds=wait, scope="key", used=used, limit=limit, resetAt=reset)


def network_quota_exceeded(*, used: int, limit: int, now_ms: int) -> NetworkQuotaExceeded:
    """Return the error for a guest from whose network guests may make no further image today; counts of images."""
    reset = day_reset_ms(now_ms)
    wait = seconds_until(reset, now_ms)
    return NetworkQuotaExceeded(
        retry_after_seconds=wait, scope="network", used=used, limit=limit, resetAt=reset
    )
