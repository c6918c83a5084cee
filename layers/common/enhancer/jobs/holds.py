"""Taking the price of a job: who pays how much of it, and what an idempotency key stands for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from enhancer.domain.digests import key_hash_of
from enhancer.domain.errors import (
    IdempotencyMismatch,
    InsufficientCredits,
    JobCanceled,
    JobDeleted,
    NotInCohort,
    RunsPaused,
)
from enhancer.domain.ledger import BalanceChanged, Earlier, Hold, KeyUsed, UsageAndBalance
from enhancer.domain.models import Model, Params, model_named
from enhancer.domain.periods import day_of
from enhancer.domain.pricing import credits, price_of, split

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.domain.callers import Caller
    from enhancer.domain.jobs import Job
    from enhancer.jobs.deps import JobDeps

SPLIT_TRIES = 10
"""Attempts at a hold while other runs of the owner change the balance; after that `InsufficientCredits` is raised."""


def check_access(*, caller: Caller, ledger: Ledger, now: int, idempotency_key: str | None) -> None:
    """Refuse who may not start a run now; raises `NotInCohort` and `RunsPaused`.

    A request whose key already stands for a job goes on, to be answered with that job: nothing new starts.
    """
    try:
        caller.check_access()
    except (NotInCohort, RunsPaused):
        key_hash = key_hash_of(idempotency_key)
        if not (key_hash and ledger.earlier(caller.owner, key_hash=key_hash, now=now).key):
            raise


def hold(
    job: Job,
    idempotency_key: str | None,
    *,
    caller: Caller,
    deps: JobDeps,
    now: int,
    earlier: Earlier | None = None,
) -> Job:
    """Hold the price of every open item; return the held job, or the existing one with the same idempotency key.

    Tries with plan credits alone; on `BalanceChanged` splits the price between plan and bought credits, up to
    `SPLIT_TRIES` times. ``earlier``: what was known of the result of its one item, which runs at once. Raises what the
    quota or the balance refuses, what a key is refused for (`job_of_key`), `ResultTaken`, and what `check_access` does:
    every hold is made here.
    """
    check_access(caller=caller, ledger=deps.ledger, now=now, idempotency_key=idempotency_key)
    model, params, key_hash = model_named(job.model), job.params, key_hash_of(idempotency_key)
    total = price_of(model, params) * len(job.open_items)
    held = job
    for _ in range(SPLIT_TRIES):
        try:
            deps.ledger.hold(
                held,
                plan=caller.plan,
                key_hash=key_hash,
                entry_ids=[deps.new_id("ent") for _ in held.open_items],
                now=now,
                key_cap=caller.key.cap if caller.key else None,
                earlier=earlier,
            )
        except KeyUsed as used:
            return replay(used, job.fingerprint, caller=caller, deps=deps)
        except BalanceChanged:
            state = deps.ledger.usage_and_balance(caller.owner, now=now, month=caller.month_at(now))
            plan_left = caller.plan.quota_tenths - state.month_used
            if split(total, plan_left=plan_left).credits > state.spendable:
                raise insufficient(total, caller, state) from None
            held = _split(job, price_of(model, params), plan_left)
        else:
            return held
    state = deps.ledger.usage_and_balance(caller.owner, now=now, month=caller.month_at(now))
    raise insufficient(total, caller, state)


def first_hold(
    caller: Caller, job_id: str, model: Model, params: Params, *, item: int = 0, attempt: int = 1, now: int
) -> Hold:
    """Return the hold of an item as if the plan's month paid its whole price; `hold` splits it where it does not."""
    return Hold(
        job_id=job_id,
        item=item,
        attempt=attempt,
        plan=price_of(model, params),
        credits=0,
        day=day_of(now),
        month=caller.month_at(now).name,
        network=caller.guest_network,
        key=caller.key.id if caller.key else None,
    )


def job_of_key(
    idempotency_key: str | None, what: str, *, caller: Caller, deps: JobDeps, now: int
) -> Job | None:
    """Return the job that the key already stands for.

    Raises `IdempotencyMismatch` when it was used for another request, `JobDeleted` when its job was deleted,
    `JobCanceled` when the key was canceled before anything was ordered under it.
    """
    key_hash = key_hash_of(idempotency_key)
    if key_hash is None:
        return None
    earlier = deps.ledger.earlier(caller.owner, key_hash=key_hash, now=now)
    return replay(earlier.key, fingerprint_of(what), caller=caller, deps=deps) if earlier.key else None


def replay(used: KeyUsed, fingerprint: str, *, caller: Caller, deps: JobDeps) -> Job:
    """Return the job of a key; raise `JobCanceled` for a canceled key, `IdempotencyMismatch`, `JobDeleted`."""
    if used.job_id is None:
        raise JobCanceled
    if used.fingerprint != fingerprint:
        raise IdempotencyMismatch(header="Idempotency-Key")
    job = deps.jobs.get(caller.owner, used.job_id)
    if job is None:
        raise JobDeleted(header="Idempotency-Key", jobId=used.job_id)
    return job


def fingerprint_of(what: str) -> str:
    """Return what an idempotency key is bound to, for a call without a picture."""
    return hashlib.sha256(what.encode()).hexdigest()


def _split(job: Job, each: int, plan_left: int) -> Job:
    """Let what is left of the plan's month (tenths) pay the first items, and bought credits what it does not cover."""
    items = []
    for item in job.items:
        if item.is_open:
            shares = split(each, plan_left=plan_left)
            plan_left -= shares.plan
            items.append(replace(item, hold=replace(item.hold, plan=shares.plan, credits=shares.credits)))
        else:
            items.append(item)
    return replace(job, items=tuple(items))


def insufficient(total: int, caller: Caller, state: UsageAndBalance) -> InsufficientCredits:
    """Return the refusal of a price (tenths) that neither the plan's month nor bought credits cover."""
    plan_left = max(0, caller.plan.quota_tenths - state.month_used)
    required, available = credits(total), credits(plan_left + state.spendable)
    blocked: dict[str, Any] = {"blocked": True, "debt": credits(state.balance.debt)} if state.blocked else {}
    return InsufficientCredits(
        creditsRequired=required,
        creditsAvailable=available,
        required=required,
        available=available,
        upgradeUrl="/pricing",
        **blocked,
    )
