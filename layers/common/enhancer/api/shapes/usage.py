"""What a caller has used and has left: images of the day, credits of the month, bought credits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from enhancer.api.shapes.wire import Wire
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import Access, Cohort, Needs, Phase
from enhancer.domain.credits import Expiring
from enhancer.domain.flags import Flags
from enhancer.domain.ledger import UsageAndBalance
from enhancer.domain.periods import day_reset_ms
from enhancer.domain.plans import Plan
from enhancer.domain.pricing import credits

LEGACY_LIMITS = {"user": 20, "guest": 3}
"""Kept for old clients; ``usage.limit`` is authoritative."""


class PeriodView(Wire):
    """Used and left in a day (images) or a month (credits). ``resetAt`` in epoch ms."""

    used: int | float
    limit: int | float
    remaining: int | float
    reset_at: int


class EntitlementsView(Wire):
    """What the plan includes. ``monthlyImages`` is the month's credits, under the name old clients know."""

    monthly_images: int
    monthly_credits: int
    daily_burst_cap: int
    max_upscale: int
    face_enhance: bool
    max_input_megapixels: int
    jobs_at_once: int

    @classmethod
    def of(cls, plan: Plan) -> EntitlementsView:
        """Return what this plan includes."""
        return cls(
            monthly_images=plan.credits_per_month,
            monthly_credits=plan.credits_per_month,
            daily_burst_cap=plan.images_per_day,
            max_upscale=plan.scale_max,
            face_enhance=plan.face,
            max_input_megapixels=plan.input_megapixels_max,
            jobs_at_once=plan.jobs_at_once,
        )


class ExpiringView(Wire):
    """Credits that expire (epoch ms) unless they are spent before."""

    credits: float
    at: int

    @classmethod
    def of(cls, expiring: Expiring) -> ExpiringView:
        """Return the view of what is left of a lot."""
        return cls(credits=credits(expiring.credits), at=expiring.at)


class CreditsView(Wire):
    """Bought credits: free to spend, held by work that is under way, and what expires next.

    ``debt``: what was to be taken back and had been spent. ``blocked``: none are spent until debt is paid and disputes
    are decided.
    """

    available: float
    held: float
    expiring_next: ExpiringView | None = None
    debt: float = 0
    blocked: bool = False

    @classmethod
    def of(cls, state: UsageAndBalance, expiring: Sequence[Expiring]) -> CreditsView:
        """Return the view of a standing and of what is left of its lots, the first to expire first."""
        balance = state.balance
        return cls(
            available=credits(balance.available),
            held=credits(balance.held),
            expiring_next=ExpiringView.of(expiring[0]) if expiring else None,
            debt=credits(balance.debt),
            blocked=state.blocked,
        )


class AccessView(Wire):
    """Whether the caller may start runs now; ``needs`` and ``upgradeUrl`` say what would let in who may not.

    ``cohort``: C0 invited, C1 on a plan that is paid for, C2 any other user, C3 guest. ``paused``: nothing new runs for
    anybody; what runs goes on.
    """

    phase: Phase
    cohort: Cohort
    admitted: bool
    needs: Needs | None
    upgrade_url: str | None
    paused: bool

    @classmethod
    def of(cls, access: Access) -> AccessView:
        """Return the view of what a caller may start."""
        return cls(
            phase=access.phase,
            cohort=access.cohort,
            admitted=access.admitted,
            needs=access.needs,
            upgrade_url=access.upgrade_url,
            paused=access.paused,
        )


class FeaturesView(Wire):
    """What the page shows: locks on what the plan lacks, and the offer to buy credits."""

    plan_gating: bool
    credits_cta: bool


class UsageView(Wire):
    """What the caller has used and has left, and may start; limits are those in force now."""

    owner_type: Literal["guest", "user"]
    plan: str
    usage: PeriodView
    monthly_usage: PeriodView
    credits: CreditsView
    credits_balance_tenths: int
    entitlements: EntitlementsView
    limits: dict[str, int]
    access: AccessView
    features: FeaturesView

    @classmethod
    def of(
        cls, caller: Caller, flags: Flags, state: UsageAndBalance, expiring: Sequence[Expiring], now: int
    ) -> UsageView:
        """Return the view of a caller's standing, of what is left of its lots, and of what the flags say."""
        plan = caller.plan
        return cls(
            owner_type=caller.owner.type,
            plan=plan.name,
            usage=day_view(plan, state, now),
            monthly_usage=month_view(plan, state),
            credits=CreditsView.of(state, expiring),
            credits_balance_tenths=state.balance.available,
            entitlements=EntitlementsView.of(plan),
            limits=LEGACY_LIMITS,
            access=AccessView.of(caller.access or flags.admits(caller)),
            features=FeaturesView(plan_gating=flags.plan_gating, credits_cta=flags.credits_cta),
        )


def day_view(plan: Plan, state: UsageAndBalance, now: int) -> PeriodView:
    """Images of today."""
    used, limit = state.day_used, plan.images_per_day
    return PeriodView(used=used, limit=limit, remaining=max(0, limit - used), reset_at=day_reset_ms(now))


def month_view(plan: Plan, state: UsageAndBalance) -> PeriodView:
    """Plan credits of the month: the paid one of a subscription, else the calendar's."""
    used, limit = state.month_used, plan.quota_tenths
    left = credits(max(0, limit - used))
    resets = state.month.resets_at
    return PeriodView(used=credits(used), limit=credits(limit), remaining=left, reset_at=resets)
