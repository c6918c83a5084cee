"""Every minute: repair jobs and executions that a crash or a lost call-back left behind; see `operations.sweep`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from enhancer import runtime
from enhancer.operations import sweep
from enhancer.telemetry import invocation, logger


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Return how many jobs, executions and accounts were repaired, by what was done."""
    with invocation():
        swept = asdict(sweep.sweep(deps=runtime.job_deps(), owner_records=runtime.owner_records()))
        logger.info("sweep", extra=swept)
    return swept
