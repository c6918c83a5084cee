"""Powertools' request validation with our readers of bodies and our errors.

What reads the body is private there and cannot be replaced in a public way; tests/unit/api/http/test_powertools.py
fails where a version changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler.middlewares.openapi_validation import (
    OpenAPIRequestValidationMiddleware,
)
from pydantic import TypeAdapter, ValidationError

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
            fields = multipart.parse(request.body, request.headers["content-type"])
            return _typed(fields, app.context["_route"].dependant.body_params[0].type_)
        if kind in (JSON, ""):
            return json_body.parse_object(request.body)
        raise ContentTypeUnsupported(expected=taken)


def media_types(route: Any) -> list[str]:
    """Return what the body of a route may be: JSON, and a form where its shape is one."""
    is_form = any(getattr(param.type_, "is_form", False) for param in route.dependant.body_params)
    return [FORM, JSON] if is_form else [JSON]


def _typed(fields: dict[str, Any], shape: Any) -> dict[str, Any]:
    """Return the texts of a form as the types of its shape; one that is none of its type stays text, and is refused."""
    found = {}
    for name, value in fields.items():
        field = shape.model_fields.get(name)
        try:
            found[name] = (
                TypeAdapter(field.annotation).validate_python(value, strict=False)
                if field and isinstance(value, str)
                else value
            )
        except ValidationError:
            found[name] = value
    return found
