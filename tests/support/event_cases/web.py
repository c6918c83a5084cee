"""Cases about the page and the sign-in for development."""

from __future__ import annotations

from typing import Any

from tests.support.event_cases.builder import Cases


def debug_login(add: Cases) -> None:
    """Signing in without a provider, outside production only."""
    path = "/api/debug-login"
    add.json("debug_login.pro", 200, path, {"email": "events@example.com", "plan": "pro"})
    add.json("debug_login.anybody", 200, path, {})
    add.json("debug_login.unknown-plan", 400, path, {"plan": "gold"})
    add.json("debug_login.unknown-role", 400, path, {"role": "root"})
    add.json("debug_login.broken-json", 400, path, "{")
    add.json("debug_login.missing-csrf", 403, path, {}, drop="x-csrf-token")
    add.http("debug_login.get", 405, "GET", path)


def pages(add: Cases) -> None:
    """The page, its assets, the health check and the reports of browsers."""

    def page(name: str, status: int, method: str, path: str, **more: Any) -> None:
        add.http(name, status, method, path, route="$default", **more)

    add.http("health.cheap", 200, "GET", "/api/health")
    add.http("health.deep-guest", 401, "GET", "/api/health", query="deep=1")
    html = {"accept": "text/html"}
    page("web.start", 200, "GET", "/", headers=html)
    page("web.german", 200, "GET", "/de/tools/ai-image-enhancer", headers=html)
    page("web.favicon", 200, "GET", "/favicon.svg")
    page("web.csp-report", 204, "POST", "/api/csp-report", body='{"csp-report": {"blocked-uri": "inline"}}')
    page("web.csp-report-get", 405, "GET", "/api/csp-report")
    page("web.unknown-page", 404, "GET", "/nowhere", headers=html)
    page("web.unknown-api", 404, "GET", "/api/ai-image/nowhere")
    page("web.traversal", 404, "GET", "/assets/../app.py")
    page("web.delete", 405, "DELETE", "/")
