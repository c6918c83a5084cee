"""What providers cost by day: a cap that is exact, corrections, and the figures of the report."""

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.domain.costs import RunFigures, SpendRow

DAY = "2026-11-20"


def book(world, *, set_aside=0, plan="pro", owner_type="user", micros=0, **figures):
    world.spend.book(
        DAY,
        provider="replicate",
        model="topaz",
        plan=plan,
        owner_type=owner_type,
        figures=RunFigures(micros, **figures),
        set_aside=set_aside,
        now=world.clock,
    )


def set_aside(world, micros, cap, day=DAY):
    return world.spend.set_aside(day, micros, cap=cap, now=world.clock)


@pytest.mark.parametrize(
    ("used", "micros", "cap", "fits"),
    [
        (0, 1, 0, False), (0, 1, 1, True), (0, 100, 100, True), (0, 101, 100, False), (99, 1, 100, True),
        (100, 1, 100, False), (99, 2, 100, False), (60, 40, 100, True), (60, 41, 100, False),
    ],
)  # fmt: skip
def test_the_last_micro_fits_and_one_more_is_refused(world, used, micros, cap, fits):
    """Exact from both sides, on an unused day too; what is refused is not counted."""
    if used:
        set_aside(world, used, used)
    assert set_aside(world, micros, cap) is fits
    assert world.spend.total(DAY) == used + (micros if fits else 0)


def test_a_cap_that_was_lowered_lets_nothing_more_through(world):
    """What is spent stays spent."""
    set_aside(world, 500, 1000)
    assert set_aside(world, 1, 400) is False
    assert world.spend.total(DAY) == 500


@pytest.mark.parametrize(("cost", "total"), [(900, 900), (2300, 2300), (4000, 4000), (0, 0)])
def test_what_was_set_aside_is_corrected_by_what_it_did_cost(world, cost, total):
    """Less, the same, more, nothing."""
    set_aside(world, 2300, 10_000)
    book(world, micros=cost, set_aside=2300)
    assert world.spend.total(DAY) == total


def test_room_that_a_cheaper_run_left_can_be_used(world):
    """The correction counts at once."""
    assert set_aside(world, 2300, 2300) is True
    assert set_aside(world, 1400, 2300) is False
    book(world, micros=900, set_aside=2300)
    assert set_aside(world, 1400, 2300) is True


def test_the_report_counts_micros_runs_and_failures_by_provider_model_and_plan(world):
    """One line each; a failed run is a run."""
    book(world, micros=50)
    book(world, micros=7, failed=1)
    book(world, plan="free", micros=1)
    line = world.table.get(keys.spend(DAY, "replicate", "topaz", "pro", "user"))
    assert {name: line[name] for name in ("micros", "runs", "failed")} == {
        "micros": 57,
        "runs": 2,
        "failed": 1,
    }
    assert world.table.get(keys.spend(DAY, "replicate", "topaz", "free", "user"))["runs"] == 1
    assert world.table.get(keys.spend(DAY, "replicate", "gfpgan", "pro", "user")) is None


def test_the_rows_of_a_day_add_up_what_its_runs_did(world):
    """By type of owner, too; a row that an earlier version wrote, without one, is read by its plan."""
    ran = {"milliseconds": 900, "waited_ms": 900, "kilopixels": 1920, "plan_tenths": 10, "credit_tenths": 5}
    book(world, micros=50, **ran)
    book(world, micros=50, in_steps=1, **ran)
    book(world, plan="guest", owner_type="guest")
    set_aside(world, 1, 1)
    old = keys.spend(DAY, "replicate", "topaz", "guest", "x")
    world.table.put({**old, "sk": "replicate#topaz#guest", "runs": 2, "micros": 3, "failed": 1})
    assert list(world.spend.rows(DAY)) == [
        SpendRow("replicate", "topaz", "guest", "guest", 2, RunFigures(3, 1)),
        SpendRow("replicate", "topaz", "guest", "guest", 1, RunFigures(0)),
        SpendRow("replicate", "topaz", "pro", "user", 2, RunFigures(100, 0, 1800, 1800, 3840, 20, 10, 1)),
    ]


def test_every_day_has_its_own_cap(world):
    """Midnight, UTC."""
    assert set_aside(world, 100, 100) is True
    assert set_aside(world, 100, 100, day="2026-11-21") is True
    assert (world.spend.total(DAY), world.spend.total("2026-11-22")) == (100, 0)


def test_the_figures_end_after_more_than_a_year(world):
    """So that a year can be compared with the one before."""
    set_aside(world, 1, 1)
    book(world, micros=1, set_aside=1)
    for key in (keys.spend_total(DAY), keys.spend(DAY, "replicate", "topaz", "pro", "user")):
        assert world.table.get(key)["expires"] == world.clock // 1000 + 400 * 86_400
