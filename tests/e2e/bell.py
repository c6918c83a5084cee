"""Alarms of the deployed stack as an operator hears them, and the time that has to pass for that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from enhancer.runtime import new_id
from local.deployment import STACK_NAME
from tests.e2e.deployed import Deployed


class Bell:
    """A queue that is subscribed to the alarms of a stack."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed, stack = deployed, deployed.stack
        self._sqs, self._metrics = stack.client("sqs"), stack.client("cloudwatch")
        self._queue = str(self._sqs.create_queue(QueueName=new_id("bell"))["QueueUrl"])
        about = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        topic, arn = stack.physical_id("Alarms"), about["Attributes"]["QueueArn"]
        allowed = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        self._sqs.set_queue_attributes(QueueUrl=self._queue, Attributes={"Policy": policy})
        self._subscription = stack.client("sns").subscribe(
            TopicArn=topic,
            Protocol="sqs",
            Endpoint=arn,
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        self._names = {
            name: logical for logical, name in stack.physical_ids("AWS::CloudWatch::Alarm").items()
        }
        self.heard: list[tuple[str, str]] = []

    def after(self, minutes: float) -> list[tuple[str, str]]:
        """Let so much time pass for metrics and alarms; what was heard since: names in the template, new states."""
        self._deployed.stack.tell("clock", forward=60 * minutes)
        found: list[tuple[str, str]] = []
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                told = json.loads(json.loads(message["Body"])["Message"])
                found.append((self._names[told["AlarmName"]], told["NewStateValue"]))
        self.heard += found
        return found

    def state(self, name: str) -> str:
        """The state of an alarm by its name in the template."""
        physical = self._deployed.stack.physical_id(name)
        (alarm,) = self._metrics.describe_alarms(AlarmNames=[physical])["MetricAlarms"]
        return str(alarm["StateValue"])

    def sum(self, metric: str, **dimension: str) -> float:
        """The sum of a metric of ours over the last hour, asked for as the cost report does."""
        wanted = {
            "Namespace": STACK_NAME,
            "MetricName": metric,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimension.items()],
        }
        query: Any = {"Id": "a", "MetricStat": {"Metric": wanted, "Period": 3600, "Stat": "Sum"}}
        now = datetime.now(UTC)
        found = self._metrics.get_metric_data(
            MetricDataQueries=[query], StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=3)
        )
        return float(sum(found["MetricDataResults"][0]["Values"]))

    def close(self) -> None:
        """Take the real time again, and listen no more."""
        self._deployed.stack.tell("clock", reset=True)
        self._deployed.stack.client("sns").unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._queue)


@contextmanager
def listening(deployed: Deployed) -> Iterator[Bell]:
    """Hear the alarms of a stack."""
    bell = Bell(deployed)
    try:
        yield bell
    finally:
        bell.close()
