"""From an order to a held job: interpret it, check the entitlement, price it, hold the price."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from enhancer.domain import images
from enhancer.domain.artifacts import NoArtifact, is_incoming_of, original_key, result_key
from enhancer.domain.digests import digest, key_hash_of
from enhancer.domain.entitlement import (
    check_input,
    check_job,
    check_model,
    check_plan,
    check_size,
    check_sync,
    resolve_scale,
)
from enhancer.domain.errors import ProviderDisabled, TooManyPixels, UploadNotFound
from enhancer.domain.jobs import DEADLINE_MS, Artifact, Item, Job, Kind, Source, Submitted
from enhancer.domain.ledger import Earlier, Hold, KeyUsed, ResultTaken
from enhancer.domain.models import Model, Params, default_model, model_named
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of
from enhancer.domain.plans import smallest_plan_with
from enhancer.jobs import sharing
from enhancer.jobs.holds import first_hold, hold, replay
from enhancer.telemetry import count, request_id

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.images.pixels import Photo
    from enhancer.domain.callers import Caller
    from enhancer.jobs.deps import JobDeps

LOOK_AGAIN_SECONDS = 0.4
"""How often an order that waits looks whether another one has made the same picture."""


@dataclass(frozen=True, slots=True)
class EnhanceOrder:
    """What a caller asks for, as received; None means that it was not given."""

    model: str | None = None
    scale: int | None = None
    face: bool = False
    quality: str = "standard"
    output_format: str = "same"
    prompt: str | None = None
    negative_prompt: str | None = None
    strength: float | None = None
    guidance: float | None = None
    steps: int | None = None


def interpret(order: EnhanceOrder) -> tuple[Model, Params]:
    """Return the model and its parameters with every default filled in; refuse what the model cannot do."""
    model = model_named(order.model or default_model(order.quality))
    params = Params(
        scale=resolve_scale(model, order.scale),
        face=order.face,
        quality=order.quality,
        output_format=order.output_format,
        prompt=order.prompt,
        negative_prompt=order.negative_prompt,
        strength=order.strength,
        guidance=order.guidance,
        steps=order.steps,
    )
    check_model(model, params)
    return model, params


def permit(model: Model, params: Params, *, caller: Caller, enabled: Callable[[Model], bool]) -> None:
    """Refuse, before anything is stored, held or decoded, what may not run here or is not in the plan."""
    if not enabled(model):
        raise ProviderDisabled(provider=model.provider, model=model.alias)
    check_plan(caller.plan, params, plans=caller.plans)


def take_photo(data: bytes, *, caller: Caller, read: Callable[..., Photo]) -> Photo:
    """Decode a picture within the plan's pixel cap; a `TooManyPixels` names the plan that would take it."""
    try:
        return read(data, pixels_max=caller.plan.input_pixels_max)
    except TooManyPixels as refused:
        megapixels = refused.details["megapixels"]
        raise TooManyPixels(
            **refused.details, plan=caller.plan.name, requiredPlan=smallest_plan_with(megapixels=megapixels)
        ) from None


def fetch_upload(key: str, *, caller: Caller, artifacts: Artifacts) -> bytes:
    """Return what the caller uploaded under ``key``; a foreign key and a missing one are the same error."""
    mine = any(is_incoming_of(key, owner) for owner in caller.owners)
    try:
        if mine:
            return artifacts.get(key)
    except NoArtifact:
        pass
    raise UploadNotFound(field="uploadKey")


def submit_photo(
    model: Model,
    params: Params,
    photo: Photo,
    *,
    kind: Kind,
    caller: Caller,
    idempotency_key: str | None,
    now: int,
    deps: JobDeps,
    seconds_max: float = 0.0,
) -> Submitted:
    """Return a new held job for this picture, a free one with a copy of what was paid for, or the one of the same key.

    While another item makes the same result, a sync order waits for it, ``seconds_max`` at most; after that, like an
    async one at once, it is held as an async job, which goes on waiting. ``now`` in epoch ms. Raises what the model,
    the plan, the quota or the balance refuses, and what a key is refused for (`job_of_key`).
    """
    picture = look(photo, model, params, kind=kind)
    fingerprint, key_hash = digest(photo.info.digest, model.slug, params), key_hash_of(idempotency_key)
    job_id, ends, joined = deps.new_id("job"), time.monotonic() + seconds_max, False
    while True:
        earlier = deps.ledger.earlier(
            caller.owner, key_hash=key_hash, result_digest=picture.result_digest, now=now
        )
        if earlier.key:
            return Submitted(replay(earlier.key, fingerprint, caller=caller, deps=deps), replayed=True)
        others = sharing.holders(caller.owner, earlier, picture.result_digest, deps=deps)
        made = sharing.maker(caller.owner, earlier, picture.result_digest, joined=joined, deps=deps)
        made = made or next(others, None)
        runs_now = kind == "sync" and not (made and made.is_open)
        if kind == "sync" and not runs_now and time.monotonic() < ends:
            joined = True
            time.sleep(LOOK_AGAIN_SECONDS)
            continue
        price = first_hold(caller, job_id, model, params, now=now)
        item = Item(index=0, status="processing" if runs_now else "queued", hold=price)
        item, original = picture.described(item, caller.owner, new_name=deps.new_name)
        job = _job(
            job_id, model, params, (item,), fingerprint, counted=kind == "async", caller=caller, now=now
        )
        sources = chain([made], others) if made else ()
        if free := _free(job, sources, original, key_hash, earlier, caller=caller, deps=deps, now=now):
            return free
        with suppress(ResultTaken):
            index = earlier if runs_now else None
            held = hold(job, idempotency_key, caller=caller, deps=deps, now=now, earlier=index)
            fresh = held.id == job.id
            return Submitted(held, fresh=fresh, original=original if fresh else b"", replayed=not fresh)


def submit_batch(
    model: Model,
    params: Params,
    wanted: Sequence[tuple[Source, str | None]],
    *,
    caller: Caller,
    idempotency_key: str | None,
    now: int,
    deps: JobDeps,
) -> Submitted:
    """Return a held job over pictures nobody has looked at yet, each with its own prompt or the common one."""
    job_id = deps.new_id("job")
    items = tuple(
        Item(
            index=index,
            status="queued",
            hold=first_hold(caller, job_id, model, params, item=index, now=now),
            source=source,
            prompt=prompt,
        )
        for index, (source, prompt) in enumerate(wanted)
    )
    sources = [[source.kind, source.ref, prompt] for source, prompt in wanted]
    fingerprint = digest(json.dumps(sources), model.slug, params)
    job = _job(job_id, model, params, items, fingerprint, counted=True, caller=caller, now=now)
    held = hold(job, idempotency_key, caller=caller, deps=deps, now=now)
    return Submitted(held, fresh=True) if held.id == job.id else Submitted(held, replayed=True)


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture that the model can take, the format of its result, and the digest that result is found by."""

    photo: Photo
    output_format: str
    result_digest: str

    def described(self, item: Item, owner: Owner, *, new_name: Callable[[], str]) -> tuple[Item, bytes]:
        """Return the item with all that is known once its picture was looked at, and the cleaned original's bytes."""
        info = self.photo.info
        original, original_format = self.photo.clean_copy()
        stored = Artifact(
            key=original_key(owner, new_name(), original_format),
            content_type=images.CONTENT_TYPES[original_format],
            size=len(original),
            width=info.width,
            height=info.height,
        )
        known = replace(
            item,
            digest=info.digest,
            result_digest=self.result_digest,
            input=stored,
            target=result_key(owner, new_name(), self.output_format),
            output_format=self.output_format,
            about=self.photo.about,
        )
        return known, original


def look(photo: Photo, model: Model, params: Params, *, kind: Kind) -> Picture:
    """Check that the model can take the picture; return it with the format and digest of its result.

    ``kind`` decides whether the limits of a request or of a job apply. Raises what the model refuses.
    """
    output_format = images.output_format(params.output_format, photo.info.format, alpha=photo.info.alpha)
    check_size(model, photo.info, params, output_format)
    check_input(model, photo.info.megapixels, params)
    (check_sync if kind == "sync" else check_job)(model, photo.info.megapixels, params)
    return Picture(photo, output_format, digest(photo.info.digest, model.slug, params, output_format))


def store_original(item: Item, original: bytes, *, deps: JobDeps) -> None:
    """Store the cleaned original of an item whose picture was looked at."""
    if item.input:
        deps.artifacts.put(item.input.key, original, item.input.content_type)


def _job(
    job_id: str,
    model: Model,
    params: Params,
    items: tuple[Item, ...],
    fingerprint: str,
    *,
    counted: bool,
    caller: Caller,
    now: int,
) -> Job:
    """Return a job that is not held yet; an async one, unless its picture is to be run at once."""
    is_queued = items[0].status == "queued"
    return Job(
        id=job_id,
        owner=caller.owner,
        status="queued" if is_queued else "processing",
        model=model.slug,
        provider=model.provider,
        params=params,
        fingerprint=fingerprint,
        items=items,
        created_at=now,
        updated_at=now,
        deadline=now + DEADLINE_MS,
        plan=caller.plan.name,
        kind="async" if is_queued else "sync",
        counted=counted,
        request_id=request_id(),
        ordered_at=now,
    )


def _free(
    job: Job,
    sources: Iterable[Item],
    original: bytes,
    key_hash: str | None,
    earlier: Earlier,
    *,
    caller: Caller,
    deps: JobDeps,
    now: int,
) -> Submitted | None:
    """Return the job, born free with a copy of what one of ``sources`` has and its own original; None if none has it.

    The pictures are stored first: what a crash leaves of them nobody can name, and it expires like all others.
    """
    none = Hold.none(job.id, day=day_of(now), month=caller.month_at(now).name)
    ended = replace(job.items[0], status="succeeded", hold=none, free=True)
    item = sharing.copied(ended, sources, deps=deps)
    if item is None:
        return None
    store_original(item, original, deps=deps)
    free = replace(job, status="succeeded", items=(item,), counted=False)
    try:
        deps.ledger.store_free(free, key_hash=key_hash, earlier=earlier, now=now)
    except KeyUsed as used:
        for artifact in (item.input, item.output):
            if artifact:
                deps.artifacts.delete(artifact.key)
        return Submitted(replay(used, job.fingerprint, caller=caller, deps=deps), replayed=True)
    count("ResultsReused")
    return Submitted(free)
