"""POST /api/ai-image/generate: enhance one picture and answer with the result, or with the job that will have it."""

from __future__ import annotations

from typing import Annotated, Any

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header

from enhancer import runtime
from enhancer.api import submit_forms
from enhancer.api.http import prefer
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.shapes.jobs import JobView
from enhancer.api.shapes.runs import GenerateView
from enhancer.api.shapes.usage import day_view
from enhancer.api.shapes.wire import GenerateForm, Success, ok
from enhancer.domain.jobs import Job, Submitted
from enhancer.domain.ledger import UsageAndBalance
from enhancer.domain.pricing import credits
from enhancer.jobs import run

app = create_app(rate="generate", follows_flags=True)
GONE_SECONDS = 29.0
"""An answer later than this after the request's arrival reaches nobody, so nothing is charged for it."""


RESPONSES: dict[int, Any] = {
    200: {
        "description": "The finished picture.",
        "content": {"application/json": {"model": Success[GenerateView]}},
    },
    202: {
        "description": "A job that will have it: the wait is over, or none was wanted.",
        "content": {"application/json": {"model": Success[JobView]}},
    },
}


@app.post("/api/ai-image/generate", summary="Enhance one picture", tags=["images"], responses=RESPONSES)
def generate(
    form: Annotated[GenerateForm, Body(media_type="multipart/form-data")],
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
    preference: Annotated[str | None, Header(alias="Prefer")] = None,
) -> Response[Success[GenerateView | JobView]]:
    """Checks price and limits, holds the price, runs the model, stores the result, settles.

    What takes longer than ``Prefer: wait=N`` (25 s at most, and by default), counted from the arrival of the request,
    is answered 202 with a job.
    """
    context, caller, deps = app.request_context, app.request_context.caller, runtime.job_deps()
    wish = prefer.read(preference or "")
    submitted = submit_forms.submit_one(
        context,
        form,
        idempotency_key,
        kind="async" if wish.is_async else "sync",
        seconds_max=max(0.0, wish.seconds - context.waited_seconds),
    )
    if submitted.fresh and submitted.job.kind == "async":
        run.launch(submitted.job, original=submitted.original, concurrency=1, deps=deps)
        job = submitted.job
    else:
        waited = context.waited_seconds
        job = run.finish(
            submitted,
            deps=deps,
            seconds_max=max(0.0, wish.seconds - waited),
            gone_after=GONE_SECONDS - waited,
        )
    context.note(jobId=job.id, model=job.model)
    state = deps.ledger.usage_and_balance(caller.owner, now=context.now, month=caller.month_at(context.now))
    if job.is_open:
        usage = day_view(caller.plan, state, context.now)
        running = JobView.of(job, context.request.language, origin=context.request.own_origin, usage=usage)
        return ok(running, status=202, headers=submit_forms.accepted_headers(job.id, wish))
    return _done(submitted, job, wish, state)


def _done(
    submitted: Submitted, job: Job, wish: prefer.Preference, state: UsageAndBalance
) -> Response[Success[GenerateView | JobView]]:
    """The result, what it cost and what is left."""
    context = app.request_context
    view = GenerateView.of(
        submitted,
        job,
        plan=context.caller.plan,
        state=state,
        now=context.now,
        total_ms=context.elapsed_ms,
        origin=context.request.own_origin,
    )
    headers = {
        "X-Credits-Charged": f"{view.charge.total}",
        "X-Credits-Available": f"{credits(state.balance.available)}",
        "Server-Timing": f"predict;dur={view.timings['predict']}",
    }
    if submitted.replayed:
        headers["Idempotent-Replayed"] = "true"
    if wish.applied:
        headers["Preference-Applied"] = wish.applied
    return ok(view, headers=headers)


lambda_handler = entrypoint(app)
