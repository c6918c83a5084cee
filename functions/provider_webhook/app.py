"""POST /api/provider-webhook/replicate/{ref}: Replicate reports that a prediction has begun, or ended."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from enhancer import runtime
from enhancer.adapters.predictors import replicate_webhook
from enhancer.api.http.app import create_app, entrypoint
from enhancer.domain.errors import WebhookInvalid
from enhancer.jobs import callbacks, steps

app = create_app(rate=None, csrf=False, validated=False)
RUNNING = ("starting", "processing")
TERMINAL = ("succeeded", "failed", "canceled", "aborted")


@app.post(
    "/api/provider-webhook/replicate/<ref>",
    summary="Call-back of a provider",
    tags=["operations"],
    responses={204: {"description": "Received. Duplicate, unknown and late ones too: they change nothing."}},
)
def callback(ref: str) -> Response[str]:
    """Signed after Standard Webhooks, at most five minutes old.

    It only says that the prediction began or ended; its result is fetched from the provider.
    """
    app.request_context.note(path=callbacks.PATH)  # the rest of it is signed: not for the log
    request = app.request_context.request
    found = replicate_webhook.verified(request.body, request.headers, runtime.webhook_secrets())
    where = callbacks.ref_of(ref, signer=runtime.signer())
    if where is None or not isinstance(found.get("id"), str):
        raise WebhookInvalid
    app.request_context.note(jobId=where.job_id, prediction=str(found.get("status"))[:20])
    woken, status = False, found.get("status")
    if status in RUNNING:
        steps.prediction_began(where, found["id"], deps=runtime.job_deps())
    elif status in TERMINAL:
        woken = steps.prediction_ended(where, found["id"], deps=runtime.job_deps())
    app.request_context.note(woken=str(woken))
    return Response(204, body="")


lambda_handler = entrypoint(app)
