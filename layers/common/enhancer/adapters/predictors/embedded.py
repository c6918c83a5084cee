"""Run the embedded model: invoke our Lambda function ``upscale``, which reads and writes the bucket itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, ReadTimeoutError

from enhancer.adapters.predictors.results import Results, expected_size
from enhancer.domain import errors
from enhancer.domain.jobs import Artifact, Item, Job
from enhancer.domain.predictions import Outcome, OutOfTime, Started, StillRunning
from enhancer.domain.refs import Ref
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from enhancer.adapters.aws.artifacts import Artifacts

_OURS: tuple[type[errors.EnhancerError], ...] = (*errors.leaves(errors.InvalidRequest), errors.JobCanceled)
_BY_CLASS_NAME = {leaf.__name__: leaf for leaf in _OURS}
START_SECONDS = 5.0
SECONDS_MIN = 0.5
"""With less time left of a request, the state machine starts it."""
BUSY = {"TooManyRequestsException", "EC2ThrottledException"}
"""Errors of Lambda's Invoke that mean too many invocations at once."""


class Embedded:
    """The `enhancer.domain.predictions.Predictor` for the ``upscale`` function.

    The function stores its result at the item's target and wakes the state machine when it ends. ``client(seconds)``
    returns a Lambda client with that read time-out and without retries; ``function`` is the function's name.
    """

    def __init__(self, client: Callable[[float], LambdaClient], function: str, artifacts: Artifacts) -> None:
        self._client = client
        self._function = function
        self._results = Results(artifacts)

    runs_on = False
    """The function looks every few seconds whether its job is still open."""

    def predict(
        self,
        job: Job,
        item: Item,
        *,
        seconds_max: float,
        named: Callable[[str], None] | None = None,  # noqa: ARG002 - its runs have no names
    ) -> Outcome:
        """Invoke and wait; see `Predictor.predict`. After `StillRunning` the function goes on and stores its result."""
        if seconds_max < SECONDS_MIN:
            raise OutOfTime
        answer = self._invoke(job, item, "RequestResponse", seconds_max)
        output = Artifact(
            key=item.target,
            content_type=answer["contentType"],
            size=answer["bytes"],
            width=answer["width"],
            height=answer["height"],
        )
        return Outcome(output, int(answer.get("cost", 0)))

    def start(self, job: Job, item: Item) -> Started:
        """Invoke without waiting; see `Predictor.start`."""
        self._invoke(job, item, "Event", START_SECONDS)
        return Started()

    def ended(self, job: Job, item: Item) -> bool:  # noqa: ARG002 - the item alone decides
        """Return whether the result is stored; a failed run stores none and reports its error to the waiting step."""
        return self._results.find(item) is not None

    def collect(self, job: Job, item: Item) -> Outcome:
        """Return the stored result; raise `StillRunning` without one; see `Predictor.collect`."""
        found = self._results.find(item)
        if found is None:
            raise StillRunning
        if found.output.width:
            return found
        width, height = expected_size(job, item)  # stored without its size, by an earlier version
        return replace(found, output=replace(found.output, width=width, height=height))

    def cancel(self, job: Job, item: Item) -> None:
        """Only log: the function reads its job every few seconds and stops by itself when it is canceled."""
        logger.info("cancel", extra={"jobId": job.id, "item": item.index, "provider": "embedded"})

    def stop(self, prediction_id: str) -> None:
        """Do nothing: its runs have no names."""

    def _invoke(
        self, job: Job, item: Item, kind: Literal["RequestResponse", "Event"], seconds_max: float
    ) -> dict[str, Any]:
        """Invoke ``upscale`` and return its answer, {} for ``Event``; raise our errors and `StillRunning`."""
        params = job.params_of(item)
        event = {
            "source": item.input.key if item.input else "",
            "target": item.target,
            "scale": params.scale,
            "model": job.model_of(item).slug,
            "quality": params.quality,
            "format": item.output_format,
            "job": Ref.of(job, item).to_event("item", "turn") | {"requestId": job.request_id},
        }
        try:
            reply = self._client(seconds_max).invoke(
                FunctionName=self._function, InvocationType=kind, Payload=json.dumps(event).encode()
            )
            answer: dict[str, Any] = json.loads(reply["Payload"].read() or b"{}")
        except ReadTimeoutError as slow:
            raise StillRunning from slow
        except ClientError as failed:
            if failed.response["Error"]["Code"] in BUSY:
                raise errors.ProviderThrottled(provider="embedded") from failed
            raise errors.ProviderUnavailable(provider="embedded") from failed
        except (HTTPClientError, ConnectionError) as failed:
            raise errors.ProviderUnavailable(provider="embedded") from failed
        if reply.get("FunctionError"):
            logger.warning("upscale failed", extra={"errorType": answer.get("errorType")})
            raise _error(str(answer.get("errorType", "")))
        return answer


def _error(name: str) -> errors.EnhancerError:
    """Return our error for the class name that the function failed with; a crash is `ProviderUnavailable`."""
    if name in _BY_CLASS_NAME:
        return _BY_CLASS_NAME[name]()
    if "Timeout" in name or "Timedout" in name:
        return errors.ProviderTimeout(provider="embedded")
    return errors.ProviderUnavailable(provider="embedded")
