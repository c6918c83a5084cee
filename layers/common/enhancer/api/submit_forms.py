"""From a form to a submitted job: shared by the calls that take a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from enhancer import runtime
from enhancer.api.http.prefer import Preference
from enhancer.api.shapes.jobs import JobView
from enhancer.api.shapes.wire import GenerateForm, ItemWanted, JobForm, Success, ok
from enhancer.domain.artifacts import is_incoming_of
from enhancer.domain.errors import ImageMissing, TooManyImages, UploadNotFound
from enhancer.domain.jobs import Kind
from enhancer.domain.pricing import price_of
from enhancer.jobs import holds, quota, submit

if TYPE_CHECKING:
    from enhancer.api.http.app import RequestContext
    from enhancer.domain.callers import Caller
    from enhancer.domain.jobs import Submitted

RETRY_SECONDS = 2
"""When to look at an open job again."""


def submit_one(
    context: RequestContext,
    form: GenerateForm,
    idempotency_key: str | None,
    *,
    kind: Kind,
    seconds_max: float = 0.0,
) -> Submitted:
    """Check, price and hold one picture; see `submit.submit_photo`."""
    caller = context.caller
    model, params = submit.interpret(form.to_order())
    holds.check_access(
        caller=caller, ledger=runtime.ledger(), now=context.now, idempotency_key=idempotency_key
    )
    submit.permit(model, params, caller=caller, enabled=runtime.enabled)
    quota.check_guest(
        price_of(model, params),
        caller=caller,
        ledger=runtime.ledger(),
        now=context.now,
        idempotency_key=idempotency_key,
    )
    return submit.submit_photo(
        model,
        params,
        submit.take_photo(_picture(form, caller), caller=caller, read=runtime.read_photo),
        kind=kind,
        caller=caller,
        idempotency_key=idempotency_key,
        now=context.now,
        deps=runtime.job_deps(),
        seconds_max=seconds_max,
    )


def submit_batch(
    context: RequestContext, form: JobForm, items: list[ItemWanted], idempotency_key: str | None
) -> Submitted:
    """Check, price and hold one to ten pictures that are looked at later."""
    caller, order = context.caller, form.to_order()
    model, params = submit.interpret(order)
    holds.check_access(
        caller=caller, ledger=runtime.ledger(), now=context.now, idempotency_key=idempotency_key
    )
    for place, item in enumerate(items):
        if item.prompt:
            submit.interpret(replace(order, prompt=item.prompt))
        if item.upload_key is not None and not _is_there(item.upload_key, caller):
            raise UploadNotFound(field=f"items.{place}.uploadKey")
    submit.permit(model, params, caller=caller, enabled=runtime.enabled)
    return submit.submit_batch(
        model,
        params,
        [item.to_source() for item in items],
        caller=caller,
        idempotency_key=idempotency_key,
        now=context.now,
        deps=runtime.job_deps(),
    )


def accepted(view: JobView) -> Response[Success[JobView]]:
    """Return 202 with the job, where to find it, and when to look."""
    return ok(view, status=202, headers=accepted_headers(view.id))


def accepted_headers(job_id: str, wish: Preference | None = None) -> dict[str, str]:
    """Return where to find a job that was accepted, when to look, and which preference was heeded."""
    headers = {"Location": f"/api/ai-image/jobs/{job_id}", "Retry-After": str(RETRY_SECONDS)}
    if wish and wish.applied:
        headers["Preference-Applied"] = wish.applied
    return headers


def _picture(form: GenerateForm, caller: Caller) -> bytes:
    """Return the bytes of the one picture a call is about."""
    if form.image is not None and form.upload_key:
        raise TooManyImages(field="image", count=2, limit=1)
    if form.image is not None:
        return form.image.content
    if form.upload_key:
        return submit.fetch_upload(form.upload_key, caller=caller, artifacts=runtime.artifacts())
    raise ImageMissing(field="image")


def _is_there(key: str, caller: Caller) -> bool:
    mine = any(is_incoming_of(key, owner) for owner in caller.owners)
    return mine and runtime.artifacts().exists(key)
