"""Powertools' request validation with our readers of bodies and our errors.

What reads the body is private there and cannot be replaced in a public way; tests/unit/api/http/test_powertools.py
fails where a version changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
)

from enhancer.api.http import json_body, multipart
from enhancer.domain.errors import ContentTypeUnsupported

if TYPE_CHECKING:
    from enhancer.api.http.request import Request

FORM, JSON = "multipart/form-data", "application/json"


class RequestValidation(OpenAPIRequestValidationMiddleware):
    """Reads a body by its media type: JSON everywhere, and forms where the route takes the fields of generate."""

    def _get_body(self, app: Any) -> dict[str, Any]:
        request: Request = app.context["request"]
        kind, taken = request.media_type, media_types(app.context["_route"])
        if kind == FORM and FORM in taken:
            return multipart.parse(request.body, request.headers["content-type"])
        if kind in (JSON, ""):
            return json_body.parse_object(request.body)
        raise ContentTypeUnsupported(expected=taken)


def media_types(route: Any) -> list[str]:
    """Return what the body of a route may be: JSON, and a form where its shape is one."""
    is_form = any(getattr(param.type_, "is_form", False) for param in route.dependant.body_params)
    return [FORM, JSON] if is_form else [JSON]
