"""What the sweep measures each minute: open jobs, the age of the oldest, how much of the day's money is spent."""

import pytest

from enhancer.domain.costs import SPEND_CAP_MICROS, spend_share
from enhancer.domain.jobs import DEADLINE_MS
from enhancer.domain.periods import day_of
from enhancer.jobs import manage


def test_nothing_open_and_nothing_spent_is_told_too(world, counted):
    """Zeros end an alarm; silence means that the sweep does not run."""
    world.sweep()
    assert counted("OpenJobs") == counted("OldestJobSeconds") == counted("SpendShare") == {"": [0.0]}


def test_the_oldest_job_counts_as_the_sweep_found_it(world, counted):
    """One that this very sweep ends was five minutes without progress: somebody should know."""
    caller = world.caller("team")
    world.batch(caller, 1)
    world.clock += DEADLINE_MS + 1000
    world.batch(caller, 1)
    world.clock += 4000
    assert world.sweep().expired == 1
    assert counted("OpenJobs") == {"": [2.0]}
    assert counted("OldestJobSeconds") == {"": [305.0]}
    counted.forget()
    world.sweep()
    assert (counted("OpenJobs"), counted("OldestJobSeconds")) == ({"": [1.0]}, {"": [4.0]})


def test_a_retry_is_as_old_as_its_order(world, counted):
    """Not as the first attempt, which may be weeks old."""
    caller = world.caller("pro")
    job = world.batch(caller, 1)
    world.execute(job, errors={0: "ImageUnreadable"})
    world.clock += 86_400_000
    manage.retry(world.stored(job), caller=caller, idempotency_key=None, deps=world.job_deps)
    world.clock += 2000
    counted.forget()
    world.sweep()
    assert counted("OldestJobSeconds") == {"": [2.0]}


def test_what_is_spent_is_told_as_a_share_of_the_cap_in_force(world, counted):
    """The flag's cap, not the default one."""
    world.spend_cap = 5_000_000
    world.spend.set_aside(day_of(world.clock), 4_100_000, cap=world.spend_cap, now=world.clock)
    world.sweep()
    assert counted("SpendShare") == {"": [82.0]}


def test_a_sweep_that_cannot_measure_repairs_all_the_same(world, counted, monkeypatch):
    """Its metrics are missing, and its own alarm tells."""
    world.batch(world.caller("pro"), 1)
    world.clock += DEADLINE_MS + 1
    monkeypatch.setattr(world.spend, "total", lambda day: 1 / 0)
    swept = world.sweep()
    assert (swept.expired, swept.broken) == (1, 1)
    assert counted("OpenJobs") == {"": [1.0]}


@pytest.mark.parametrize(
    ("used", "cap", "share"),
    [
        (0, SPEND_CAP_MICROS, 0.0),
        (10_000_000, SPEND_CAP_MICROS, 50.0),
        (0, 0, 0.0),
        (1, 0, 100.0),
        (19_949_999, SPEND_CAP_MICROS, 99.75),
        (19_950_001, SPEND_CAP_MICROS, 100.0),
        (30_000_000, SPEND_CAP_MICROS, 150.0),
    ],
)
def test_the_cap_is_reached_when_the_dearest_run_does_not_fit_any_more(used, cap, share):
    """The cap itself is never exceeded by what is set aside, so 100 % alone would never be seen."""
    assert spend_share(used, cap=cap) == share
