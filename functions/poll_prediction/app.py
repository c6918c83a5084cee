"""Step PollPrediction: nobody called back in time; look once and decide."""

from __future__ import annotations

from typing import Any

from enhancer import execution, runtime
from enhancer.api.steps import ref_of


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt, item, turn."""
    execution.look_at_item(ref_of(event), tools=runtime.tools())
