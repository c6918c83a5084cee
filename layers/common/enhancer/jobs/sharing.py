"""The same picture asked for again: awaited while it is made, copied once it is paid for, never paid twice.

The index of results names, for each result of an owner, the item that was to make it. Whoever takes its place does so
on condition that the index still says what it said, and only from an item that neither runs nor has the result. So of
all that ask for the same at once one runs; the others look again until it has ended, and copy what it made, or one of
them runs instead. The index names those who have a copy, too: one of them is copied when the first was deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING

from enhancer.domain.artifacts import NoArtifact
from enhancer.domain.ledger import AlreadyResolved, ResultTaken
from enhancer.telemetry import count

if TYPE_CHECKING:
    from enhancer.domain.jobs import Item, Job
    from enhancer.domain.ledger import Earlier
    from enhancer.domain.owners import Owner
    from enhancer.jobs.deps import JobDeps

LOOK_AGAIN_SECONDS = (1, 2, 4, 8, 15)
"""How long a picture of a job waits before it looks again whether another item has made it; the last from then on."""


def maker(
    owner: Owner, earlier: Earlier, result_digest: str, *, joined: bool = False, deps: JobDeps
) -> Item | None:
    """Return the item that makes this result now (it is open) or has made it (it has an output); None if none does.

    ``joined``: who asks has waited for it, and takes what a fallback made of it, too; nobody else does.
    """
    job = deps.jobs.get(owner, earlier.result_job) if earlier.result_job else None
    if job is None or earlier.result_item >= len(job.items):
        return None
    item = job.items[earlier.result_item]
    if item.is_open:  # one that is queued may wait behind the very item that asks
        return item if job.is_open and item.status == "processing" else None
    return item if item.output and (joined or item.result_digest == result_digest) else None


def holders(owner: Owner, earlier: Earlier, result_digest: str, *, deps: JobDeps) -> Iterator[Item]:
    """Yield the items that have a copy of this result; each is read only when it is asked for."""
    for job_id, index, attempt in sorted(earlier.holders):
        copy = replace(earlier, result_job=job_id, result_item=index, result_attempt=attempt)
        item = maker(owner, copy, result_digest, deps=deps)
        if item and item.output:
            yield item


def copied(item: Item, sources: Iterable[Item], *, deps: JobDeps) -> Item | None:
    """Return the item with its own copy, stored at its target, of what the first has that still has it; else None.

    The copy says of its photo what this item's own picture says.
    """
    for made in sources:
        if made.output is None:
            continue
        try:
            size = deps.artifacts.copy_relabelled(
                made.output.key, item.target, before=made.about, after=item.about
            )
        except NoArtifact:
            continue
        output = replace(made.output, key=item.target, size=size or made.output.size)
        if made.result_digest == item.result_digest:
            return replace(item, output=output)
        return replace(item, output=output, fallback=made.fallback, result_digest=made.result_digest)
    return None


def begin(job: Job, item: Item, *, copies: bool = True, deps: JobDeps) -> bool:
    """Return whether an item of a job, whose picture was looked at, is to be run now.

    If not, it has ended with a copy of what was paid for before, or waits for another item that makes the same; then
    FinishItem says when to look again. Without ``copies`` it has not ended either way: what was paid for before is left
    to the state machine. Raises `StaleAttempt` when it has ended or moved on.
    """
    while True:
        earlier = deps.ledger.earlier(
            job.owner, key_hash=None, result_digest=item.result_digest, now=deps.now()
        )
        if (earlier.result_job, earlier.result_item) == (job.id, item.index) and item.status == "processing":
            return True
        copies_known = holders(job.owner, earlier, item.result_digest, deps=deps)
        made = maker(job.owner, earlier, item.result_digest, joined=item.waited > 0, deps=deps)
        made = made or next(copies_known, None)
        if made and (made.is_open or not copies):
            return False
        free = copied(item, chain([made], copies_known), deps=deps) if made else None
        if free and free.output:
            with suppress(AlreadyResolved):
                deps.ledger.reuse(
                    job,
                    free,
                    output=free.output,
                    earlier=earlier,
                    entry_id=deps.new_id("ent"),
                    now=deps.now(),
                )
                count("ResultsReused")
            return False
        with suppress(ResultTaken):
            deps.jobs.take_result(job, item, earlier, now=deps.now())
            return True


def put_off(item: Item) -> tuple[Item, float]:
    """Return an item that waits for another one as it looks again, and the seconds until then."""
    seconds = LOOK_AGAIN_SECONDS[min(item.waited, len(LOOK_AGAIN_SECONDS) - 1)]
    return replace(item, turn=item.turn + 1, waited=item.waited + 1), float(seconds)
