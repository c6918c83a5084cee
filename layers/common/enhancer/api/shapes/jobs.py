"""Jobs and their items: one picture each, with its input, output, error and charge."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from enhancer.api.shapes.error_texts import message
from enhancer.api.shapes.runs import ChargeView, address, scale_shown
from enhancer.api.shapes.usage import PeriodView
from enhancer.api.shapes.wire import Wire
from enhancer.domain.jobs import Item, Job, Status
from enhancer.domain.models import model_named
from enhancer.domain.pricing import Split


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
    def of(cls, job: Job, item: Item, language: str, *, origin: str) -> ItemView:
        """Return the view of an item; texts in ``language``, addresses on ``origin``."""
        error, ran = item.error, job.model_of(item)
        return cls(
            id=str(item.index),
            status=item.status,
            model=ran.slug,
            provider=ran.provider,
            prompt=item.prompt,
            input=InputView(**asdict(item.input), url=address(item.input.key, origin))
            if item.input
            else None,
            output=OutputView(
                key=item.output.key,
                url=address(item.output.key, origin),
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
    def of(cls, job: Job, language: str, *, origin: str = "", usage: PeriodView | None = None) -> JobView:
        """Return the view of a job; texts in ``language``, addresses on ``origin``, as paths where it is empty."""
        items = [ItemView.of(job, item, language, origin=origin) for item in job.items]
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


class NeverRunView(Wire):
    """Confirms that nothing was ordered under an idempotency key, and nothing can be any more."""

    id: None = None
    status: Literal["canceled"] = "canceled"


class DeletedView(Wire):
    """Confirms that a job is deleted."""

    id: str
    deleted: Literal[True] = True
