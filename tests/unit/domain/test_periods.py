"""Days and months as arithmetic: midnight, month ends, leap days, clocks that jump."""

import random

import pytest

from enhancer.domain.periods import day_of, day_reset_ms, month_of, month_reset_ms, seconds_until
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
