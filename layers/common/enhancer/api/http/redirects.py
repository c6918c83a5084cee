"""Routes that a browser is sent to: what goes wrong there is shown on a page, not as JSON."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.event_handler import Response

from enhancer.api.http.app import App
from enhancer.api.http.request import Request
from enhancer.domain.errors import EnhancerError

Route = Callable[..., Response[Any]]
Place = Callable[[Request, EnhancerError], str]
"""Returns the page to redirect to for an error."""


def go(url: str) -> Response[Any]:
    """Return a redirect that no cache keeps."""
    return Response(302, headers={"Location": url, "Cache-Control": "no-store"}, body="")


def landing(app: App, place: Place) -> Callable[[Route], Route]:
    """Redirect a browser that asks for HTML to ``place`` when the route raises an error; others get it as JSON."""

    def decorate(route: Route) -> Route:
        @wraps(route)
        def landed(**named: str) -> Response[Any]:
            try:
                return route(**named)
            except EnhancerError as problem:
                request = app.request_context.request
                if not request.wants_page:
                    raise
                app.request_context.note(code=problem.code)
                return go(place(request, problem))

        return landed

    return decorate


def shown_on(app: App, page: str) -> Callable[[Route], Route]:
    """Show a route's errors on ``/<language>/<page>?signIn=<code>&reason=…`` to browsers that ask for HTML."""

    def place(request: Request, problem: EnhancerError) -> str:
        shown = {"signIn": problem.code, "reason": str(problem.details.get("reason", ""))}
        return f"/{request.language}/{page}?{urlencode(shown)}"

    return landing(app, place)
