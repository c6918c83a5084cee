"""Jobs in the table: one record per job, its items inside."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict
from typing import Any

from enhancer.adapters.dynamodb import keys, result_index
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, Write, known
from enhancer.domain.images import About
from enhancer.domain.jobs import (
    DEADLINE_MS,
    KEPT_DAYS,
    Artifact,
    Fallback,
    Item,
    Job,
    JobError,
    Kind,
    Prediction,
    PredictionStarted,
    Source,
    StaleAttempt,
)
from enhancer.domain.ledger import Earlier, Hold
from enhancer.domain.models import Params
from enhancer.domain.owners import Owner
from enhancer.domain.pricing import Split

_OPEN = "#status IN (:queued, :processing) AND #attempt = :attempt"
_OPEN_NAMES = {"#status": "status", "#attempt": "attempt", "#items": "items"}


class Jobs:
    """Reads of jobs, and their writes that move no credits; the others are transactions of the `Ledger`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, owner: Owner, job_id: str) -> Job | None:
        """Return this owner's job; None where there is none (any more), also if another owner has one with this id."""
        record = self._table.get(keys.job(owner, job_id))
        return from_record(record) if record and not is_deleted(record) else None

    def page(
        self, owner: Owner, *, statuses: Collection[str], limit: int, after: str | None
    ) -> tuple[list[Job], str | None]:
        """Return up to ``limit`` jobs, newest first, and the id to continue after, None on the last page.

        ``statuses``: only jobs with one of these; all if empty. ``after``: only jobs older than the one with this id.
        """
        found: list[Job] = []
        for record in self._table.under(
            keys.account(owner)["pk"], "JOB#", newest_first=True, before=f"JOB#{after}" if after else None
        ):
            if is_deleted(record) or (statuses and record["status"] not in statuses):
                continue
            if len(found) == limit:
                return found, found[-1].id
            found.append(from_record(record))
        return found, None

    def open(self) -> list[Job]:
        """Return every unclosed job of every owner."""
        return self.overdue(now=2**62)

    def overdue(self, *, now: int) -> list[Job]:
        """Return the unclosed jobs of every owner whose deadline has passed at ``now`` (epoch ms)."""
        found = []
        for shard in range(keys.OPEN_SHARDS):
            for pointer in self._table.overdue(f"OPEN#{shard}", now):
                record = self._table.get({"pk": pointer["pk"], "sk": pointer["sk"]})
                if record:
                    found.append(from_record(record))
        return found

    def prepare(self, job: Job, item: Item, *, now: int) -> None:
        """Store what decoding the item's picture showed, before its prediction; raise `StaleAttempt`.

        Raises `PredictionStarted` when another run of the same step was faster: its ``target`` counts.
        """
        changes = {
            "digest": item.digest,
            "result_digest": item.result_digest,
            "input": asdict(item.input) if item.input else None,
            "target": item.target,
            "output_format": item.output_format,
            "about": asdict(item.about),
        }
        self._change(job, item, changes, now=now, once="input")

    def take_result(self, job: Job, item: Item, earlier: Earlier, *, now: int) -> None:
        """Let an open item be the one that makes its result, in one transaction with its status.

        ``earlier``: whom the index of results named. Raises `ResultTaken` when it names another one by now,
        `StaleAttempt` when the job or item has ended or moved on.
        """
        place = f"#items[{item.index}]"
        begun = Write(
            "Update",
            keys.job(job.owner, job.id),
            update=f"SET #status = :processing, {place}.#status = :processing, updated_at = :now, gsi1sk = :deadline",
            condition=f"{_OPEN} AND {place}.#status IN (:queued, :processing)"
            f" AND {_in_turn(f'{place}.turn', item)}",
            names=_OPEN_NAMES,
            values=self._values(job, {":now": now, ":deadline": now + DEADLINE_MS, ":turn": item.turn}),
            refusal=lambda _: StaleAttempt(),
        )
        self._table.transact([begun, result_index.maker_write(job, item, earlier, now=now)])

    def claim(self, job: Job, item: Item, *, token: str | None, now: int) -> bool:
        """Take the right to start the item's prediction in this turn; raise `StaleAttempt`.

        Returns False when it was taken before. Then only the token is replaced, so that the step that waits now is
        woken, and the deadline moves on, because a new wait has begun.
        """
        prediction = Prediction(job.attempt, now, token, turn=item.turn)
        changes: Record = {"status": "processing", "prediction": asdict(prediction)}
        try:
            self._change(job, item, changes, now=now, once="prediction")
        except PredictionStarted:
            if token:
                self._set_in_prediction(job, item, "token", token, deadline=now + DEADLINE_MS)
            return False
        return True

    def unclaim(
        self, job: Job, item: Item, *, retry_after: float | None, cost: int, now: int
    ) -> Prediction | None:
        """Give the right to start back after the provider refused; raise `StaleAttempt`.

        Returns the prediction as it was stored: with an id, one has been reported to have begun all the same.
        ``retry_after``: seconds that the provider asked to wait. ``cost``: what the try cost us, in USD micros.
        """
        place = f"#items[{item.index}]"
        wait, values = (f", {place}.retry_after = :wait", {":wait": retry_after}) if retry_after else ("", {})
        return self._guarded(
            job,
            item,
            f"SET updated_at = :now, {place}.#cost = :cost{wait} REMOVE {place}.prediction",
            names={"#cost": "cost"},
            values={":now": now, ":cost": item.cost + cost, ":turn": item.turn, **values},
            condition=f"{_OPEN} AND {_in_turn(f'{place}.turn', item)}",
        )

    def name_prediction(self, job: Job, item: Item, prediction_id: str) -> None:
        """Store the provider's id of the prediction of this turn; raise `StaleAttempt`."""
        self._set_in_prediction(job, item, "id", prediction_id)

    def next_turn(self, job: Job, item: Item, after: Item, *, now: int) -> Prediction | None:
        """Store that a try failed; ``after`` is the item as the next try finds it, with its prediction or without.

        Returns the prediction that was stored for the try that failed.
        Raises `StaleAttempt` when the job has ended or another run of the same step was faster.
        """
        place = f"#items[{item.index}]"
        changes = _progress(after)
        sets = ", ".join(f"{place}.#{name} = :{name}" for name in changes)
        kept = f", {place}.prediction.#turn = :turn" if after.prediction else ""
        gone = f"{place}.retry_after" if after.prediction else f"{place}.prediction, {place}.retry_after"
        return self._guarded(
            job,
            item,
            f"SET {sets}{kept}, updated_at = :now, gsi1sk = :deadline REMOVE {gone}",
            names={f"#{name}": name for name in changes} | {"#turn": "turn"},
            values={f":{name}": value for name, value in changes.items()}
            | {":now": now, ":deadline": now + DEADLINE_MS, ":before": item.turn},
            condition=f"{_OPEN} AND {place}.#status IN (:queued, :processing) AND "
            + _in_turn(f"{place}.#turn", item, ":before"),
        )

    def note(self, job: Job, item: Item, *, now: int) -> Prediction | None:
        """Store how far the tries of a sync job's item are, with the prediction that is about to start, if any.

        Returns the prediction that was stored before. Raises `StaleAttempt`.
        """
        return self._store_progress(job, item, kind="sync", now=now)

    def hand_over(self, job: Job, item: Item, *, now: int) -> Prediction | None:
        """Make a sync job async, with its item's running prediction if there is one; raise `StaleAttempt`.

        Returns the prediction that was stored before.
        """
        return self._store_progress(job, item, kind="async", now=now)

    def cancel(self, job: Job, *, now: int) -> bool:
        """Mark an open job as canceled; return False when it has ended.

        It stays in the index that the sweep reads, due at once, until its holds are released and it is closed.
        """
        try:
            self._table_update(
                job,
                "SET #status = :canceled, updated_at = :now, gsi1sk = :now",
                {":canceled": "canceled", ":now": now},
            )
        except StaleAttempt:
            return False
        return True

    def mark_deleted(self, job: Job, *, now: int) -> bool:
        """Let a closed job be gone for everybody; return False if it is unclosed, runs again or was deleted before.

        From then on it cannot run again, and until `remove` it is in the index of deleted jobs, which the sweep reads.
        """
        try:
            self._table.update(
                keys.job(job.owner, job.id),
                "SET gsi1pk = :removal, gsi1sk = :now",
                values={":now": now, ":removal": keys.REMOVAL, ":attempt": job.attempt},
                condition="attribute_not_exists(gsi1pk) AND attempt = :attempt",
            )
        except ConditionFailed:
            return False
        return True

    def deleted(self, *, before: int) -> list[Job]:
        """Return the jobs of every owner that were deleted before a time (epoch ms) and not removed yet."""
        pointers = self._table.overdue(keys.REMOVAL, before)
        records = (self._table.get({"pk": pointer["pk"], "sk": pointer["sk"]}) for pointer in pointers)
        return [from_record(record) for record in records if record and is_deleted(record)]

    def remove(self, job: Job) -> None:
        """Remove the record of a deleted job, and take it out of the index of results. Safe to repeat."""
        for item in job.items:
            if item.result_digest:
                result_index.leave(self._table, job.owner, item.result_digest, job.id)
        self._table.delete_if(keys.job(job.owner, job.id), "gsi1pk = :removal", {":removal": keys.REMOVAL})

    def _store_progress(self, job: Job, item: Item, *, kind: Kind, now: int) -> Prediction | None:
        """Store kind, tries and prediction of an open job with one item, and move its deadline on.

        Returns the prediction that was stored before.
        """
        place, changes = f"#items[{item.index}]", _progress(item)
        if item.prediction:
            changes["prediction"] = asdict(item.prediction)
        sets = ", ".join(f"{place}.#{name} = :{name}" for name in changes)
        gone = "" if item.prediction else f" REMOVE {place}.prediction"
        return self._guarded(
            job,
            item,
            f"SET kind = :kind, {sets}, updated_at = :now, gsi1sk = :deadline{gone}",
            names={f"#{name}": name for name in changes},
            values={f":{name}": value for name, value in changes.items()}
            | {":kind": kind, ":now": now, ":deadline": now + DEADLINE_MS},
            condition=_OPEN,
        )

    def _change(self, job: Job, item: Item, changes: Record, *, now: int, once: str) -> None:
        """Change an open item that has no field ``once`` yet, and move the deadline on.

        Raises `PredictionStarted` when it has that field, `StaleAttempt` when job or item has ended or moved on.
        """
        place = f"#items[{item.index}]"
        sets = [f"{place}.#{name} = :{name}" for name in changes]
        try:
            self._table.update(
                keys.job(job.owner, job.id),
                f"SET {', '.join(sets)}, #status = :processing, updated_at = :now, gsi1sk = :deadline",
                names={**_OPEN_NAMES, **{f"#{name}": name for name in changes}},
                values=self._values(
                    job,
                    {
                        **{f":{name}": value for name, value in changes.items()},
                        ":now": now,
                        ":deadline": now + DEADLINE_MS,
                        ":turn": item.turn,
                    },
                ),
                condition=f"{_OPEN} AND {place}.#status IN (:queued, :processing)"
                f" AND {_in_turn(f'{place}.turn', item)} AND attribute_not_exists({place}.#{once})",
            )
        except ConditionFailed as failed:
            if _is_open(job, item, failed.record):
                raise PredictionStarted from None
            raise StaleAttempt from None

    def _set_in_prediction(
        self, job: Job, item: Item, field: str, value: str, *, deadline: int | None = None
    ) -> None:
        """Change one field of the prediction of this turn, and the job's deadline if given; raise `StaleAttempt`."""
        place = f"#items[{item.index}].prediction"
        later, more = (", gsi1sk = :deadline", {":deadline": deadline}) if deadline else ("", {})
        self._guarded(
            job,
            item,
            f"SET {place}.#field = :value{later}",
            names={"#field": field},
            values={":value": value, ":turn": item.turn, **more},
            condition=f"{_OPEN} AND attribute_exists({place}) AND {_in_turn(f'{place}.turn', item)}",
        )

    def _guarded(
        self, job: Job, item: Item, update: str, *, names: dict[str, str], values: Record, condition: str
    ) -> Prediction | None:
        """Update an open job of this attempt and return the item's prediction as it was; raise `StaleAttempt`."""
        try:
            before = self._table.update(
                keys.job(job.owner, job.id),
                update,
                names=_OPEN_NAMES | names,
                values=self._values(job, values),
                condition=condition,
                old=True,
            )
        except ConditionFailed:
            raise StaleAttempt from None
        return from_record(before).items[item.index].prediction

    def _table_update(self, job: Job, update: str, values: Record) -> None:
        try:
            self._table.update(
                keys.job(job.owner, job.id),
                update,
                names={
                    name: field
                    for name, field in _OPEN_NAMES.items()
                    if name != "#items" or "#items" in update
                },
                values=self._values(job, values),
                condition=_OPEN,
            )
        except ConditionFailed:
            raise StaleAttempt from None

    @staticmethod
    def _values(job: Job, values: Record) -> Record:
        return {**values, ":queued": "queued", ":processing": "processing", ":attempt": job.attempt}


def _is_open(job: Job, item: Item, record: Record) -> bool:
    if not record:
        return False
    stored = from_record(record)
    there = stored.items[item.index]
    return stored.is_open and stored.attempt == job.attempt and there.is_open and there.turn == item.turn


def _in_turn(path: str, item: Item, value: str = ":turn") -> str:
    """Return the condition that ``path`` is the item's turn; where it is missing, the turn is 0."""
    same = f"{path} = {value}"
    return same if item.turn else f"({same} OR attribute_not_exists({path}))"


def _progress(item: Item) -> Record:
    """Return the fields of an item that change when a try fails or is put off."""
    found: Record = {
        "turn": item.turn,
        "waited": item.waited,
        "cost": item.cost,
        "result_digest": item.result_digest,
    }
    return found | ({"fallback": asdict(item.fallback)} if item.fallback else {})


def to_record(job: Job) -> Record:
    """Return the record of a job, without its key."""
    record: Record = asdict(job)
    record["items"] = [asdict(item) for item in job.items]
    record["expires"] = job.created_at // 1000 + KEPT_DAYS * 86_400
    if job.is_open:
        record |= {"gsi1pk": keys.open_shard(job.id), "gsi1sk": job.deadline}
    return record


def is_deleted(record: Record) -> bool:
    """Return whether a job was deleted; its record is there until its pictures are gone."""
    return record.get("gsi1pk") == keys.REMOVAL


def from_record(record: Record) -> Job:
    """Return the job in a record that `to_record` made."""
    return known(
        Job,
        record,
        owner=known(Owner, record["owner"]),
        params=known(Params, record["params"]),
        items=tuple(_item(item) for item in record["items"]),
    )


def _item(record: dict[str, Any]) -> Item:
    parts: dict[str, Callable[..., Any]] = {
        "source": Source,
        "input": Artifact,
        "prediction": Prediction,
        "output": Artifact,
        "error": JobError,
        "about": About,
        "paid": Split,
    }
    inner: dict[str, Any] = {
        name: known(made, record[name]) for name, made in parts.items() if record.get(name)
    }
    if found := record.get("fallback"):
        inner["fallback"] = known(Fallback, found, params=known(Params, found["params"]))
    return known(Item, record, **inner, hold=known(Hold, record["hold"]))
