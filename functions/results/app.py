"""GET /r2-ai/{key}: originals for everybody who knows their name, results for their owner only."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from enhancer import runtime
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.http.query import reads
from enhancer.jobs import results

app = create_app(rate=None, validated=False)


@app.route(
    "/r2-ai/.+",
    method=["GET", "HEAD"],
    summary="Fetch an original or a result",
    tags=["results"],
    responses={
        200: {"description": "The picture.", "content": {"image/*": {}}},
        206: {"description": "The part of it that Range asks for.", "content": {"image/*": {}}},
        302: {"description": "A link to a large picture, good for a short time."},
        304: {"description": "It is as the client has it."},
        416: {"description": "The part begins behind its end."},
    },
)
@reads(
    download="1 to save the picture under a name.",
    again="Anything: another address for a picture that did not arrive.",
)
def fetch() -> Response[bytes]:
    """Supports If-None-Match, Range, HEAD and ?download=1; large files are a redirect to a short-lived URL.

    A result of somebody else is 403, whether it is there or not.
    """
    context, request = app.request_context, app.request_context.request
    path = request.path.removeprefix("/r2-ai/")
    if owner := results.folder_of(path):
        context.check_caller()
        results.check_owner(*owner, caller=context.caller)
    answer = results.deliver(
        results.locate(path),
        artifacts=runtime.artifacts(),
        if_none_match=request.headers.get("if-none-match"),
        byte_range=request.headers.get("range"),
        download=request.query.get("download") in ("1", "true"),
        head=request.method == "HEAD",
    )
    return Response(answer.status, answer.content_type, answer.body, answer.headers)


lambda_handler = entrypoint(app)
