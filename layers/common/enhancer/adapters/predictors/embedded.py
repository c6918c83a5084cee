"""The model inside our own Lambda: invoked directly, reads and writes the bucket itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError, ReadTimeoutError

from enhancer.domain import errors
from enhancer.domain.jobs import Artifact, Item, Job
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_BY_CLASS_NAME = {leaf.__name__: leaf for leaf in errors.leaves(errors.InvalidRequest)}
BUSY = {"TooManyRequestsException", "EC2ThrottledException"}


class Embedded:
    """Invokes the ``upscale`` function and waits. The client's read timeout is the longest wait."""

    def __init__(self, client: LambdaClient, function: str) -> None:
        self._client = client
        self._function = function

    def predict(self, job: Job, item: Item) -> Artifact:
        """Run the model; see `Predictor.predict`."""
        event = {
            "source": item.input.key,
            "target": item.target,
            "scale": job.params.scale,
            "quality": job.params.quality,
            "format": job.output_format,
        }
        answer = self._invoke(event)
        return Artifact(
            key=item.target,
            content_type=answer["contentType"],
            size=answer["bytes"],
            width=answer["width"],
            height=answer["height"],
        )

    def _invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        try:
            reply = self._client.invoke(FunctionName=self._function, Payload=json.dumps(event).encode())
            answer: dict[str, Any] = json.loads(reply["Payload"].read())
        except ReadTimeoutError as failed:
            raise errors.ProviderTimeout(provider="embedded") from failed
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
