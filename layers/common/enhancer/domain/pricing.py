"""What a run costs its owner, in tenths of a credit. Integers only."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.models import Model

SCALE_SURCHARGE_TENTHS = {0: 0, 2: 0, 4: 10, 6: 20, 8: 30}
FACE_SURCHARGE_TENTHS = 5
QUALITY_FACTOR = {"standard": 1, "pro": 2}
PRICE_MIN_TENTHS = 1


@dataclass(frozen=True, slots=True)
class Split:
    """A price and who pays it: the plan's month first, then bought credits. All in tenths."""

    plan: int
    credits: int

    @property
    def total(self) -> int:
        """The whole price."""
        return self.plan + self.credits


FREE = Split(plan=0, credits=0)
"""The price of a result this owner already paid for."""


def price(model: Model, *, scale: int, face: bool, quality: str) -> int:
    """Return the price of one image in tenths. ``scale`` is 0 for a model that keeps the size."""
    extras = SCALE_SURCHARGE_TENTHS[scale] + (FACE_SURCHARGE_TENTHS if face else 0)
    return max(PRICE_MIN_TENTHS, (model.base_tenths + extras) * QUALITY_FACTOR[quality])


def split(total: int, *, plan_left: int) -> Split:
    """Let the plan's month pay what it can and bought credits the rest."""
    from_plan = min(total, max(0, plan_left))
    return Split(plan=from_plan, credits=total - from_plan)


def tenths(amount: int) -> int:
    """Return whole credits, as people give them, in tenths, as everything inside counts them."""
    return amount * 10


def credits(amount: int) -> float:
    """Return tenths in credits, as everything outside shows them: at most one decimal."""
    return amount / 10
