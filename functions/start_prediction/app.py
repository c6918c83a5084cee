"""Step StartPrediction: look at an item's picture, start its model, and leave the token for whoever ends it."""

from __future__ import annotations

from typing import Any

from enhancer import runtime
from enhancer.domain.refs import Ref
from enhancer.jobs import steps


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt, item, turn, token."""
    steps.start_prediction(Ref.from_event(event), event["token"], deps=runtime.job_deps())
