"""What a plan leaves when its owner uses all of it, with the dearest model and with the embedded one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from benchmarks import cost_model, cost_use
from enhancer.domain import costs
from enhancer.domain.credits import PACKS
from enhancer.domain.entitlement import JOB_MEGAPIXELS_MAX
from enhancer.domain.models import CATALOGUE, model_named
from enhancer.domain.plans import PLANS, Plan
from enhancer.domain.pricing import price

STRIPE_SHARE, STRIPE_EACH = 0.029, 0.30
"""What Stripe keeps of a payment: a share, and so much USD. Stripe, pricing page for US cards, 2026-11."""
DAYS = 30


@dataclass(frozen=True, slots=True)
class Run:
    """A way to spend credits: ``tenths`` for an image, ``usd`` that it costs us, AWS included."""

    name: str
    tenths: int
    usd: float

    @property
    def usd_a_credit(self) -> float:
        """What a credit spent this way costs us."""
        return self.usd / self.tenths * 10


@dataclass(frozen=True, slots=True)
class Margin:
    """A plan whose credits are all spent one way: what comes in after Stripe and what goes out, in USD a month."""

    plan: str
    run: Run
    images: float
    income: float
    spent: float

    @property
    def left(self) -> float:
        """Income less cost."""
        return self.income - self.spent


@cache
def aws_usd() -> float:
    """What AWS costs for an average image beside the embedded model's own seconds, at 100,000 images a month."""
    month = cost_model.month(100_000)
    model = (
        cost_use.waiting_seconds()[1]
        * cost_use.memory_of("Upscale")
        / 1024
        * costs.LAMBDA_MICROS_PER_GB_SECOND
        / 1e6
    )
    return (month.total - month.of("Providers")) / month.images - model


def hosted() -> list[Run]:
    """Return every hosted model at its smallest scale, where a credit of its price costs us most."""
    base = aws_usd()
    found = []
    for model in CATALOGUE:
        if model.provider != "embedded":
            scale = model.scales[0] if model.scales else 0
            tenths = price(model, scale=scale, face=False, quality="standard")
            found.append(Run(model.alias, tenths, base + costs.estimated(model.slug) / 1e6))
    return found


def embedded(quality: str, megapixels: float) -> Run:
    """Return a run of the embedded model, twice as large."""
    seconds = cost_use.model_seconds("local", megapixels=megapixels, quality=quality)
    micros = costs.lambda_cost(seconds=seconds, memory_mb=cost_use.memory_of("Upscale"))
    tenths = price(model_named("local"), scale=2, face=False, quality=quality)
    usd = aws_usd() + micros / 1e6
    return Run(f"embedded, {quality}, {megapixels:g} megapixels", tenths, usd)


def largest(plan: Plan, quality: str) -> Run:
    """Return the dearest run of the embedded model that a plan allows: the largest picture a job takes."""
    return embedded(quality, min(JOB_MEGAPIXELS_MAX[quality], plan.input_megapixels_max))


def dearest() -> Run:
    """Return the hosted model of which a credit costs us most."""
    return max(hosted(), key=lambda run: run.usd_a_credit)


def margins() -> list[Margin]:
    """Return each plan with the dearest hosted model, the embedded one, and the embedded one at its dearest."""
    typical = embedded("standard", cost_use.MEGAPIXELS)
    return [
        _margin(plan, run)
        for plan in PLANS.values()
        for run in (dearest(), typical, largest(plan, "standard"), largest(plan, "pro"))
    ]


def _margin(plan: Plan, run: Run) -> Margin:
    images = min(plan.credits_per_month * 10 / run.tenths, plan.images_per_day * DAYS)
    paid = plan.price_per_month
    income = paid * (1 - STRIPE_SHARE) - STRIPE_EACH if paid else 0.0
    return Margin(plan.name, run, images, income, images * run.usd)


def packs() -> list[tuple[int, float, float]]:
    """Return, for each pack of credits, what comes in for a credit and what the dearest credit costs us, in USD."""
    plan = PLANS["enterprise"]
    worst = max(run.usd_a_credit for run in (dearest(), largest(plan, "standard"), largest(plan, "pro")))
    return [
        (pack.credits, (pack.cents / 100 * (1 - STRIPE_SHARE) - STRIPE_EACH) / pack.credits, worst)
        for pack in PACKS.values()
    ]
