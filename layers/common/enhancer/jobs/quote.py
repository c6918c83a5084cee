"""What a run would cost, who would pay, and the first refusal it would meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from enhancer.domain.entitlement import check_input, check_sync
from enhancer.domain.errors import (
    EnhancerError,
    TooManyPixels,
)
from enhancer.domain.ledger import UsageAndBalance
from enhancer.domain.models import Model, Params
from enhancer.domain.plans import smallest_plan_with
from enhancer.domain.pricing import Split, price_of, split
from enhancer.jobs import quota
from enhancer.jobs.submit import permit

if TYPE_CHECKING:
    from enhancer.domain.callers import Caller


def quote_run(
    model: Model,
    params: Params,
    *,
    megapixels: float,
    caller: Caller,
    enabled: Callable[[Model], bool],
    state: UsageAndBalance,
    now: int,
    key_used: int = 0,
) -> tuple[Split, EnhancerError | None]:
    """Return what a run would cost, who would pay, and the first refusal it would meet (None: it would run).

    ``megapixels`` is the size of the picture, 0 when it is not known yet; ``key_used`` what the caller's API key
    used this month, in tenths.
    """
    total = price_of(model, params)
    plan = caller.plan
    shares = split(total, plan_left=plan.quota_tenths - state.month_used)
    try:
        caller.check_access()
        permit(model, params, caller=caller, enabled=enabled)
        if megapixels > plan.input_megapixels_max:
            needed = smallest_plan_with(megapixels=megapixels)
            raise TooManyPixels(
                megapixels=megapixels, limit=plan.input_megapixels_max, plan=plan.name, requiredPlan=needed
            )
        check_input(model, megapixels, params)
        check_sync(model, megapixels, params)
        quota.check_left(total, state, caller=caller, now=now, key_used=key_used)
    except EnhancerError as refusal:
        return shares, refusal
    return shares, None
