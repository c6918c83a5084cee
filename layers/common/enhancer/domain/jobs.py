"""A job and its items: one run of a model over one to ten images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from enhancer.domain.entitlement import Params
from enhancer.domain.ledger import Hold
from enhancer.domain.owners import Owner

Status = Literal["queued", "processing", "succeeded", "failed", "canceled"]
OPEN: tuple[Status, ...] = ("queued", "processing")
"""Statuses that can still change. The others are final."""
DEADLINE_MS = 300_000
"""A job without an end after this long is failed and its holds released."""
KEPT_DAYS = 35
"""Records of jobs outlive their artifacts by a few days."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored image. ``size`` in bytes, width and height in pixels."""

    key: str
    content_type: str
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class JobError:
    """Why an item failed: an error's code and the details shown with it."""

    code: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a job. ``target`` is the key its result will have, fixed with the hold."""

    index: int
    status: Status
    hold: Hold
    digest: str
    result_digest: str
    input: Artifact
    target: str
    output: Artifact | None = None
    error: JobError | None = None
    seconds: float | None = None

    @property
    def charge(self) -> int:
        """What this item cost in the end, in tenths: its hold if it succeeded, else nothing."""
        return self.hold.total if self.status == "succeeded" else 0


@dataclass(frozen=True, slots=True)
class Job:
    """Ours; the provider's run is a prediction. Times in epoch ms."""

    id: str
    owner: Owner
    status: Status
    model: str
    provider: str
    params: Params
    output_format: str
    fingerprint: str
    items: tuple[Item, ...]
    created_at: int
    updated_at: int
    deadline: int

    @property
    def is_open(self) -> bool:
        """True while it can still change."""
        return self.status in OPEN
