"""A predictor that does what it is told: a real implementation of the Protocol, without a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.images import CONTENT_TYPES
from enhancer.domain.jobs import Artifact, Item, Job
from tests.support.images import encoded, picture

if TYPE_CHECKING:
    from enhancer.adapters.artifacts import Artifacts

Step = BaseException | Callable[[Job, Item], None]


@dataclass
class ScriptedPredictor:
    """Writes a real image of the right size, unless ``script`` has something else for the next run or start.

    A step is an exception to raise, or a callable that runs first (something that happens meanwhile). What was
    started runs until `deliver` ends it.
    """

    artifacts: Artifacts
    script: list[Step] = field(default_factory=list)
    runs: list[Item] = field(default_factory=list)
    started: list[tuple[str, int, int]] = field(default_factory=list)
    canceled: list[tuple[str, int, int]] = field(default_factory=list)

    def predict(self, job: Job, item: Item, *, seconds_max: float) -> Artifact:
        """See `enhancer.domain.predictions.Predictor`."""
        self.runs.append(item)
        self._next_step(job, item)
        return self.deliver(job, item)

    def start(self, job: Job, item: Item) -> None:
        """See `enhancer.domain.predictions.Predictor`."""
        self._next_step(job, item)
        self.started.append((job.id, item.index, job.attempt))

    def look(self, job: Job, item: Item) -> Artifact | None:
        """See `enhancer.domain.predictions.Predictor`."""
        if not item.target or not item.input:
            return None
        try:
            stored = self.artifacts.head(item.target)
        except NoArtifact:
            return None
        factor = job.params.scale or 1
        size = item.input.width * factor, item.input.height * factor
        return Artifact(item.target, stored.content_type, stored.size, *size)

    def cancel(self, job: Job, item: Item) -> None:
        """See `enhancer.domain.predictions.Predictor`."""
        self.canceled.append((job.id, item.index, job.attempt))

    def deliver(self, job: Job, item: Item) -> Artifact:
        """The model ends: its result lies at the item's target."""
        factor = job.params.scale or 1
        assert item.input, "nobody has looked at it"
        result = picture((item.input.width * factor, item.input.height * factor))
        data, content_type = encoded(result, item.output_format.upper()), CONTENT_TYPES[item.output_format]
        self.artifacts.put(item.target, data, content_type)
        return Artifact(item.target, content_type, len(data), *result.size)

    def _next_step(self, job: Job, item: Item) -> None:
        step = self.script.pop(0) if self.script else None
        if isinstance(step, BaseException):
            raise step
        if step:
            step(job, item)
