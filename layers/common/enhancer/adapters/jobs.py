"""Jobs in the table: one record per job, its items inside."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from enhancer.adapters import keys
from enhancer.adapters.table import Record, Table
from enhancer.domain.entitlement import Params
from enhancer.domain.jobs import KEPT_DAYS, Artifact, Item, Job, JobError
from enhancer.domain.ledger import Hold
from enhancer.domain.owners import Owner


class Jobs:
    """Reads; every write of a job is part of a transaction of the ledger."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, owner: Owner, job_id: str) -> Job | None:
        """Return this owner's job, or None: somebody else's job is as absent as a missing one."""
        record = self._table.get(keys.job(owner, job_id))
        return from_record(record) if record else None

    def overdue(self, *, now: int) -> list[Job]:
        """Return the open jobs whose deadline has passed."""
        found = []
        for shard in range(keys.OPEN_SHARDS):
            for pointer in self._table.overdue(f"OPEN#{shard}", now):
                record = self._table.get({"pk": pointer["pk"], "sk": pointer["sk"]})
                if record:
                    found.append(from_record(record))
        return found


def to_record(job: Job) -> Record:
    """Return the job as stored, without its key."""
    record: Record = asdict(job)
    record["items"] = [asdict(item) for item in job.items]
    record["expires"] = job.created_at // 1000 + KEPT_DAYS * 86_400
    if job.is_open:
        record |= {"gsi1pk": keys.open_shard(job.id), "gsi1sk": job.deadline}
    return record


def from_record(record: Record) -> Job:
    """Return the job that `to_record` stored."""
    plain = {name: record[name] for name in Job.__slots__ if name in record}
    return Job(
        **{
            **plain,
            "owner": Owner(**record["owner"]),
            "params": Params(**record["params"]),
            "items": tuple(_item(item) for item in record["items"]),
        }
    )


def _item(record: dict[str, Any]) -> Item:
    return Item(
        **{
            **record,
            "hold": Hold(**record["hold"]),
            "input": Artifact(**record["input"]),
            "output": Artifact(**record["output"]) if record.get("output") else None,
            "error": JobError(**record["error"]) if record.get("error") else None,
        }
    )
