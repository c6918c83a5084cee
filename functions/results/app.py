"""GET /r2-ai/{key}: originals for everybody who knows their name, results for their owner only."""

from __future__ import annotations

from aws_lambda_powertools.event_handler import Response

from enhancer import runtime
from enhancer.api.http.app import create_app, entrypoint
from enhancer.jobs import results

app = create_app(rate=None, validated=False)


@app.route(
    "/r2-ai/ai-enhancer/<kind>/<owner_type>/<owner_id>/<name>",
    method=["GET", "HEAD"],
    summary="Fetch an original or a result",
    tags=["results"],
    responses={200: {"description": "The picture.", "content": {"image/*": {}}}},
)
def fetch(kind: str, owner_type: str, owner_id: str, name: str) -> Response[bytes]:
    """Supports If-None-Match, Range, HEAD and ?download=1; large files are a redirect to a short-lived URL."""
    request = app.request_context.request
    place = results.locate(kind, owner_type, owner_id, name)
    if place.is_private:
        app.request_context.check_caller()
        results.check_owner(place, caller=app.request_context.caller)
    answer = results.deliver(
        place,
        artifacts=runtime.artifacts(),
        if_none_match=request.headers.get("if-none-match"),
        byte_range=request.headers.get("range"),
        download=request.query.get("download") in ("1", "true"),
        head=request.method == "HEAD",
    )
    return Response(answer.status, answer.content_type, answer.body, answer.headers)


lambda_handler = entrypoint(app)
