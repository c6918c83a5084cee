"""Publish what happened to an owner to an SNS topic, for mail or other systems. Messages hold ids and numbers only."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from enhancer.domain.owners import Owner
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def publish_text(client: SNSClient | None, topic: str, *, subject: str, text: str) -> None:
    """Publish a text for people to a topic; it is only logged without a client. Raises botocore's errors."""
    if client is None:
        logger.info("no topic for this", extra={"subject": subject})
        return
    client.publish(TopicArn=topic, Subject=subject[:100], Message=text)


class Notices:
    """The topic ``topic`` (ARN). With ``client=None`` notices are only logged.

    Never raises, because what a notice reports has happened already.
    """

    def __init__(self, client: SNSClient | None, topic: str) -> None:
        self._client = client
        self._topic = topic

    def publish(self, kind: str, owner: Owner, *, now: int, **fields: object) -> None:
        """Publish ``{type, ownerId, at, …fields}``, ``at`` in epoch ms, with ``type`` as message attribute."""
        if self._client is None:
            logger.info("notice", extra={"notice": kind, "owner": owner.id})
            return
        message = {**fields, "type": kind, "ownerId": owner.id, "at": now}
        try:
            self._client.publish(
                TopicArn=self._topic,
                Message=json.dumps(message),
                MessageAttributes={"type": {"DataType": "String", "StringValue": kind}},
            )
        except (BotoCoreError, ClientError) as problem:
            logger.error(
                "notice lost", extra={"notice": kind, "owner": owner.id, "problem": type(problem).__name__}
            )
