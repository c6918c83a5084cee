"""What the cashier said that cannot be right: kept for people, in a queue. Reasons and ids only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from enhancer.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class DeadLetters:
    """One queue; every letter is logged too, and without a queue only that. Nothing here raises."""

    def __init__(self, client: SQSClient | None, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def put(self, reason: str, *, about: str, context: str, now: int) -> None:
        """Keep ``{reason, about, context, at}`` (epoch ms): what is wrong with which object, met where."""
        letter = {"reason": reason, "about": about, "context": context, "at": now}
        logger.error("parked", extra={name: value for name, value in letter.items() if name != "at"})
        if self._client is None:
            return
        try:
            self._client.send_message(QueueUrl=self._queue_url, MessageBody=json.dumps(letter))
        except (BotoCoreError, ClientError) as problem:
            logger.error("dead letter lost", extra={"about": about, "problem": type(problem).__name__})
