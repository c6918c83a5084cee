"""Which item of which job, attempt and turn something is about: in events, in the call-back's path, in keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from enhancer.domain.owners import Owner

if TYPE_CHECKING:
    from enhancer.domain.jobs import Item, Job


@dataclass(frozen=True, slots=True)
class Ref:
    """An item of a job, in one of the job's attempts and one of the item's turns.

    ``attempt`` counts from 1, one more with each retry of the owner; ``turn`` from 0, one more with each prediction
    that is started for the item within an attempt.
    """

    owner: Owner
    job_id: str
    attempt: int
    item: int = 0
    turn: int = 0

    @classmethod
    def of(cls, job: Job, item: Item | None = None) -> Self:
        """Return the reference to an item as it is now, or to the job as a whole."""
        if item is None:
            return cls(job.owner, job.id, job.attempt)
        return cls(job.owner, job.id, job.attempt, item.index, item.turn)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Return what an event is about; the steps of a whole job name no item."""
        return cls(
            owner=_owner(event["ownerType"], event["ownerId"]),
            job_id=event["jobId"],
            attempt=int(event["attempt"]),
            item=int(event.get("item", 0)),
            turn=int(event.get("turn", 0)),
        )

    def to_event(self, *more: Literal["item", "turn"]) -> dict[str, str | int]:
        """Return the fields of an event that name the attempt of the job, and of item and turn those asked for."""
        fields: dict[str, str | int] = {
            "ownerType": self.owner.type,
            "ownerId": self.owner.id,
            "jobId": self.job_id,
            "attempt": self.attempt,
        }
        return fields | {name: getattr(self, name) for name in more}

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what was written with `to_text`; raise `ValueError` for anything else."""
        owner_type, owner_id, job_id, attempt, item, turn = text.split(".")
        return cls(_owner(owner_type, owner_id), job_id, int(attempt), int(item), int(turn))

    def to_text(self) -> str:
        """Return all of it, separated by dots: ``user.<owner id>.<job id>.<attempt>.<item>.<turn>``."""
        return f"{self.owner.type}.{self.owner.id}.{self.job_id}.{self.attempt}.{self.item}.{self.turn}"

    @property
    def once(self) -> str:
        """What happens once per item and attempt is keyed by: ``<job>#<item>``, later ``<job>#<item>.<attempt>``."""
        item = f"{self.item}" if self.attempt == 1 else f"{self.item}.{self.attempt}"
        return f"{self.job_id}#{item}"


def _owner(owner_type: str, owner_id: str) -> Owner:
    return Owner("guest" if owner_type == "guest" else "user", owner_id)
