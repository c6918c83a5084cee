"""Write ``docs/openapi.json`` from the types of the handlers: ``python -m local.openapi [--check]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "openapi.json"
TITLE = "AI image enhancer"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
DESCRIPTION = (
    "Enhance photos. Answers come as `{success: true, data}` or `{success: false, error: {type, code, message, "
    "details?}, requestId}`. Calls with cookies need `Origin` and, for unsafe methods, `X-CSRF-Token` equal to the "
    "cookie `csrf_token`; `GET /api/ai-image/usage` hands out both cookies."
)
PLACEHOLDERS = {
    "ENVIRONMENT": "development",
    "TABLE_NAME": "table",
    "BUCKET_NAME": "bucket",
    "SIGNING_SECRET_NAME": "secret",
    "AWS_DEFAULT_REGION": "eu-central-1",
}
METHODS = ("get", "post", "put", "patch", "delete", "head")


def document() -> dict[str, Any]:
    """Return the merged description of all functions that answer HTTP."""
    for name, value in PLACEHOLDERS.items():
        os.environ.setdefault(name, value)
    from aws_lambda_powertools.event_handler.openapi.merge import OpenAPIMerge

    merge = OpenAPIMerge(title=TITLE, version=VERSION, description=DESCRIPTION, on_conflict="error")
    for app in sorted((ROOT / "functions").glob("*/app.py")):
        if "create_app(" in app.read_text():
            merge.add_file(app, "app")
    merged: dict[str, Any] = json.loads(merge.get_openapi_json_schema())
    merged["paths"] = {path: _operations(verbs) for path, verbs in sorted(merged["paths"].items())}
    single = merged["paths"]["/api/ai-image/generate"]["post"]["requestBody"]["content"]
    merged["paths"]["/api/ai-image/jobs"]["post"]["requestBody"]["content"] |= (
        single  # one picture, as in generate
    )
    schemas = merged["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError", "ResponseValidationError"):
        schemas.pop(unused, None)
    schemas["Failure"] = _failure_schema()
    merged["components"]["schemas"] = dict(sorted(schemas.items()))
    return merged


def _operations(verbs: dict[str, Any]) -> dict[str, Any]:
    """Replace the library's 422 by our validation error: 400 in our envelope."""
    for method in METHODS:
        if operation := verbs.get(method):
            operation["responses"].pop("422", None)
            schema = {"$ref": "#/components/schemas/Failure"}
            operation["responses"]["default"] = {
                "description": "Any error: see `error.type` and `error.code`.",
                "content": {"application/json": {"schema": schema}},
            }
    return verbs


def _failure_schema() -> dict[str, Any]:
    """Return the schema of the error envelope, with every error code."""
    from enhancer.domain.errors import leaves

    classes = leaves()
    error = {
        "type": "object",
        "required": ["type", "code", "message"],
        "properties": {
            "type": {"enum": sorted({leaf.type for leaf in classes})},
            "code": {"enum": sorted(leaf.code for leaf in classes)},
            "message": {"type": "string", "description": "For people, in the language of Accept-Language."},
            "details": {"type": "object"},
        },
    }
    return {
        "type": "object",
        "required": ["success", "error", "requestId"],
        "properties": {
            "success": {"const": False},
            "error": error,
            "requestId": {"type": "string"},
            "retryAfter": {"type": "integer", "description": "Seconds, with 429 only."},
        },
    }


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
