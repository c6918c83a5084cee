"""What runs cost, by hand-made tables."""

import pytest

from enhancer.domain.models import model_named
from enhancer.domain.pricing import Split, credits, price, split


@pytest.mark.parametrize(
    ("model", "scale", "face", "quality", "tenths"),
    [
        ("local", 2, False, "standard", 10), ("local", 4, False, "standard", 20),
        ("local", 6, False, "standard", 30), ("local", 8, False, "standard", 40),
        ("local", 2, False, "pro", 20), ("local", 4, False, "pro", 40), ("local", 6, False, "pro", 60),
        ("local", 8, False, "pro", 80), ("real-esrgan", 2, True, "standard", 15),
        ("real-esrgan", 4, True, "standard", 25), ("real-esrgan", 8, True, "standard", 45),
        ("gfpgan", 0, False, "standard", 10), ("topaz", 0, False, "standard", 10),
        ("nano-banana", 0, False, "standard", 100), ("sd15", 0, False, "standard", 10),
        ("flux-klein", 0, False, "standard", 12),
    ],
)  # fmt: skip
def test_the_price_is_base_plus_surcharges_times_quality(model, scale, face, quality, tenths):
    """Every combination that is offered costs what the price list says, in whole tenths."""
    found = price(model_named(model), scale=scale, face=face, quality=quality)
    assert (found, type(found)) == (tenths, int)


@pytest.mark.parametrize(
    ("total", "plan_left", "plan", "bought"),
    [
        (10, 10, 10, 0), (10, 5, 5, 5), (10, 0, 0, 10), (10, 3000, 10, 0), (10, -40, 0, 10), (100, 50, 50, 50),
        (0, 10, 0, 0), (1, 1, 1, 0),
    ],
)  # fmt: skip
def test_the_plans_month_pays_first_and_credits_the_rest(total, plan_left, plan, bought):
    """The plan pays what it can, also when it is overdrawn; nothing is lost between the two."""
    shares = split(total, plan_left=plan_left)
    assert shares == Split(plan=plan, credits=bought)
    assert shares.total == total


@pytest.mark.parametrize(("tenths", "shown"), [(0, 0.0), (1, 0.1), (15, 1.5), (3000, 300.0)])
def test_tenths_are_shown_with_one_decimal(tenths, shown):
    """Outside, an amount is credits with one decimal."""
    assert str(credits(tenths)) == str(shown)
