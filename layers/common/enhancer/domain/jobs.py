"""A job and its items: one run of a model over one to ten images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from enhancer.domain.entitlement import Params
from enhancer.domain.ledger import Hold
from enhancer.domain.owners import Owner

Kind = Literal["sync", "async"]
"""Run inside one request, or by the state machine. A slow sync job becomes async."""
Status = Literal["queued", "processing", "succeeded", "failed", "canceled"]
OPEN: tuple[Status, ...] = ("queued", "processing")
"""Statuses that can still change. The others are final."""
DEADLINE_MS = 300_000
"""A job without an end after this long is failed and its holds released."""
ITEMS_MAX = 10
"""Images in one job."""
KEPT_DAYS = 35
"""Records of jobs outlive their artifacts by a few days."""


class PredictionStarted(Exception):
    """The item's prediction was started before in this attempt."""


class StaleAttempt(Exception):
    """The job or item has ended, or a later attempt runs; whoever asked is late and must change nothing."""


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
class Source:
    """Where an item's picture comes from while nobody has looked at it yet: an upload's key, or a URL."""

    kind: Literal["upload", "url"]
    ref: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The provider's run of an item in one attempt. ``token`` wakes the state machine that waits for it."""

    attempt: int
    started_at: int
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a job.

    ``input``, digests, ``target`` (the key its result will have) and ``output_format`` are known once the picture
    was looked at: at once for a picture in the request, in the first step for an upload or a URL. ``free`` means
    that the result was paid for before.
    """

    index: int
    status: Status
    hold: Hold
    source: Source | None = None
    prompt: str | None = None
    digest: str = ""
    result_digest: str = ""
    input: Artifact | None = None
    target: str = ""
    output_format: str = ""
    prediction: Prediction | None = None
    output: Artifact | None = None
    error: JobError | None = None
    seconds: float | None = None
    free: bool = False

    @property
    def is_open(self) -> bool:
        """True while it can still change."""
        return self.status in OPEN

    @property
    def charge(self) -> int:
        """What this item cost in the end, in tenths: its hold if it succeeded, else nothing."""
        return self.hold.total if self.status == "succeeded" and not self.free else 0


@dataclass(frozen=True, slots=True)
class Job:
    """Ours; the provider's run is a prediction. Times in epoch ms.

    ``plan`` is the owner's at submission; a ``counted`` job takes one of the plan's jobs at once.
    """

    id: str
    owner: Owner
    status: Status
    model: str
    provider: str
    params: Params
    fingerprint: str
    items: tuple[Item, ...]
    created_at: int
    updated_at: int
    deadline: int
    plan: str = "guest"
    kind: Kind = "sync"
    attempt: int = 1
    counted: bool = False

    @property
    def is_open(self) -> bool:
        """True while it can still change."""
        return self.status in OPEN

    @property
    def open_items(self) -> list[Item]:
        """Items that were neither settled nor released."""
        return [item for item in self.items if item.is_open]

    @property
    def outcome(self) -> Status:
        """What the job ends as, once all items ended: one good picture makes it succeed."""
        return "succeeded" if any(item.status == "succeeded" for item in self.items) else "failed"

    @property
    def execution(self) -> str:
        """Name of the state machine's execution that runs this attempt."""
        return f"{self.id}-{self.attempt}"
