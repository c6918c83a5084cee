"""Step FinishJob: all items ended; the job ends as they did."""

from __future__ import annotations

from typing import Any

from enhancer import execution, runtime
from enhancer.api.steps import ref_of


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt."""
    execution.finish_job(ref_of(event), tools=runtime.tools())
