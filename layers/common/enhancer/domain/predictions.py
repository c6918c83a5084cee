"""What every predictor must do, whoever runs the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from enhancer.domain.jobs import Artifact, Item, Job


class StillRunning(Exception):
    """The prediction did not end within the time a request has; it goes on without us.

    ``prediction_id``: the provider's name for it, where it has one.
    """

    def __init__(self, prediction_id: str | None = None) -> None:
        super().__init__(prediction_id)
        self.prediction_id = prediction_id


class OutOfTime(Exception):
    """Nothing is running, and the time a request has is too short to start it (again)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A prediction that ended well: its result, decoded, encoded by us and stored; its cost to us in USD micros."""

    output: Artifact
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """A prediction under way. ``id`` is the provider's name for it; ``ended``: there is nothing left to wait for."""

    id: str | None = None
    ended: bool = False


class Predictor(Protocol):
    """Runs a model on ``item.input`` and leaves the finished image at ``item.target``.

    Which model and with what parameters: ``job.model_of(item)`` and ``job.params_of(item)``. Each method raises a
    `ProviderError` when there is no usable image, an `InvalidRequest` when the picture or prompt itself is at fault,
    `ProviderForbidden` when the provider does not accept our token. What a failed prediction cost is the error's
    ``cost``.
    """

    def predict(self, job: Job, item: Item, *, seconds_max: float) -> Outcome:
        """Run it to its end; after ``seconds_max`` raise `StillRunning`, or `OutOfTime` if nothing goes on."""
        ...

    def start(self, job: Job, item: Item) -> Started:
        """Start it; return at once, or when it ended if the provider knows no other way.

        Its end wakes whoever holds the item's token.
        """
        ...

    def ended(self, job: Job, item: Item) -> bool:
        """Return whether there is nothing left to wait for, well or not. Cheap: fetches no result."""
        ...

    def collect(self, job: Job, item: Item) -> Outcome:
        """Return the result of a prediction that ended, storing it first where that was not done yet. Safe to repeat.

        Raises `StillRunning` when it has not ended.
        """
        ...

    def cancel(self, job: Job, item: Item) -> None:
        """Ask the provider to stop; a prediction that ended or never began is no error, and neither is silence."""
        ...
