"""When Step Functions ends an execution."""

from __future__ import annotations

import json
import threading
from contextvars import copy_context

from local.corrections.base import Json, Module


def correct_execution_timeout(machines: Module) -> None:
    """An execution ends as TIMED_OUT at its definition's ``TimeoutSeconds``; ministack ignores it."""
    run = machines._run_execution

    def run_with_timeout(arn: str) -> None:
        execution = machines._executions.get(arn) or {}
        machine = machines._state_machines.get(execution.get("stateMachineArn")) or {}
        seconds = json.loads(machine.get("definition") or "{}").get("TimeoutSeconds")
        if not seconds:
            run(arn)
            return
        timer = threading.Timer(float(seconds), copy_context().run, (end_as_timed_out, machines, execution))
        timer.daemon = True
        timer.start()
        try:
            run(arn)
        finally:
            timer.cancel()

    machines._run_execution = run_with_timeout


def end_as_timed_out(machines: Module, execution: Json) -> None:
    """Close a running execution; its loop looks at the status before every state and stops there."""
    if execution.get("status") != "RUNNING":
        return
    execution.update(status="TIMED_OUT", stopDate=machines.now_iso(), error="States.Timeout")
    machines._add_event(
        execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
    )
    machines._emit_execution_status_event(execution)
