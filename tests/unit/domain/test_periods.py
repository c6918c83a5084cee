"""Periods and rate limits as arithmetic: midnight, month ends, leap days, clocks that jump."""

import random
from bisect import bisect_left

import pytest

from enhancer.domain.periods import day_of, day_reset_ms, month_of, month_reset_ms, seconds_until
from enhancer.domain.plans import PLANS, rate_limit
from enhancer.domain.rate_limits import RateLimit
from enhancer.domain.refusals import daily_quota_exceeded, network_quota_exceeded
from tests.support.world import at


@pytest.mark.parametrize(
    ("moment", "day", "next_day", "next_month"),
    [
        ("2026-11-20 00:00:00", "2026-11-20", "2026-11-21", "2026-12-01"),
        ("2026-11-20 23:59:59", "2026-11-20", "2026-11-21", "2026-12-01"),
        ("2026-11-20 23:59:59.999", "2026-11-20", "2026-11-21", "2026-12-01"),
        ("2026-11-21 00:00:00", "2026-11-21", "2026-11-22", "2026-12-01"),
        ("2026-12-31 23:59:59", "2026-12-31", "2027-01-01", "2027-01-01"),
        ("2027-01-01 00:00:00", "2027-01-01", "2027-01-02", "2027-02-01"),
        ("2027-01-31 12:00:00", "2027-01-31", "2027-02-01", "2027-02-01"),
        ("2027-02-28 23:59:59", "2027-02-28", "2027-03-01", "2027-03-01"),
        ("2028-02-28 23:59:59", "2028-02-28", "2028-02-29", "2028-03-01"),
        ("2028-02-29 23:59:59", "2028-02-29", "2028-03-01", "2028-03-01"),
        ("2026-03-29 01:30:00", "2026-03-29", "2026-03-30", "2026-04-01"),
        ("2026-10-25 01:30:00", "2026-10-25", "2026-10-26", "2026-11-01"),
    ],
)
def test_periods_follow_utc_at_every_boundary(moment, day, next_day, next_month):
    """Day, month and their ends are UTC, whatever clocks on walls do."""
    now = at(moment)
    assert day_of(now) == day
    assert month_of(now) == day[:7]
    assert day_reset_ms(now) == at(f"{next_day} 00:00:00")
    assert month_reset_ms(now) == at(f"{next_month} 00:00:00")


def test_the_moment_of_reset_is_in_the_next_period():
    """A thousand random moments: at resetAt the period is another one, a millisecond before it is the same."""
    chance = random.Random(3)  # noqa: S311 - reproducible on purpose
    for _ in range(1000):
        now = chance.randrange(at("2024-01-01 00:00:00"), at("2032-01-01 00:00:00"))
        for period, reset in ((day_of, day_reset_ms), (month_of, month_reset_ms)):
            end = reset(now)
            assert end > now
            assert period(end - 1) == period(now)
            assert period(end) != period(now)


def test_a_clock_that_goes_back_an_hour_names_the_earlier_day():
    """Stepping back over midnight uses yesterday's counter again, which still knows what was used."""
    now = at("2026-11-21 00:30:00")
    assert day_of(now - 3_600_000) == "2026-11-20"
    assert day_reset_ms(now - 3_600_000) == at("2026-11-21 00:00:00")


@pytest.mark.parametrize(
    ("ahead_ms", "seconds"), [(1, 1), (999, 1), (1000, 1), (1001, 2), (60_000, 60), (0, 1), (-5000, 1)]
)
def test_waits_are_whole_seconds_rounded_up_and_never_zero(ahead_ms, seconds):
    """After that many seconds the moment has come, and no client is told to come back at once."""
    assert seconds_until(1_000_000 + ahead_ms, 1_000_000) == seconds


@pytest.mark.parametrize(
    ("refusal", "scope"), [(daily_quota_exceeded, "daily"), (network_quota_exceeded, "network")]
)
def test_a_quota_refusal_tells_scope_use_limit_and_end(refusal, scope):
    """Everything a client needs to say why and until when."""
    now = at("2026-11-20 23:00:00")
    problem = refusal(used=3, limit=3, now_ms=now)
    assert problem.retry_after_seconds == 3600
    assert problem.details == {"scope": scope, "used": 3, "limit": 3, "resetAt": now + 3_600_000}


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
