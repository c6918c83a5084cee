"""A gate in the deployed state machine: pictures of a job wait in front of a step until the test lets them go on.

Whoever tests what is true while a job runs holds it by a gate, instead of looking in time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

from tests.e2e.deployed import Deployed

Step = Literal["StartPrediction", "FinishItem"]
LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Waiting:
    """A picture in front of the gate, and the token that lets it go on."""

    job_id: str
    item: int
    token: str


class Gate:
    """Every picture of a job that was started while the gate is there passes it, in front of one step."""

    def __init__(self, deployed: Deployed) -> None:
        self._deployed = deployed
        self._sqs = deployed.stack.client("sqs")
        self.queue = str(self._sqs.create_queue(QueueName=deployed.job_deps.new_id("gate"))["QueueUrl"])
        self._waiting: list[Waiting] = []
        self._passes: dict[str, int] = {}
        self._is_open = False
        self._changing = threading.Lock()

    # ----------------------------------------------------------------------------------- for the test

    def waiting(self, job_id: str = "") -> list[Waiting]:
        """Who waits, of this job or of all."""
        with self._changing:
            return [one for one in self._waiting if job_id in ("", one.job_id)]

    def wait_for(self, count: int, job_id: str = "") -> None:
        """Return when so many pictures wait, of this job or of all."""
        self._deployed.until(lambda: len(self.waiting(job_id)) >= count, f"{count} pictures at the gate")

    def let(self, count: int, job_id: str = "") -> None:
        """Let so many pictures go on, now or when they come; of this job, or of any."""
        with self._changing:
            self._passes[job_id] = self._passes.get(job_id, 0) + count

    def open(self) -> None:
        """Let everybody go on, also who comes later."""
        self._is_open = True

    # ------------------------------------------------------------------------------------- by itself

    def step_before(self, step: Step) -> dict[str, Any]:
        """The state that hands us a token and ends when it comes back."""
        ids = "$states.input" if step == "StartPrediction" else "$ref"
        body = {
            "token": "{% $states.context.Task.Token %}",
            "jobId": f"{{% {ids}.jobId %}}",
            "item": f"{{% {ids}.item %}}",
        }
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Arguments": {"QueueUrl": self.queue, "MessageBody": body},
            "Output": "{% $states.input %}",
            "Next": step,
        }

    def watch(self, is_over: threading.Event) -> None:
        """Take down who comes, and let go who may, until it is over."""
        while not is_over.is_set():
            found = self._sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10)
            for message in found.get("Messages", []):
                self._sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                body = json.loads(message["Body"])
                with self._changing:
                    self._waiting.append(Waiting(body["jobId"], int(body["item"]), body["token"]))
            for one in self._allowed():
                with suppress(self._deployed.states.exceptions.ClientError):  # its execution was stopped
                    self._deployed.states.send_task_success(taskToken=one.token, output="{}")
            is_over.wait(LOOK_SECONDS)

    def _allowed(self) -> list[Waiting]:
        with self._changing:
            allowed = []
            for one in sorted(self._waiting, key=lambda one: one.item):
                ticket = next((name for name in (one.job_id, "") if self._passes.get(name, 0) > 0), None)
                if self._is_open or ticket is not None:
                    allowed.append(one)
                    if ticket is not None:
                        self._passes[ticket] -= 1
            self._waiting = [one for one in self._waiting if one not in allowed]
            return allowed


@contextmanager
def gate(deployed: Deployed, step: Step) -> Iterator[Gate]:
    """Put a gate in front of a step for jobs started here; afterwards it is open until the last of them ended."""
    found = deployed.states.describe_state_machine(stateMachineArn=deployed.machine)["definition"]
    placed, before, is_over = Gate(deployed), running(deployed), threading.Event()
    watcher = threading.Thread(target=placed.watch, args=(is_over,), daemon=True)
    watcher.start()
    definition = json.dumps(gated(json.loads(found), step, placed.step_before(step)))
    deployed.states.update_state_machine(stateMachineArn=deployed.machine, definition=definition)
    try:
        yield placed
    finally:
        deployed.states.update_state_machine(stateMachineArn=deployed.machine, definition=found)
        placed.open()
        deployed.until(lambda: running(deployed) <= before, "the end of every job that met the gate")
        is_over.set()
        watcher.join()


def gated(definition: dict[str, Any], step: Step, gate_state: dict[str, Any]) -> dict[str, Any]:
    """The definition with a state between a step and all that lead to it."""
    processor = definition["States"]["Items"]["ItemProcessor"]
    text = json.dumps(processor).replace(f'"Next": "{step}"', '"Next": "Gate"')
    changed = json.loads(text.replace(f'"StartAt": "{step}"', '"StartAt": "Gate"'))
    changed["States"]["Gate"] = gate_state
    definition["States"]["Items"]["ItemProcessor"] = changed
    return definition


def running(deployed: Deployed) -> set[str]:
    """The executions under way."""
    pages = deployed.states.get_paginator("list_executions").paginate(
        stateMachineArn=deployed.machine, statusFilter="RUNNING"
    )
    return {one["executionArn"] for page in pages for one in page["executions"]}
