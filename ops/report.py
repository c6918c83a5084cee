"""`make report`: make a cost report of a stack now, print where it is and its main figures.

::

    make report ENV=production                      yesterday's
    make report ENV=production DATE=2026-11-28
    make report ENV=local MONTH=2026-11
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import boto3
from botocore.config import Config

from enhancer.api.report.amounts import usd
from enhancer.domain.artifacts import report_key
from enhancer.domain.closings import spans
from ops.command import CommandError, ended
from ops.shown import printable
from ops.stack import Stack, stack_of

PATIENT = Config(read_timeout=900, retries={"total_max_attempts": 1})
"""A month is made in minutes."""
SHOWN = (
    ("Earned", "earnedMicros"), ("Providers", "providerMicros"), ("AWS", "awsMicros"), ("Fees", "feesMicros"),
    ("Margin", "marginMicros"),
)  # fmt: skip

HOW_TO_COMPLETE = (
    "Incomplete reports are made again by themselves, each night, as far as what they lack is there by then. What a"
    ' ledger or Stripe lacks, and days long past: docs/operations.md, "Closings".'
)


class ReportFailed(CommandError):
    """The function did not make the report; the message says why, in its words."""


def main(environ: Mapping[str, str] = os.environ, *, stack_named: Callable[[str], Stack] = stack_of) -> int:
    """Make the report that the environment names (ENV, DATE or MONTH); return the exit code."""
    return ended(lambda: _tell(environ, stack_named))


def _tell(environ: Mapping[str, str], stack_named: Callable[[str], Stack]) -> None:
    """Make the report, and print what it says."""
    for line in _lines(stack_named(environ.get("ENV") or "local"), _event(environ)):
        print(line)


def _event(environ: Mapping[str, str]) -> dict[str, str]:
    asked = {name.lower(): value for name in ("DATE", "MONTH") if (value := environ.get(name))}
    if len(asked) > 1:
        raise ReportFailed("Give DATE or MONTH, not both.")
    return asked


def _lines(stack: Stack, event: dict[str, str]) -> list[str]:
    client = _patient(stack)
    name = stack.output("CostReportFunctionName")
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event).encode())
    done = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        kind, said = done.get("errorType", "Error"), done.get("errorMessage", "see the logs of CostReport")
        told = f"{said}. No report was made." if kind == "ValueError" else f"{kind}: {said}"
        raise ReportFailed(printable(told))
    found = []
    for number, made in enumerate(done["made"]):
        if number == 1:
            found.append("Made again, because they were incomplete:")
        found += _shown(stack, made, is_complete=made not in done["incomplete"])
    if done["incomplete"]:
        found.append(HOW_TO_COMPLETE)
    return found


def _patient(stack: Stack) -> Any:
    """Return a client that waits as long as the function may take, and never asks twice."""
    if stack.is_local:
        return stack.client("lambda")
    return boto3.client("lambda", region_name=stack.region, config=PATIENT)


def _shown(stack: Stack, name: str, *, is_complete: bool) -> list[str]:
    bucket = stack.output("BucketName")
    stored = stack.client("s3").get_object(Bucket=bucket, Key=report_key(name, "json"))
    report = json.loads(stored["Body"].read())
    main_figures = report["headline"]
    lines = [f"{name}{'' if is_complete else ' (incomplete: ' + _missing(report) + ')'}"]
    lines += [f"  {label:<10}{usd(main_figures[field]):>14}" for label, field in SHOWN]
    lines.append(f"  {'Runs':<10}{main_figures['runs']:>14}   failed {main_figures['failed']}")
    lines.append(f"  {stack.url}/api/admin/reports/{name}.html   (signed in as an administrator)")
    lines.append(f"  s3://{bucket}/{report_key(name, 'html')}")
    return lines


def _missing(report: Mapping[str, Any]) -> str:
    """Say what a report lacks, or that its time is not over; days in a row as the first and the last."""
    found = [f"{source} of {', '.join(spans(days))}" for source, days in report["missing"].items()]
    return "; ".join(found) or "the time is not over"


if __name__ == "__main__":
    sys.exit(main())
