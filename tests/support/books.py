"""An audit of the whole table: whatever happened, the books must add up."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

from enhancer.adapters.jobs import from_record
from enhancer.domain.jobs import Item, Job
from enhancer.domain.ledger import Balance, Entry, add_up
from enhancer.domain.plans import GUESTS_PER_NETWORK, PLANS
from tests.support import aws

RESOLVED = {"settle": "succeeded", "release": "failed"}


def audit(plans: dict[str, str]) -> None:
    """Check every rule of money on everything stored; ``plans``: partition of an owner -> plan."""
    partitions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in aws.records():
        partitions[record["pk"]].append(record)
    networks: Counter[tuple[str, str]] = Counter()
    for pk, plan in plans.items():
        items = _owner(partitions.get(pk, []), plan)
        networks.update((item.hold.network, item.hold.day) for item in items if item.hold.network)
    cap = PLANS["guest"].images_per_day * GUESTS_PER_NETWORK
    for pk, records in partitions.items():
        if pk.startswith("NET#"):
            for record in records:
                used = networks[pk.removeprefix("NET#"), record["sk"].removeprefix("USAGE#")]
                assert record["used"] == used <= cap, record


def open_holds() -> int:
    """How many items are held and unresolved, and how many tenths accounts still hold."""
    records = aws.records()
    jobs = [from_record(record) for record in records if record["sk"].startswith("JOB#")]
    held = sum(record.get("held", 0) for record in records if record["sk"] == "ACCOUNT")
    return held + sum(job.is_open for job in jobs) + sum("gsi1pk" in record for record in records)


def _owner(records: list[dict[str, Any]], plan: str) -> list[Item]:
    """Check one owner; return the items that count: held and not released."""
    by_kind: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in records:
        by_kind[record["sk"].partition("#")[0]].append(record)
    entries = [_entry(record) for record in by_kind["LEDGER"]]
    account = by_kind["ACCOUNT"][0] if by_kind["ACCOUNT"] else {}
    balance = Balance(**{name: account.get(name, 0) for name in Balance.__slots__})
    assert balance.difference == 0, balance
    assert min(getattr(balance, name) for name in Balance.__slots__) >= 0, balance
    assert add_up(entries) == balance
    jobs = [from_record(record) for record in by_kind["JOB"]]
    for record in by_kind["JOB"]:
        assert ("gsi1pk" in record) == (record["status"] in ("queued", "processing")), record
    counted = _items(jobs, entries)
    _once_keys(by_kind["ONCE"], entries)
    _usage(by_kind["USAGE"], counted, plan)
    assert balance.held == sum(item.hold.credits for item in counted if item.status == "processing")
    return counted


def _entry(record: dict[str, Any]) -> Entry:
    return Entry(**{name: record[name] for name in Entry.__slots__ if name in record})


def _items(jobs: list[Job], entries: list[Entry]) -> list[Item]:
    """Every item has one hold and at most one resolution, of the same amounts, and says so itself."""
    moved: dict[tuple[str | None, int | None], list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.job_id:
            moved[entry.job_id, entry.item].append(entry)
    counted, known = [], set()
    for job in jobs:
        for item in job.items:
            hold, *resolution = sorted(moved[job.id, item.index], key=lambda entry: entry.kind != "hold")
            known.add((job.id, item.index))
            assert hold.kind == "hold"
            assert len(resolution) <= 1
            assert item.status == (RESOLVED[resolution[0].kind] if resolution else "processing")
            for entry in (hold, *resolution):
                assert (entry.plan, entry.credits) == (item.hold.plan, item.hold.credits)
            if item.status != "failed":
                counted.append(item)
        assert job.is_open == any(item.status == "processing" for item in job.items)
    assert set(moved) == known, "an entry without its job"
    return counted


def _once_keys(records: list[dict[str, Any]], entries: list[Entry]) -> None:
    """Exactly one once-key per hold and per resolution."""
    kinds = Counter(record["sk"].rpartition("#")[2] for record in records)
    assert kinds["hold"] == sum(entry.kind == "hold" for entry in entries)
    assert kinds["resolution"] == sum(entry.kind in RESOLVED for entry in entries)


def _usage(records: list[dict[str, Any]], counted: list[Item], plan: str) -> None:
    """Day and month say what the holds that count say, and never more than the plan has."""
    days = Counter(item.hold.day for item in counted)
    months: Counter[str] = Counter()
    for item in counted:
        months[item.hold.month] += item.hold.plan
    for record in records:
        period = record["sk"].removeprefix("USAGE#")
        is_day = period.count("-") == 2
        expected = days[period] if is_day else months[period]
        cap = PLANS[plan].images_per_day if is_day else PLANS[plan].quota_tenths
        assert 0 <= record["used"] == expected <= cap, (record, expected)
