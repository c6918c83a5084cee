"""What a run costs its owner, in whole tenths of a credit."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.models import Model, Params

SCALE_SURCHARGE_TENTHS = {0: 0, 2: 0, 4: 10, 6: 20, 8: 30}
"""Added to a model's base price, by scale; 0 is a model without that choice."""
FACE_SURCHARGE_TENTHS = 5
"""Added for face restoration."""
QUALITY_FACTOR = {"standard": 1, "pro": 2}
"""What base price and surcharges are multiplied with."""
PRICE_MIN_TENTHS = 1
"""No run costs less."""


@dataclass(frozen=True, slots=True)
class Split:
    """How a price is paid, in tenths: ``plan`` from the plan's credits of the month, ``credits`` from bought ones."""

    plan: int
    credits: int

    @property
    def total(self) -> int:
        """The whole price, in tenths."""
        return self.plan + self.credits


FREE = Split(plan=0, credits=0)
"""The price of a result that its owner has paid for before."""


def price(model: Model, *, scale: int, face: bool, quality: str) -> int:
    """Return the price of one image in tenths. ``scale`` is 0 for a model without that choice."""
    extras = SCALE_SURCHARGE_TENTHS[scale] + (FACE_SURCHARGE_TENTHS if face else 0)
    return max(PRICE_MIN_TENTHS, (model.base_tenths + extras) * QUALITY_FACTOR[quality])


def price_of(model: Model, params: Params) -> int:
    """Return the price of one image with these parameters, in tenths."""
    return price(model, scale=params.scale, face=params.face, quality=params.quality)


def split(total: int, *, plan_left: int) -> Split:
    """Split a price: what is left of the plan's month (``plan_left``) first, bought credits for the rest; in tenths."""
    from_plan = min(total, max(0, plan_left))
    return Split(plan=from_plan, credits=total - from_plan)


def tenths(amount: int) -> int:
    """Return whole credits, as people give them, in tenths, as everything inside counts them."""
    return amount * 10


def credits(amount: int) -> float:
    """Return tenths in credits, as everything outside shows them: at most one decimal."""
    return amount / 10
