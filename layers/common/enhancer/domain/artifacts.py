"""Keys of stored files in the bucket: ``ai-enhancer/<kind>/<ownerType>/<ownerId>/<128 random bits>.<ext>``."""

from __future__ import annotations

import re

from enhancer.domain.images import EXTENSIONS
from enhancer.domain.owners import Owner

ROOT = "ai-enhancer"
UPLOADS, RESULTS, INCOMING = f"{ROOT}/uploads", f"{ROOT}/results", f"{ROOT}/incoming"
EXPORTS, REPORTS = f"{ROOT}/exports", f"{ROOT}/reports"
UPLOAD_SECONDS = 600
"""The form of a presigned upload is valid for this long."""
_NAME = re.compile(r"[0-9a-z]{1,64}")


class NoArtifact(Exception):
    """Nothing is stored under this key."""


def original_key(owner: Owner, name: str, image_format: str) -> str:
    """Return the key of an original without its private metadata; whoever knows the key may read it."""
    return f"{UPLOADS}/{owner.type}/{owner.id}/{name}.{EXTENSIONS[image_format]}"


def result_key(owner: Owner, name: str, image_format: str) -> str:
    """Return the key of a result; only its owner may read it."""
    return f"{RESULTS}/{owner.type}/{owner.id}/{name}.{EXTENSIONS[image_format]}"


def incoming_key(owner: Owner, name: str) -> str:
    """Return the key of an upload as it came: read by us, never served to anybody."""
    return f"{INCOMING}/{owner.type}/{owner.id}/{name}"


def is_incoming_of(key: str, owner: Owner) -> bool:
    """Return whether ``key`` lies where this owner's uploads come in, under a name that we gave."""
    folder, _, name = key.rpartition("/")
    return folder == f"{INCOMING}/{owner.type}/{owner.id}" and _NAME.fullmatch(name) is not None


def export_key(owner: Owner, name: str) -> str:
    """Return the key of an owner's export: a ZIP of all their data."""
    return f"{EXPORTS}/{owner.type}/{owner.id}/{name}.zip"


def closing_report_key(day: str) -> str:
    """Return the key of the JSON report that the daily `quota_reset` writes for the operator; ``day`` as 2026-11-20."""
    return f"{REPORTS}/closing/{day}.json"


def report_key(name: str, extension: str) -> str:
    """Return the key of a cost report; ``name`` as ``day-2026-11-20`` or ``month-2026-11``."""
    kind, _, period = name.partition("-")
    return f"{REPORTS}/{kind}/{period}.{extension}"


def prefixes_of(owner: Owner) -> list[str]:
    """Return the prefixes under which every stored file of an owner lies."""
    return [f"{kind}/{owner.type}/{owner.id}/" for kind in (INCOMING, UPLOADS, RESULTS, EXPORTS)]
