"""POST /api/ai-image/generate: enhance one picture and answer with the result."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header

from enhancer import fulfilment, runtime, submission
from enhancer.api.app import create_app, entrypoint
from enhancer.api.schemas import GenerateForm, GenerateView, Success, ok
from enhancer.domain.errors import ImageMissing, TooManyImages
from enhancer.domain.pricing import credits
from enhancer.identity import Caller

app = create_app(rate="generate")


@app.post("/api/ai-image/generate", summary="Enhance one picture", tags=["images"])
def generate(
    form: Annotated[GenerateForm, Body(media_type="multipart/form-data")],
    idempotency_key: Annotated[str | None, Header(alias="Idempotency-Key")] = None,
) -> Response[Success[GenerateView]]:
    """Price and limits are checked, the price is held, the model runs, the result is stored and paid for."""
    visit, caller = app.visit, app.visit.caller
    model, params = submission.interpret(form.to_order())
    submission.permit(model, params, caller=caller, providers=runtime.providers())
    data = _picture(form, caller)
    submitted = submission.submit(
        model,
        params,
        submission.take_photo(data, caller=caller, read=runtime.read_photo),
        caller=caller,
        idempotency_key=idempotency_key,
        now=runtime.now(),
        new_id=runtime.new_id,
        new_name=runtime.new_name,
        ledger=runtime.ledger(),
        jobs=runtime.jobs(),
        artifacts=runtime.artifacts(),
    )
    job = fulfilment.finish(
        submitted,
        predictors=runtime.predictors(),
        artifacts=runtime.artifacts(),
        jobs=runtime.jobs(),
        ledger=runtime.ledger(),
        now=runtime.now,
        new_id=runtime.new_id,
    )
    visit.note(jobId=job.id, model=job.model)
    standing = runtime.ledger().standing(caller.owner, now=runtime.now())
    view = GenerateView.of(
        submitted, job, plan=caller.plan, standing=standing, now=runtime.now(), total_ms=visit.elapsed_ms
    )
    headers = {
        "X-Credits-Charged": f"{view.charge.total}",
        "X-Credits-Available": f"{credits(standing.balance.available)}",
        "Server-Timing": f"predict;dur={view.timings['predict']}",
    }
    if submitted.replayed:
        headers["Idempotent-Replayed"] = "true"
    return ok(view, headers=headers)


def _picture(form: GenerateForm, caller: Caller) -> bytes:
    """Return the bytes of the one picture this call is about."""
    if form.image is not None and form.upload_key:
        raise TooManyImages(field="image", count=2, limit=1)
    if form.image is not None:
        return form.image.content
    if form.upload_key:
        return submission.fetch_upload(form.upload_key, caller=caller, artifacts=runtime.artifacts())
    raise ImageMissing(field="image")


lambda_handler = entrypoint(app)
