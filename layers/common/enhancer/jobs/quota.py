"""What is left of day, month and credits, looked at before any work. The hold that follows decides (`Ledger.hold`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enhancer.domain.digests import key_hash_of
from enhancer.domain.errors import InsufficientCredits, LimitReached
from enhancer.domain.plans import network_images_per_day
from enhancer.domain.pricing import credits, split
from enhancer.domain.refusals import daily_quota_exceeded, key_cap_reached, network_quota_exceeded
from enhancer.jobs.holds import insufficient

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.domain.callers import Caller
    from enhancer.domain.ledger import UsageAndBalance


def check_left(total: int, state: UsageAndBalance, *, caller: Caller, now: int, key_used: int = 0) -> None:
    """Raise the refusal that a hold of ``total`` (tenths) would meet in this state; ``now`` in epoch ms.

    ``key_used``: what the caller's API key used this month, in tenths.
    """
    plan = caller.plan
    if state.day_used >= plan.images_per_day:
        raise daily_quota_exceeded(used=state.day_used, limit=plan.images_per_day, now_ms=now)
    networkwide = network_images_per_day(plan)
    if caller.is_guest and state.network_used >= networkwide:
        raise network_quota_exceeded(used=state.network_used, limit=networkwide, now_ms=now)
    cap = caller.key.cap if caller.key else None
    if cap is not None and key_used + total > cap:
        raise key_cap_reached(used=credits(key_used), limit=credits(cap), now_ms=now)
    if split(total, plan_left=plan.quota_tenths - state.month_used).credits > state.spendable:
        raise insufficient(total, caller, state)


def check_guest(
    total: int, *, caller: Caller, ledger: Ledger, now: int, idempotency_key: str | None = None
) -> None:
    """Refuse a guest who has nothing left before their picture is uploaded or decoded; anybody can be a guest.

    A request whose key already stands for a job goes on, to be answered with that job. Users are let through: what
    they paid for before is free for them, which only the decoded picture tells.
    """
    if not caller.is_guest:
        return
    state = ledger.usage_and_balance(
        caller.owner, now=now, month=caller.month_at(now), network=caller.guest_network
    )
    try:
        check_left(total, state, caller=caller, now=now)
    except (LimitReached, InsufficientCredits):
        key_hash = key_hash_of(idempotency_key)
        if key_hash and ledger.earlier(caller.owner, key_hash=key_hash, now=now).key:
            return
        raise
