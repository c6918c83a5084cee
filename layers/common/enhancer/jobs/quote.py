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
from enhancer.domain.plans import NETWORK_IMAGES_PER_DAY, smallest_plan_with
from enhancer.domain.pricing import Split, credits, price_of, split
from enhancer.domain.refusals import daily_quota_exceeded, key_cap_reached, network_quota_exceeded
from enhancer.jobs.holds import insufficient
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
        permit(model, params, caller=caller, enabled=enabled)
        if megapixels > plan.input_megapixels_max:
            needed = smallest_plan_with(megapixels=megapixels)
            raise TooManyPixels(
                megapixels=megapixels, limit=plan.input_megapixels_max, plan=plan.name, requiredPlan=needed
            )
        check_input(model, megapixels, params)
        check_sync(model, megapixels, params)
        if state.day_used >= plan.images_per_day:
            raise daily_quota_exceeded(used=state.day_used, limit=plan.images_per_day, now_ms=now)
        if caller.is_guest and state.network_used >= NETWORK_IMAGES_PER_DAY:
            raise network_quota_exceeded(used=state.network_used, limit=NETWORK_IMAGES_PER_DAY, now_ms=now)
        cap = caller.key.cap if caller.key else None
        if cap is not None and key_used + total > cap:
            raise key_cap_reached(used=credits(key_used), limit=credits(cap), now_ms=now)
        if shares.credits > state.spendable:
            raise insufficient(total, caller, state)
    except EnhancerError as refusal:
        return shares, refusal
    return shares, None
