"""One run: the form for its upload, its price, what would refuse it, its result."""

from __future__ import annotations

from typing import Any

from enhancer.api.shapes.usage import LEGACY_LIMITS, EntitlementsView, PeriodView, day_view, month_view
from enhancer.api.shapes.wire import Wire
from enhancer.domain.errors import EnhancerError
from enhancer.domain.jobs import Job, Submitted
from enhancer.domain.ledger import UsageAndBalance
from enhancer.domain.models import Params
from enhancer.domain.plans import Plan
from enhancer.domain.pricing import FREE, Split, credits


class UploadView(Wire):
    """A form to POST to ``url`` with ``fields`` first and the file last, until ``expiresAt`` (epoch ms)."""

    url: str
    fields: dict[str, str]
    upload_key: str
    expires_at: int
    max_bytes: int


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
    """An error that a run would meet, as the API would return it."""

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

    ``model`` and ``provider`` ran it; ``model`` differs from ``requestedModel`` when a fallback ran.
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
        cls,
        submitted: Submitted,
        job: Job,
        *,
        plan: Plan,
        state: UsageAndBalance,
        now: int,
        total_ms: float,
        origin: str = "",
    ) -> GenerateView:
        """Return the view of a job with a result; addresses on ``origin``, as paths where it is empty."""
        item = job.items[0]
        assert item.input  # noqa: S101 - only called for a job with a result
        assert item.output  # noqa: S101
        ran = job.model_of(item)
        return cls(
            job_id=job.id,
            model=ran.slug,
            provider=ran.provider,
            requested_model=job.model,
            image_url=address(item.output.key, origin),
            original_url=address(item.input.key, origin),
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


def address(key: str, origin: str) -> str:
    """Return where an artifact is fetched."""
    return f"{origin}/r2-ai/{key}"


def scale_shown(params: Params) -> int | None:
    """Scale on the wire: None for a model that keeps the size."""
    return params.scale or None
