"""An audit of the whole table: whatever happened, the books must add up."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from enhancer.adapters.dynamodb.jobs import from_record
from enhancer.domain.costs import PRICES
from enhancer.domain.jobs import Item, Job
from enhancer.domain.ledger import Balance, Entry, add_up
from enhancer.domain.plans import GUESTS_PER_NETWORK, PLANS

RESOLVED = ("settle", "release")
REST = "_rest"
"""How the entry ends that gives back what a cheaper model left of a hold; it belongs to the settle before it."""
UNCLOSED = ("queued", "processing", "canceled")
"""Statuses of a job in the sweep's index; a canceled one is there until its holds are given back."""


def audit(
    plans: dict[str, str],
    gone: Iterable[Job] = (),
    *,
    records: Iterable[dict[str, Any]],
    deaths: int = 0,
) -> None:
    """Check every rule of money on everything stored.

    ``plans``: partition of an owner -> plan; ``gone``: jobs as they were when they were deleted. Each of ``deaths`` may
    have fallen between claiming a prediction and setting its estimate aside. ``records``: the whole table.
    """
    partitions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        partitions[record["pk"]].append(record)
    networks: Counter[tuple[str, str]] = Counter()
    for pk, plan in plans.items():
        deleted = [job for job in gone if f"OWNER#{job.owner.type}#{job.owner.id}" == pk]
        items = _owner(partitions.get(pk, []), plan, deleted)
        networks.update((item.hold.network, item.hold.day) for item in items if item.hold.network)
    spent = [record for pk, found in partitions.items() if pk.startswith("COST#") for record in found]
    _spending(spent, slack=deaths * max(found.estimate for found in PRICES.values()))
    cap = PLANS["guest"].images_per_day * GUESTS_PER_NETWORK
    for pk, found in partitions.items():
        if pk.startswith("NET#"):
            for record in found:
                used = networks[pk.removeprefix("NET#"), record["sk"].removeprefix("USAGE#")]
                assert record["used"] == used <= cap, record


def open_holds(records: Sequence[dict[str, Any]]) -> int:
    """How many items and jobs are open or unclosed, places among the jobs taken, and tenths still held."""
    jobs = [from_record(record) for record in records if record["sk"].startswith("JOB#")]
    accounts = [record for record in records if record["sk"] == "ACCOUNT"]
    held = sum(record.get("held", 0) + record.get("open_jobs", 0) for record in accounts)
    unfinished = sum(job.is_open + len(job.open_items) for job in jobs)
    return held + unfinished + sum(record.get("gsi1pk", "").startswith("OPEN#") for record in records)


def _owner(records: list[dict[str, Any]], plan: str, deleted: list[Job]) -> list[Item]:
    """Check one owner; return the items that count: held, or paid for."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_kind[record["sk"].partition("#")[0]].append(record)
    entries = [_entry(record) for record in by_kind["LEDGER"]]
    account = by_kind["ACCOUNT"][0] if by_kind["ACCOUNT"] else {}
    balance = Balance(**{name: account.get(name, 0) for name in Balance.__slots__})
    assert balance.difference == 0, balance
    assert min(getattr(balance, name) for name in Balance.__slots__) >= 0, balance
    assert add_up(entries) == balance
    jobs = {record["id"]: from_record(record) for record in by_kind["JOB"]}
    unclosed = [_job(from_record(record), is_closed=_is_closed(record)) for record in by_kind["JOB"]]
    assert account.get("open_jobs", 0) == sum(unclosed) <= PLANS[plan].jobs_at_once
    counted = _items([*({job.id: job for job in deleted} | jobs).values()], entries)
    _once_keys(by_kind["ONCE"], entries)
    _usage(by_kind["USAGE"], counted, plan)
    assert balance.held == sum(item.hold.credits for item in counted if item.is_open)
    return counted


def _is_closed(record: dict[str, Any]) -> bool:
    """Whether the record of a job is out of the sweep's index of open ones."""
    return not record.get("gsi1pk", "").startswith("OPEN#")


def _job(job: Job, *, is_closed: bool) -> bool:
    """Check that a job says what its items say; return whether it takes one of the plan's jobs at once."""
    if is_closed:
        assert not job.open_items, job
        assert job.status in ("canceled", job.outcome), job
    else:
        assert job.status in UNCLOSED, job
    return job.counted and not is_closed


def _entry(record: dict[str, Any]) -> Entry:
    return Entry(**{name: record[name] for name in Entry.__slots__ if name in record})


def _items(jobs: list[Job], entries: list[Entry]) -> list[Item]:
    """Every item has one hold per attempt and one resolution per ended one, of the same amounts, and says so."""
    moved: dict[tuple[str | None, int | None], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.job_id:
            moved[entry.job_id, entry.item].append(entry)
    counted, known = [], set()
    for job in jobs:
        for item in job.items:
            known.add((job.id, item.index))
            found = moved[job.id, item.index]
            whole = [entry for entry in found if not entry.id.endswith(REST)]
            kinds = Counter(entry.kind for entry in whole)
            is_paid = item.status == "succeeded" and not item.free
            assert kinds["hold"] == item.hold.attempt <= job.attempt, item
            assert kinds["settle"] == int(is_paid), item
            assert kinds["release"] == item.hold.attempt - int(is_paid or item.is_open), item
            charged = Counter({(item.charged.plan, item.charged.credits): 1}) if is_paid else Counter()
            assert _amounts([entry for entry in whole if entry.kind == "settle"]) == charged, item
            taken = _amounts([entry for entry in whole if entry.kind == "hold"])
            back = _amounts(_resolutions(found))
            left = Counter({(item.hold.plan, item.hold.credits): 1}) if item.is_open else Counter()
            assert taken - back == left, item
            assert not back - taken, item
            if is_paid or item.is_open:
                counted.append(item)
    assert set(moved) == known, "an entry without its job"
    return counted


def _resolutions(entries: list[Entry]) -> list[Entry]:
    """Settles and releases; what a cheaper model left of a hold is added to its settle, and to nothing else."""
    rests = {entry.id.removesuffix(REST): entry for entry in entries if entry.id.endswith(REST)}
    found = []
    for entry in entries:
        if entry.kind in RESOLVED and not entry.id.endswith(REST):
            rest = rests.pop(entry.id, None)
            if rest:
                assert (entry.kind, rest.kind) == ("settle", "release"), entry
                entry = replace(entry, plan=entry.plan + rest.plan, credits=entry.credits + rest.credits)  # noqa: PLW2901
            found.append(entry)
    assert not rests, "a rest without its settle"
    return found


def _amounts(entries: list[Entry]) -> Counter[tuple[int, int]]:
    """How often which amounts of plan and credits were moved."""
    return Counter((entry.plan, entry.credits) for entry in entries)


def _spending(records: Iterable[dict[str, Any]], *, slack: int) -> None:
    """What providers cost is counted against the cap by its day: at least as much as was booked, never less."""
    booked: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    for record in records:
        if record["sk"] == "TOTAL":
            totals[record["pk"]] = record["used"]
        elif not record["sk"].startswith("embedded#"):
            booked[record["pk"]] += record["micros"]
    for day in booked.keys() | totals.keys():
        assert totals[day] + slack >= booked[day] >= 0, (day, totals[day], booked[day])


def _once_keys(records: list[dict[str, Any]], entries: list[Entry]) -> None:
    """Exactly one once-key per hold and per resolution."""
    kinds = Counter(record["sk"].rpartition("#")[2] for record in records)
    assert kinds["hold"] == sum(entry.kind == "hold" for entry in entries)
    assert kinds["resolution"] == sum(
        entry.kind in RESOLVED and not entry.id.endswith(REST) for entry in entries
    )


def _usage(records: list[dict[str, Any]], counted: list[Item], plan: str) -> None:
    """Day and month say what the holds that count say, and never more than the plan has."""
    days = Counter(item.hold.day for item in counted)
    months: Counter[str] = Counter()
    for item in counted:
        months[item.hold.month] += item.hold.plan if item.is_open else item.charged.plan
    for record in records:
        period = record["sk"].removeprefix("USAGE#")
        is_day = period.count("-") == 2
        expected = days[period] if is_day else months[period]
        cap = PLANS[plan].images_per_day if is_day else PLANS[plan].quota_tenths
        assert 0 <= record["used"] == expected <= cap, (record, expected)
