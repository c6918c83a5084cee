"""The state machine: executions named after jobs, and the tokens their waiting steps are woken by."""

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
"""The step no longer waits: it was woken before, timed out, or its execution was stopped."""
NOT_RUNNING = {"ExecutionDoesNotExist", "ValidationException"}
"""Nothing to stop; how an ended execution is refused is not documented, so both count."""
CAUSE_MAX = 200


class Workflow:
    """Starts, stops and wakes executions. Their input and output carry ids only."""

    def __init__(self, client: SFNClient, state_machine: str) -> None:
        self._client = client
        self._state_machine = state_machine

    def start(self, job: Job, *, concurrency: int) -> None:
        """Run this attempt of a job. Its name makes it unique: starting it again changes nothing."""
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
        """End an execution; one that has ended or never began is left alone."""
        try:
            self._client.stop_execution(executionArn=self._arn(execution), error="Canceled")
        except ClientError as refused:
            if refused.response["Error"]["Code"] not in NOT_RUNNING:
                raise

    def status(self, job: Job) -> str | None:
        """Return the status of the execution that runs this attempt, None when there is none."""
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
        """Let the waiting step go on; return False when it no longer waits."""
        try:
            self._client.send_task_success(taskToken=token, output="{}")
        except ClientError as refused:
            return _still_there(refused)
        return True

    def fail(self, token: str, error: str) -> bool:
        """Let the waiting step fail with this error class; return False when it no longer waits."""
        try:
            self._client.send_task_failure(taskToken=token, error=error[:CAUSE_MAX])
        except ClientError as refused:
            return _still_there(refused)
        return True

    def _arn(self, execution: str) -> str:
        return f"{self._state_machine.replace(':stateMachine:', ':execution:')}:{execution}"


def _still_there(refused: ClientError) -> bool:
    if refused.response["Error"]["Code"] not in GONE:
        raise refused
    return False
