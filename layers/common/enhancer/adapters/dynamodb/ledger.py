"""The ledger: holds, settles and releases, each in one transaction and exactly once. The only writer of credits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Any

from enhancer.adapters.dynamodb import keys, result_index
from enhancer.adapters.dynamodb.jobs import to_record
from enhancer.adapters.dynamodb.ledger_writes import USAGE_KEPT_SECONDS, balance_of, once, totals, write_entry
from enhancer.adapters.dynamodb.lots import CreditLots
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Write, absent
from enhancer.domain.errors import JobCanceled
from enhancer.domain.jobs import DEADLINE_MS, Artifact, Item, Job, JobError, Status
from enhancer.domain.ledger import (
    AlreadyHeld,
    AlreadyResolved,
    BalanceChanged,
    Earlier,
    Entry,
    EntryKind,
    Hold,
    KeyUsed,
    UsageAndBalance,
    moves,
)
from enhancer.domain.owners import Owner
from enhancer.domain.periods import Month, calendar_month, day_of
from enhancer.domain.plans import Plan, network_images_per_day
from enhancer.domain.pricing import Split, credits
from enhancer.domain.refusals import daily_quota_exceeded, key_cap_reached, network_quota_exceeded

IDEMPOTENCY_KEPT_SECONDS = 7 * 86_400
"""How long an idempotency key stands for its job."""
UNCAPPED = 10**12
"""The cap (tenths) of an API key without one: its usage is counted all the same."""
_UNUSED = f"{absent()} OR expires <= :now"
"""The condition that an idempotency key stands for nothing (any more)."""


class Ledger(CreditLots):
    """Reads and writes of an owner's credits and quotas. Every write is one transaction.

    Here: the price of items is held, settled or released. `CreditLots`: credits arrive, are taken back or expire.
    """

    def usage_and_balance(
        self, owner: Owner, *, now: int, month: Month | None = None, network: str | None = None
    ) -> UsageAndBalance:
        """Return usage of today and of the month, and the balance, read in one call at ``now`` (epoch ms).

        ``month``: the one that the plan's credits are counted in; the calendar month unless given. ``network``: hash of
        a guest's network, whose usage is then read too.
        """
        today, month = day_of(now), month or calendar_month(now)
        wanted = [keys.usage(owner, today), keys.usage(owner, month.name), keys.account(owner)]
        if network:
            wanted.append(keys.network_usage(network, today))
        day, used, account, *shared = (record or {} for record in self._table.get_many(wanted))
        return UsageAndBalance(
            day_used=day.get("used", 0),
            month_used=used.get("used", 0),
            balance=balance_of(account),
            month=month,
            network_used=shared[0].get("used", 0) if shared else 0,
            disputed=bool(account.get("disputes")),
        )

    def earlier(
        self, owner: Owner, *, key_hash: str | None, result_digest: str | None = None, now: int
    ) -> Earlier:
        """Return what an idempotency key and a result digest stand for, read in one call; either may be left out."""
        wanted = [keys.result(owner, result_digest)] if result_digest else []
        if key_hash:
            wanted.append(keys.idempotency_once(owner, key_hash))
        records = self._table.get_many(wanted)
        stored = records[-1] if key_hash else None
        key = stored if stored and stored["expires"] > now // 1000 else None
        found = (records[0] if result_digest else None) or {}
        return result_index.read(found, _key_used(key) if key else None)

    def hold(
        self,
        job: Job,
        *,
        plan: Plan,
        key_hash: str | None,
        entry_ids: list[str],
        now: int,
        key_cap: int | None = None,
        earlier: Earlier | None = None,
    ) -> None:
        """Take the price of every open item and store the job, all or nothing.

        A later attempt replaces the ended job and takes the price of the items that run again. ``entry_ids``: one per
        open item. ``key_cap``: the API key's limit, tenths a month. ``earlier``: what was known of the result of a job
        with one picture that runs at once; from now on it is the one that makes this result.

        Raises the first that applies: `KeyUsed`, `ResultTaken`, `AlreadyHeld` (this attempt was started before),
        `DailyQuotaExceeded`, `NetworkQuotaExceeded`, `KeyCapReached`, `BalanceChanged` (month or credits do not cover
        the split), `NotSignedIn` (the account was deleted meanwhile), `TooManyJobs`.
        """
        holds = [item.hold for item in job.open_items]
        writes = [_key_write(job, key_hash, now)] if key_hash else []
        if earlier:
            writes.append(result_index.maker_write(job, job.items[0], earlier, now=now))
        for hold, entry_id in zip(holds, entry_ids, strict=True):
            writes.append(once(keys.hold_once(job.owner, hold), AlreadyHeld))
            writes.append(write_entry(job.owner, _movement("hold", hold, entry_id, now, job.plan)))
        writes += _usage_writes(job.owner, holds, plan, key_cap, now)
        credits = sum(hold.credits for hold in holds)
        cap = plan.jobs_at_once if job.counted else None
        is_user = job.owner.type != "guest"
        if credits or cap or is_user:
            took, jobs = moves("hold", credits), 1 if cap else 0
            spends = credits > 0
            writes.append(totals(job.owner, took, jobs=jobs, jobs_cap=cap, unblocked=spends, alive=is_user))
        writes.append(_stored(job))
        self._table.transact(writes)

    def settle(
        self,
        job: Job,
        item: Item,
        *,
        output: Artifact,
        seconds: float,
        closes: bool,
        entry_id: str,
        now: int,
        paid: Split | None = None,
    ) -> None:
        """Charge an item's hold, store its result and index it; raise `AlreadyResolved`.

        ``closes``: the job ends with this item. ``paid``: what is charged where that is less than the hold, because a
        cheaper model ran; the rest goes back to where it came from.
        """
        hold = item.hold
        charged = paid or Split(hold.plan, hold.credits)
        rest = replace(hold, plan=hold.plan - charged.plan, credits=hold.credits - charged.credits)
        changes: Record = {
            "status": "succeeded",
            "output": asdict(output),
            "seconds": round(seconds, 3),
            **_tries_of(item),
        }
        if rest.total:
            changes["paid"] = asdict(charged)
        settled = replace(hold, plan=charged.plan, credits=charged.credits)
        writes = [
            once(keys.resolution_once(job.owner, hold), AlreadyResolved),
            write_entry(job.owner, _movement("settle", settled, entry_id, now, job.plan)),
            _item_write(job, item, changes, job_status="succeeded" if closes else None, now=now),
            result_index.maker_write(job, item, None, now=now),
        ]
        if rest.total:
            rest_id = f"{entry_id}_rest"
            entry = _movement("release", rest, rest_id, now, job.plan, reason="cheaper_model")
            writes.append(write_entry(job.owner, entry))
        if rest.plan:
            writes.append(_take_off(keys.usage(job.owner, hold.month), rest.plan))
        if rest.total and hold.key:
            writes.append(_take_off(keys.key_usage(job.owner, hold.key, _calendar_month(hold)), rest.total))
        if hold.credits:
            both = Counter(moves("settle", settled.credits))
            both.update(moves("release", rest.credits))
            writes.append(totals(job.owner, both))
        self._table.transact(writes)

    def release(
        self, job: Job, item: Item, *, error: JobError, closes: bool, entry_id: str, now: int
    ) -> None:
        """End an item as failed or canceled and give its hold back to where it came from; raise `AlreadyResolved`.

        ``closes``: the job ends with this item.
        """
        status = "canceled" if error.code == JobCanceled.code else "failed"
        changes: Record = {"status": status, "error": asdict(error), **_tries_of(item)}
        self._give_back(job, item, changes, reason=error.code, closes=closes, entry_id=entry_id, now=now)

    def reuse(
        self, job: Job, item: Item, *, output: Artifact, earlier: Earlier, entry_id: str, now: int
    ) -> None:
        """Let an item succeed with a copy of a result that was paid for before, and give its own hold back.

        ``earlier``: what was known of that result; the index names the copy from now on. Raises `AlreadyResolved`.
        """
        changes: Record = {"status": "succeeded", "output": asdict(output), "free": True, **_tries_of(item)}
        self._give_back(
            job, item, changes, reason="paid_before", closes=False, entry_id=entry_id, now=now,
            more=result_index.holder_write(job, item, earlier, now=now),
        )  # fmt: skip

    def _give_back(
        self,
        job: Job,
        item: Item,
        changes: Record,
        *,
        reason: str,
        closes: bool,
        entry_id: str,
        now: int,
        more: Sequence[Write] = (),
    ) -> None:
        hold = item.hold
        writes = [
            once(keys.resolution_once(job.owner, hold), AlreadyResolved),
            write_entry(job.owner, _movement("release", hold, entry_id, now, job.plan, reason=reason)),
            _item_write(job, item, changes, job_status="failed" if closes else None, now=now),
            _take_off(keys.usage(job.owner, hold.day), 1),
        ]
        if hold.plan:
            writes.append(_take_off(keys.usage(job.owner, hold.month), hold.plan))
        if hold.network:
            writes.append(_take_off(keys.network_usage(hold.network, hold.day), 1))
        if hold.key and hold.total:
            writes.append(_take_off(keys.key_usage(job.owner, hold.key, _calendar_month(hold)), hold.total))
        if hold.credits:
            writes.append(totals(job.owner, moves("release", hold.credits)))
        self._table.transact([*writes, *more])

    def close(self, job: Job, *, status: Status, now: int) -> bool:
        """End a job whose items have all ended, so that it no longer counts among the jobs at once.

        Returns False when it was closed before.
        """
        closed = Write(
            "Update",
            keys.job(job.owner, job.id),
            update="SET #status = :status, updated_at = :now REMOVE gsi1pk, gsi1sk",
            condition="attribute_exists(gsi1pk) AND #attempt = :attempt AND #status IN (:queued, :processing, :status)",
            names={"#status": "status", "#attempt": "attempt"},
            values={
                ":status": status,
                ":now": now,
                ":attempt": job.attempt,
                ":queued": "queued",
                ":processing": "processing",
            },
            refusal=lambda _: AlreadyResolved(),
        )
        freed = [totals(job.owner, {}, jobs=-1)] if job.counted else []
        try:
            self._table.transact([closed, *freed])
        except AlreadyResolved:
            return False
        return True

    def store_free(self, job: Job, *, key_hash: str | None, earlier: Earlier, now: int) -> None:
        """Store a job that was born free: its result was paid for before. Raise `KeyUsed`.

        ``earlier``: what was known of that result; the index names the copy from now on.
        """
        key = [_key_write(job, key_hash, now)] if key_hash else []
        copy = result_index.holder_write(job, job.items[0], earlier, now=now)
        self._table.transact([*key, _stored(job), *copy])

    def cancel_key(self, owner: Owner, *, key_hash: str, now: int) -> None:
        """Let nothing be ordered under an idempotency key; raise `KeyUsed` if something was."""
        record = {
            **keys.idempotency_once(owner, key_hash),
            "canceled": True,
            "expires": now // 1000 + IDEMPOTENCY_KEPT_SECONDS,
        }
        try:
            self._table.put(record, condition=_UNUSED, values={":now": now // 1000})
        except ConditionFailed as failed:
            raise _key_used(failed.record) from None

    def page(self, owner: Owner, *, limit: int, after: str | None) -> tuple[list[Entry], str | None]:
        """Return up to ``limit`` entries, newest first, and the id to continue after, None on the last page.

        ``after``: only entries older than the one with this id.
        """
        found: list[Entry] = []
        before = f"LEDGER#{after}" if after else None
        for record in self._table.under(
            keys.account(owner)["pk"], "LEDGER#", newest_first=True, before=before
        ):
            if len(found) == limit:
                return found, found[-1].id
            found.append(_read(record))
        return found, None

    def entries(self, owner: Owner) -> Iterable[Entry]:
        """Yield every entry of an owner, oldest first."""
        for record in self._table.under(keys.account(owner)["pk"], "LEDGER#"):
            yield _read(record)


def _read(record: Record) -> Entry:
    return Entry(**{name: record[name] for name in Entry.__slots__ if name in record})


def _movement(
    kind: EntryKind, hold: Hold, entry_id: str, now: int, owner_plan: str, reason: str | None = None
) -> Entry:
    return Entry(
        id=entry_id,
        kind=kind,
        at=now,
        credits=hold.credits,
        plan=hold.plan,
        job_id=hold.job_id,
        item=hold.item,
        reason=reason,
        owner_plan=owner_plan,
    )


def _key_write(job: Job, key_hash: str, now: int) -> Write:
    return Write(
        "Put",
        keys.idempotency_once(job.owner, key_hash),
        {"job": job.id, "fingerprint": job.fingerprint, "expires": now // 1000 + IDEMPOTENCY_KEPT_SECONDS},
        condition=_UNUSED,
        values={":now": now // 1000},
        refusal=_key_used,
    )


def _key_used(record: Record) -> KeyUsed:
    return KeyUsed(record.get("job"), record.get("fingerprint", ""))


def _usage_writes(owner: Owner, holds: list[Hold], plan: Plan, key_cap: int | None, now: int) -> list[Write]:
    images, from_plan = len(holds), sum(hold.plan for hold in holds)
    day, month, network, key = holds[0].day, holds[0].month, holds[0].network, holds[0].key
    daily, networkwide = plan.images_per_day, network_images_per_day(plan)

    def day_full(old: Record) -> Exception:
        return daily_quota_exceeded(used=old.get("used", 0), limit=daily, now_ms=now)

    def key_full(old: Record) -> Exception:
        return key_cap_reached(used=credits(old.get("used", 0)), limit=credits(key_cap or 0), now_ms=now)

    def network_full(old: Record) -> Exception:
        return network_quota_exceeded(used=old.get("used", 0), limit=networkwide, now_ms=now)

    writes = [_take(keys.usage(owner, day), images, daily, now, day_full)]
    if network:
        writes.append(_take(keys.network_usage(network, day), images, networkwide, now, network_full))
    if key:
        total = sum(hold.total for hold in holds)
        used = keys.key_usage(owner, key, _calendar_month(holds[0]))
        writes.append(_take(used, total, UNCAPPED if key_cap is None else key_cap, now, key_full))
    if from_plan:
        month_key = keys.usage(owner, month)
        writes.append(_take(month_key, from_plan, plan.quota_tenths, now, lambda _: BalanceChanged()))
    return writes


def _calendar_month(hold: Hold) -> str:
    """Return the calendar month of a hold: API keys are capped by it, whatever month the plan counts in."""
    return hold.day[:7]


def _take(key: keys.Key, amount: int, cap: int, now: int, refusal: Any) -> Write:
    """Return the write that adds ``amount`` to a usage unless that would exceed ``cap``; then it raises ``refusal``."""
    fits = "attribute_not_exists(used) OR used <= :room" if amount <= cap else "used <= :room"
    return Write(
        "Update",
        key,
        update="SET used = if_not_exists(used, :zero) + :amount, expires = :ttl",
        condition=fits,
        values={
            ":zero": 0,
            ":amount": amount,
            ":room": cap - amount,
            ":ttl": now // 1000 + USAGE_KEPT_SECONDS,
        },
        refusal=refusal,
    )


def _take_off(key: keys.Key, amount: int) -> Write:
    return Write(
        "Update",
        key,
        update="SET used = used - :amount",
        condition="used >= :amount",
        values={":amount": amount},
    )


def _tries_of(item: Item) -> Record:
    """Return the fields of an ended item about its tries: their cost, and which model ran instead."""
    found: Record = {"cost": item.cost, "turn": item.turn}
    if item.fallback:
        found |= {"fallback": asdict(item.fallback), "result_digest": item.result_digest}
    return found


def _stored(job: Job) -> Write:
    """Return the write of a new job, or of a later attempt in place of the ended one; raises `AlreadyHeld`."""
    key = keys.job(job.owner, job.id)
    if job.attempt == 1:
        return Write("Put", key, to_record(job), condition=absent())
    ended = "#attempt = :before AND NOT #status IN (:queued, :processing) AND attribute_not_exists(gsi1pk)"
    return Write(
        "Put",
        key,
        to_record(job),
        condition=ended,
        names={"#attempt": "attempt", "#status": "status"},
        values={":before": job.attempt - 1, ":queued": "queued", ":processing": "processing"},
        refusal=lambda _: AlreadyHeld(),
    )


def _item_write(job: Job, item: Item, changes: Record, *, job_status: str | None, now: int) -> Write:
    """Return the write that changes an item of this attempt; with ``job_status`` it closes the job too.

    It raises `AlreadyResolved` when the job has ended or another attempt runs. Items of a canceled job can still be
    released, but not succeed.
    """
    fields = {**changes, "updated_at": now}
    sets = [f"#items[{item.index}].#{name} = :{name}" for name in changes] + ["updated_at = :updated_at"]
    names = {"#items": "items", "#job_status": "status", **{f"#{name}": name for name in changes}}
    values = {f":{name}": value for name, value in fields.items()}
    open_states = {":queued": "queued", ":processing": "processing"}
    if changes["status"] != "succeeded":
        open_states[":canceled"] = "canceled"
    if job_status:
        sets.append("#job_status = :job_status")
        values[":job_status"] = job_status
    elif job.is_open:
        sets.append("gsi1sk = :deadline")
        values[":deadline"] = now + DEADLINE_MS
    return Write(
        "Update",
        keys.job(job.owner, job.id),
        update=f"SET {', '.join(sets)}" + (" REMOVE gsi1pk, gsi1sk" if job_status else ""),
        condition=f"#job_status IN ({', '.join(open_states)}) AND #attempt = :attempt",
        names={**names, "#attempt": "attempt"},
        values={**values, **open_states, ":attempt": job.attempt},
        refusal=lambda _: AlreadyResolved(),
    )
