"""ETags: whether a client already has what it asks for."""

from __future__ import annotations

import re

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def matches(if_none_match: str | None, etag: str) -> bool:
    """Return whether the header ``If-None-Match`` names this ETag: then the answer is 304, without a body.

    RFC 9110, section 13.1.2: the header is ``*``, which names whatever there is, or a list of ETags. They are compared
    weakly (8.8.3.2): ``W/"a"`` equals ``"a"``. ``etag`` comes with its quotes; a missing header (None) names nothing.
    """
    header = (if_none_match or "").strip()
    return header == "*" or etag.removeprefix("W/") in _TAG.findall(header)
