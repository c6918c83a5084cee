"""Shapes of requests and answers about money: amounts in cents, credits with one decimal, times in epoch ms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from enhancer.api.shapes.usage import ExpiringView
from enhancer.api.shapes.wire import Asked, ReturnTo, Wire
from enhancer.domain.accounts import Account
from enhancer.domain.credits import CURRENCY, PACKS, VALID_DAYS, VALID_MONTHS, Expiring
from enhancer.domain.ledger import Balance, Entry, UsageAndBalance
from enhancer.domain.payments import Interval
from enhancer.domain.periods import DAY_MS
from enhancer.domain.plans import PLANS, Plan
from enhancer.domain.pricing import credits
from enhancer.domain.stripe_prices import ANNUAL_MONTHS, Prices
from enhancer.domain.subscriptions import GRACE_MS, current, following

ACTORS = ("stripe", "quota_reset")
"""Automatic actors, which owners are shown by name; all others are shown as "admin"."""


class PackRequest(Asked):
    """A pack of credits. ``returnTo``: the path of our page to come back to."""

    pack: int = Field(ge=1, le=1_000_000, json_schema_extra={"enum": [*PACKS]})
    return_to: ReturnTo | None = None


class SubscriptionRequest(Asked):
    """A plan by the month or by the year."""

    plan: str = Field(max_length=40, json_schema_extra={"enum": [*list(PLANS)[2:]]})
    interval: Interval
    return_to: ReturnTo | None = None


class PortalRequest(Asked):
    """Where to come back to."""

    return_to: ReturnTo | None = None


class MoneyView(Wire):
    """What something costs, in cents; ``available``: whether it can be bought here now."""

    amount: int
    currency: str
    available: bool


class PlanView(Wire):
    """A plan on the price list; what is never sold has no price."""

    plan: str
    credits_per_month: int
    images_per_day: int
    max_upscale: int
    face_enhance: bool
    max_input_megapixels: int
    jobs_at_once: int
    monthly: MoneyView | None
    annual: MoneyView | None

    @classmethod
    def of(cls, plan: Plan, prices: Prices, *, open_: bool) -> PlanView:
        """Return a plan; ``open_``: whether anything can be paid here."""
        month = plan.price_per_month * 100
        monthly = prices.sells(plan.name, "monthly") and open_
        annually = prices.sells(plan.name, "annual") and open_
        return cls(
            plan=plan.name,
            credits_per_month=plan.credits_per_month,
            images_per_day=plan.images_per_day,
            max_upscale=plan.scale_max,
            face_enhance=plan.face,
            max_input_megapixels=plan.input_megapixels_max,
            jobs_at_once=plan.jobs_at_once,
            monthly=MoneyView(amount=month, currency=CURRENCY, available=monthly or not month),
            annual=MoneyView(amount=month * ANNUAL_MONTHS, currency=CURRENCY, available=annually)
            if month
            else None,
        )


class PackView(Wire):
    """A pack of so many credits, its price in cents."""

    pack: int
    amount: int
    currency: str
    available: bool


class ExpiryView(Wire):
    """How long bought credits last: months and then days."""

    months: int
    days: int


class PricesView(Wire):
    """The price list. ``testMode``: no real money moves. ``graceDays``: how long a plan outlives a missing payment."""

    plans: list[PlanView]
    packs: list[PackView]
    expiry: ExpiryView
    grace_days: int
    test_mode: bool

    @classmethod
    def of(cls, prices: Prices, mode: Literal["live", "test"] | None) -> PricesView:
        """Return what is sold, and whether with this kind of money it can be bought."""
        return cls(
            plans=[
                PlanView.of(plan, prices, open_=mode is not None)
                for plan in PLANS.values()
                if plan.name != "guest"
            ],
            packs=[
                PackView(
                    pack=pack.credits,
                    amount=pack.cents,
                    currency=CURRENCY,
                    available=mode is not None and f"{pack.credits}" in prices.credits,
                )
                for pack in PACKS.values()
            ],
            expiry=ExpiryView(months=VALID_MONTHS, days=VALID_DAYS),
            grace_days=GRACE_MS // DAY_MS,
            test_mode=mode == "test",
        )


class SubscriptionView(Wire):
    """The plan in force and the subscription behind it.

    ``status`` is Stripe's word, "none" where there never was one. ``nextPlan``: the smaller one that follows.
    ``graceUntil``: until when the plan is kept while its payment is missing. ``creditsRemaining``: plan credits left of
    the month. ``manageable``: the portal has something to show. ``debt``, ``blocked``: as in usage.
    """

    plan: str
    status: str
    interval: Interval | None
    current_period_end: int | None
    cancel_at: int | None
    next_plan: str | None
    grace_until: int | None
    credits_remaining: float
    manageable: bool
    debt: float
    blocked: bool

    @classmethod
    def of(cls, account: Account, state: UsageAndBalance, now: int, *, quota: int) -> SubscriptionView:
        """Return the view of an account; ``state`` in the month of its plan, ``quota`` (tenths) that plan's own."""
        shown, plan = current(account.subscriptions, now), account.plan_at(now)
        return cls(
            plan=plan,
            status=shown.status if shown else "none",
            interval=shown.interval if shown else None,
            current_period_end=shown.period_end if shown else None,
            cancel_at=shown.cancel_at if shown else None,
            next_plan=following(account.subscriptions, account.plan, now),
            grace_until=shown.late_until(now) if shown else None,
            credits_remaining=credits(max(0, quota - state.month_used)),
            manageable=bool(account.customer),
            debt=credits(state.balance.debt),
            blocked=state.blocked,
        )


class MovementView(Wire):
    """A movement of bought credits: by how much it changed what is available, and how much that was afterwards.

    ``plan``: plan credits moved; ``kind`` tells whether they were taken or returned. ``debt``: change of the debt.
    ``actor``: stripe, quota_reset, admin or system. ``ref``: the checkout it is about.
    """

    id: str
    at: int
    kind: str
    change: float
    balance: float
    plan: float
    debt: float
    job_id: str | None
    reason: str | None
    actor: str
    ref: str | None

    @classmethod
    def of(cls, entry: Entry, balance: int) -> MovementView:
        """Return the view of an entry with the balance after it (tenths)."""
        return cls(
            id=entry.id,
            at=entry.at,
            kind=entry.kind,
            change=credits(entry.change),
            balance=credits(balance),
            plan=credits(entry.plan),
            debt=credits(entry.debt),
            job_id=entry.job_id,
            reason=entry.reason,
            actor=actor_of(entry),
            ref=entry.ref,
        )


class TotalsView(Wire):
    """All that ever moved: available + held + spent + expired + clawedBack = purchased + granted."""

    available: float
    held: float
    spent: float
    expired: float
    clawed_back: float
    purchased: float
    granted: float
    debt: float

    @classmethod
    def of(cls, balance: Balance) -> TotalsView:
        """Return the view of an account's totals."""
        return cls(**{name: credits(getattr(balance, name)) for name in Balance.__slots__})


class StatementView(Wire):
    """Part of a statement, newest first; pass ``nextCursor`` for what is older. And how everything stands now."""

    entries: list[MovementView]
    next_cursor: str | None
    totals: TotalsView
    expiring: list[ExpiringView]

    @classmethod
    def of(
        cls,
        rows: Sequence[tuple[Entry, int]],
        cursor: str | None,
        balance: Balance,
        left: Sequence[Expiring],
    ) -> StatementView:
        """Return the view of entries with their balances, and of what is left of each lot."""
        return cls(
            entries=[MovementView.of(*row) for row in rows],
            next_cursor=cursor,
            totals=TotalsView.of(balance),
            expiring=[ExpiringView.of(one) for one in left],
        )


def actor_of(entry: Entry) -> str:
    """Return the actor of an entry as shown to its owner: administrators stay anonymous."""
    if entry.actor is None:
        return "system"
    return entry.actor if entry.actor in ACTORS else "admin"
