"""What every predictor must do, whoever runs the model."""

from __future__ import annotations

from typing import Protocol

from enhancer.domain.jobs import Artifact, Item, Job


class StillRunning(Exception):
    """The prediction did not end within the time a request has; it goes on without us."""


class Predictor(Protocol):
    """Runs the model on ``item.input`` and leaves the finished image at ``item.target``.

    Each method raises a `ProviderError` when there is no usable image, or an `InvalidRequest` when the picture
    itself is at fault.
    """

    def predict(self, job: Job, item: Item, *, seconds_max: float) -> Artifact:
        """Run it to its end and describe the result; raise `StillRunning` after ``seconds_max``."""
        ...

    def start(self, job: Job, item: Item) -> None:
        """Start it and return at once. Its end wakes whoever holds the item's token."""
        ...

    def look(self, job: Job, item: Item) -> Artifact | None:
        """Return the result if it is there, None while it is running."""
        ...

    def cancel(self, job: Job, item: Item) -> None:
        """Ask the provider to stop; a prediction that ended or never began is no error."""
        ...
