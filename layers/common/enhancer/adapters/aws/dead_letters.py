"""The SQS queue of Stripe events and objects that the operator must look at, as they contradict our records.

A message contains a reason and ids, nothing private.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from enhancer.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class DeadLetters:
    """Sends messages to the queue ``queue_url`` and logs each one; with ``client=None`` it only logs. Never raises."""

    def __init__(self, client: SQSClient | None, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, reason: str, *, about: str, context: str, now: int) -> None:
        """Send ``{reason, about, context, at}``.

        ``reason`` is what is wrong, ``about`` the id of the Stripe object, ``context`` where it was found, ``at`` is
        ``now`` in epoch ms.
        """
        letter = {"reason": reason, "about": about, "context": context, "at": now}
        logger.error("parked", extra={name: value for name, value in letter.items() if name != "at"})
        if self._client is None:
            return
        try:
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(letter))
        except (BotoCoreError, ClientError) as problem:
            logger.error("dead letter lost", extra={"about": about, "problem": type(problem).__name__})
