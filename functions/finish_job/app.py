"""Step FinishJob: set the status of the job by how its items ended."""

from __future__ import annotations

from typing import Any

from enhancer import runtime
from enhancer.api.step import Step
from enhancer.domain.refs import Ref
from enhancer.jobs import steps


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt."""
    with Step("FinishJob", event):
        steps.finish_job(Ref.from_event(event), deps=runtime.job_deps())
