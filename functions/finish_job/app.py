"""Step FinishJob: all items ended; the job ends as they did."""

from __future__ import annotations

from typing import Any

from enhancer import runtime
from enhancer.domain.refs import Ref
from enhancer.jobs import steps


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt."""
    steps.finish_job(Ref.from_event(event), deps=runtime.job_deps())
