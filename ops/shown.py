"""What others wrote, as a terminal may show it: a reason, an answer, a file name can hold signs that steer it."""

from __future__ import annotations


def printable(text: object) -> str:
    """Return a text as one line without control signs: each is written as its escape, a line break as two signs."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in str(text))
