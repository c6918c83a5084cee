"""A job and its items: a model, its parameters, and one to ten images to run it on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from enhancer.domain.images import NOTHING_KNOWN, About
from enhancer.domain.ledger import Hold
from enhancer.domain.models import Model, Params, model_named
from enhancer.domain.owners import Owner
from enhancer.domain.pricing import FREE, Split

Kind = Literal["sync", "async"]
"""Run within one request (sync) or by the state machine (async). A sync job that takes too long becomes async."""
Status = Literal["queued", "processing", "succeeded", "failed", "canceled"]
OPEN: tuple[Status, ...] = ("queued", "processing")
"""Statuses that can still change; the others are final."""
DEADLINE_MS = 300_000
"""A job that shows no progress for so long is ended as failed, and its holds are released."""
ITEMS_MAX = 10
"""Most images in one job."""
KEPT_DAYS = 35
"""The table keeps a job for so many days, a few more than the bucket keeps its images."""


class PredictionStarted(Exception):
    """What was to be written for this item of this attempt was written before: somebody else was faster."""


class StaleAttempt(Exception):
    """The job or item has ended, or a later attempt or turn runs: nothing may be changed any more."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored image: its key in the bucket, ``size`` in bytes, width and height in pixels."""

    key: str
    content_type: str
    size: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class JobError:
    """Why an item failed: the code of an `EnhancerError` and the details shown with it."""

    code: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """Where an item's picture is to be read from; ``ref``: the key of an upload, or a URL."""

    kind: Literal["upload", "url"]
    ref: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The provider's run of an item.

    ``attempt`` and ``turn``: of the job and of the item it belongs to. ``started_at``: epoch ms. ``token``: the task
    token of the step that waits for its end, None where none waits. ``id``: the provider's id of it, None before it is
    known.
    """

    attempt: int
    started_at: int
    token: str | None = None
    id: str | None = None
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Fallback:
    """The model and parameters that an item is run with instead of those asked for, from turn ``turn`` on."""

    model: str
    params: Params
    turn: int


@dataclass(frozen=True, slots=True)
class Item:
    """One image of a job.

    ``input``, ``digest`` (of the pixels), ``result_digest`` (of the pixels and everything that shapes the result),
    ``target`` (the key its result will have), ``output_format`` and ``about`` (what is kept of its metadata) are set
    once the picture was decoded: within the request that brings it, or in the first step for an upload or a URL.
    ``output``: the stored result. ``seconds``: how long it took. ``free``: the output is a copy of a result that
    another item was charged for.

    ``turn``: how many tries of this attempt have failed, or were put off because another item makes the same result:
    ``waited`` of those with the present model. ``retry_after``: seconds that the provider asked to wait after
    the last one. ``cost``: what all tries of all attempts cost us, in USD micros. ``paid``: what was charged, where
    that is less than the hold.
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
    about: About = NOTHING_KNOWN
    prediction: Prediction | None = None
    output: Artifact | None = None
    error: JobError | None = None
    seconds: float | None = None
    free: bool = False
    turn: int = 0
    waited: int = 0
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
        """What the owner was charged: the hold, or less, if the item succeeded; otherwise nothing."""
        if self.status != "succeeded" or self.free:
            return FREE
        return self.paid or Split(self.hold.plan, self.hold.credits)

    @property
    def charge(self) -> int:
        """What the owner was charged in all, in tenths of a credit."""
        return self.charged.total

    @property
    def megapixels(self) -> float:
        """The size of its picture, 0.0 before it was decoded."""
        return self.input.width * self.input.height / 1e6 if self.input else 0.0

    @property
    def tries(self) -> int:
        """How many tries of the present model failed in this attempt."""
        return self.turn - self.waited - (self.fallback.turn if self.fallback else 0)


@dataclass(frozen=True, slots=True)
class Job:
    """An order of one to ten images, and what became of it. Times in epoch ms.

    ``model``: a slug. ``fingerprint``: the digest of the request's body, which an idempotency key stands for.
    ``deadline``: when it expires without progress. ``plan``: the owner's at submission. ``attempt``: 1, and one more
    with each retry of the failed items. ``counted``: it takes one of the plan's jobs at once. ``request_id``: of the
    request that ordered this attempt, at ``ordered_at``; "" and 0 in records of earlier versions.
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
    request_id: str = ""
    ordered_at: int = 0

    @property
    def is_open(self) -> bool:
        """True while it can still change."""
        return self.status in OPEN

    def age_seconds(self, now: int) -> float:
        """Return how long ago this attempt was ordered."""
        return (now - (self.ordered_at or self.created_at)) / 1000

    @property
    def open_items(self) -> list[Item]:
        """Items that were neither settled nor released."""
        return [item for item in self.items if item.is_open]

    @property
    def outcome(self) -> Status:
        """The status the job ends with: succeeded if at least one item did."""
        return "succeeded" if any(item.status == "succeeded" for item in self.items) else "failed"

    def model_of(self, item: Item) -> Model:
        """Return the model that an item is run with: the one asked for, or the fallback."""
        return model_named(item.fallback.model if item.fallback else self.model)

    def params_of(self, item: Item) -> Params:
        """Return the parameters that an item is run with; its own prompt replaces the job's."""
        params = item.fallback.params if item.fallback else self.params
        return replace(params, prompt=item.prompt) if item.prompt and not item.fallback else params

    @property
    def execution(self) -> str:
        """Name of the execution of the state machine that runs this attempt."""
        return f"{self.id}-{self.attempt}"


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job and how it came about.

    ``fresh``: it was held just now and must still be run; ``original`` is then its cleaned picture, or empty for a
    batch, whose pictures are looked at later. Else it is running or has ended: ``replayed`` because the idempotency key
    stands for it, or born free with a copy of a result that was paid for before.
    """

    job: Job
    fresh: bool = False
    original: bytes = b""
    replayed: bool = False

    @property
    def deduplicated(self) -> bool:
        """Whether the (first) picture had been paid for before."""
        return self.job.items[0].free
