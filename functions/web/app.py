"""The pages, their assets, the API's description, and every path that no other function serves."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response

from enhancer.api.http.app import create_app, entrypoint
from enhancer.api.page import REPORTS, Pages, csp_report
from enhancer.telemetry import logger

HERE = Path(__file__).resolve().parent
app = create_app(rate=None, csrf=False)
pages = Pages(next(home / "web" for home in (HERE, *HERE.parents) if (home / "web/index.html").is_file()))
get = partial(app.get, include_in_schema=False, enable_validation=False)


@get("/")
@get("/(?:en|de)(?:/|/tools/ai-image-enhancer)?")
def index() -> Response[Any]:
    return pages.page(app.request_context.request, "index.html")


@get("/jobs/?")
@get("/(?:en|de)/jobs/?")
def jobs() -> Response[Any]:
    return pages.page(app.request_context.request, "jobs.html")


@get("/account/?")
@get("/(?:en|de)/account/?")
def account() -> Response[Any]:
    return pages.page(app.request_context.request, "account.html")


@get("/pricing/?")
@get("/(?:en|de)/pricing/?")
def pricing() -> Response[Any]:
    return pages.page(app.request_context.request, "pricing.html")


@get("/docs")
def docs() -> Response[Any]:
    return pages.page(app.request_context.request, "docs.html")


@get("/assets/.+")
@get("/openapi.json")
@get("/favicon.svg")
def file() -> Response[Any]:
    return pages.file(app.request_context.request)


@app.post(
    "/api/csp-report",
    summary="Violations of the page's policy, sent by browsers",
    tags=["operations"],
    enable_validation=False,
    responses={204: {"description": "Taken, whatever it says."}},
)
def report() -> Response[Any]:
    context = app.request_context
    context.count_network(REPORTS)
    logger.warning("csp", extra={"requestId": context.request.id, **csp_report(context.request)})
    return Response(204)


lambda_handler = pages.with_pages(entrypoint(app))
