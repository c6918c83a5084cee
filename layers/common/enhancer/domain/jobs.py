"""A job and its items: one run of a model over one to ten images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from enhancer.domain.entitlement import Params
from enhancer.domain.ledger import Hold
from enhancer.domain.models import Model, model_named
from enhancer.domain.owners import Owner
from enhancer.domain.pricing import FREE, Split

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
    """The provider's run of an item in one attempt. ``token`` wakes the state machine that waits for it.

    ``id`` is the provider's name for it; ``turn`` tells it from the tries before and after it.
    """

    attempt: int
    started_at: int
    token: str | None = None
    id: str | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Fallback:
    """What an item runs on instead of what was asked for, since its try number ``turn``."""

    model: str
    params: Params
    turn: int


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a job.

    ``input``, digests, ``target`` (the key its result will have) and ``output_format`` are known once the picture
    was looked at: at once for a picture in the request, in the first step for an upload or a URL. ``free`` means
    that the result was paid for before.

    ``turn`` counts the tries of this attempt that failed; ``retry_after`` is what the provider asked for after the
    last one, in seconds. ``cost`` is what all tries of all attempts cost us, USD micros. ``paid`` is what was charged
    where that is less than the hold.
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
    turn: int = 0
    retry_after: float | None = None
    fallback: Fallback | None = None
    cost: int = 0
    paid: Split | None = None

    @property
    def is_open(self) -> bool:
        """True while it can still change."""
        return self.status in OPEN

    @property
    def charged(self) -> Split:
        """What this item cost its owner in the end: its hold or less if it succeeded, else nothing."""
        if self.status != "succeeded" or self.free:
            return FREE
        return self.paid or Split(self.hold.plan, self.hold.credits)

    @property
    def charge(self) -> int:
        """The same in total, in tenths."""
        return self.charged.total

    @property
    def megapixels(self) -> float:
        """Size of its picture, 0 while nobody has looked at it."""
        return self.input.width * self.input.height / 1e6 if self.input else 0.0

    @property
    def tries(self) -> int:
        """How often the model that runs now was tried in this attempt, without the try under way."""
        return self.turn - (self.fallback.turn if self.fallback else 0)


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

    def model_of(self, item: Item) -> Model:
        """Return the model that runs an item: the one asked for, or its fallback."""
        return model_named(item.fallback.model if item.fallback else self.model)

    def params_of(self, item: Item) -> Params:
        """Return what an item is run with; its own prompt comes before the common one."""
        params = item.fallback.params if item.fallback else self.params
        return replace(params, prompt=item.prompt) if item.prompt and not item.fallback else params

    @property
    def execution(self) -> str:
        """Name of the state machine's execution that runs this attempt."""
        return f"{self.id}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job and how it came about.

    ``fresh``: it was held just now and must still be run; ``original`` is then its cleaned picture, or empty for a
    batch, whose pictures are looked at later. Else it ran before or is running: ``deduplicated`` because the result
    was paid for before, ``replayed`` because the idempotency key stands for it.
    """

    job: Job
    fresh: bool = False
    original: bytes = b""
    deduplicated: bool = False
    replayed: bool = False
