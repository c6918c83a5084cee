"""GET /api/health: whether we are up; with deep=1, for administrators, how everything is that we stand on."""

from __future__ import annotations

from typing import Annotated, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query

from enhancer import runtime
from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.shapes.health import HealthAnswer
from enhancer.domain.rate_limits import RateLimit

DEEP = RateLimit("health", 10)
"""Deep checks per minute of one caller: each asks every provider."""
app = create_app(rate=None, csrf=False)


@app.get(
    "/api/health",
    summary="Whether we are up",
    tags=["operations"],
    responses={
        200: {"description": "All is fine.", "content": {"application/json": {"model": HealthAnswer}}},
        503: {
            "description": "A part is not fine: `checks` says which.",
            "content": {"application/json": {"model": HealthAnswer}},
        },
    },
)
def health(
    deep: Annotated[
        Literal["0", "1"],
        Query(description="1 checks every part; for an administrator's session, or API key with scope read."),
    ] = "0",
) -> Response[HealthAnswer]:
    """Cheap and open. With ``deep=1`` all parts are asked at the same time, each with its own time-out.

    What is off on purpose is fine; if anything else is not, the same body comes with 503.
    """
    headers = {"Cache-Control": "no-store"}
    if deep == "0":
        return Response(200, "application/json", HealthAnswer.of([]), headers)
    from enhancer.operations.health import check_all  # noqa: PLC0415 - the cheap form needs no client

    context = app.request_context
    context.count_caller(DEEP)
    actor = context.operator
    found = check_all(runtime.health_checks())
    failing = [f"{one.name}:{one.reason}" for one in found if not one.ok]
    context.note(actor=actor.owner.id, failing=", ".join(failing))
    return Response(503 if failing else 200, "application/json", HealthAnswer.of(found), headers)


lambda_handler = entrypoint(app)
