"""Results of providers: decode the bytes, check them against the order, encode them again and store them.

A provider's bytes are never stored as they came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from botocore.exceptions import BotoCoreError, ClientError

from enhancer.domain import images
from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.errors import EnhancerError, OutputTooLarge, ProviderOutputInvalid, ProviderUnavailable
from enhancer.domain.jobs import Artifact, Item, Job
from enhancer.domain.models import Model
from enhancer.domain.predictions import Outcome
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from PIL.Image import Image

    from enhancer.adapters.aws.artifacts import Artifacts

PIXELS_MAX = 66_000_000
"""Largest result we take from a provider, in pixels: the 64 megapixels that may be ordered, and a margin for models
that round sizes up. Decoding and encoding an opaque one takes about 13 bytes per pixel (measured: PNG in, WebP out),
half of the function's 1,769 MB."""
SIDE_MIN = 16
"""Shortest side of a result in pixels, unless the input itself was smaller."""
TOLERANCE = 0.02
"""How far the sides of a result may be off, as a share, for a model with a fixed factor."""
FLAT_LEVELS = 2
"""A picture whose channels vary by no more than this is one flat colour (levels of 255)."""
BLACK_LEVEL = 8
"""A picture whose channels are all at most this is black (levels of 255)."""

Cost = Callable[[tuple[int, int]], int]
"""From the width and height of an output in pixels (0 x 0: no output) to the cost of its prediction in USD micros."""


class Results:
    """The stored results of items, in the bucket, with width, height and cost (USD micros) as metadata."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def find(self, item: Item) -> Outcome | None:
        """Return the result stored at the item's target key, None if there is none; S3 stores whole objects only."""
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

    def keep(
        self, job: Job, item: Item, data: bytes, *, cost: Cost, shape: tuple[int, int] | None = None
    ) -> Outcome:
        """Decode a provider's bytes, check that they are the image that was ordered, encode and store it.

        ``shape``: width and height in pixels that it is brought to, for a model that could not keep the shape.

        Raises `ProviderOutputInvalid`, `OutputTooLarge` if the output format cannot hold it, or `ProviderUnavailable`
        if the bucket did not take it; all carry the cost.
        """
        from enhancer.adapters.images import pixels  # noqa: PLC0415 - Pillow costs a cold start 20 ms

        model, wanted = job.model_of(item), expected_size(job, item)
        try:
            photo = pixels.read(data, pixels_max=PIXELS_MAX)
        except EnhancerError:
            raise output_invalid(model, cost(wanted)) from None
        size = photo.image.size
        micros = cost(size)
        if not self._fits(job, item, size) or (_is_flat(photo.image) and not self._was_flat(item)):
            raise output_invalid(model, micros)
        kind = images.COMPOSITED if model.kind == "edit" else images.ENHANCED
        image = pixels.reshaped(photo.image, shape) if shape else photo.image
        try:
            encoded = pixels.encode(
                image, file_format=item.output_format, icc=photo.icc, source_type=kind, kept=item.about
            )
        except OutputTooLarge as refused:
            raise OutputTooLarge(**refused.details, cost=micros) from None
        content_type = images.CONTENT_TYPES[item.output_format]
        facts = {"width": image.width, "height": image.height, "cost": micros}
        try:
            self._artifacts.put(item.target, encoded, content_type, facts=facts)
        except (ClientError, BotoCoreError) as failed:
            logger.error("result not stored", extra={"jobId": job.id, "errorType": type(failed).__name__})
            raise ProviderUnavailable(provider=model.provider, cost=micros) from None
        return Outcome(Artifact(item.target, content_type, len(encoded), *image.size), micros)

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
        """Return whether the input was one flat colour too, so the result may be. Rarely needed, so decoded again."""
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


def output_invalid(model: Model, cost: int) -> ProviderOutputInvalid:
    """Return the error for a prediction that ended without a usable image and cost us so many USD micros."""
    return ProviderOutputInvalid(provider=model.provider, cost=cost)


def _input_size(item: Item) -> tuple[int, int]:
    return (item.input.width, item.input.height) if item.input else (0, 0)


def _is_flat(image: Image) -> bool:
    """Return whether a picture is black, one flat colour, or fully transparent: what a broken model makes."""
    levels = cast("tuple[tuple[int, int], ...]", image.getextrema())  # 8 bits a band, three or four bands
    if len(levels) == 4 and levels[3][1] == 0:
        return True
    colours = levels[:3]
    return all(high - low <= FLAT_LEVELS for low, high in colours) or all(
        high <= BLACK_LEVEL for _, high in colours
    )
