"""Handing out artifacts: the owner gate, then bytes, a part of them, 304, or a short-lived link."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enhancer.domain import etags
from enhancer.domain.artifacts import RESULTS, ROOT, NoArtifact
from enhancer.domain.errors import NotFound, NotTheOwner

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts, Head
    from enhancer.domain.callers import Caller

BODY_BYTES_MAX = 4_400_000
"""Lambda's limit of 6 MB for an answer, times 3/4 because base64 makes 4 bytes of 3; rounded down."""
CACHE = {
    "uploads": "public, max-age=900, immutable",
    "results": "private, max-age=31536000, immutable",
}
_NAME = re.compile(r"[0-9a-z]{20,64}\.(jpg|png|webp|avif)")
_FOLDER = re.compile(rf"{RESULTS}/(guest|user)/([^/\\%]+)(/.*)?", re.DOTALL)
_OWNER_ID = re.compile(r"[0-9a-z]{1,64}")
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an artifact lies and whose it is."""

    key: str
    kind: str
    owner_type: str
    owner_id: str

    @property
    def is_private(self) -> bool:
        """Results are their owner's; originals belong to whoever knows the name."""
        return self.kind == "results"


@dataclass(frozen=True, slots=True)
class ArtifactResponse:
    """An answer, free of HTTP libraries."""

    status: int
    headers: dict[str, str]
    content_type: str | None = None
    body: bytes | None = None


def locate(path: str) -> Place:
    """Return the place that a path names, or raise `NotFound` for anything we never hand out."""
    match path.split("/"):
        case [root, ("uploads" | "results") as kind, ("guest" | "user") as owner_type, owner_id, name]:
            if root == ROOT and _OWNER_ID.fullmatch(owner_id) and _NAME.fullmatch(name):
                return Place(path, kind, owner_type, owner_id)
    raise NotFound


def folder_of(path: str) -> tuple[str, str] | None:
    """Return the type and id of whose results lie at a path or below it, whatever follows; None for other paths."""
    found = _FOLDER.fullmatch(path)
    climbs = "\\" in path or "%" in path or {"", ".", ".."} & set(path.rstrip("/").split("/"))
    return (found[1], found[2]) if found and not climbs else None


def check_owner(owner_type: str, owner_id: str, *, caller: Caller) -> None:
    """Raise `NotTheOwner` before anything is looked up, so that it tells nothing about what exists."""
    if not caller.owns(owner_type, owner_id):
        raise NotTheOwner


def deliver(
    place: Place,
    *,
    artifacts: Artifacts,
    if_none_match: str | None,
    byte_range: str | None,
    download: bool,
    head: bool,
) -> ArtifactResponse:
    """Return the artifact, or the part asked for; raise `NotFound` when it is not there (any more)."""
    try:
        stored = artifacts.head(place.key)
    except NoArtifact:
        raise NotFound from None
    headers = _headers(place, stored, download=download)
    if etags.matches(if_none_match, stored.etag):
        return ArtifactResponse(304, headers)
    first, last = window = _window(byte_range, stored.size)
    if first > last:
        return ArtifactResponse(416, {**headers, "Content-Range": f"bytes */{stored.size}"})
    if head:
        return ArtifactResponse(200, {**headers, "Content-Length": str(stored.size)}, stored.content_type)
    if last - first + 1 > BODY_BYTES_MAX:
        link = artifacts.link(place.key, headers=_link_headers(stored, headers))
        return ArtifactResponse(302, {**headers, "Cache-Control": "private, no-store", "Location": link})
    if window == (0, stored.size - 1):
        return ArtifactResponse(200, headers, stored.content_type, artifacts.get(place.key))
    part = artifacts.get(place.key, first=first, last=last)
    headers["Content-Range"] = f"bytes {first}-{last}/{stored.size}"
    return ArtifactResponse(206, headers, stored.content_type, part)


def _headers(place: Place, stored: Head, *, download: bool) -> dict[str, str]:
    headers = {
        "ETag": stored.etag,
        "Cache-Control": CACHE[place.kind],
        "Accept-Ranges": "bytes",
        "Last-Modified": stored.modified.strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    if place.is_private:
        headers["Vary"] = "Cookie"
    if download:
        name = place.key.rpartition("/")[2]
        headers["Content-Disposition"] = (
            f'attachment; filename="enhanced-{name[:6]}{name[name.rindex(".") :]}"'
        )
    return headers


def _link_headers(stored: Head, headers: dict[str, str]) -> dict[str, str]:
    """Return the same headers as S3 `Response*` parameters, so that the redirect's target sends them too."""
    asked = {"ResponseContentType": stored.content_type, "ResponseCacheControl": headers["Cache-Control"]}
    if "Content-Disposition" in headers:
        asked["ResponseContentDisposition"] = headers["Content-Disposition"]
    return asked


def _window(byte_range: str | None, size: int) -> tuple[int, int]:
    """Return first and last byte asked for; all of it when the header asks for nothing we can read.

    A window that starts behind the end comes back with first > last.
    """
    found = _RANGE.fullmatch((byte_range or "").replace(" ", ""))
    if not found or found.groups() == ("", ""):
        return 0, size - 1
    start, end = found.groups()
    if not start:
        return (max(0, size - int(end)), size - 1) if int(end) else (size, size - 1)
    first, last = int(start), min(int(end), size - 1) if end else size - 1
    if end and int(end) < first:
        return 0, size - 1
    return first, last
