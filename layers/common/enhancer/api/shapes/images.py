"""Shapes of answers. Names on the wire are the contract's; amounts are credits with one decimal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from enhancer.api.shapes.error_texts import message
from enhancer.api.shapes.wire import Wire
from enhancer.domain.credits import Expiring
from enhancer.domain.errors import EnhancerError
from enhancer.domain.jobs import Item, Job, Status, Submitted
from enhancer.domain.ledger import UsageAndBalance
from enhancer.domain.models import DEFAULT_MODEL, Model, Params, model_named
from enhancer.domain.periods import day_reset_ms
from enhancer.domain.plans import Plan, smallest_plan_with
from enhancer.domain.pricing import FREE, Split, credits, price

LEGACY_LIMITS = {"user": 20, "guest": 3}
"""Kept for old clients; ``usage.limit`` is authoritative."""


class UploadView(Wire):
    """A form to POST to ``url`` with ``fields`` first and the file last, until ``expiresAt`` (epoch ms)."""

    url: str
    fields: dict[str, str]
    upload_key: str
    expires_at: int
    max_bytes: int


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


class UsageView(Wire):
    """What the caller has used and has left."""

    owner_type: Literal["guest", "user"]
    plan: str
    usage: PeriodView
    monthly_usage: PeriodView
    credits: CreditsView
    credits_balance_tenths: int
    entitlements: EntitlementsView
    limits: dict[str, int]

    @classmethod
    def of(
        cls,
        owner_type: Literal["guest", "user"],
        plan: Plan,
        state: UsageAndBalance,
        expiring: Sequence[Expiring],
        now: int,
    ) -> UsageView:
        """Return the view of a standing and of what is left of its lots."""
        return cls(
            owner_type=owner_type,
            plan=plan.name,
            usage=day_view(plan, state, now),
            monthly_usage=month_view(plan, state),
            credits=CreditsView.of(state, expiring),
            credits_balance_tenths=state.balance.available,
            entitlements=EntitlementsView.of(plan),
            limits=LEGACY_LIMITS,
        )


class ModelView(Wire):
    """One model as this caller may use it. ``price`` is the cheapest run in credits; ``reason`` says why locked.

    ``factor``: how many times larger a model without ``scales`` makes a picture. ``maxOutputSide``: the longest side,
    in pixels, of what an edit gives back; None where it depends on the picture.
    """

    slug: str
    alias: str
    title: str
    provider: str
    kind: str
    scales: list[int]
    allowed_scales: list[int]
    face: bool
    face_allowed: bool
    prompt: bool
    prompt_default: str | None
    options: list[str]
    qualities: list[str]
    max_input_megapixels: float | None
    max_output_side: int | None
    factor: int
    price: float
    available: bool
    reason: Literal["provider_disabled"] | None
    required_plan: str | None

    @classmethod
    def of(cls, model: Model, plan: Plan, *, enabled: bool) -> ModelView:
        """Return a model of the catalogue, seen from a plan."""
        locked = [scale for scale in model.scales if scale > plan.scale_max]
        cheapest = price(model, scale=0, face=False, quality="standard")
        return cls(
            slug=model.slug,
            alias=model.alias,
            title=model.title,
            provider=model.provider,
            kind=model.kind,
            scales=list(model.scales),
            allowed_scales=[scale for scale in model.scales if scale <= plan.scale_max] if enabled else [],
            face=model.face,
            face_allowed=enabled and model.face and plan.face,
            prompt=model.prompt,
            prompt_default=model.prompt_default,
            options=list(model.options),
            max_input_megapixels=model.input_megapixels_max,
            max_output_side=model.work_side_max,
            factor=model.factor,
            qualities=list(model.qualities),
            price=credits(cheapest),
            available=enabled,
            reason=None if enabled else "provider_disabled",
            required_plan=smallest_plan_with(scale=min(locked)) if locked else None,
        )


class ModelsView(Wire):
    """The catalogue for this caller."""

    models: list[ModelView]
    default_model: str = DEFAULT_MODEL


class ChargeView(Wire):
    """What a run costs, and who pays: the plan's month, then bought credits."""

    total: float
    plan_portion: float
    credits_portion: float

    @classmethod
    def of(cls, shares: Split) -> ChargeView:
        """Return tenths as credits."""
        return cls(
            total=credits(shares.total),
            plan_portion=credits(shares.plan),
            credits_portion=credits(shares.credits),
        )


class RefusalView(Wire):
    """An error a run would meet, as it would be told."""

    type: str
    code: str
    status: int
    message: str
    details: dict[str, Any]

    @classmethod
    def of(cls, problem: EnhancerError, status: int, text: str) -> RefusalView:
        """Return the view of an error with its HTTP status and its text."""
        details = problem.details
        return cls(type=problem.type, code=problem.code, status=status, message=text, details=details)


class QuoteView(Wire):
    """The price of a run before it starts, and what would refuse it."""

    model: str
    provider: str
    scale: int | None
    quality: str
    price: ChargeView
    refusal: RefusalView | None


class GenerateView(Wire):
    """A finished picture. Width and height in pixels, timings in milliseconds.

    ``model`` and ``provider`` ran it; another one than ``requestedModel`` where that could not.
    """

    job_id: str
    model: str
    provider: str
    requested_model: str
    image_url: str
    original_url: str
    width: int
    height: int
    charge: ChargeView
    deduplicated: bool
    timings: dict[str, float]
    usage: PeriodView
    monthly_usage: PeriodView
    entitlements: EntitlementsView
    limits: dict[str, int]

    @classmethod
    def of(
        cls, submitted: Submitted, job: Job, *, plan: Plan, state: UsageAndBalance, now: int, total_ms: float
    ) -> GenerateView:
        """Return the view of a job with a result."""
        item = job.items[0]
        assert item.input  # noqa: S101 - only called for a job with a result
        assert item.output  # noqa: S101
        ran = job.model_of(item)
        return cls(
            job_id=job.id,
            model=ran.slug,
            provider=ran.provider,
            requested_model=job.model,
            image_url=f"/r2-ai/{item.output.key}",
            original_url=f"/r2-ai/{item.input.key}",
            width=item.output.width,
            height=item.output.height,
            charge=ChargeView.of(FREE if submitted.deduplicated else item.charged),
            deduplicated=submitted.deduplicated,
            timings={"predict": round((item.seconds or 0) * 1000, 1), "total": round(total_ms, 1)},
            usage=day_view(plan, state, now),
            monthly_usage=month_view(plan, state),
            entitlements=EntitlementsView.of(plan),
            limits=LEGACY_LIMITS,
        )


class InputView(Wire):
    """An original. ``size`` in bytes."""

    key: str
    url: str
    content_type: str
    size: int
    width: int
    height: int


class OutputView(Wire):
    """A result. Width and height in pixels."""

    key: str
    url: str
    width: int
    height: int


class ItemErrorView(Wire):
    """Why an item failed."""

    code: str
    message: str
    details: dict[str, Any]


class ItemView(Wire):
    """One picture of a job, and the model that ran it (or will)."""

    id: str
    status: Status
    model: str
    provider: str
    prompt: str | None
    input: InputView | None
    output: OutputView | None
    error: ItemErrorView | None
    charge: ChargeView

    @classmethod
    def of(cls, job: Job, item: Item, language: str) -> ItemView:
        """Return the view of an item; texts in ``language``."""
        error, ran = item.error, job.model_of(item)
        return cls(
            id=str(item.index),
            status=item.status,
            model=ran.slug,
            provider=ran.provider,
            prompt=item.prompt,
            input=InputView(**asdict(item.input), url=f"/r2-ai/{item.input.key}") if item.input else None,
            output=OutputView(
                key=item.output.key,
                url=f"/r2-ai/{item.output.key}",
                width=item.output.width,
                height=item.output.height,
            )
            if item.output
            else None,
            error=ItemErrorView(
                code=error.code,
                message=message(error.code, error.details, language),
                details=error.details,
            )
            if error
            else None,
            charge=ChargeView.of(item.charged),
        )


class ProgressView(Wire):
    """How far a job is: items done well and failed, of all of them."""

    total: int
    done: int
    failed: int
    percent: int

    @classmethod
    def of(cls, job: Job) -> ProgressView:
        """Count the items that ended; one that is being worked on counts half."""
        done = sum(item.status == "succeeded" for item in job.items)
        failed = sum(item.status in ("failed", "canceled") for item in job.items)
        working = sum(item.is_open and item.prediction is not None for item in job.items)
        percent = int(100 * (done + failed + working / 2) / len(job.items))
        return cls(total=len(job.items), done=done, failed=failed, percent=percent)


class JobView(Wire):
    """A job. ``input``, ``output`` and ``error`` mirror its first item. Times in epoch ms.

    ``model`` and ``provider`` of a job with one picture are those that ran it; see ``requestedModel`` and ``items``.
    """

    id: str
    status: Status
    provider: str
    model: str
    requested_model: str
    params: dict[str, Any]
    attempt: int
    progress: ProgressView
    items: list[ItemView]
    input: InputView | None
    output: OutputView | None
    error: ItemErrorView | None
    charge: ChargeView
    created_at: int
    updated_at: int
    usage: PeriodView | None = None

    @classmethod
    def of(cls, job: Job, language: str, *, usage: PeriodView | None = None) -> JobView:
        """Return the view of a job; texts in ``language``."""
        items = [ItemView.of(job, item, language) for item in job.items]
        charged = [item.charged for item in job.items]
        ran = job.model_of(job.items[0]) if len(items) == 1 else model_named(job.model)
        asked = {name: value for name, value in asdict(job.params).items() if value is not None}
        asked["face_enhance"] = asked.pop("face")
        return cls(
            id=job.id,
            status=job.status,
            provider=ran.provider,
            model=ran.slug,
            requested_model=job.model,
            params=asked | {"scale": scale_shown(job.params)},
            attempt=job.attempt,
            progress=ProgressView.of(job),
            items=items,
            input=items[0].input,
            output=items[0].output,
            error=items[0].error,
            charge=ChargeView.of(
                Split(sum(one.plan for one in charged), sum(one.credits for one in charged))
            ),
            created_at=job.created_at,
            updated_at=job.updated_at,
            usage=usage,
        )


class JobsView(Wire):
    """A page of jobs, newest first; pass ``nextCursor`` for the one after it."""

    jobs: list[JobView]
    next_cursor: str | None


class DeletedView(Wire):
    """What is gone."""

    id: str
    deleted: Literal[True] = True


class LoginView(Wire):
    """The account that is now signed in."""

    user_id: str
    plan: str
    role: str


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


def scale_shown(params: Params) -> int | None:
    """Scale on the wire: None for a model that keeps the size."""
    return params.scale or None
