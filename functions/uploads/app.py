"""POST /api/ai-image/uploads: a presigned form for files that are too large for a request."""

from __future__ import annotations

from typing import Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body

from enhancer import runtime
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.shapes.runs import UploadView
from enhancer.api.shapes.wire import Success, UploadRequest, ok
from enhancer.domain.artifacts import UPLOAD_SECONDS, incoming_key
from enhancer.domain.images import UPLOAD_BYTES_MAX, check_upload
from enhancer.domain.pricing import price_of
from enhancer.jobs import quota, submit
from enhancer.jobs.submit import EnhanceOrder

app = create_app(follows_flags=True)


@app.post("/api/ai-image/uploads", summary="Prepare an upload", tags=["images"])
def create(body: Annotated[UploadRequest, Body()]) -> Response[Success[UploadView]]:
    """Content type and size are fixed by the form: JPEG, PNG, WebP, AVIF or HEIC of 1 to 25,000,000 bytes.

    Nothing is decoded or held before a run takes the key. A guest who has nothing left gets no form.
    """
    check_upload(body.content_type, body.size)
    caller, now = app.request_context.caller, app.request_context.now
    caller.check_access()
    quota.check_guest(
        price_of(*submit.interpret(EnhanceOrder())), caller=caller, ledger=runtime.ledger(), now=now
    )
    key = incoming_key(caller.owner, runtime.new_name())
    form = runtime.artifacts().upload_form(key, content_type=body.content_type, size=body.size)
    view = UploadView(
        url=form["url"],
        fields=form["fields"],
        upload_key=key,
        expires_at=now + UPLOAD_SECONDS * 1000,
        max_bytes=UPLOAD_BYTES_MAX,
    )
    return ok(view)


lambda_handler = entrypoint(app)
