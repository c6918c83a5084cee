"""Write ``docs/openapi.json`` from the types of the handlers: ``python -m local.openapi [--check]``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local import openapi_answers

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "openapi.json"
TITLE = "AI image enhancer"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
DESCRIPTION = (
    "Enhance photos. Answers come as `{success: true, data}` or `{success: false, error: {type, code, message, "
    "details?}, requestId}`. Programs send an API key as `Authorization: Bearer ek_…`, from any page. Calls with "
    "cookies need `Origin` and, for unsafe methods, `X-CSRF-Token` equal to the cookie `csrf_token`; "
    "`GET /api/ai-image/usage` hands out both cookies. Unknown fields and query parameters are refused. Reading a path "
    "with a slash too many at its end is redirected (308). Messages follow `Accept-Language`: English or German."
)
PLACEHOLDERS = {
    "ENVIRONMENT": "development",
    "TABLE_NAME": "table",
    "BUCKET_NAME": "bucket",
    "SIGNING_SECRET_NAME": "secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
METHODS = ("get", "post", "put", "patch", "delete", "head")
NEEDS_PICTURE = ("/api/ai-image/generate", "/api/ai-image/jobs")
"""Forms without required fields that are no good when empty."""
TEXTS_OF = {
    "integer": r"^ *[+-]?[0-9_]+(\.0*)? *$",
    "number": r"^ *[+-]?([0-9_]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)? *$",
    "boolean": "^[A-Za-z01]{1,5}$",
}
"""What the texts of a form look like, by the type that they stand for."""
PATHS = {"/r2-ai/.+": "/r2-ai/ai-enhancer/{kind}/{owner_type}/{owner_id}/{name}"}
"""What a route with a pattern is for."""
PATH_PARTS: dict[str, Json] = {
    "job_id": {"type": "string", "pattern": "^job_[0-9a-z]{36}$"},
    "key_id": {"type": "string", "pattern": "^key_[0-9a-z]{36}$"},
    "provider": {"type": "string", "enum": ["google", "github"]},
    "ref": {"type": "string", "maxLength": 512},
    "file": {"type": "string", "pattern": r"^(day-\d{4}-\d\d-\d\d|month-\d{4}-\d\d)\.(json|csv|html)$"},
    "kind": {"type": "string", "enum": ["results", "uploads"]},
    "owner_type": {"type": "string", "enum": ["guest", "user"]},
    "owner_id": {"type": "string", "pattern": "^[0-9a-z]{1,64}$"},
    "name": {"type": "string", "pattern": r"^[0-9a-z]{20,64}\.(jpg|png|webp|avif)$"},
}
"""Parts of paths; anything else is 404, as what is missing."""


def document() -> Json:
    """Return the merged description of all functions that answer HTTP."""
    for name, value in PLACEHOLDERS.items():
        os.environ.setdefault(name, value)
    from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge

    merge = OpenAPIMerge(title=TITLE, version=VERSION, description=DESCRIPTION, on_conflict="error")
    for app in _apps():
        merge.add_file(app, "app")
    merged: Json = json.loads(merge.get_openapi_json_schema())
    schemas = merged["components"]["schemas"]
    routes = {(route.method.lower(), route.openapi_path): (app, route) for app, route in _routes()}
    paths: Json = {}
    for path, verbs in sorted(merged["paths"].items()):
        for method in METHODS:
            if method in verbs:
                _complete(verbs[method], method, path, *routes[method, path], schemas)
        paths[PATHS.get(path, path)] = verbs
    merged["paths"] = paths
    _texts_too(schemas["ParamsForm"])
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    _close(schemas, asked=_named_in([verbs for path in paths.values() for verbs in _bodies(path)], schemas))
    schemas["Failure"] = openapi_answers.failure_schema()
    merged["components"] = {
        "headers": openapi_answers.HEADERS,
        "responses": openapi_answers.failures(),
        "schemas": dict(sorted(schemas.items())),
        "securitySchemes": openapi_answers.SECURITY,
    }
    return merged


def _apps() -> list[Path]:
    return [app for app in sorted((ROOT / "functions").glob("*/app.py")) if "create_app(" in app.read_text()]


def _routes() -> Iterator[tuple[Any, Any]]:
    """Yield every route with its app."""
    for path in _apps():
        app = importlib.import_module(f"functions.{path.parent.name}.app").app
        for route in app._static_routes + app._dynamic_routes:
            yield app, route


def _complete(operation: Json, method: str, path: str, app: Any, route: Any, schemas: Json) -> None:
    """Add what the types do not say: parameters read by hand, forms as JSON, errors, headers, who may call."""
    from enhancer.api.http.query import read_by_hand

    parameters = operation.setdefault("parameters", [])
    for name, about in read_by_hand(route.func).items():
        schema = {"type": "string", "maxLength": 512}
        parameters.append(
            {"name": name, "in": "query", "required": False, "description": about, "schema": schema}
        )
    for name in PATHS.get(path, path).split("{")[1:]:
        part = name.partition("}")[0]
        parameters[:] = [one for one in parameters if one["name"] != part]
        parameters.append({"name": part, "in": "path", "required": True, "schema": PATH_PARTS[part]})
    for name, about in openapi_answers.REQUEST_HEADERS.get((method, path), {}).items():
        schema = {"type": "string", "maxLength": 500}
        parameters.append(
            {"name": name, "in": "header", "required": False, "description": about, "schema": schema}
        )
    for parameter in parameters:
        _without_null(parameter["schema"])
        if parameter["name"] == "idempotency-key":
            parameter |= {
                "name": "Idempotency-Key",
                "schema": {"type": "string", "pattern": "^ *[!-~]([ -~]{0,126}[!-~])? *$"},
            }
        if path.endswith("/cancel") and parameter["name"] == "job_id":
            parameter["schema"] = {"type": "string", "pattern": "^(job_[0-9a-z]{36}|by-key)$"}
    if not parameters:
        del operation["parameters"]
    if body := operation.get("requestBody"):
        (content,) = body["content"].values()
        name = content["schema"].get("$ref", "").rpartition("/")[2]
        if "Form" in name:
            body["content"] = _form_and_json(name, schemas)
        body["required"] = bool(schemas.get(name, {}).get("required")) or path in NEEDS_PICTURE
    openapi_answers.complete(operation, method, path, app, getattr(route.func, "admits", app.admitted))


def _form_and_json(name: str, schemas: Json) -> Json:
    """Return the two ways to send a form: a file is for the form alone, lists and objects for JSON alone."""
    form, typed = json.loads(json.dumps([schemas[name]] * 2))
    typed["properties"].pop("image", None)
    for inner in ("items", "params"):
        form["properties"].pop(inner, None)
    for field in form["properties"].values():
        _without_null(field)
    _texts_too(typed)
    as_json = f"{name.removesuffix('Form')}Json"
    schemas[name], schemas[as_json] = form, typed | {"title": as_json}
    return {
        "application/json": {"schema": {"$ref": f"#/components/schemas/{as_json}"}},
        "multipart/form-data": {"schema": {"$ref": f"#/components/schemas/{name}"}},
    }


def _without_null(schema: Json) -> None:
    """Forms, headers and queries have no way to say null: take it out, in place."""
    choices = [one for one in schema.pop("anyOf", []) if one != {"type": "null"}]
    schema.update(*choices)


def _texts_too(shape: Json) -> None:
    """Say that the numbers of a form may be texts, too, where it comes as JSON; adds them in place."""
    for field in shape["properties"].values():
        for choice in field.get("anyOf", []):
            if choice.get("type") in TEXTS_OF:
                field["anyOf"].append({"type": "string", "pattern": TEXTS_OF[choice["type"]]})
                break
        if field.get("type") in TEXTS_OF:
            kind = field.pop("type")
            field["anyOf"] = [{"type": kind}, {"type": "string", "pattern": TEXTS_OF[kind]}]


def _bodies(verbs: Json) -> list[Json]:
    return [verbs[method].get("requestBody", {}) for method in METHODS if method in verbs]


def _named_in(found: Any, schemas: Json) -> set[str]:
    """Return the schemas that something refers to, and those that they refer to."""
    text = json.dumps(found)
    names: set[str] = set()
    while new := {name for name in schemas if f'schemas/{name}"' in text} - names:
        names |= new
        text = json.dumps([schemas[name] for name in new])
    return names


def _close(schemas: Json, *, asked: set[str]) -> None:
    """Say that objects have no other fields than theirs, and that answers always have all of them."""
    for name, schema in schemas.items():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
            if name not in asked:
                schema["required"] = sorted(schema["properties"])


def main() -> int:
    """Write the file, or with ``--check`` only report whether it is current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when docs/openapi.json is not current")
    text = json.dumps(document(), indent=2, ensure_ascii=False, sort_keys=False) + "\n"
    if parser.parse_args().check:
        current = TARGET.exists() and TARGET.read_text() == text
        print("docs/openapi.json is current." if current else "docs/openapi.json is stale: run make openapi.")
        return 0 if current else 1
    TARGET.write_text(text)
    print(f"{TARGET.relative_to(ROOT)}: {len(text)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
