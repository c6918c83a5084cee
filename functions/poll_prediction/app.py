"""Step PollPrediction: no call-back came in time; ask the provider once."""

from __future__ import annotations

from typing import Any

from enhancer import runtime
from enhancer.api.step import Step
from enhancer.domain.refs import Ref
from enhancer.jobs import steps


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt, item, turn."""
    with Step("PollPrediction", event):
        steps.poll_prediction(Ref.from_event(event), deps=runtime.job_deps())
