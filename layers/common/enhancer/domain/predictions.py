"""What every predictor must do, whoever runs the model."""

from __future__ import annotations

from typing import Protocol

from enhancer.domain.jobs import Artifact, Item, Job


class Predictor(Protocol):
    """Runs one item of a job."""

    def predict(self, job: Job, item: Item) -> Artifact:
        """Run the model on ``item.input``, leave the finished image at ``item.target`` and describe it.

        Returns within the time a request has. Raises a `ProviderError` when there is no usable image, or an
        `InvalidRequest` when the picture itself is at fault.
        """
        ...
