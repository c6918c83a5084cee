"""Where providers report that a prediction has ended: a path that names item and turn, signed by us."""

from __future__ import annotations

import hmac

from enhancer.domain.jobs import Item, Job
from enhancer.domain.refs import Ref
from enhancer.domain.signatures import signature

PATH = "/api/provider-webhook/replicate/"


def path_of(job: Job, item: Item, *, key: bytes) -> str:
    """Return the path for this item's prediction in its present turn."""
    name = Ref.of(job, item).to_text()
    return f"{PATH}{name}.{signature('callback', name, key)}"


def ref_of(text: str, *, keys: list[bytes]) -> Ref | None:
    """Return what the last part of such a path is about, None when its signature does not hold."""
    name, _, given = text.rpartition(".")
    expected = [signature("callback", name, key).encode() for key in keys]
    if not any(hmac.compare_digest(given.encode(), one) for one in expected):
        return None
    return Ref.from_text(name)
