"""/api/ai-image/jobs: long-running and batched enhancements."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Query

from enhancer import runtime
from enhancer.api import job_pages, submit_forms
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.shapes.jobs import DeletedView, JobsView, JobView, NeverRunView
from enhancer.api.shapes.usage import PeriodView, day_view
from enhancer.api.shapes.wire import JobForm, Success, ok
from enhancer.domain.digests import KEY_CHARACTERS_MAX
from enhancer.domain.errors import InvalidIdempotencyKey, TooManyImages
from enhancer.domain.jobs import Job
from enhancer.jobs import manage, run

app = create_app(rate="jobs", reads="other", follows_flags=True)
BY_KEY = "by-key"
"""Stands in place of a job's id, for whoever knows only the idempotency key of the order."""
Key = Annotated[str | None, Header(alias="Idempotency-Key")]


@app.post("/api/ai-image/jobs", summary="Enhance one to ten pictures", tags=["jobs"], status_code=202)
def create(form: Annotated[JobForm, Body()], idempotency_key: Key = None) -> Response[Success[JobView]]:
    """Holds the price of all pictures or of none; then each succeeds or fails on its own."""
    context, deps = app.request_context, runtime.job_deps()
    if form.items and (form.image is not None or form.upload_key):
        raise TooManyImages(field="items", count=len(form.items) + 1, limit=len(form.items))
    if form.items:
        submitted = submit_forms.submit_batch(context, form, form.items, idempotency_key)
    else:
        submitted = submit_forms.submit_one(context, form, idempotency_key, kind="async")
    job = submitted.job
    if submitted.fresh:
        lanes = context.caller.plan.jobs_at_once
        run.launch(job, original=submitted.original, concurrency=lanes, deps=deps)
    context.note(jobId=job.id, model=job.model)
    state = deps.ledger.usage_and_balance(context.caller.owner, now=context.now)
    usage = day_view(context.caller.plan, state, context.now)
    return submit_forms.accepted(_view(job, usage))


@app.get("/api/ai-image/jobs", summary="Jobs of the caller, newest first", tags=["jobs"])
def index(
    status: Annotated[
        str | None,
        Query(
            description="Only these, separated by commas.", json_schema_extra={"pattern": job_pages.STATUSES}
        ),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=job_pages.PAGE_MAX)] = 20,
    cursor: Annotated[
        str | None, Query(max_length=100, json_schema_extra={"pattern": job_pages.CURSOR})
    ] = None,
) -> Response[Success[JobsView]]:
    """Lists all jobs, including those made by POST /api/ai-image/generate."""
    wanted, after = job_pages.statuses_of(status), job_pages.job_after(cursor)
    found, last = manage.listed(
        caller=app.request_context.caller, statuses=wanted, limit=limit, after=after, jobs=runtime.jobs()
    )
    views = [_view(job) for job in found]
    return ok(JobsView(jobs=views, next_cursor=last))


# A 304 has no body to validate, so this answer is made by hand.
@app.get(
    "/api/ai-image/jobs/<job_id>",
    summary="A job",
    tags=["jobs"],
    enable_validation=False,
    responses={
        200: {"description": "The job.", "content": {"application/json": {"model": Success[JobView]}}},
        304: {"description": "It is as the client has it."},
    },
)
def show(job_id: str) -> Response[Success[JobView]]:
    """Reading changes nothing. ``ETag`` and 304; ``Retry-After`` says when to look again while it is open."""
    context = app.request_context
    job = manage.find(job_id, caller=context.caller, deps=runtime.job_deps())
    return job_pages.current(_view(job), context.request, is_open=job.is_open)


@app.post("/api/ai-image/jobs/<job_id>/cancel", summary="Cancel a job", tags=["jobs"])
def cancel(job_id: str, idempotency_key: Key = None) -> Response[Success[JobView | NeverRunView]]:
    """Releases the price of what is not done; a result that comes later changes nothing.

    With ``by-key`` in place of an id: the run ordered under this ``Idempotency-Key``, also a `generate` that has not
    answered yet. If none was ordered so far, the key is void: whatever is sent under it later is refused.
    """
    context, deps = app.request_context, runtime.job_deps()
    if job_id != BY_KEY:
        return ok(_view(manage.cancel(manage.find(job_id, caller=context.caller, deps=deps), deps=deps)))
    if idempotency_key is None:
        raise InvalidIdempotencyKey(header="Idempotency-Key", limit=KEY_CHARACTERS_MAX)
    ordered = manage.cancel_ordered(idempotency_key, caller=context.caller, deps=deps)
    return ok(_view(ordered) if ordered else NeverRunView())


@app.post(
    "/api/ai-image/jobs/<job_id>/retry", summary="Run what failed again", tags=["jobs"], status_code=202
)
def retry(job_id: str, idempotency_key: Key = None) -> Response[Success[JobView]]:
    """Runs only the failed and canceled pictures again; they are charged anew."""
    context, deps = app.request_context, runtime.job_deps()
    job = manage.retry(
        manage.find(job_id, caller=context.caller, deps=deps),
        caller=context.caller,
        idempotency_key=idempotency_key,
        deps=deps,
    )
    return submit_forms.accepted(_view(job))


@app.delete("/api/ai-image/jobs/<job_id>", summary="Delete a job and its pictures", tags=["jobs"])
def remove(job_id: str) -> Response[Success[DeletedView]]:
    """Deletes originals and results at once; the ledger keeps what was paid."""
    deps = runtime.job_deps()
    manage.delete(manage.find(job_id, caller=app.request_context.caller, deps=deps), deps=deps)
    return ok(DeletedView(id=job_id))


def _view(job: Job, usage: PeriodView | None = None) -> JobView:
    request = app.request_context.request
    return JobView.of(job, request.language, origin=request.own_origin, usage=usage)


lambda_handler = entrypoint(app)
