"""From a request to a job that is held: what is asked, may they, what does it cost, take it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from enhancer.domain import images
from enhancer.domain.artifacts import NoArtifact, is_incoming_of, original_key, result_key
from enhancer.domain.entitlement import Params, check_model, check_plan, check_size, check_sync, resolve_scale
from enhancer.domain.errors import (
    EnhancerError,
    IdempotencyMismatch,
    InsufficientCredits,
    InvalidIdempotencyKey,
    ProviderDisabled,
    TooManyPixels,
    UploadNotFound,
)
from enhancer.domain.jobs import DEADLINE_MS, Artifact, Item, Job
from enhancer.domain.ledger import FundsMoved, Hold, KeyUsed, Standing
from enhancer.domain.models import DEFAULT_MODEL, Model, model_named
from enhancer.domain.plans import NETWORK_IMAGES_PER_DAY, smallest_plan_with
from enhancer.domain.pricing import FREE, Split, credits, price, split
from enhancer.domain.quota import daily_quota_exceeded, day_of, month_of, network_quota_exceeded

if TYPE_CHECKING:
    from enhancer.adapters.artifacts import Artifacts
    from enhancer.adapters.jobs import Jobs
    from enhancer.adapters.ledger import Ledger
    from enhancer.adapters.pixels import Photo
    from enhancer.identity import Caller

SPLIT_TRIES = 10
KEY_CHARACTERS_MAX = 128


@dataclass(frozen=True, slots=True)
class Order:
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


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job and how it came about.

    A fresh one brings its cleaned ``original`` and must still be run; the others were run before or are running.
    """

    job: Job
    original: bytes | None = None
    deduplicated: bool = False
    replayed: bool = False


def interpret(order: Order) -> tuple[Model, Params]:
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


def permit(model: Model, params: Params, *, caller: Caller, providers: Collection[str]) -> None:
    """Refuse, before anything is stored, held or decoded, what may not run here or is not in the plan."""
    if model.provider not in providers:
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
    mine = any(is_incoming_of(key, owner) for owner in (caller.owner, caller.guest) if owner)
    try:
        if mine:
            return artifacts.get(key)
    except NoArtifact:
        pass
    raise UploadNotFound(field="uploadKey")


def submit(
    model: Model,
    params: Params,
    photo: Photo,
    *,
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
    check_size(photo.info, params, output_format)
    check_sync(model, photo.info.megapixels, params)
    fingerprint = _digest(photo.info.digest, model.slug, params)
    result_digest = _digest(photo.info.digest, model.slug, params, output_format)
    key_hash = _key_hash(idempotency_key)
    earlier = ledger.earlier(caller.owner, key_hash=key_hash, result_digest=result_digest, now=now)
    if earlier.key:
        return _replay(earlier.key, fingerprint, caller=caller, jobs=jobs)
    paid = jobs.get(caller.owner, earlier.result_job) if earlier.result_job else None
    if paid and paid.items[0].output and artifacts.exists(paid.items[0].output.key):
        return _deduplicated(paid, key_hash, fingerprint, caller=caller, ledger=ledger, jobs=jobs, now=now)
    job, original = _new_job(
        model, params, photo, output_format, caller=caller, now=now, new_id=new_id, new_name=new_name
    )
    total = price(model, scale=params.scale, face=params.face, quality=params.quality)
    return _hold(
        job, original, total, key_hash, caller=caller, ledger=ledger, jobs=jobs, new_id=new_id, now=now
    )


def quote(
    model: Model,
    params: Params,
    *,
    megapixels: float,
    caller: Caller,
    providers: Collection[str],
    standing: Standing,
    now: int,
) -> tuple[Split, EnhancerError | None]:
    """Return what a run would cost, who would pay, and the first refusal it would meet (None: it would run).

    ``megapixels`` is the size of the picture, 0 when it is not known yet.
    """
    total = price(model, scale=params.scale, face=params.face, quality=params.quality)
    plan = caller.plan
    shares = split(total, plan_left=plan.quota_tenths - standing.month_used)
    try:
        permit(model, params, caller=caller, providers=providers)
        if megapixels > plan.input_megapixels_max:
            needed = smallest_plan_with(megapixels=megapixels)
            raise TooManyPixels(
                megapixels=megapixels, limit=plan.input_megapixels_max, plan=plan.name, requiredPlan=needed
            )
        check_sync(model, megapixels, params)
        if standing.day_used >= plan.images_per_day:
            raise daily_quota_exceeded(used=standing.day_used, limit=plan.images_per_day, now_ms=now)
        if caller.is_guest and standing.network_used >= NETWORK_IMAGES_PER_DAY:
            raise network_quota_exceeded(used=standing.network_used, limit=NETWORK_IMAGES_PER_DAY, now_ms=now)
        if shares.credits > standing.balance.available:
            raise _insufficient(total, caller, standing)
    except EnhancerError as refusal:
        return shares, refusal
    return shares, None


def _new_job(
    model: Model,
    params: Params,
    photo: Photo,
    output_format: str,
    *,
    caller: Caller,
    now: int,
    new_id: Callable[[str], str],
    new_name: Callable[[], str],
) -> tuple[Job, bytes]:
    """Return a job whose price is not split yet, and its cleaned original."""
    original, original_format = photo.clean_copy()
    item = Item(
        index=0,
        status="processing",
        hold=_nothing_held(caller, now),
        digest=photo.info.digest,
        result_digest=_digest(photo.info.digest, model.slug, params, output_format),
        input=Artifact(
            key=original_key(caller.owner, new_name(), original_format),
            content_type=images.CONTENT_TYPES[original_format],
            size=len(original),
            width=photo.info.width,
            height=photo.info.height,
        ),
        target=result_key(caller.owner, new_name(), output_format),
    )
    job = Job(
        id=new_id("job"),
        owner=caller.owner,
        status="processing",
        model=model.slug,
        provider=model.provider,
        params=params,
        output_format=output_format,
        fingerprint=_digest(photo.info.digest, model.slug, params),
        items=(item,),
        created_at=now,
        updated_at=now,
        deadline=now + DEADLINE_MS,
    )
    return job, original


def _hold(
    job: Job,
    original: bytes,
    total: int,
    key_hash: str | None,
    *,
    caller: Caller,
    ledger: Ledger,
    jobs: Jobs,
    new_id: Callable[[str], str],
    now: int,
) -> Submitted:
    """Take the price: first as if the plan's month could pay it all; if it cannot, look, split, try again."""
    shares = split(total, plan_left=total)
    for _ in range(SPLIT_TRIES):
        held = _with_split(job, shares)
        try:
            ledger.hold(held, plan=caller.plan, key_hash=key_hash, entry_ids=[new_id("ent")], now=now)
            return Submitted(held, original)
        except KeyUsed as used:
            return _replay(used, job.fingerprint, caller=caller, jobs=jobs)
        except FundsMoved:
            standing = ledger.standing(caller.owner, now=now)
            shares = split(total, plan_left=caller.plan.quota_tenths - standing.month_used)
            if shares.credits > standing.balance.available:
                raise _insufficient(total, caller, standing) from None
    raise _insufficient(total, caller, ledger.standing(caller.owner, now=now))


def _replay(used: KeyUsed, fingerprint: str, *, caller: Caller, jobs: Jobs) -> Submitted:
    job = jobs.get(caller.owner, used.job_id)
    if used.fingerprint != fingerprint or job is None:
        raise IdempotencyMismatch(header="Idempotency-Key")
    return Submitted(job, deduplicated=used.free, replayed=True)


def _deduplicated(
    paid: Job, key_hash: str | None, fingerprint: str, *, caller: Caller, ledger: Ledger, jobs: Jobs, now: int
) -> Submitted:
    if key_hash:
        try:
            ledger.remember_key(
                caller.owner, key_hash=key_hash, job_id=paid.id, fingerprint=fingerprint, now=now
            )
        except KeyUsed as used:
            return _replay(used, fingerprint, caller=caller, jobs=jobs)
    return Submitted(paid, deduplicated=True)


def _nothing_held(caller: Caller, now: int) -> Hold:
    """The hold before its price is split; knows the periods and the network that will pay."""
    return Hold(
        job_id="",
        item=0,
        plan=FREE.plan,
        credits=FREE.credits,
        day=day_of(now),
        month=month_of(now),
        network=caller.guest_network,
    )


def _with_split(job: Job, shares: Split) -> Job:
    def held(item: Item) -> Item:
        return replace(item, hold=replace(item.hold, job_id=job.id, plan=shares.plan, credits=shares.credits))

    return replace(job, items=tuple(held(item) for item in job.items))


def _insufficient(total: int, caller: Caller, standing: Standing) -> InsufficientCredits:
    plan_left = max(0, caller.plan.quota_tenths - standing.month_used)
    required, available = credits(total), credits(plan_left + standing.balance.available)
    return InsufficientCredits(
        creditsRequired=required,
        creditsAvailable=available,
        required=required,
        available=available,
        upgradeUrl="/pricing",
    )


def _digest(pixels: str, model: str, params: Params, *more: str) -> str:
    """Hex SHA-256 of a picture and everything that shapes its result."""
    text = json.dumps([pixels, model, asdict(params), *more], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _key_hash(key: str | None) -> str | None:
    if key is None:
        return None
    if not 1 <= len(key) <= KEY_CHARACTERS_MAX or not key.isascii() or not key.isprintable():
        raise InvalidIdempotencyKey(header="Idempotency-Key", limit=KEY_CHARACTERS_MAX)
    return hashlib.sha256(key.encode()).hexdigest()
