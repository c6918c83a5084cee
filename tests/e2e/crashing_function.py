"""Runs a function once per line of standard input, in a process that can be made to die at any of its AWS calls.

``python crashing_function.py <function>`` loads the function as Lambda does. Each line is an object with ``event``,
``call`` (from 1; 0: never) and ``moment`` (``before`` or ``after`` the call has its effect); a copy of this process
runs it, and a line answers with that copy's exit ``code`` and with what came of it: ``answer`` and ``calls``.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).resolve().parents[2]
KILLED = 137
READ_AHEAD = ("dynamodb", "lambda", "s3", "secretsmanager", "sns", "sqs", "stepfunctions")
"""Services whose descriptions are read once, here, and not by every copy."""

Handler = Callable[[Any, Any], Any]


def main() -> None:
    """Load the function, then run it for every line."""
    boto3.setup_default_session()
    for service in READ_AHEAD:
        boto3.client(service)  # type: ignore[call-overload]
    handler = load(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(run_apart(handler, json.loads(line))), flush=True)


def load(function: str) -> Handler:
    """The handler of a function."""
    spec = importlib.util.spec_from_file_location("app", ROOT / "functions" / function / "app.py")
    assert spec
    assert spec.loader
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    handler: Handler = app.lambda_handler
    return handler


def run_apart(handler: Handler, order: dict[str, Any]) -> dict[str, Any]:
    """Run in a copy of this process, which may die of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        os.dup2(2, 1)  # what the function prints goes where its log goes
        told = run(handler, order["event"], order["call"], order["moment"])
        with os.fdopen(writing, "w") as out:
            out.write(json.dumps(told))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answers:
        told = answers.read()
    _, status = os.waitpid(child, 0)
    return {"code": os.waitstatus_to_exitcode(status), **json.loads(told or "{}")}


def run(handler: Handler, event: dict[str, Any], fatal: int, moment: str) -> dict[str, Any]:
    """Count the AWS calls, and die at the chosen one."""
    calls = 0

    def before(**_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == fatal and moment == "before":
            os._exit(KILLED)

    def after(**_: Any) -> None:
        if calls == fatal and moment == "after":
            os._exit(KILLED)

    events = boto3.DEFAULT_SESSION.events  # type: ignore[union-attr]
    events.register("before-call", before)
    events.register("after-call", after)
    answer = handler(event, None)
    return {"answer": answer, "calls": calls}


if __name__ == "__main__":
    main()
