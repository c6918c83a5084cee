"""The private parts of Powertools that we use: each of them is still there, and is what we take it for."""

import inspect
import json
import re
from importlib.metadata import version
from typing import Annotated

import pytest
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver
from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
)
from aws_lambda_powertools.event_handler.openapi.params import Body

from enhancer.api.http.app import create_app
from enhancer.api.http.validation import RequestValidation
from tests.support.events import CONTEXT, form, http_event
from tests.support.template import ROOT

IMAGE = b"\x89PNG--boundary"


def test_the_version_is_pinned_to_the_one_that_was_tested():
    """A newer one comes by a change of this line, and runs these tests first."""
    pinned = re.search(
        r"^aws-lambda-powertools==(\S+)$", (ROOT / "requirements/common.in").read_text(), re.MULTILINE
    )
    assert pinned
    assert pinned[1] == version("aws-lambda-powertools")


def test_routes_are_kept_in_two_lists_with_verb_and_rule():
    """A path with parts that vary is in the other list; both are asked which verbs a path has."""
    app = APIGatewayHttpResolver()
    app.get("/fixed")(lambda: None)
    app.post("/vary/<name>")(lambda name: None)
    (fixed,), (vary,) = app._static_routes, app._dynamic_routes
    assert (fixed.method, bool(fixed.rule.match("/fixed"))) == ("GET", True)
    assert (vary.method, bool(vary.rule.match("/vary/x")), vary.rule.match("/fixed")) == ("POST", True, None)


def test_the_middleware_that_reads_requests_is_an_attribute_of_the_app():
    """It is made with the app and used for each route, so ours can stand in its place."""
    app = APIGatewayHttpResolver(enable_validation=True)
    assert type(app._request_validation_middleware) is OpenAPIRequestValidationMiddleware
    assert type(create_app()._request_validation_middleware) is RequestValidation


@pytest.mark.parametrize("name", ["_get_body", "_parse_json_data"])
def test_the_middleware_reads_bodies_by_methods_that_take_the_app(name):
    """One is overridden, the other one called."""
    assert list(inspect.signature(getattr(OpenAPIRequestValidationMiddleware, name)).parameters) == [
        "self",
        "app",
    ]


def test_the_middleware_takes_no_arguments():
    """We make it ourselves."""
    assert list(inspect.signature(OpenAPIRequestValidationMiddleware).parameters) == []


def test_a_route_of_the_app_gets_what_our_reader_returns(monkeypatch):
    """The override is in the way of every request with a body, not beside it."""
    asked = []
    monkeypatch.setattr(
        RequestValidation, "_get_body", lambda self, app: asked.append(app) or {"name": "ours"}
    )
    app = create_app()

    @app.post("/thing")
    def thing(body: Annotated[dict[str, str], Body()]) -> dict[str, str]:
        return body

    body, content_type = form({"name": "theirs"}, image=IMAGE)
    event = http_event("POST", "/thing", body=body, headers={"content-type": content_type})
    answer = app.resolve(event, CONTEXT)
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"name": "ours"})
    assert asked == [app]
