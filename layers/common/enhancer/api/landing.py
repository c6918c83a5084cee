"""Routes that a browser is sent to: what goes wrong there is shown on a page, not as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response

from enhancer.api.app import App
from enhancer.domain.errors import EnhancerError

Route = Callable[[str], Response[Any]]


def go(url: str) -> Response[Any]:
    """Return a redirect that nobody keeps."""
    return Response(302, headers={"Location": url, "Cache-Control": "no-store"}, body="")


def shown_on(app: App, page: str) -> Callable[[Route], Route]:
    """Let a route's refusals end on ``/<language>/<page>?signIn=<code>&reason=…`` for who asks for HTML."""

    def decorate(route: Route) -> Route:
        @wraps(route)
        def landed(provider: str) -> Response[Any]:
            try:
                return route(provider)
            except EnhancerError as problem:
                request = app.visit.request
                if not request.wants_page:
                    raise
                app.visit.note(code=problem.code)
                shown = {"signIn": problem.code, "reason": str(problem.details.get("reason", ""))}
                return go(f"/{request.language}/{page}?{urlencode(shown)}")

        return landed

    return decorate
