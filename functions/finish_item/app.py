"""Step FinishItem: settle an item whose result is there; otherwise try again, or release it."""

from __future__ import annotations

from math import ceil
from typing import Any

from enhancer import runtime
from enhancer.api.step import Step
from enhancer.domain.refs import Ref
from enhancer.jobs import steps


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int | bool]:
    """Event: ownerType, ownerId, jobId, attempt, item, turn, and ``error`` (a class name) if a step failed.

    Return whether to start another prediction (``again``), and after how many ``seconds``.
    """
    with Step("FinishItem", event):
        seconds = steps.finish_item(Ref.from_event(event), event.get("error"), deps=runtime.job_deps())
    return {"again": seconds is not None, "seconds": ceil(seconds or 0)}
