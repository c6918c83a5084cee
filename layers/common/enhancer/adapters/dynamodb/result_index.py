"""The index of results: for each result of an owner the item that is to make it, and the items that have a copy."""

from __future__ import annotations

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, Write, absent, attempts
from enhancer.domain.jobs import Item, Job
from enhancer.domain.ledger import Earlier, KeyUsed, ResultHolder, ResultTaken
from enhancer.domain.owners import Owner

RESULT_KEPT_SECONDS = 400 * 86_400
"""How long the index of results is stored."""
HOLDERS_MAX = 16
"""Copies that the index names for a result; of races a few more. With these a record is still one unit to write."""
_HEAD = "#job = :job, #item = :item, #attempt = :attempt"
_NAMES = {"#job": "job", "#item": "item", "#attempt": "attempt"}


def read(record: Record, key: KeyUsed | None) -> Earlier:
    """Return what is known of a result, {} where it is not in the index, and of an idempotency key."""
    holders = frozenset(_holder(text) for text in record.get("holders", ()))
    return Earlier(key, record.get("job"), record.get("item", 0), record.get("attempt"), holders)


def maker_write(job: Job, item: Item, earlier: Earlier | None, *, now: int) -> Write:
    """Return the write that names an item as the one that makes a result.

    With ``earlier`` only if the index still names the item that it named then; else it raises `ResultTaken`. The
    holders known then are taken out, because none of them has the result any more; one that came since stays.
    """
    values: Record = _named(job, item, now)
    update, key = f"SET {_HEAD}, expires = :expires", keys.result(job.owner, item.result_digest)
    if earlier is None:
        return Write("Update", key, update=update, names=_NAMES, values=values)
    if earlier.holders:
        update += " DELETE holders :lost"
        values[":lost"] = {_text(holder) for holder in earlier.holders}
    condition = absent()
    if earlier.result_job is not None:
        condition = "#job = :seen_job AND #item = :seen_item AND "
        values |= {":seen_job": earlier.result_job, ":seen_item": earlier.result_item}
        if earlier.result_attempt is None:
            condition += "attribute_not_exists(#attempt)"
        else:
            condition += "#attempt = :seen_attempt"
            values[":seen_attempt"] = earlier.result_attempt
    return Write(
        "Update", key, update=update, condition=condition, names=_NAMES, values=values,
        refusal=lambda _: ResultTaken(),
    )  # fmt: skip


def holder_write(job: Job, item: Item, earlier: Earlier, *, now: int) -> list[Write]:
    """Return the write that names an item as one that has a copy of a result; none if enough of them are known.

    It is never refused. If whoever the index named has been deleted since, the item takes that place.
    """
    if len(earlier.holders) >= HOLDERS_MAX:
        return []
    values = _named(job, item, now)
    values[":me"] = {_text((job.id, item.index, job.attempt))}
    names = dict(_NAMES)
    heads = ["#job = if_not_exists(#job, :job)", "#item = if_not_exists(#item, :item)"]
    # A record of an earlier version does not name the attempt of its job: it stays unknown.
    if earlier.result_job is not None and earlier.result_attempt is None:
        del values[":attempt"], names["#attempt"]
    else:
        heads.append("#attempt = if_not_exists(#attempt, :attempt)")
    return [
        Write(
            "Update",
            keys.result(job.owner, item.result_digest),
            update=f"SET {', '.join(heads)}, expires = :expires ADD holders :me",
            names=names,
            values=values,
        )
    ]


def leave(table: Table, owner: Owner, result_digest: str, job_id: str) -> None:
    """Take a job that is deleted out of the index; one that has a copy takes its place. Safe to repeat."""
    key = keys.result(owner, result_digest)
    if table.delete_if(key, "job = :job AND attribute_not_exists(holders)", {":job": job_id}):
        return
    for _ in attempts():
        record = table.get(key)
        if record is None or _left(table, key, record, job_id):
            return


def _left(table: Table, key: keys.Key, record: Record, job_id: str) -> bool:
    """Return whether the job is out of a record of the index; False if that changed since it was read."""
    seen = read(record, None)
    kept = sorted(holder for holder in seen.holders if holder[0] != job_id)
    if seen.result_job != job_id and len(kept) == len(seen.holders):
        return True
    condition = "job = :seen_job AND " + (
        "holders = :seen" if seen.holders else "attribute_not_exists(holders)"
    )
    values: Record = {":seen_job": seen.result_job}
    if seen.holders:
        values[":seen"] = {_text(holder) for holder in seen.holders}
    if seen.result_job == job_id:
        if not kept:
            return table.delete_if(key, condition, values)
        job, item, attempt = kept.pop(0)
        record |= {"job": job, "item": item, "attempt": attempt}
    record["holders"] = {_text(holder) for holder in kept} or None
    try:
        table.put(record, condition=condition, values=values)
    except ConditionFailed:
        return False
    return True


def _named(job: Job, item: Item, now: int) -> Record:
    expires = now // 1000 + RESULT_KEPT_SECONDS
    return {":job": job.id, ":item": item.index, ":attempt": job.attempt, ":expires": expires}


def _text(holder: ResultHolder) -> str:
    return "#".join(map(str, holder))


def _holder(text: str) -> ResultHolder:
    job, item, attempt = text.split("#")
    return job, int(item), int(attempt)
