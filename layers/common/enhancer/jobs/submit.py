"""From an order to a held job: interpret it, check the entitlement, price it, hold the price."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

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
from enhancer.domain.errors import (
    IdempotencyMismatch,
    InsufficientCredits,
    ProviderDisabled,
    TooManyPixels,
    UploadNotFound,
)
from enhancer.domain.jobs import DEADLINE_MS, Artifact, Item, Job, Kind, Source, Submitted
from enhancer.domain.ledger import BalanceChanged, Earlier, Hold, KeyUsed, UsageAndBalance
from enhancer.domain.models import DEFAULT_MODEL, Model, Params, model_named
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of
from enhancer.domain.plans import smallest_plan_with
from enhancer.domain.pricing import credits, price_of, split

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.images.pixels import Photo
    from enhancer.domain.callers import Caller
    from enhancer.jobs.deps import JobDeps

SPLIT_TRIES = 10
"""Attempts at a hold while other runs of the owner change the balance; after that `InsufficientCredits` is raised."""


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
    model = model_named(order.model or DEFAULT_MODEL)
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
    check_plan(caller.plan, params)


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
) -> Submitted:
    """Return a new held job for this picture, or the existing one with the same idempotency key or paid result.

    ``now`` in epoch ms. Raises what the model, the plan, the quota or the balance refuses, and `IdempotencyMismatch`.
    """
    picture = look(photo, model, params, kind=kind)
    fingerprint, key_hash = digest(photo.info.digest, model.slug, params), key_hash_of(idempotency_key)
    earlier = deps.ledger.earlier(
        caller.owner, key_hash=key_hash, result_digest=picture.result_digest, now=now
    )
    if earlier.key:
        job = _replay(earlier.key, fingerprint, caller=caller, deps=deps)
        return Submitted(job, deduplicated=earlier.key.free, replayed=True)
    paid = paid_item(caller.owner, earlier, deps=deps)
    if paid:
        return _deduplicated(paid[0], key_hash, fingerprint, caller=caller, deps=deps, now=now)
    job_id = deps.new_id("job")
    item = Item(index=0, status="processing", hold=first_hold(caller, job_id, model, params, now=now))
    item, original = picture.described(item, caller.owner, new_name=deps.new_name)
    job = _job(job_id, model, params, (item,), kind, fingerprint, caller=caller, now=now)
    held = hold(job, idempotency_key, caller=caller, deps=deps, now=now)
    if held.id != job.id:
        return Submitted(held, replayed=True)
    return Submitted(held, fresh=True, original=original)


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
    job = _job(job_id, model, params, items, "async", fingerprint, caller=caller, now=now)
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


def paid_item(owner: Owner, earlier: Earlier, *, deps: JobDeps) -> tuple[Job, Item] | None:
    """Return the job and item whose paid result is the one asked for, if its artifact is still there."""
    job = deps.jobs.get(owner, earlier.result_job) if earlier.result_job else None
    if job is None or earlier.result_item >= len(job.items):
        return None
    item = job.items[earlier.result_item]
    return (job, item) if item.output and deps.artifacts.exists(item.output.key) else None


def hold(job: Job, idempotency_key: str | None, *, caller: Caller, deps: JobDeps, now: int) -> Job:
    """Hold the price of every open item; return the held job, or the existing one with the same idempotency key.

    Tries with plan credits alone; on `BalanceChanged` splits the price between plan and bought credits, up to
    `SPLIT_TRIES` times. Raises what the quota or the balance refuses, and `IdempotencyMismatch`.
    """
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
            )
        except KeyUsed as used:
            return _replay(used, job.fingerprint, caller=caller, deps=deps)
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
    """Return the job that the key already stands for; raise `IdempotencyMismatch` when it was used for another."""
    key_hash = key_hash_of(idempotency_key)
    if key_hash is None:
        return None
    earlier = deps.ledger.earlier(caller.owner, key_hash=key_hash, now=now)
    return _replay(earlier.key, fingerprint_of(what), caller=caller, deps=deps) if earlier.key else None


def fingerprint_of(what: str) -> str:
    """Return what an idempotency key is bound to, for a call without a picture."""
    return hashlib.sha256(what.encode()).hexdigest()


def _job(
    job_id: str,
    model: Model,
    params: Params,
    items: tuple[Item, ...],
    kind: Kind,
    fingerprint: str,
    *,
    caller: Caller,
    now: int,
) -> Job:
    """Return a job that is not held yet."""
    return Job(
        id=job_id,
        owner=caller.owner,
        status="queued" if items[0].status == "queued" else "processing",
        model=model.slug,
        provider=model.provider,
        params=params,
        fingerprint=fingerprint,
        items=items,
        created_at=now,
        updated_at=now,
        deadline=now + DEADLINE_MS,
        plan=caller.plan.name,
        kind=kind,
        counted=kind == "async",
    )


def _replay(used: KeyUsed, fingerprint: str, *, caller: Caller, deps: JobDeps) -> Job:
    job = deps.jobs.get(caller.owner, used.job_id)
    if used.fingerprint != fingerprint or job is None:
        raise IdempotencyMismatch(header="Idempotency-Key")
    return job


def _deduplicated(
    paid: Job, key_hash: str | None, fingerprint: str, *, caller: Caller, deps: JobDeps, now: int
) -> Submitted:
    """Return the job that paid for the result, and let the key stand for it."""
    if key_hash:
        try:
            deps.ledger.remember_key(
                caller.owner, key_hash=key_hash, job_id=paid.id, fingerprint=fingerprint, now=now
            )
        except KeyUsed as used:
            job = _replay(used, fingerprint, caller=caller, deps=deps)
            return Submitted(job, deduplicated=used.free, replayed=True)
    return Submitted(paid, deduplicated=True)


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
