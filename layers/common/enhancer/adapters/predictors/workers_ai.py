"""Models at Cloudflare Workers AI: one call per picture, answered with the picture.

The provider knows no predictions: whoever stops waiting stops the run. So a run lies within one call, and what is there
afterwards is the stored result, or nothing.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from enhancer.adapters.predictors.results import Cost, Results, expected_size, invalid
from enhancer.adapters.predictors.workers_ai_errors import Said, problem_of, refuses_us
from enhancer.domain import costs, errors, images
from enhancer.domain.jobs import Item, Job
from enhancer.domain.models import DEFAULT_STRENGTH, Model, filled
from enhancer.domain.predictions import Outcome, OutOfTime, Started, StillRunning
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.predictors.workers_ai_http import Answer

NAME = "workers_ai"
CALL_SECONDS_MAX = 60.0
START_SECONDS = 75.0
"""What a step of the state machine gives a run, with the second call that a rotated token needs."""
SECONDS_MIN = 3.0
LOST_MS = 120_000
"""A run without a result for so long died with the function that waited for it."""
SIDE_MIN, SIDE_MAX = 256, 1920
"""The provider's own limits for width and height, in pixels: the narrowest of all models."""
REFERENCE_SIDE_MAX = 512
"""Longest side of a reference image of FLUX.2, in pixels."""
STEPS, GUIDANCE = 20, 7.5


def _epoch_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Request:
    """What is sent: fields, and for a form the picture as a file; ``size`` of that picture in pixels."""

    fields: dict[str, Any]
    size: tuple[int, int]
    files: dict[str, bytes] = field(default_factory=dict)


class WorkersAi:
    """See `enhancer.domain.predictions.Predictor`.

    ``base_url`` is the API's address up to ``/client/v4``. ``credentials`` are account id and token, with True read
    anew from the store; ``now`` is epoch ms.
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

    def predict(self, job: Job, item: Item, *, seconds_max: float) -> Outcome:
        """Run it to its end, or raise `OutOfTime`: nothing goes on without us; see `Predictor.predict`."""
        return self._whole(job, item, seconds_max)

    def start(self, job: Job, item: Item) -> Started:
        """Run it to its end and keep the result: the provider knows no other way; see `Predictor.start`."""
        try:
            self._whole(job, item, START_SECONDS)
        except OutOfTime:
            raise errors.ProviderTimeout(provider=NAME) from None
        return Started(ended=True)

    def ended(self, job: Job, item: Item) -> bool:
        """Return whether the result is there, or the time for it is over."""
        return self._results.find(item) is not None or self._is_lost(job, item)

    def collect(self, job: Job, item: Item) -> Outcome:
        """Return the stored result; see `Predictor.collect`."""
        found = self._results.find(item)
        if found:
            return found
        if self._is_lost(job, item):
            raise errors.ProviderUnavailable(provider=NAME)
        raise StillRunning

    def cancel(self, job: Job, item: Item) -> None:
        """Nothing to send: the provider stops when nobody listens."""
        logger.info("cancel", extra={"jobId": job.id, "item": item.index, "provider": NAME})

    def _is_lost(self, job: Job, item: Item) -> bool:
        started = item.prediction.started_at if item.prediction else job.created_at
        return self._now() - started > LOST_MS

    def _whole(self, job: Job, item: Item, seconds_max: float) -> Outcome:
        if seconds_max < SECONDS_MIN:
            raise OutOfTime
        deadline = time.monotonic() + seconds_max
        model = job.model_of(item)
        asked = self._request(job, item)

        def cost(output: tuple[int, int]) -> int:
            return costs.cost(model.slug, input_size=asked.size, output_size=output)

        try:
            answer = self._answered(model, asked, deadline)
        except TimeoutError:
            if time.monotonic() >= deadline - 0.5:
                raise OutOfTime from None
            slow = errors.ProviderTimeout(provider=NAME)
            slow.cost = cost(expected_size(job, item))  # it may have been made, and is billed then
            raise slow from None
        return self._results.keep(job, item, _image_in(answer, model, cost), cost=cost)

    def _answered(self, model: Model, asked: _Request, deadline: float) -> Answer:
        """Call; once more with credentials read anew where they are refused. Raises our errors and TimeoutError."""
        account, token = self._credentials(False)
        answer = self._call(model, asked, account, token, deadline)
        said = Said.of(answer)
        if said and refuses_us(said):
            again = self._credentials(True)
            if again != (account, token):
                answer = self._call(model, asked, *again, deadline)
                said = Said.of(answer)
        if said:
            raise problem_of(said, model)
        return answer

    def _call(self, model: Model, asked: _Request, account: str, token: str, deadline: float) -> Answer:
        from enhancer.adapters.predictors.workers_ai_http import post  # noqa: PLC0415 - loads an HTTP client

        if not account or not token:
            raise errors.ProviderForbidden(provider=NAME)
        url = f"{self._base_url}/accounts/{account}/ai/run/{model.slug}"
        seconds = min(CALL_SECONDS_MAX, deadline - time.monotonic())
        return post(url, token, fields=asked.fields, files=asked.files, seconds=seconds)

    def _request(self, job: Job, item: Item) -> _Request:
        """Decode the original, reduce it to what the model works on, and fill the model's input."""
        from enhancer.adapters.images import pixels  # noqa: PLC0415 - Pillow costs a cold start 20 ms

        model, params = job.model_of(item), job.params_of(item)
        original = self._artifacts.get(item.input.key) if item.input else b""
        photo = pixels.read(original, pixels_max=images.PIXELS_MAX)
        size = work_size(
            photo.image.size, side_max=model.work_side_max or 1024, step=16 if model.multipart else 8
        )
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
            return _Request(filled(model.input, values), sent)
        names = [name for name, wanted in model.input.items() if wanted == "$image"]
        return _Request(filled(model.input, values | {"image": None}), sent, dict.fromkeys(names, picture))


def work_size(size: tuple[int, int], *, side_max: int, step: int) -> tuple[int, int]:
    """Return the size in pixels that a model works at: the shape of the input, in multiples of ``step``.

    Reduced to ``side_max`` on the long side; enlarged where the short side would be under `SIDE_MIN`. Only a picture
    more than seven times as long as wide loses its shape.
    """
    ratio = min(1.0, side_max / max(size))
    ratio = max(ratio, SIDE_MIN / min(size))
    width, height = (min(max(round(side * ratio / step) * step, SIDE_MIN), SIDE_MAX) for side in size)
    return width, height


def within(size: tuple[int, int], side_max: int) -> tuple[int, int]:
    """Return the size reduced to ``side_max`` pixels on its long side, its shape kept."""
    ratio = min(1.0, side_max / max(size))
    return max(1, round(size[0] * ratio)), max(1, round(size[1] * ratio))


def _image_in(answer: Answer, model: Model, cost: Cost) -> bytes:
    """Return the picture of an answer: the body itself, or what an envelope holds. The content type tells."""
    if not answer.is_json:
        return answer.body
    made = cost((SIDE_MIN, SIDE_MIN))
    try:
        told = json.loads(answer.body)
        return b64decode(told["result"]["image"], validate=True)
    except (ValueError, TypeError, KeyError):
        raise invalid(model, made) from None
