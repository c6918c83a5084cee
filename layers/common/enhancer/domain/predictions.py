"""The interface of every predictor: the code that runs a model at a provider or in our own function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from enhancer.domain.jobs import Artifact, Item, Job


class StillRunning(Exception):
    """The prediction did not end in the time that was left for it; it goes on at the provider.

    ``prediction_id``: the provider's id of it, None where it has none.
    """

    def __init__(self, prediction_id: str | None = None) -> None:
        super().__init__(prediction_id)
        self.prediction_id = prediction_id


class OutOfTime(Exception):
    """No prediction is running, and the time left of the request is too short to start one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A prediction that succeeded.

    ``output``: its result, decoded and encoded again by us, and stored. ``cost``: what it cost us, in USD micros.
    """

    output: Artifact
    cost: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """A prediction that was started.

    ``id``: the provider's id of it, None where it has none. ``ended``: it ended already, as with providers that answer
    with the result.
    """

    id: str | None = None
    ended: bool = False


class Predictor(Protocol):
    """Runs a model on ``item.input`` and leaves the finished image at ``item.target``.

    Which model and with what parameters: ``job.model_of(item)`` and ``job.params_of(item)``. Each method raises a
    `ProviderError` when there is no usable image, an `InvalidRequest` when the provider refuses the picture or the
    prompt, `ProviderForbidden` when it does not accept our token. The error's ``cost`` says what the failed prediction
    cost us, in USD micros.
    """

    @property
    def runs_on(self) -> bool:
        """Whether a prediction goes on, and costs, when whoever started it has died and nobody waits for it."""
        ...

    def predict(
        self, job: Job, item: Item, *, seconds_max: float, named: Callable[[str], None] | None = None
    ) -> Outcome:
        """Run the prediction to its end and return its result.

        ``named`` is called with the provider's id as soon as there is one, before anything else is done; what it raises
        is raised. Raises `StillRunning` if it runs on after ``seconds_max``, `OutOfTime` if by then none is running.
        """
        ...

    def start(self, job: Job, item: Item) -> Started:
        """Start the prediction and return at once, or at its end where the provider answers with the result.

        A later end wakes the step of the state machine that waits with the item's token.
        """
        ...

    def ended(self, job: Job, item: Item) -> bool:
        """Return whether the prediction ended, in success or failure. Fetches no result."""
        ...

    def collect(self, job: Job, item: Item) -> Outcome:
        """Return the result of a prediction that ended, after storing it if it is not stored yet. Safe to repeat.

        Raises `StillRunning` when it has not ended.
        """
        ...

    def cancel(self, job: Job, item: Item) -> None:
        """Ask the provider to stop the prediction. No error if it ended or never began, or if nobody answers."""
        ...

    def stop(self, prediction_id: str) -> None:
        """Ask the provider to stop a prediction that no job of ours waits for; no error either."""
        ...
