"""Step Functions: failing tasks with a token, permissions for tokens, time-outs of executions."""

from __future__ import annotations

import json
import threading
from contextvars import copy_context
from typing import Any

from local.corrections.release import Json, Module


def correct_callback_errors(machines: Module) -> None:
    """A function that fails while it is handed a task token fails the task at once, for Retry and Catch to see.

    ministack swallows the error and waits for the token until the task times out.
    """
    invoke, call = machines._invoke_with_callback, machines._call_lambda
    current = threading.local()

    def invoke_with_callback(resource: str, sent: Any, token: str, state: Json) -> Any:
        current.token = token
        try:
            return invoke(resource, sent, token, state)
        finally:
            current.token = None

    def call_and_report(*args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except machines._ExecutionError as failed:
            waiting = machines._task_tokens.get(getattr(current, "token", None) or "")
            if waiting:
                waiting["error"] = {"Error": failed.error, "Cause": failed.cause}
                waiting["event"].set()
            raise

    machines._invoke_with_callback, machines._call_lambda = invoke_with_callback, call_and_report


def correct_token_policies(actions: Module, machines: Module) -> None:
    """Sending a task token back is authorised on the state machine that waits; ministack asks for ``*``.

    ministack does not keep which machine a token belongs to, so this returns the only one there is.
    """
    extract = actions.extract_resource_arn

    def with_machine(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:
        found = str(extract(service, method, path, headers, body, *rest))
        arns = list(machines._state_machines.keys())
        return arns[0] if service == "states" and found == "*" and len(arns) == 1 else found

    actions.extract_resource_arn = with_machine


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
    """End a running execution as TIMED_OUT; its loop checks the status before every state and stops."""
    if execution.get("status") != "RUNNING":
        return
    execution.update(status="TIMED_OUT", stopDate=machines.now_iso(), error="States.Timeout")
    machines._add_event(
        execution, "ExecutionTimedOut", {"executionTimedOutEventDetails": {"error": "States.Timeout"}}
    )
    machines._emit_execution_status_event(execution)
