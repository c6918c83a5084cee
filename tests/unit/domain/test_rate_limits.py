"""Rate limits as arithmetic: bursts, waits, clocks that jump."""

import random
from bisect import bisect_left

import pytest

from enhancer.domain.plans import PLANS, rate_limit
from enhancer.domain.rate_limits import RateLimit
from tests.support.world import at


class Caller:
    """Follows a limit as the table does."""

    def __init__(self, limit, now):
        self.limit, self.tat, self.now = limit, 0, now

    def call(self):
        """Return whether a call now is allowed, and count it if so."""
        if self.tat > self.limit.latest_ms(self.now):
            return False
        self.tat = max(self.tat, self.now) + self.limit.interval_ms
        return True

    def burst(self, tries=1000):
        """Return how many calls pass at once."""
        return sum(self.call() for _ in range(tries))


LIMITS = [
    RateLimit("x", limit, window_seconds=window)
    for limit, window in ((1, 60), (10, 60), (15, 60), (20, 3600), (30, 60), (60, 60), (120, 60), (200, 60))
]


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.limit}per{limit.window_seconds}")
def test_a_burst_is_never_more_than_the_limit(limit):
    """However many calls come at once, exactly the limit passes."""
    caller = Caller(limit, at("2026-11-20 12:00:00"))
    assert caller.burst() == limit.limit
    caller.now += limit.window_ms
    assert caller.burst() == limit.limit


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.limit}per{limit.window_seconds}")
def test_the_wait_is_exact_to_the_second_and_the_limit_to_the_millisecond(limit):
    """After Retry-After seconds a call passes; one millisecond before the interval is over none does."""
    caller = Caller(limit, at("2026-11-20 12:00:00"))
    caller.burst()
    start = caller.now
    wait = limit.retry_after(caller.tat, start)
    caller.now = start + limit.interval_ms - 1
    assert caller.call() is False
    caller.now = start + wait * 1000
    assert caller.call() is True
    assert wait == -(-limit.interval_ms // 1000)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: f"{limit.limit}per{limit.window_seconds}")
def test_greedy_callers_never_get_more_than_twice_the_limit_in_any_window(limit):
    """A caller who always takes all there is gets one burst and the steady rate, never two bursts at an edge."""
    caller, chance = Caller(limit, at("2026-11-20 12:00:00")), random.Random(limit.limit)  # noqa: S311
    passed = []
    for _ in range(300):
        caller.now += chance.choice((1, limit.interval_ms // 3, limit.interval_ms, limit.window_ms - 1, 7))
        passed += [caller.now] * caller.burst(limit.limit + 3)
    for first, moment in enumerate(passed):
        within = bisect_left(passed, moment + limit.window_ms) - first
        assert within <= max(1, 2 * limit.limit - 1)


def test_every_limit_we_promise_divides_its_window_evenly():
    """No rounding makes a promised limit looser or tighter than it says."""
    for plan in PLANS.values():
        for call in ("generate", "jobs", "other", "sensitive"):
            limit = rate_limit(plan, call)
            assert limit.interval_ms * limit.limit == limit.window_ms


def test_remaining_counts_what_a_burst_would_get():
    """After each call the rest of the burst is told exactly."""
    limit = RateLimit("x", 10)
    caller = Caller(limit, 1_000_000_000)
    left = [limit.remaining(caller.tat, caller.now) for _ in range(10) if caller.call()]
    assert left == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    caller.now += 6000
    assert limit.remaining(caller.tat, caller.now) == 1
    assert limit.remaining(0, caller.now) == 10


def test_a_clock_that_goes_back_never_grants_more_and_waits_exactly_longer():
    """After an hour back nothing passes until the old moment; an hour forward gives one burst, not two."""
    limit = RateLimit("x", 10)
    caller = Caller(limit, at("2026-11-20 12:00:00"))
    caller.burst()
    caller.now -= 3_600_000
    assert caller.burst() == 0
    assert limit.retry_after(caller.tat, caller.now) == 3600 + 6
    caller.now += 7_200_000
    assert caller.burst() == 10
