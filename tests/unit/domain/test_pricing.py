"""What runs cost, by hand-made tables."""

import itertools

import pytest

from enhancer.domain import costs
from enhancer.domain.credits import PACKS
from enhancer.domain.entitlement import (
    JOB_MEGAPIXELS_MAX,
    PROVIDER_OUTPUT_MEGAPIXELS_MAX,
    SECOND_PASS_FACTOR,
    check_input,
    check_job,
)
from enhancer.domain.images import OUTPUT_PIXELS_MAX
from enhancer.domain.models import CATALOGUE, Params, model_named
from enhancer.domain.plans import PLANS
from enhancer.domain.pricing import Split, credits, price, split
from enhancer.domain.stripe_prices import ANNUAL_MONTHS


@pytest.mark.parametrize(
    ("model", "scale", "face", "quality", "tenths"),
    [
        ("local", 2, False, "standard", 10), ("local", 4, False, "standard", 20),
        ("local", 6, False, "standard", 30), ("local", 8, False, "standard", 40),
        ("local", 2, False, "pro", 20), ("local", 4, False, "pro", 40), ("local", 6, False, "pro", 60),
        ("local", 8, False, "pro", 80), ("real-esrgan", 2, True, "standard", 15),
        ("real-esrgan", 4, True, "standard", 25), ("real-esrgan", 8, True, "standard", 45),
        ("gfpgan", 0, False, "standard", 10), ("topaz", 0, False, "standard", 50),
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


# ------------------------------------------------------------------------------------------- margin

MARGIN = 2
"""Every price is at least so many times its cost."""
VCPU_SECONDS = {"standard": 6.0, "pro": 380.0}
"""Of the embedded model for a megapixel that passes through its network, measured: docs/performance.md."""
RESULT_VCPU_SECONDS = 0.2
"""For a megapixel of its result to be encoded and stored; all memory is paid for meanwhile."""
VCPU_MB = 1769


def cheapest_credit():
    """The fewest USD micros that a credit is sold for: in a pack, or in a plan by the month or the year."""
    packs = [pack.cents * 10_000 / pack.credits for pack in PACKS.values()]
    months = [
        plan.price_per_month * 1_000_000 * share / plan.credits_per_month
        for plan in PLANS.values()
        for share in (1, ANNUAL_MONTHS / 12)
        if plan.price_per_month
    ]
    return min(packs + months)


def dearest_run(model, scale, quality):
    """What the largest picture that the model takes costs us, in USD micros."""
    params = Params(scale, quality=quality)
    factor = scale or model.factor
    if model.provider == "embedded":
        passes = SECOND_PASS_FACTOR if scale > 4 else 1
        source = min(JOB_MEGAPIXELS_MAX[quality] / passes, max(OUTPUT_PIXELS_MAX.values()) / 1e6 / factor**2)
        check_job(model, source, params)
        work = source * passes * VCPU_SECONDS[quality] + source * factor**2 * RESULT_VCPU_SECONDS
        return costs.lambda_cost(seconds=work, memory_mb=VCPU_MB)
    source = model.input_megapixels_max or max(plan.input_megapixels_max for plan in PLANS.values())
    check_input(model, min(source, PROVIDER_OUTPUT_MEGAPIXELS_MAX / factor**2), params)
    side = model.work_side_max or int((source * 1e6) ** 0.5) * factor
    found = costs.cost(model.slug, input_size=(side, side), output_size=(side, side))
    return max(found, costs.estimated(model.slug))


@pytest.mark.parametrize("face", [False, True])
@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.alias)
def test_every_price_is_twice_its_cost_or_more_at_the_cheapest_credit_sold(model, face):
    """All scales and qualities, with the largest picture: nothing is sold at a loss, however it was bought."""
    for scale, quality in itertools.product(model.scales or (0,), model.qualities):
        tenths = price(model, scale=scale, face=face and model.face, quality=quality)
        earned = tenths / 10 * cheapest_credit()
        spent = dearest_run(model, scale, quality)
        assert earned >= MARGIN * spent, (model.alias, scale, quality, earned, spent)


def test_the_cheapest_credit_is_a_years_worth_of_the_team_plan():
    """Two cents: 490 dollars for 24,000 credits."""
    assert round(cheapest_credit()) == 20_417
