"""What providers send back: looked at, encoded by us and stored, or refused. Never stored as it came."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from enhancer.domain import images
from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.errors import EnhancerError, ProviderOutputInvalid
from enhancer.domain.jobs import Artifact, Item, Job
from enhancer.domain.models import Model
from enhancer.domain.predictions import Outcome

if TYPE_CHECKING:
    from PIL.Image import Image

    from enhancer.adapters.aws.artifacts import Artifacts

PIXELS_MAX = 66_000_000
"""Largest result of a provider, in pixels: the 64 megapixels that may be ordered, and what models round up. Decoding
and encoding an opaque one takes about 13 bytes per pixel (measured: PNG in, WebP out), half of our 1,769 MB."""
SIDE_MIN = 16
"""Shortest side of a result in pixels, unless the input itself was smaller."""
TOLERANCE = 0.02
"""How far a model that knows no scale may miss its own factor."""
FLAT_LEVELS = 2
BLACK_LEVEL = 8

Cost = Callable[[tuple[int, int]], int]
"""USD micros of a prediction, given the width and height of its output in pixels; 0 x 0 where there was none."""


class Results:
    """Finished images, with width, height and cost (USD micros) as their facts."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def find(self, item: Item) -> Outcome | None:
        """Return what lies at the item's target; it is written whole or not at all."""
        if not item.target:
            return None
        try:
            head = self._artifacts.head(item.target)
        except NoArtifact:
            return None
        facts = head.facts
        output = Artifact(
            item.target, head.content_type, head.size, facts.get("width", 0), facts.get("height", 0)
        )
        return Outcome(output, facts.get("cost", 0))

    def keep(self, job: Job, item: Item, data: bytes, *, cost: Cost) -> Outcome:
        """Decode a provider's bytes, check that they are what was asked for, encode and store them.

        Raises `ProviderOutputInvalid`, or `OutputTooLarge` where our own format ends; both carry the cost.
        """
        from enhancer.adapters.images import pixels  # noqa: PLC0415 - Pillow costs a cold start 20 ms

        model, wanted = job.model_of(item), expected_size(job, item)
        try:
            photo = pixels.read(data, pixels_max=PIXELS_MAX)
        except EnhancerError:
            raise invalid(model, cost(wanted)) from None
        size = photo.image.size
        micros = cost(size)
        if not self._fits(job, item, size) or (_is_flat(photo.image) and not self._was_flat(item)):
            raise invalid(model, micros)
        kind = images.COMPOSITED if model.kind == "edit" else images.ENHANCED
        try:
            made = pixels.encode(photo.image, file_format=item.output_format, icc=photo.icc, source_type=kind)
        except EnhancerError as refused:
            refused.cost = micros
            raise
        content_type = images.CONTENT_TYPES[item.output_format]
        facts = {"width": size[0], "height": size[1], "cost": micros}
        self._artifacts.put(item.target, made, content_type, facts=facts)
        return Outcome(Artifact(item.target, content_type, len(made), *size), micros)

    def _fits(self, job: Job, item: Item, size: tuple[int, int]) -> bool:
        """Return whether a result has the size that the model makes of this input."""
        model, scale = job.model_of(item), job.params_of(item).scale
        source = _input_size(item)
        if model.kind == "edit":
            return min(size) >= min(SIDE_MIN, *source)
        slack = [scale if model.scales else max(model.factor, side * TOLERANCE) for side in size]
        wanted = expected_size(job, item)
        return all(abs(side - meant) <= off for side, meant, off in zip(size, wanted, slack, strict=True))

    def _was_flat(self, item: Item) -> bool:
        """Return whether the input was one flat colour too: then the result may be. Seldom asked, so decoded anew."""
        from enhancer.adapters.images import pixels  # noqa: PLC0415 - see above

        try:
            original = self._artifacts.get(item.input.key) if item.input else b""
            return _is_flat(pixels.read(original, pixels_max=images.PIXELS_MAX).image)
        except (NoArtifact, EnhancerError):
            return False


def expected_size(job: Job, item: Item) -> tuple[int, int]:
    """Return width and height in pixels of what a model makes of the input; for an edit, those of the input."""
    model, (width, height) = job.model_of(item), _input_size(item)
    factor = job.params_of(item).scale if model.scales else model.factor
    return width * factor, height * factor


def invalid(model: Model, cost: int) -> ProviderOutputInvalid:
    """Return the error for a prediction that ended without a usable image and cost us so many USD micros."""
    problem = ProviderOutputInvalid(provider=model.provider)
    problem.cost = cost
    return problem


def _input_size(item: Item) -> tuple[int, int]:
    return (item.input.width, item.input.height) if item.input else (0, 0)


def _is_flat(image: Image) -> bool:
    """Return whether a picture is black, one flat colour, or cannot be seen at all."""
    levels = cast("tuple[tuple[int, int], ...]", image.getextrema())  # 8 bits a band, three or four bands
    if len(levels) == 4 and levels[3][1] == 0:
        return True
    colours = levels[:3]
    return all(high - low <= FLAT_LEVELS for low, high in colours) or all(
        high <= BLACK_LEVEL for _, high in colours
    )
