"""Run models at Cloudflare Workers AI over its REST API: one request per image, answered with the image.

Workers AI has no predictions to ask about later, and a closed connection ends the run. So a run is one request, and
afterwards there is a stored result or nothing.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enhancer.adapters.predictors.results import Cost, Results, expected_size, output_invalid
from enhancer.adapters.predictors.workers_ai_errors import NAME, Failure, error_of, refuses_credentials
from enhancer.domain import costs, errors, images
from enhancer.domain.jobs import Item, Job
from enhancer.domain.models import DEFAULT_STRENGTH, Model, filled
from enhancer.domain.predictions import Outcome, OutOfTime, Started, StillRunning
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.predictors.workers_ai_http import Answer

CALL_SECONDS_MAX = 60.0
START_SECONDS = 75.0
"""Time of a run in a step of the state machine, including the second request that a rotated token needs."""
SECONDS_MIN = 3.0
LOST_MS = 120_000
"""A run without a stored result after so long ended with the function that waited for it."""
SIDE_MIN = 256
"""The least width and height in pixels that all models of Workers AI accept."""
REFERENCE_SIDE_MAX = 511
"""Longest side of a reference image of FLUX.2, in pixels: it has to be smaller than 512."""
SHAPE_SIDE_MIN = 64
"""A result is brought back to its picture's shape if its short side is still as long as this, in pixels."""
STEPS, GUIDANCE = 20, 7.5
"""Diffusion steps and guidance where the order does not say."""


def _epoch_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Request:
    """The body of a request: fields, and for a multipart form the image as a file.

    ``size`` is width and height in pixels of the image that is sent, ``shape`` the size that the result is brought to
    where the model's limits do not allow the picture's shape, None where they do.
    """

    fields: dict[str, Any]
    size: tuple[int, int]
    shape: tuple[int, int] | None
    files: dict[str, bytes] = field(default_factory=dict)


class WorkersAi:
    """The `enhancer.domain.predictions.Predictor` for models at Workers AI.

    ``base_url`` is the API's address up to ``/client/v4``. ``credentials(False)`` returns account id and token,
    ``credentials(True)`` reads them again from the secret store. ``now`` returns epoch ms.
    """

    def __init__(
        self,
        *,
        base_url: str,
        credentials: Callable[[bool], tuple[str, str]],
        results: Results,
        artifacts: Artifacts,
        now: Callable[[], int] = _epoch_ms,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._results = results
        self._artifacts = artifacts
        self._now = now

    runs_on = False
    """A closed connection ends the run."""

    def predict(
        self,
        job: Job,
        item: Item,
        *,
        seconds_max: float,
        named: Callable[[str], None] | None = None,  # noqa: ARG002 - its runs have no names
    ) -> Outcome:
        """Run the model and store its result, or raise `OutOfTime`; see `Predictor.predict`."""
        return self._run(job, item, seconds_max)

    def start(self, job: Job, item: Item) -> Started:
        """Run the model and store its result, because a run cannot be left alone; see `Predictor.start`."""
        try:
            self._run(job, item, START_SECONDS)
        except OutOfTime:
            raise errors.ProviderTimeout(provider=NAME) from None
        return Started(ended=True)

    def ended(self, job: Job, item: Item) -> bool:
        """Return whether the result is stored, or the run is lost (`LOST_MS`)."""
        return self._results.find(item) is not None or self._is_lost(job, item)

    def collect(self, job: Job, item: Item) -> Outcome:
        """Return the stored result; raise `StillRunning`, or `ProviderUnavailable` for a lost run."""
        found = self._results.find(item)
        if found:
            return found
        if self._is_lost(job, item):
            raise errors.ProviderUnavailable(provider=NAME)
        raise StillRunning

    def cancel(self, job: Job, item: Item) -> None:
        """Only log: a run ends with the request that waits for it."""
        logger.info("cancel", extra={"jobId": job.id, "item": item.index, "provider": NAME})

    def stop(self, prediction_id: str) -> None:
        """Do nothing: its runs have no names."""

    def _is_lost(self, job: Job, item: Item) -> bool:
        started = item.prediction.started_at if item.prediction else job.created_at
        return self._now() - started > LOST_MS

    def _run(self, job: Job, item: Item, seconds_max: float) -> Outcome:
        """Send the request and store the image in its answer; raise `OutOfTime` and our errors with their cost."""
        if seconds_max < SECONDS_MIN:
            raise OutOfTime
        deadline = time.monotonic() + seconds_max
        model = job.model_of(item)
        request = self._request(job, item)

        def cost(output: tuple[int, int]) -> int:
            return costs.cost(model.slug, input_size=request.size, output_size=output)

        try:
            answer = self._answer(model, request, deadline)
        except TimeoutError:
            if time.monotonic() >= deadline - 0.5:
                raise OutOfTime from None
            # The image may have been made, and is billed then.
            raise errors.ProviderTimeout(provider=NAME, cost=cost(expected_size(job, item))) from None
        return self._results.keep(job, item, _image_in(answer, model, cost), cost=cost, shape=request.shape)

    def _answer(self, model: Model, request: _Request, deadline: float) -> Answer:
        """Send a request, again with newly read credentials if they are refused; raise our errors and TimeoutError."""
        account, token = self._credentials(False)
        answer = self._send(model, request, account, token, deadline)
        failure = Failure.of(answer)
        if failure and refuses_credentials(failure):
            again = self._credentials(True)
            if again != (account, token):
                answer = self._send(model, request, *again, deadline)
                failure = Failure.of(answer)
        if failure:
            raise error_of(failure, model)
        return answer

    def _send(self, model: Model, request: _Request, account: str, token: str, deadline: float) -> Answer:
        from enhancer.adapters.predictors.workers_ai_http import post  # noqa: PLC0415 - loads an HTTP client

        if not account or not token:
            raise errors.ProviderForbidden(provider=NAME)
        url = f"{self._base_url}/accounts/{account}/ai/run/{model.slug}"
        seconds = min(CALL_SECONDS_MAX, deadline - time.monotonic())
        return post(url, token, fields=request.fields, files=request.files, seconds=seconds)

    def _request(self, job: Job, item: Item) -> _Request:
        """Decode the original, reduce it to the size that the model works at, and fill the model's input."""
        from enhancer.adapters.images import pixels  # noqa: PLC0415 - Pillow costs a cold start 20 ms

        model, params = job.model_of(item), job.params_of(item)
        original = self._artifacts.get(item.input.key) if item.input else b""
        photo = pixels.read(original, pixels_max=images.PIXELS_MAX)
        step = 16 if model.multipart else 8
        side_max, limit = model.work_side_max or 1024, model.work_side_limit
        size = work_size(photo.image.size, side_max=side_max, step=step, limit=limit)
        shape = shape_of(photo.image.size, size, step=step)
        sent = within(size, REFERENCE_SIDE_MAX) if model.multipart else size
        picture = pixels.resized(photo, *sent)
        values = {
            "prompt": params.prompt or model.prompt_default,
            "negative_prompt": params.negative_prompt,
            "image": b64encode(picture).decode(),
            "width": size[0],
            "height": size[1],
            "strength": DEFAULT_STRENGTH if params.strength is None else params.strength,
            "guidance": GUIDANCE if params.guidance is None else params.guidance,
            "steps": STEPS if params.steps is None else params.steps,
        }
        if not model.multipart:
            return _Request(filled(model.input, values), sent, shape)
        names = [name for name, wanted in model.input.items() if wanted == "$image"]
        fields = filled(model.input, values | {"image": None})
        return _Request(fields, sent, shape, dict.fromkeys(names, picture))


def work_size(size: tuple[int, int], *, side_max: int, step: int, limit: int) -> tuple[int, int]:
    """Return width and height in pixels that a model works at: the input's shape, in multiples of ``step``.

    Reduced to ``side_max`` on the long side; enlarged if the short side would be under `SIDE_MIN`, but to no more than
    ``limit``. So a picture that is very long changes its shape (`shape_of`).
    """
    ratio = min(1.0, side_max / max(size))
    ratio = max(ratio, SIDE_MIN / min(size))
    longest = limit // step * step
    width, height = (min(max(round(side * ratio / step) * step, SIDE_MIN), longest) for side in size)
    return width, height


def shape_of(size: tuple[int, int], worked: tuple[int, int], *, step: int) -> tuple[int, int] | None:
    """Return the size of the input's shape with the long side of ``worked``, None if ``worked`` has that shape.

    None also for a picture so long that nothing would be left of its short side.
    """
    ratio = max(worked) / max(size)
    width, height = round(size[0] * ratio), round(size[1] * ratio)
    kept = abs(width - worked[0]) <= step and abs(height - worked[1]) <= step
    return None if kept or min(width, height) < SHAPE_SIDE_MIN else (width, height)


def within(size: tuple[int, int], side_max: int) -> tuple[int, int]:
    """Return the size reduced to ``side_max`` pixels on its long side, with the same aspect ratio."""
    ratio = min(1.0, side_max / max(size))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _image_in(answer: Answer, model: Model, cost: Cost) -> bytes:
    """Return the image in an answer: the body itself, or for JSON the base64 text at ``result.image``.

    Raises `ProviderOutputInvalid` with the cost of one tile, because the run is billed.
    """
    if not answer.is_json:
        return answer.body
    try:
        return b64decode(json.loads(answer.body)["result"]["image"], validate=True)
    except (ValueError, TypeError, KeyError):
        raise output_invalid(model, cost((SIDE_MIN, SIDE_MIN))) from None
