"""What a try costs us: set aside against the daily cap before, booked after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enhancer.domain import costs, errors
from enhancer.domain.jobs import Item, Job
from enhancer.domain.periods import day_of

if TYPE_CHECKING:
    from enhancer.jobs.deps import JobDeps


def set_aside(job: Job, item: Item, *, deps: JobDeps) -> str:
    """Count what a try is expected to cost against today's cap and return the day.

    Raises `ProviderExhausted`, and `ProviderUnavailable` for a model that was switched off since it was ordered.
    """
    model, now = job.model_of(item), deps.now()
    if not deps.enabled(model):
        raise errors.ProviderUnavailable(provider=model.provider)
    day, estimate = day_of(now), costs.estimated(model.slug)
    if estimate and not deps.spend.set_aside(day, estimate, cap=deps.spend_cap(), now=now):
        raise errors.ProviderExhausted(provider=model.provider)
    return day


def book(
    job: Job,
    item: Item,
    micros: int,
    *,
    day: str,
    failed: bool,
    deps: JobDeps,
    settled: Item | None = None,
    milliseconds: int = 0,
) -> None:
    """Count what a try of this item did cost, in place of what was set aside.

    ``settled``: the item as it was charged for; None where nothing was. ``milliseconds``: how long the try took.
    """
    model, output = job.model_of(item), settled.output if settled else None
    figures = costs.RunFigures(
        micros=micros,
        failed=int(failed),
        milliseconds=milliseconds,
        waited_ms=milliseconds if job.kind == "sync" else 0,
        kilopixels=round(output.width * output.height / 1000) if output else 0,
        plan_tenths=settled.charged.plan if settled else 0,
        credit_tenths=settled.charged.credits if settled else 0,
        in_steps=int(job.kind == "async"),
    )
    deps.spend.book(
        day,
        provider=model.provider,
        model=model.alias,
        plan=job.plan,
        owner_type=job.owner.type,
        figures=figures,
        set_aside=micros if model.provider == "embedded" else costs.estimated(model.slug),
        now=deps.now(),
    )
