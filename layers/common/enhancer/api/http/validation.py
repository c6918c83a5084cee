"""Powertools' request validation with our readers of bodies and our errors.

What reads the body is private there and cannot be replaced in a public way; tests/unit/api/http/test_powertools.py
fails where a version changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

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
        kind, route = request.media_type, app.context["_route"]
        taken = media_types(route)
        if kind == FORM and FORM in taken:
            fields = multipart.parse(request.body, request.headers["content-type"])
        elif kind in (JSON, ""):
            fields = json_body.parse_object(request.body)
        else:
            raise ContentTypeUnsupported(expected=taken)
        return _typed(fields, route.dependant.body_params[0].type_) if FORM in taken else fields


def media_types(route: Any) -> list[str]:
    """Return what the body of a route may be: JSON, and a form where its shape is one."""
    is_form = any(getattr(param.type_, "is_form", False) for param in route.dependant.body_params)
    return [FORM, JSON] if is_form else [JSON]


def _typed(fields: dict[str, Any], shape: Any) -> dict[str, Any]:
    """Return the texts of a form as the types of its shape; one that is none of its type stays text, and is refused.

    A form that comes as JSON may have texts, too, also in the form inside it.
    """
    found = {}
    for name, value in fields.items():
        wanted = shape.model_fields[name].annotation if name in shape.model_fields else Any
        inner = next((one for one in get_args(wanted) if getattr(one, "is_form", False)), None)
        if inner and isinstance(value, dict):
            found[name] = _typed(value, inner)
        else:
            found[name] = _converted(value, wanted) if isinstance(value, str) else value
    return found


def _converted(text: str, wanted: Any) -> Any:
    try:
        return TypeAdapter(wanted).validate_python(text, strict=False)
    except ValidationError:
        return text
