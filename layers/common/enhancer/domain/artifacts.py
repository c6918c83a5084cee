"""How artifacts are named: ``ai-enhancer/<kind>/<ownerType>/<ownerId>/<128 random bits>.<ext>``."""

from __future__ import annotations

from enhancer.domain.images import EXTENSIONS
from enhancer.domain.owners import Owner

ROOT = "ai-enhancer"
UPLOADS, RESULTS, INCOMING = f"{ROOT}/uploads", f"{ROOT}/results", f"{ROOT}/incoming"
EXPORTS, REPORTS = f"{ROOT}/exports", f"{ROOT}/reports"
UPLOAD_SECONDS = 600
"""A prepared upload must be finished within this time."""


class NoArtifact(Exception):
    """Nothing is stored under this key."""


def original_key(owner: Owner, name: str, image_format: str) -> str:
    """Key of a cleaned original; readable by whoever knows the name."""
    return f"{UPLOADS}/{owner.type}/{owner.id}/{name}.{EXTENSIONS[image_format]}"


def result_key(owner: Owner, name: str, image_format: str) -> str:
    """Key of a result; the owner's alone."""
    return f"{RESULTS}/{owner.type}/{owner.id}/{name}.{EXTENSIONS[image_format]}"


def incoming_key(owner: Owner, name: str) -> str:
    """Key of an upload as it came; never served, read once by us."""
    return f"{INCOMING}/{owner.type}/{owner.id}/{name}"


def is_incoming_of(key: str, owner: Owner) -> bool:
    """Return whether ``key`` names an upload of this owner."""
    return key.startswith(f"{INCOMING}/{owner.type}/{owner.id}/")


def export_key(owner: Owner, name: str) -> str:
    """Key of a copy of all data of an owner."""
    return f"{EXPORTS}/{owner.type}/{owner.id}/{name}.zip"


def closing_report_key(day: str) -> str:
    """Key of what the closing of a day did; for the operator."""
    return f"{REPORTS}/closing/{day}.json"


def prefixes_of(owner: Owner) -> list[str]:
    """Where everything of an owner lies."""
    return [f"{kind}/{owner.type}/{owner.id}/" for kind in (INCOMING, UPLOADS, RESULTS, EXPORTS)]
