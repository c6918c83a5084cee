"""What an owner does to a job after it was submitted: cancel, retry, delete."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from enhancer.domain.artifacts import result_key
from enhancer.domain.digests import digest, key_hash_of
from enhancer.domain.errors import JobCanceled, JobDeleted, JobFinished, JobOpen, NotFound, NothingToRetry
from enhancer.domain.jobs import DEADLINE_MS, Item, Job
from enhancer.domain.ledger import AlreadyHeld, KeyUsed
from enhancer.domain.models import model_named
from enhancer.jobs import holds, resolve, run, submit

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.jobs import Jobs
    from enhancer.domain.callers import Caller
    from enhancer.domain.owners import Owner
    from enhancer.jobs.deps import JobDeps


def find(job_id: str, *, caller: Caller, deps: JobDeps) -> Job:
    """Return a job of this browser (also one it made as a guest); a foreign one is `NotFound`, like a missing one."""
    for owner in caller.owners:
        job = deps.jobs.get(owner, job_id)
        if job:
            return job
    raise NotFound


def listed(
    *, caller: Caller, statuses: Collection[str], limit: int, after: str | None, jobs: Jobs
) -> tuple[list[Job], str | None]:
    """Return a page of the caller's jobs, newest first, and the cursor of the next page (None at the end).

    Jobs that the browser made before it signed in are included.
    """
    found: list[Job] = []
    more = False
    for owner in caller.owners:
        page, cursor = jobs.page(owner, statuses=statuses, limit=limit, after=after)
        found += page
        more = more or cursor is not None
    found.sort(key=lambda job: job.id, reverse=True)
    shown = found[:limit]
    return shown, shown[-1].id if more or len(found) > limit else None


def cancel(job: Job, *, deps: JobDeps) -> Job:
    """Stop a job and give back what was not done; raise `JobFinished` when it has ended.

    The status changes first: from then on no item succeeds, however late a result comes. Dying after that is
    repaired by the sweep, which ends what was begun here.
    """
    if not deps.jobs.cancel(job, now=deps.now()):
        current = deps.jobs.get(job.owner, job.id) or job
        raise JobFinished(jobId=job.id, status=current.status)
    return end_canceled(replace(job, status="canceled"), deps=deps)


def cancel_ordered(idempotency_key: str, *, caller: Caller, deps: JobDeps) -> Job | None:
    """Cancel what was ordered under an idempotency key, or is about to be; its sender may not know the job yet.

    What this browser ordered before it signed in counts, too; of several, one that is open. Returns None when nothing
    was ordered: then nothing can be, under this key, any more. Raises what `cancel` raises, and `JobDeleted`.
    """
    key_hash, now = key_hash_of(idempotency_key), deps.now()
    assert key_hash  # noqa: S101 - only None has no hash
    stands_for = {
        owner: deps.ledger.earlier(owner, key_hash=key_hash, now=now).key for owner in caller.owners
    }
    if not _ordered(stands_for):
        for owner in caller.owners:
            try:
                deps.ledger.cancel_key(owner, key_hash=key_hash, now=now)
            except KeyUsed as used:
                stands_for[owner] = used
    ordered = _ordered(stands_for)
    if not ordered:
        return None
    found = [job for owner, job_id in ordered if (job := deps.jobs.get(owner, job_id))]
    if not found:
        raise JobDeleted(header="Idempotency-Key", jobId=ordered[0][1])
    return cancel(next((job for job in found if job.is_open), found[0]), deps=deps)


def _ordered(stands_for: Mapping[Owner, KeyUsed | None]) -> list[tuple[Owner, str]]:
    """Return the owners under whom a key stands for a job, with the job's id."""
    return [(owner, used.job_id) for owner, used in stands_for.items() if used and used.job_id]


def end_canceled(job: Job, *, deps: JobDeps) -> Job:
    """Stop the execution and the predictions of a canceled job, release its holds and close it. Safe to repeat."""
    if job.kind == "async":
        deps.workflow.stop(job.execution)
    current = deps.jobs.get(job.owner, job.id) or job
    resolve.close(current, JobCanceled(), deps=deps)
    return deps.jobs.get(job.owner, job.id) or current


def retry(job: Job, *, caller: Caller, idempotency_key: str | None, deps: JobDeps) -> Job:
    """Run the items that failed or were canceled again, charged anew; raise `NothingToRetry`.

    Whoever made the job pays: a guest's job is retried on the guest's plan and quota, even after sign-in.
    """
    payer, now = caller.as_maker(job.owner), deps.now()
    replayed = holds.job_of_key(idempotency_key, f"retry {job.id}", caller=payer, deps=deps, now=now)
    if replayed:
        return replayed
    if job.is_open or not any(_has_failed(item) for item in job.items):
        raise NothingToRetry(jobId=job.id, status=job.status)
    caller.check_access()
    submit.permit(model_named(job.model), job.params, caller=payer, enabled=deps.enabled)
    again = _next_attempt(job, payer, deps.new_name, now)
    try:
        held = holds.hold(again, idempotency_key, caller=payer, deps=deps, now=now)
    except AlreadyHeld:
        current = deps.jobs.get(job.owner, job.id)
        if current is None:
            raise NotFound from None
        raise NothingToRetry(jobId=job.id, status=current.status) from None
    if held.attempt == again.attempt:
        run.launch(held, concurrency=payer.plan.jobs_at_once, deps=deps)
    return held


def delete(job: Job, *, deps: JobDeps) -> None:
    """Remove a job and its artifacts; its ledger entries stay. Raise `JobOpen` while it runs: then nothing changed.

    The record is marked first, on condition that the job has ended and does not run again. Dying after that is repaired
    by the sweep.
    """
    if job.is_open or job.open_items or not deps.jobs.mark_deleted(job, now=deps.now()):
        if deps.jobs.get(job.owner, job.id) is None:  # somebody else was faster
            raise NotFound
        raise JobOpen(jobId=job.id)
    remove(job, deps=deps)


def remove(job: Job, *, deps: JobDeps) -> None:
    """Remove the artifacts of a deleted job, then its record. Safe to repeat.

    A result may lie at its target although nobody paid for it: it came after a cancel.
    """
    for item in job.items:
        if item.target:  # else it stored nothing; one of an earlier version may show another job's pictures
            shown = {artifact.key for artifact in (item.input, item.output) if artifact}
            for key in sorted(shown | {item.target}):
                deps.artifacts.delete(key)
    deps.jobs.remove(job)


def _has_failed(item: Item) -> bool:
    return item.status in ("failed", "canceled")


def _next_attempt(job: Job, payer: Caller, new_name: Callable[[], str], now: int) -> Job:
    """Return the job as its next attempt starts: what failed is open again, the rest as it is."""
    after = replace(
        job,
        status="queued",
        kind="async",
        counted=True,
        attempt=job.attempt + 1,
        plan=payer.plan.name,
        fingerprint=holds.fingerprint_of(f"retry {job.id}"),
        updated_at=now,
        deadline=now + DEADLINE_MS,
    )
    items = (_again(item, after, payer, new_name) if _has_failed(item) else item for item in job.items)
    return replace(after, items=tuple(items))


def _again(item: Item, job: Job, payer: Caller, new_name: Callable[[], str]) -> Item:
    """Return the item as it was before it ran, with a new place for its result and the hold of this attempt."""
    hold = holds.first_hold(
        payer,
        job.id,
        model_named(job.model),
        job.params,
        item=item.index,
        attempt=job.attempt,
        now=job.updated_at,
    )
    target = result_key(job.owner, new_name(), item.output_format) if item.output_format else ""
    asked = job.params_of(replace(item, fallback=None))
    return replace(
        item,
        hold=hold,
        result_digest=digest(item.digest, job.model, asked, item.output_format) if item.digest else "",
        status="queued",
        target=target,
        prediction=None,
        output=None,
        error=None,
        seconds=None,
        free=False,
        turn=0,
        waited=0,
        retry_after=None,
        fallback=None,
        paid=None,
    )
