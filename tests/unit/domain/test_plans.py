"""The price list, cell by cell."""

import pytest

from enhancer.domain.errors import InvalidFields
from enhancer.domain.images import PIXELS_MAX
from enhancer.domain.plans import GUESTS_PER_NETWORK, PLANS, plan_named, rate_limit, smallest_plan_with

COLUMNS = (
    "credits_per_month", "images_per_day", "scale_max", "face", "input_megapixels_max", "jobs_at_once",
    "generate_per_minute", "jobs_per_minute", "other_per_minute", "price_per_month",
)  # fmt: skip
ROWS = {
    "guest": (30, 3, 2, False, 16, 1, 15, 10, 60, 0),
    "free": (90, 3, 2, False, 16, 1, 15, 10, 60, 0),
    "pro": (300, 30, 4, True, 32, 3, 60, 60, 120, 12),
    "premium": (1000, 100, 6, True, 48, 5, 120, 120, 120, 28),
    "team": (2000, 200, 6, True, 48, 8, 200, 200, 120, 49),
    "enterprise": (4000, 400, 8, True, 64, 10, 200, 200, 120, 99),
}
CELLS = [
    (plan, column, value) for plan, row in ROWS.items() for column, value in zip(COLUMNS, row, strict=True)
]


@pytest.mark.parametrize(("plan", "column", "value"), CELLS)
def test_every_cell_of_the_price_list_is_as_promised(plan, column, value):
    """Each limit of each plan is the one that was promised."""
    found = getattr(PLANS[plan], column)
    assert (found, type(found)) == (value, type(value))


def test_there_are_these_plans_and_no_others():
    """The list is complete and ordered from small to large."""
    assert list(PLANS) == list(ROWS)


def test_quota_and_pixels_are_counted_in_small_units():
    """A credit is ten tenths, a megapixel a million pixels."""
    assert (PLANS["pro"].quota_tenths, PLANS["pro"].input_pixels_max) == (3000, 32_000_000)


@pytest.mark.parametrize("name", ["", "PRO", "pro ", "professional", "prov2", "admin"])
def test_an_unknown_plan_is_refused_and_never_guessed(name):
    """A name that merely contains a plan's name is no plan."""
    with pytest.raises(InvalidFields):
        plan_named(name)


@pytest.mark.parametrize("name", ROWS)
def test_a_known_plan_is_found_by_its_name(name):
    """Every plan answers to its own name."""
    assert plan_named(name).name == name


@pytest.mark.parametrize(
    ("plan", "call", "limit", "window"),
    [
        ("guest", "generate", 15, 60), ("guest", "jobs", 10, 60), ("guest", "other", 60, 60),
        ("free", "other", 60, 60), ("pro", "generate", 60, 60), ("pro", "jobs", 60, 60),
        ("pro", "other", 120, 60), ("team", "generate", 200, 60), ("enterprise", "jobs", 200, 60),
        ("enterprise", "sensitive", 20, 3600), ("guest", "sensitive", 20, 3600),
    ],
)  # fmt: skip
def test_each_class_of_calls_has_its_own_limit(plan, call, limit, window):
    """Calls are limited per minute by plan; sensitive ones by the hour for everybody."""
    found = rate_limit(PLANS[plan], call)
    assert (found.name, found.limit, found.window_seconds) == (call, limit, window)


@pytest.mark.parametrize(
    ("wanted", "plan"),
    [
        ({"scale": 2}, "free"), ({"scale": 4}, "pro"), ({"scale": 6}, "premium"), ({"scale": 8}, "enterprise"),
        ({"face": True}, "pro"), ({"face": True, "scale": 6}, "premium"), ({"megapixels": 16.0}, "free"),
        ({"megapixels": 16.1}, "pro"), ({"megapixels": 64.0}, "enterprise"), ({"megapixels": 64.1}, None),
        ({"scale": 10}, None), ({}, "free"),
    ],
)  # fmt: skip
def test_the_smallest_plan_that_has_it_is_named(wanted, plan):
    """A refusal names the first user plan that would do; guests are no plan to buy."""
    assert smallest_plan_with(**wanted) == plan


def test_the_decoder_takes_what_the_largest_plan_takes():
    """Its own limit and the plans' are one."""
    assert max(plan.input_pixels_max for plan in PLANS.values()) == PIXELS_MAX


def test_a_network_gets_five_guests_worth_of_images():
    """Dropping the cookie buys nothing beyond that."""
    assert GUESTS_PER_NETWORK == 5
