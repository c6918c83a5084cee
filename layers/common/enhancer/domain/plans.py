"""The plans and what each includes. Change the product's limits here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from enhancer.domain.errors import InvalidFields
from enhancer.domain.pricing import tenths
from enhancer.domain.rate_limits import RateLimit


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan and its limits.

    ``credits_per_month``: whole credits. ``images_per_day``: images, over all models. ``scale_max``: the largest scale.
    ``face``: face restoration is included. ``jobs_at_once``: unfinished jobs, and images of one job worked on at a
    time. ``generate_per_minute``, ``jobs_per_minute``, ``other_per_minute``: calls, see `rate_limit`.
    ``price_per_month``: whole units of `credits.CURRENCY`, 0 for a plan that is not sold.
    """

    name: str
    credits_per_month: int
    images_per_day: int
    scale_max: int
    face: bool
    input_megapixels_max: int
    jobs_at_once: int
    generate_per_minute: int
    jobs_per_minute: int
    other_per_minute: int
    price_per_month: int

    @property
    def quota_tenths(self) -> int:
        """Monthly credits in tenths."""
        return tenths(self.credits_per_month)

    @property
    def input_pixels_max(self) -> int:
        """Largest input, in pixels."""
        return self.input_megapixels_max * 1_000_000


PLANS: dict[str, Plan] = {
    plan.name: plan
    for plan in (
        #    name        credits images scale face   MP jobs gen jobs other price
        Plan("guest", 30, 3, 2, False, 16, 1, 15, 10, 60, 0),
        Plan("free", 90, 3, 2, False, 16, 1, 15, 10, 60, 0),
        Plan("pro", 300, 30, 4, True, 32, 3, 60, 60, 120, 12),
        Plan("premium", 1000, 100, 6, True, 48, 5, 120, 120, 120, 28),
        Plan("team", 2000, 200, 6, True, 48, 8, 200, 200, 120, 49),
        Plan("enterprise", 4000, 400, 8, True, 64, 10, 200, 200, 120, 99),
    )
}
"""By name, from the smallest to the largest."""

RateClass = Literal["generate", "jobs", "other", "sensitive"]
"""Which rate limit a call counts against: enhancing one image, making jobs, anything else, or a sensitive call."""
SENSITIVE_PER_HOUR = 20
"""Calls per owner and hour to open a checkout, cancel a subscription or make an API key."""
GUESTS_PER_NETWORK = 5
"""All guests of a network together get the images of this many, so that dropping the cookie gains little."""


def network_images_per_day(plan: Plan) -> int:
    """Return how many images all guests of a network together may make in a day, by the plan of one of them."""
    return GUESTS_PER_NETWORK * plan.images_per_day


def plan_named(name: str) -> Plan:
    """Return the plan with this name; raise `InvalidFields` where there is none."""
    if name not in PLANS:
        raise InvalidFields(fields=[{"field": "plan", "problem": "unknown", "allowed": list(PLANS)}])
    return PLANS[name]


def rate_limit(plan: Plan, name: RateClass) -> RateLimit:
    """Return the rate limit of a plan for one class of calls."""
    match name:
        case "generate":
            return RateLimit(name, plan.generate_per_minute)
        case "jobs":
            return RateLimit(name, plan.jobs_per_minute)
        case "other":
            return RateLimit(name, plan.other_per_minute)
        case "sensitive":
            return RateLimit(name, SENSITIVE_PER_HOUR, window_seconds=3600)


def smallest_plan_with(
    *, scale: int = 0, face: bool = False, megapixels: float = 0.0, plans: Mapping[str, Plan] = PLANS
) -> str | None:
    """Return the name of the smallest plan of a user that includes all of this, None where no plan does.

    ``plans``: all of them, from the smallest to the largest, within the operator's caps where those count.
    """
    for plan in plans.values():
        fits = plan.scale_max >= scale and (plan.face or not face) and plan.input_megapixels_max >= megapixels
        if fits and plan.name != "guest":
            return plan.name
    return None
