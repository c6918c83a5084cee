"""The model inside our own Lambda: invoked directly, reads and writes the bucket itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, ReadTimeoutError

from enhancer.domain import errors
from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.jobs import Artifact, Item, Job
from enhancer.domain.predictions import StillRunning
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

    from enhancer.adapters.artifacts import Artifacts

_BY_CLASS_NAME = {leaf.__name__: leaf for leaf in errors.leaves(errors.InvalidRequest)}
START_SECONDS = 5.0
BUSY = {"TooManyRequestsException", "EC2ThrottledException"}


class Embedded:
    """The ``upscale`` function. It reads and writes the bucket itself, and wakes the state machine when it ends.

    ``client`` makes a Lambda client that reads for at most so many seconds and never sends twice.
    """

    def __init__(self, client: Callable[[float], LambdaClient], function: str, artifacts: Artifacts) -> None:
        self._client = client
        self._function = function
        self._artifacts = artifacts

    def predict(self, job: Job, item: Item, *, seconds_max: float) -> Artifact:
        """Invoke and wait; see `Predictor.predict`. The function goes on when nobody waits any more."""
        answer = self._invoke(job, item, "RequestResponse", seconds_max)
        return Artifact(
            key=item.target,
            content_type=answer["contentType"],
            size=answer["bytes"],
            width=answer["width"],
            height=answer["height"],
        )

    def start(self, job: Job, item: Item) -> None:
        """Invoke without waiting; see `Predictor.start`."""
        self._invoke(job, item, "Event", START_SECONDS)

    def look(self, job: Job, item: Item) -> Artifact | None:
        """Return what lies at the target; it is written whole or not at all."""
        if not item.target:
            return None
        try:
            stored = self._artifacts.head(item.target)
        except NoArtifact:
            return None
        width, height = (item.input.width, item.input.height) if item.input else (0, 0)
        scale = job.params.scale
        return Artifact(item.target, stored.content_type, stored.size, width * scale, height * scale)

    def cancel(self, job: Job, item: Item) -> None:
        """Nothing to send: the function looks at its job every few seconds and stops when it is canceled."""
        logger.info("cancel", extra={"jobId": job.id, "item": item.index, "provider": "embedded"})

    def _invoke(
        self, job: Job, item: Item, kind: Literal["RequestResponse", "Event"], seconds_max: float
    ) -> dict[str, Any]:
        event = {
            "source": item.input.key if item.input else "",
            "target": item.target,
            "scale": job.params.scale,
            "quality": job.params.quality,
            "format": item.output_format,
            "job": {
                "ownerType": job.owner.type,
                "ownerId": job.owner.id,
                "jobId": job.id,
                "attempt": job.attempt,
                "item": item.index,
            },
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
    """Return our error for the class name the function failed with; a crash or time-out is the provider's."""
    if name in _BY_CLASS_NAME:
        return _BY_CLASS_NAME[name]()
    if "Timeout" in name or "Timedout" in name:
        return errors.ProviderTimeout(provider="embedded")
    return errors.ProviderUnavailable(provider="embedded")
