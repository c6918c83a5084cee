"""The page, its assets, the API's description, health, and whatever path nobody else serves."""

from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import Response

from enhancer.api.app import create_app, entrypoint
from enhancer.api.page import Pages, csp_report
from enhancer.telemetry import logger

HERE = Path(__file__).resolve().parent
app = create_app(rate=None, csrf=False)
pages = Pages(next(home / "web" for home in (HERE, *HERE.parents) if (home / "web/index.html").is_file()))


@app.get("/")
@app.get("/(?:en|de)(?:/|/tools/ai-image-enhancer)?")
def index() -> Response[str]:
    return pages.page(app.visit.request, "index.html")


@app.get("/docs")
def docs() -> Response[str]:
    return pages.page(app.visit.request, "docs.html")


@app.get("/assets/.+")
@app.get("/openapi.json")
@app.get("/favicon.svg")
def file() -> Response[bytes]:
    return pages.file(app.visit.request)


@app.get("/api/health")
def health() -> dict[str, Any]:
    return {"success": True, "data": {"status": "ok"}}


@app.post("/api/csp-report")
def report() -> Response[str]:
    logger.warning("csp", extra={"requestId": app.visit.request.id, **csp_report(app.visit.request)})
    return Response(204)


lambda_handler = pages.with_pages(entrypoint(app))
