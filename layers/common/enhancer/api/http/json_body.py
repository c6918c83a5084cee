"""JSON from strangers: within limits of depth and number, and always an answer that names the problem."""

from __future__ import annotations

import json
import math
from typing import Any

from enhancer.domain.errors import InvalidFields

DEPTH_MAX = 16
"""Objects and lists inside each other; nothing of ours needs more than five."""
FIELDS_MAX = 200
"""Fields of one object."""
EXACT_MAX = 1 << 53
"""Below it, every whole number has a float of its own."""
DIGITS_MAX = 32
"""Digits of one number."""


def parse(body: bytes) -> Any:
    """Return the value, or None for an empty body; raise `InvalidFields` that says what is wrong with it."""
    try:
        text = body.decode("utf-8-sig")
        value = json.loads(
            text,
            parse_int=_whole,
            parse_float=_fraction,
            parse_constant=_no_number,
            object_pairs_hook=_fields,
        ) if text.strip() else None  # fmt: skip
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except UnicodeError:
        raise refused("not UTF-8") from None
    except RecursionError:
        raise refused("json_too_deep", limit=DEPTH_MAX) from None
    except ValueError:
        raise refused("json_invalid") from None
    _check_depth(value)
    return value


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the fields of an object, none for an empty body; raise `InvalidFields` for anything else."""
    value = parse(body)
    if value is not None and not isinstance(value, dict):
        raise refused("object expected")
    return value or {}


def refused(problem: str, **limit: int) -> InvalidFields:
    """Return the error for a body as a whole."""
    return InvalidFields(fields=[{"field": "body", "problem": problem, **limit}])


def _whole(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise refused("number_too_long", limit=DIGITS_MAX)
    return int(digits)


def _fraction(digits: str) -> float:
    """JSON knows one kind of number: 5.0 is the whole number 5."""
    number = float(digits)
    if not math.isfinite(number):
        raise refused("not_finite")
    return int(number) if number.is_integer() and abs(number) < EXACT_MAX else number


def _no_number(_: str) -> float:
    raise refused("not_finite")


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > FIELDS_MAX:
        raise refused("too_many_fields", limit=FIELDS_MAX)
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise refused("repeated")
    return fields


def _check_depth(value: Any) -> None:
    """Raise for what is nested too deeply, without going deep itself."""
    level = [value]
    for _ in range(DEPTH_MAX + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise refused("json_too_deep", limit=DEPTH_MAX)
