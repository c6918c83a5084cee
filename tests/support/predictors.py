"""A predictor that does what it is told: a real implementation of the Protocol, without a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enhancer.domain.images import CONTENT_TYPES
from enhancer.domain.jobs import Artifact, Item, Job
from tests.support.images import encoded, picture

if TYPE_CHECKING:
    from enhancer.adapters.artifacts import Artifacts

Step = BaseException | Callable[[Job, Item], None]


@dataclass
class ScriptedPredictor:
    """Writes a real image of the right size, unless ``script`` has something else for the next run.

    A step is an exception to raise, or a callable that runs first (something that happens meanwhile).
    """

    artifacts: Artifacts
    script: list[Step] = field(default_factory=list)
    runs: list[Item] = field(default_factory=list)

    def predict(self, job: Job, item: Item) -> Artifact:
        """See `enhancer.domain.predictions.Predictor`."""
        self.runs.append(item)
        step = self.script.pop(0) if self.script else None
        if isinstance(step, BaseException):
            raise step
        if step:
            step(job, item)
        factor = job.params.scale or 1
        result = picture((item.input.width * factor, item.input.height * factor))
        data, content_type = encoded(result, job.output_format.upper()), CONTENT_TYPES[job.output_format]
        self.artifacts.put(item.target, data, content_type)
        return Artifact(item.target, content_type, len(data), *result.size)
