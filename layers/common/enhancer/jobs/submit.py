"""From a request to a job that is held: what is asked, may they, what does it cost, take it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from enhancer.domain import images
from enhancer.domain.artifacts import NoArtifact, is_incoming_of, original_key, result_key
from enhancer.domain.digests import digest, key_hash_of
from enhancer.domain.entitlement import (
    Params,
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
from enhancer.domain.models import DEFAULT_MODEL, Model, model_named
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of
from enhancer.domain.plans import smallest_plan_with
from enhancer.domain.pricing import FREE, credits, price, split

if TYPE_CHECKING:
    from enhancer.adapters.aws.artifacts import Artifacts
    from enhancer.adapters.dynamodb.jobs import Jobs
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.adapters.images.pixels import Photo
    from enhancer.domain.callers import Caller

SPLIT_TRIES = 10
_NOBODY = Hold(job_id="", item=0, plan=FREE.plan, credits=FREE.credits, day="", month="")


@dataclass(frozen=True, slots=True)
class EnhanceOrder:
    """What a caller asks for, as it came: None means "not said"."""

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


def with_prompt(order: EnhanceOrder, prompt: str) -> EnhanceOrder:
    """Return the order with another prompt."""
    return replace(order, prompt=prompt)


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
    new_id: Callable[[str], str],
    new_name: Callable[[], str],
    ledger: Ledger,
    jobs: Jobs,
    artifacts: Artifacts,
) -> Submitted:
    """Return the job for this picture: a new one, held; or the one that key or picture already stands for."""
    output_format = images.output_format(params.output_format, photo.info.format, alpha=photo.info.alpha)
    check_size(model, photo.info, params, output_format)
    check_input(model, photo.info.megapixels, params)
    (check_sync if kind == "sync" else check_job)(model, photo.info.megapixels, params)
    fingerprint = digest(photo.info.digest, model.slug, params)
    result_digest = digest(photo.info.digest, model.slug, params, output_format)
    key_hash = key_hash_of(idempotency_key)
    earlier = ledger.earlier(caller.owner, key_hash=key_hash, result_digest=result_digest, now=now)
    if earlier.key:
        return Submitted(
            _replay(earlier.key, fingerprint, caller=caller, jobs=jobs),
            deduplicated=earlier.key.free,
            replayed=True,
        )
    paid = paid_item(caller.owner, earlier, jobs=jobs, artifacts=artifacts)
    if paid:
        return _deduplicated(paid[0], key_hash, fingerprint, caller=caller, ledger=ledger, jobs=jobs, now=now)
    original, looked_at = look(photo, model, params, owner=caller.owner, new_name=new_name)
    item = replace(looked_at, status="processing", hold=_nothing_held(caller, now))
    job = _job(model, params, (item,), kind, fingerprint, caller=caller, new_id=new_id, now=now)
    held = hold(job, idempotency_key, caller=caller, ledger=ledger, jobs=jobs, new_id=new_id, now=now)
    return Submitted(held, original) if held.id == job.id else Submitted(held, replayed=True)


def submit_batch(
    model: Model,
    params: Params,
    wanted: Sequence[tuple[Source, str | None]],
    *,
    caller: Caller,
    idempotency_key: str | None,
    now: int,
    new_id: Callable[[str], str],
    ledger: Ledger,
    jobs: Jobs,
) -> Submitted:
    """Return a held job over pictures nobody has looked at yet, each with its own prompt or the common one.

    ``original`` of the answer is empty bytes for a new job, None for one that the key already stands for.
    """
    items = tuple(
        Item(index=index, status="queued", hold=_nothing_held(caller, now), source=source, prompt=prompt)
        for index, (source, prompt) in enumerate(wanted)
    )
    sources = [[source.kind, source.ref, prompt] for source, prompt in wanted]
    fingerprint = digest(json.dumps(sources), model.slug, params)
    job = _job(model, params, items, "async", fingerprint, caller=caller, new_id=new_id, now=now)
    held = hold(job, idempotency_key, caller=caller, ledger=ledger, jobs=jobs, new_id=new_id, now=now)
    return Submitted(held, b"") if held.id == job.id else Submitted(held, replayed=True)


def look(
    photo: Photo, model: Model, params: Params, *, owner: Owner, new_name: Callable[[], str]
) -> tuple[bytes, Item]:
    """Return the cleaned original, and what an item knows once its picture was decoded."""
    output_format = images.output_format(params.output_format, photo.info.format, alpha=photo.info.alpha)
    original, original_format = photo.clean_copy()
    stored = Artifact(
        key=original_key(owner, new_name(), original_format),
        content_type=images.CONTENT_TYPES[original_format],
        size=len(original),
        width=photo.info.width,
        height=photo.info.height,
    )
    return original, Item(
        index=0,
        status="queued",
        hold=_NOBODY,
        digest=photo.info.digest,
        result_digest=digest(photo.info.digest, model.slug, params, output_format),
        input=stored,
        target=result_key(owner, new_name(), output_format),
        output_format=output_format,
    )


def paid_item(owner: Owner, earlier: Earlier, *, jobs: Jobs, artifacts: Artifacts) -> tuple[Job, Item] | None:
    """Return the job and item whose paid result is the one asked for, if its artifact is still there."""
    job = jobs.get(owner, earlier.result_job) if earlier.result_job else None
    if job is None or earlier.result_item >= len(job.items):
        return None
    item = job.items[earlier.result_item]
    return (job, item) if item.output and artifacts.exists(item.output.key) else None


def hold(
    job: Job,
    idempotency_key: str | None,
    *,
    caller: Caller,
    ledger: Ledger,
    jobs: Jobs,
    new_id: Callable[[str], str],
    now: int,
) -> Job:
    """Take the price of every open item, and return the held job, or the one that the key already stands for.

    First as if the plan's month could pay it all; if it cannot: look, split, try again.
    """
    model, key_hash = model_named(job.model), key_hash_of(idempotency_key)
    params = job.params
    each = price(model, scale=params.scale, face=params.face, quality=params.quality)
    total = each * len(job.open_items)
    plan_left = total
    for _ in range(SPLIT_TRIES):
        held = _with_split(job, each, plan_left, caller, now)
        entry_ids = [new_id("ent") for _ in held.open_items]
        try:
            ledger.hold(
                held,
                plan=caller.plan,
                key_hash=key_hash,
                entry_ids=entry_ids,
                now=now,
                key_cap=caller.key.cap if caller.key else None,
            )
        except KeyUsed as used:
            return _replay(used, job.fingerprint, caller=caller, jobs=jobs)
        except BalanceChanged:
            state = ledger.usage_and_balance(caller.owner, now=now, month=caller.month_at(now))
            plan_left = caller.plan.quota_tenths - state.month_used
            if split(total, plan_left=plan_left).credits > state.spendable:
                raise insufficient(total, caller, state) from None
        else:
            return held
    raise insufficient(
        total, caller, ledger.usage_and_balance(caller.owner, now=now, month=caller.month_at(now))
    )


def key_holder(
    idempotency_key: str | None, what: str, *, caller: Caller, ledger: Ledger, jobs: Jobs, now: int
) -> Job | None:
    """Return the job that the key already stands for; raise `IdempotencyMismatch` when it was used for another."""
    key_hash = key_hash_of(idempotency_key)
    if key_hash is None:
        return None
    earlier = ledger.earlier(caller.owner, key_hash=key_hash, result_digest="-", now=now)
    return _replay(earlier.key, fingerprint_of(what), caller=caller, jobs=jobs) if earlier.key else None


def fingerprint_of(what: str) -> str:
    """Return what an idempotency key is bound to, for a call without a picture."""
    return hashlib.sha256(what.encode()).hexdigest()


def _job(
    model: Model,
    params: Params,
    items: tuple[Item, ...],
    kind: Kind,
    fingerprint: str,
    *,
    caller: Caller,
    new_id: Callable[[str], str],
    now: int,
) -> Job:
    """Return a job that is not held yet."""
    return Job(
        id=new_id("job"),
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


def _replay(used: KeyUsed, fingerprint: str, *, caller: Caller, jobs: Jobs) -> Job:
    job = jobs.get(caller.owner, used.job_id)
    if used.fingerprint != fingerprint or job is None:
        raise IdempotencyMismatch(header="Idempotency-Key")
    return job


def _deduplicated(
    paid: Job, key_hash: str | None, fingerprint: str, *, caller: Caller, ledger: Ledger, jobs: Jobs, now: int
) -> Submitted:
    if key_hash:
        try:
            ledger.remember_key(
                caller.owner, key_hash=key_hash, job_id=paid.id, fingerprint=fingerprint, now=now
            )
        except KeyUsed as used:
            job = _replay(used, fingerprint, caller=caller, jobs=jobs)
            return Submitted(job, deduplicated=used.free, replayed=True)
    return Submitted(paid, deduplicated=True)


def _nothing_held(caller: Caller, now: int) -> Hold:
    """The hold before its price is split; knows the periods and the network that will pay."""
    key = caller.key.id if caller.key else None
    return replace(
        _NOBODY, day=day_of(now), month=caller.month_at(now).name, network=caller.guest_network, key=key
    )


def _with_split(job: Job, each: int, plan_left: int, caller: Caller, now: int) -> Job:
    """Let the plan's month pay the first items, and bought credits what it no longer covers."""
    items = []
    for item in job.items:
        if item.is_open:
            shares = split(each, plan_left=plan_left)
            plan_left -= shares.plan
            taken = replace(
                _nothing_held(caller, now),
                job_id=job.id,
                item=item.index,
                attempt=job.attempt,
                plan=shares.plan,
                credits=shares.credits,
            )
            items.append(replace(item, hold=taken))
        else:
            items.append(item)
    return replace(job, items=tuple(items))


def insufficient(total: int, caller: Caller, state: UsageAndBalance) -> InsufficientCredits:
    """Return the refusal of a price (tenths) that neither the plan's month nor bought credits cover."""
    plan_left = max(0, caller.plan.quota_tenths - state.month_used)
    required, available = credits(total), credits(plan_left + state.spendable)
    return InsufficientCredits(
        creditsRequired=required,
        creditsAvailable=available,
        required=required,
        available=available,
        upgradeUrl="/pricing",
        **({"blocked": True, "debt": credits(state.balance.debt)} if state.blocked else {}),
    )
