"""A predictor that does what it is told: a real implementation of the Protocol, without a model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.errors import EnhancerError
from enhancer.domain.images import CONTENT_TYPES
from enhancer.domain.jobs import Artifact, Item, Job
from enhancer.domain.predictions import Outcome, Started, StillRunning
from tests.support.images import encoded, picture

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts

Step = BaseException | Callable[[Job, Item], None]
Try = tuple[str, int, int, int]
"""Job, item, attempt and turn."""


def try_of(job: Job, item: Item) -> Try:
    """Which try of which item this is."""
    return job.id, item.index, job.attempt, item.turn


@dataclass
class ScriptedPredictor:
    """Writes a real image of the right size, unless ``script`` has something else for the next run or start.

    A step is an exception to raise, or a callable that runs first (something that happens meanwhile). What was
    started runs until `deliver` or `fail` ends it. ``names``: its predictions have names, as `name_of` gives them.
    ``is_instant``: a start returns when the prediction has ended. ``cost`` is what a good prediction costs.
    ``running``: predictions with names that have neither ended nor been stopped.
    """

    artifacts: Artifacts
    names: bool = False
    is_instant: bool = False
    cost: int = 0
    script: list[Step] = field(default_factory=list)
    looks: list[BaseException] = field(default_factory=list)
    runs: list[Item] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    started: list[tuple[str, int, int]] = field(default_factory=list)
    tries: list[Try] = field(default_factory=list)
    canceled: list[tuple[str, int, int]] = field(default_factory=list)
    canceled_names: list[str | None] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failed: dict[Try, BaseException] = field(default_factory=dict)
    running: dict[Try, str] = field(default_factory=dict)

    @property
    def runs_on(self) -> bool:
        """See `enhancer.domain.predictions.Predictor`: one whose predictions have names."""
        return self.names

    def predict(
        self, job: Job, item: Item, *, seconds_max: float, named: Callable[[str], None] | None = None
    ) -> Outcome:
        """See `enhancer.domain.predictions.Predictor`. Steps of the script run after it was named."""
        self.runs.append(item)
        self.models.append(job.model_of(item).alias)
        self.seconds.append(seconds_max)
        if self.names and not (self.script and isinstance(self.script[0], EnhancerError)):
            self.running[try_of(job, item)] = self.name_of(job, item)
            if named:
                named(self.name_of(job, item))
        try:
            self._next_step(job, item)
        except EnhancerError:
            self.running.pop(try_of(job, item), None)
            raise
        return Outcome(self.deliver(job, item), self.cost)

    def start(self, job: Job, item: Item) -> Started:
        """See `enhancer.domain.predictions.Predictor`."""
        self._next_step(job, item)
        self.models.append(job.model_of(item).alias)
        if self.names:
            self.running[try_of(job, item)] = self.name_of(job, item)
        self.started.append((job.id, item.index, job.attempt))
        self.tries.append(try_of(job, item))
        if self.is_instant:
            self.deliver(job, item)
        return Started(self.name_of(job, item) if self.names else None, ended=self.is_instant)

    def ended(self, job: Job, item: Item) -> bool:
        """See `enhancer.domain.predictions.Predictor`; raises what is in ``looks`` first."""
        if self.looks:
            raise self.looks.pop(0)
        return try_of(job, item) in self.failed or self._found(item) is not None

    def collect(self, job: Job, item: Item) -> Outcome:
        """See `enhancer.domain.predictions.Predictor`."""
        problem = self.failed.get(try_of(job, item))
        if problem:
            raise problem
        found = self._found(item)
        if found is None:
            raise StillRunning
        return Outcome(found, self.cost)

    def cancel(self, job: Job, item: Item) -> None:
        """See `enhancer.domain.predictions.Predictor`."""
        self.canceled.append((job.id, item.index, job.attempt))
        self.canceled_names.append(item.prediction.id if item.prediction else None)
        self.running.pop(try_of(job, item), None)

    def stop(self, prediction_id: str) -> None:
        """See `enhancer.domain.predictions.Predictor`."""
        self.stopped.append(prediction_id)
        self.running = {run: name for run, name in self.running.items() if name != prediction_id}

    def deliver(self, job: Job, item: Item) -> Artifact:
        """The model ends: its result lies at the item's target."""
        size = self._size(job, item)
        result = picture(size)
        data, content_type = encoded(result, item.output_format.upper()), CONTENT_TYPES[item.output_format]
        facts = {"width": size[0], "height": size[1], "cost": self.cost}
        self.artifacts.put(item.target, data, content_type, facts=facts)
        self.running.pop(try_of(job, item), None)
        return Artifact(item.target, content_type, len(data), *size)

    def fail(self, job: Job, item: Item, problem: BaseException) -> None:
        """The model ends badly: whoever collects this try learns why."""
        self.failed[try_of(job, item)] = problem
        self.running.pop(try_of(job, item), None)

    @staticmethod
    def name_of(job: Job, item: Item) -> str:
        """What the provider calls the prediction of this try."""
        return f"prediction-{item.index}-{job.attempt}-{item.turn}"

    @staticmethod
    def _size(job: Job, item: Item) -> tuple[int, int]:
        assert item.input, "nobody has looked at it"
        model = job.model_of(item)
        factor = job.params_of(item).scale or model.factor
        return item.input.width * factor, item.input.height * factor

    def _found(self, item: Item) -> Artifact | None:
        if not item.target or not item.input:
            return None
        try:
            stored = self.artifacts.head(item.target)
        except NoArtifact:
            return None
        size = stored.facts["width"], stored.facts["height"]
        return Artifact(item.target, stored.content_type, stored.size, *size)

    def _next_step(self, job: Job, item: Item) -> None:
        step = self.script.pop(0) if self.script else None
        if isinstance(step, BaseException):
            raise step
        if step:
            step(job, item)
