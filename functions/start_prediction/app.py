"""Step StartPrediction: check an item's picture, start its prediction, store the token by which its end is reported."""

from __future__ import annotations

from typing import Any

from enhancer import runtime
from enhancer.api.step import Step
from enhancer.domain.refs import Ref
from enhancer.jobs import steps


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt, item, turn, token."""
    with Step("StartPrediction", event):
        steps.start_prediction(Ref.from_event(event), event["token"], deps=runtime.job_deps())
