"""Refusals by a quota that is used up: what was used, the limit, and when to come back."""

from __future__ import annotations

from enhancer.domain.errors import DailyQuotaExceeded, KeyCapReached, NetworkQuotaExceeded
from enhancer.domain.periods import day_reset_ms, month_reset_ms, seconds_until


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
