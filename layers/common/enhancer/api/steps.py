"""Events of the state machine's steps: ids, and nothing else."""

from __future__ import annotations

from typing import Any

from enhancer.domain.owners import Owner
from enhancer.execution import Ref


def ref_of(event: dict[str, Any]) -> Ref:
    """Return which item of which attempt a step is about; a job's own steps name no item."""
    return Ref(
        owner=Owner(event["ownerType"], event["ownerId"]),
        job_id=event["jobId"],
        attempt=int(event["attempt"]),
        item=int(event.get("item", 0)),
        turn=int(event.get("turn", 0)),
    )
