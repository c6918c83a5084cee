"""Checks of paths and URLs: where a browser may be sent after sign-in, and what is on this machine."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote, urlsplit

from enhancer.domain.errors import ReturnToInvalid

HOME = "/"
RETURN_TO_MAX = 500
"""Longest path to return to, in characters."""
PATH_PATTERN = r"/[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]*"
_PATH = re.compile(PATH_PATTERN, re.ASCII)


def safe_path(path: str | None, *, home: str = HOME) -> str:
    """Return ``path`` if it leads to our own page, ``home`` if there is none.

    Raises `ReturnToInvalid` for other sites, the API, ``.`` and ``..``, also where they are percent-encoded twice.
    """
    if not path:
        return home
    plain = unquote(unquote(path))
    climbs = {".", ".."} & set(re.split("[/?#]", plain))  # a browser would resolve them, perhaps to the API
    ours = _PATH.fullmatch(path) and not climbs and not plain.startswith(("//", "/api/"))
    if len(path) > RETURN_TO_MAX or not ours or "\\" in plain or any(ord(one) < 32 for one in plain):
        raise ReturnToInvalid(field="returnTo")
    return path


def is_loopback(url: str) -> bool:
    """Return whether a URL's host is ``localhost`` or a loopback address."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
