"""Every minute: whatever a crash or a lost call-back left behind is put right."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from enhancer import runtime
from enhancer.operations import sweep
from enhancer.telemetry import logger


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Return how many jobs and executions were put right, by what was wrong."""
    swept = asdict(sweep.sweep(deps=runtime.job_deps(), owner_records=runtime.owner_records()))
    logger.info("sweep", extra=swept)
    return swept
