"""Step StartPrediction: look at an item's picture, start its model, and leave the token for whoever ends it."""

from __future__ import annotations

from functools import partial
from typing import Any

from enhancer import execution, runtime, submission
from enhancer.api.steps import ref_of


def lambda_handler(event: dict[str, Any], context: Any) -> None:
    """Event: ownerType, ownerId, jobId, attempt, item, turn, token."""
    tools = runtime.tools()
    prepare = partial(
        submission.prepare_item,
        tools=tools,
        read=runtime.read_photo,
        download=lambda url: runtime.downloads().get(url),
        new_name=runtime.new_name,
    )
    execution.start_item(ref_of(event), event["token"], tools=tools, prepare=prepare)
