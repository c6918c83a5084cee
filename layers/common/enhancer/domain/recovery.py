"""What to do after a try has failed: the same model again, another model instead, or give up. Pure rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from enhancer.domain import errors
from enhancer.domain.entitlement import Params, check_job
from enhancer.domain.errors import EnhancerError, ProviderError, TooMuchWork
from enhancer.domain.models import Model, model_named

TRIES: dict[type[ProviderError], int] = {
    errors.ProviderThrottled: 3,
    errors.ProviderUnavailable: 3,
    errors.ProviderOutputInvalid: 2,
}
"""How often one model is tried when it fails like this; once for every other failure."""
BACKOFF_SECONDS = 2.0
"""The longest wait before the second try; it doubles with each further one."""
PATIENCE_SECONDS = 30.0
"""A provider that asks to wait longer than this is treated as down."""


@dataclass(frozen=True, slots=True)
class Again:
    """Run the same model again after so many seconds; ``keep``: fetch the result that is there, and make none anew."""

    seconds: float
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Instead:
    """Run this model instead, with these parameters."""

    model: Model
    params: Params


def after(
    problem: EnhancerError,
    *,
    model: Model,
    params: Params,
    tries: int,
    megapixels: float,
    enabled: Callable[[Model], bool],
    chance: float,
    asked: float | None = None,
) -> Again | Instead | None:
    """Return what comes after ``problem``, None when nothing would help.

    ``tries`` counts how often this model was tried, this time included. ``chance`` (0 to 1) spreads the waits, so
    that callers who failed together do not come back together. Wrong input is nobody else's to cure, and neither is a
    provider that does not accept our token: somebody has to look. ``asked`` is the wait in seconds that the provider
    asked for when the try was refused, for a problem that does not carry it.
    """
    if not isinstance(problem, ProviderError) or isinstance(problem, errors.JobExpired):
        return None
    wait = _wait(asked if problem.retry_after is None else problem.retry_after, tries, chance)
    may_run = problem.made or enabled(model)
    if tries < TRIES.get(type(problem), 1) and wait <= PATIENCE_SECONDS and may_run:
        return Again(wait, keep=problem.made)
    return _instead(model, params, megapixels, enabled)


def _wait(asked: float | None, tries: int, chance: float) -> float:
    """What the provider asked for, and a little more; else exponential backoff with full jitter."""
    if asked is not None:
        return asked + chance
    return float(BACKOFF_SECONDS * 2 ** (tries - 1) * chance)


def _instead(
    model: Model, params: Params, megapixels: float, enabled: Callable[[Model], bool]
) -> Instead | None:
    """The first fallback down the chain that is switched on and can do it."""
    while model.fallback:
        fallback = model_named(model.fallback)
        translated = _translated(params, model, fallback)
        try:
            check_job(fallback, megapixels, translated)
        except TooMuchWork:
            return None
        if enabled(fallback):
            return Instead(fallback, translated)
        model, params = fallback, translated
    return None


def _translated(params: Params, model: Model, fallback: Model) -> Params:
    """The parameters of the fallback that come closest; what it cannot do is left out, and not charged."""
    scale = (params.scale or model.factor) if fallback.scales else 0
    kept: dict[str, Any] = {
        name: getattr(params, name) if name in fallback.options else None
        for name in ("negative_prompt", "strength", "guidance", "steps")
    }
    return replace(
        params,
        scale=scale,
        face=params.face and fallback.face,
        quality=params.quality if params.quality in fallback.qualities else "standard",
        prompt=params.prompt if fallback.prompt else None,
        **kept,
    )
