"""What the API's description says: which statuses an operation answers with."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from tests.support.template import ROOT


@cache
def _operations() -> list[tuple[re.Pattern[str], dict[str, Any]]]:
    described = json.loads((ROOT / "docs/openapi.json").read_text("utf-8"))["paths"]
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), verbs) for path, verbs in described.items()]


def operation(method: str, path: str) -> dict[str, Any] | None:
    """Return the description of an operation by verb and path, None where it is none."""
    for pattern, verbs in _operations():
        if pattern.fullmatch(path):
            found: dict[str, Any] | None = verbs.get(method.lower())
            return found
    return None


def is_described(method: str, path: str, status: int) -> bool:
    """Return whether an answer is in the description; a path that is no operation has none."""
    found = operation(method, path)
    return found is None or str(status) in found["responses"]
