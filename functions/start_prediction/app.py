"""Step StartPrediction: check an item's picture, start its prediction, store the token by which its end is reported."""

from __future__ import annotations

from functools import partial
from typing import Any

from enhancer import runtime
from enhancer.domain.refs import Ref
from enhancer.jobs import steps


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt, item, turn, token."""
    deps = runtime.job_deps()
    prepare = partial(
        steps.prepare_item,
        deps=deps,
        read=runtime.read_photo,
        download=lambda url: runtime.downloads().get(url),
        new_name=runtime.new_name,
    )
    steps.start_prediction(Ref.from_event(event), event["token"], deps=deps, prepare=prepare)
