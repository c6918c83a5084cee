"""Executions of the state machine ``enhance`` in Step Functions, and the task tokens of its waiting steps."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from enhancer.domain.jobs import Job
from enhancer.domain.refs import Ref

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

GONE = {"TaskDoesNotExist", "TaskTimedOut", "InvalidToken"}
"""Errors for a task token whose step no longer waits: it was woken before, timed out, or its execution was stopped."""
NOT_RUNNING = {"ExecutionDoesNotExist", "ValidationException"}
"""Errors for an execution that cannot be stopped; which one an ended execution gives is not documented."""
ERROR_MAX = 200
"""Longest error name that is sent; Step Functions allows 256 characters."""


class Workflow:
    """Starts, stops and wakes executions of ``state_machine`` (ARN). Their input and output carry ids only.

    An execution has the name `Job.execution`: the job's id and its attempt.
    """

    def __init__(self, client: SFNClient, state_machine: str) -> None:
        self._client = client
        self._state_machine = state_machine

    def start(self, job: Job, *, concurrency: int) -> None:
        """Start the execution for this attempt of a job, with at most ``concurrency`` items at once.

        Its name is unique, so starting it again changes nothing.
        """
        document = {
            **Ref.of(job).to_event(),
            "items": [item.index for item in job.open_items],
            "turn": max(item.turn for item in job.open_items),
            "concurrency": concurrency,
        }
        try:
            self._client.start_execution(
                stateMachineArn=self._state_machine, name=job.execution, input=json.dumps(document)
            )
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def stop(self, execution: str) -> None:
        """Stop an execution by name; do nothing for one that has ended or never began."""
        try:
            self._client.stop_execution(executionArn=self._arn(execution), error="Canceled")
        except ClientError as refused:
            if refused.response["Error"]["Code"] not in NOT_RUNNING:
                raise

    def status(self, job: Job) -> str | None:
        """Return the status of the execution for this attempt, such as ``RUNNING``; None if there is none."""
        try:
            return self._client.describe_execution(executionArn=self._arn(job.execution))["status"]
        except ClientError as refused:
            if refused.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return None

    def running(self, *, started_before: int) -> Iterable[tuple[str, Ref]]:
        """Yield the name and what it runs of each execution running since before ``started_before`` (epoch ms)."""
        pages = self._client.get_paginator("list_executions").paginate(
            stateMachineArn=self._state_machine, statusFilter="RUNNING"
        )
        for page in pages:
            for found in page["executions"]:
                if found["startDate"].timestamp() * 1000 < started_before:
                    described = self._client.describe_execution(executionArn=found["executionArn"])
                    yield found["name"], Ref.from_event(json.loads(described["input"]))

    def wake(self, token: str) -> bool:
        """Let the step that waits with this task token go on; return False when it no longer waits."""
        try:
            self._client.send_task_success(taskToken=token, output="{}")
        except ClientError as refused:
            return _false_if_gone(refused)
        return True

    def fail(self, token: str, error: str) -> bool:
        """Fail the step that waits with this task token with an error class; return False when it no longer waits."""
        try:
            self._client.send_task_failure(taskToken=token, error=error[:ERROR_MAX])
        except ClientError as refused:
            return _false_if_gone(refused)
        return True

    def _arn(self, execution: str) -> str:
        return f"{self._state_machine.replace(':stateMachine:', ':execution:')}:{execution}"


def _false_if_gone(refused: ClientError) -> bool:
    """Return False for a token whose step no longer waits; raise every other error."""
    if refused.response["Error"]["Code"] not in GONE:
        raise refused
    return False
