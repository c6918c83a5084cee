"""Query parameters: a route takes those that it names, and refuses all others like unknown fields of a form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from enhancer.api.http.failures import NAME_MAX, PROBLEMS_MAX
from enhancer.domain.errors import InvalidFields

VALUE_MAX = 512
"""Longest value, in characters: it may become part of a key in the table, which has at most 1,024 bytes."""
Handler = TypeVar("Handler", bound=Callable[..., Any])


def reads(*, foreign: bool = False, **named: str) -> Callable[[Handler], Handler]:
    """Name the query parameters that a route reads by hand, each with its description.

    ``foreign``: somebody else's server sends browsers here and may add parameters of its own; the route judges them.
    """

    def decorate(handler: Handler) -> Handler:
        handler.query = named  # type: ignore[attr-defined]
        handler.foreign_query = foreign  # type: ignore[attr-defined]
        return handler

    return decorate


def read_by_hand(handler: Callable[..., Any]) -> dict[str, str]:
    """Return what `reads` said about a route: names and descriptions."""
    found: dict[str, str] = getattr(handler, "query", {})
    return found


def check(query: Mapping[str, str], known: Iterable[str], *, foreign: bool) -> None:
    """Raise `InvalidFields` for parameters that nobody asked for, and for values that are too long."""
    if foreign:
        return
    names = set(known)
    problems: list[dict[str, Any]] = [
        {"field": name[:NAME_MAX], "problem": "extra_forbidden"} for name in query if name not in names
    ]
    problems += [
        {"field": name, "problem": "too_long", "limit": VALUE_MAX}
        for name, value in query.items()
        if name in names and len(value) > VALUE_MAX
    ]
    if problems:
        more = {"more": len(problems) - PROBLEMS_MAX} if len(problems) > PROBLEMS_MAX else {}
        raise InvalidFields(fields=problems[:PROBLEMS_MAX], **more)
