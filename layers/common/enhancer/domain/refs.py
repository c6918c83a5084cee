"""What a step, a call-back or an upscale is about: an item of a job, in one of its attempts and turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from enhancer.domain.owners import Owner


@dataclass(frozen=True, slots=True)
class Ref:
    """Which item of which attempt a step is about, and in which turn. All that travels through the state machine."""

    owner: Owner
    job_id: str
    attempt: int
    item: int = 0
    turn: int = 0

    @classmethod
    def from_event(cls, event: dict[str, Any]) -> Self:
        """Return what an event is about; the steps of a whole job name no item."""
        return cls(
            owner=Owner(event["ownerType"], event["ownerId"]),
            job_id=event["jobId"],
            attempt=int(event["attempt"]),
            item=int(event.get("item", 0)),
            turn=int(event.get("turn", 0)),
        )
