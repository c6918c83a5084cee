"""Refusals by a quota that is used up."""

import pytest

from enhancer.domain.refusals import daily_quota_exceeded, network_quota_exceeded
from tests.support.world import at


@pytest.mark.parametrize(
    ("refusal", "scope"), [(daily_quota_exceeded, "daily"), (network_quota_exceeded, "network")]
)
def test_a_quota_refusal_tells_scope_use_limit_and_end(refusal, scope):
    """Everything a client needs to say why and until when."""
    now = at("2026-11-20 23:00:00")
    problem = refusal(used=3, limit=3, now_ms=now)
    assert problem.retry_after_seconds == 3600
    assert problem.details == {"scope": scope, "used": 3, "limit": 3, "resetAt": now + 3_600_000}
