"""Step FinishItem: settle an item whose result is there; release it on everything else."""

from __future__ import annotations

from typing import Any

from enhancer import fulfilment, runtime
from enhancer.api.steps import ref_of


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt, item, and ``error`` (a class name) if a step failed."""
    fulfilment.finish_item(ref_of(event), event.get("error"), tools=runtime.tools())
