"""What a ``Set-Cookie`` value says; the order of its attributes means nothing."""

from __future__ import annotations


def parsed(text: str) -> tuple[str, str, list[str]]:
    """Name, value, and the attributes as they are written, sorted."""
    first, *attributes = text.split("; ")
    name, _, value = first.partition("=")
    return name, value, sorted(attributes)


def attributes(text: str) -> list[str]:
    """The attributes of a ``Set-Cookie`` value, sorted."""
    return parsed(text)[2]
