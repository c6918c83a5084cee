"""Run one function's handler in this process and die at a given AWS call, as a killed Lambda would.

``python crashing_function.py <function> <call> <before|after>`` with the event as JSON on stdin. Call 0 dies
never and prints the answer, and on stderr how many calls were made.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).resolve().parents[2]
KILLED = 137


def main() -> None:
    """Load the function as Lambda does, count its AWS calls, die at the chosen one."""
    function, fatal, moment = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    boto3.setup_default_session()
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
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location("app", path)
    assert spec
    assert spec.loader
    app = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(app)
    print(
        json.dumps({"calls": 0, "answer": app.lambda_handler(json.load(sys.stdin), None)} | {"calls": calls})
    )


if __name__ == "__main__":
    main()
