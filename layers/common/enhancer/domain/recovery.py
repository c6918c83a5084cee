"""What follows a failed try of an item: the same model again, another model instead, or the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from enhancer.domain import errors
from enhancer.domain.entitlement import check_job
from enhancer.domain.errors import EnhancerError, ProviderError, TooMuchWork
from enhancer.domain.models import Model, Params, model_named

TRIES: dict[type[ProviderError], int] = {
    errors.ProviderThrottled: 3,
    errors.ProviderUnavailable: 3,
    errors.ProviderOutputInvalid: 2,
}
"""How often a model is tried in all if it fails with this error; once with any other."""
TURNS_TRIES = 6
"""How often it is tried in all where it throttles and says when to come back: several of ours wait for one place each
time (Replicate lets one through every ten seconds while its account is low on credit)."""
BACKOFF_SECONDS = 2.0
"""The longest wait before the second try; it doubles with each further one."""
PATIENCE_SECONDS = 30.0
"""A provider that asks to wait longer than this is treated as down."""


@dataclass(frozen=True, slots=True)
class Again:
    """Run the same model again after so many seconds; ``keep``: only fetch the result of the prediction once more."""

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
    """Return what to do after a try failed with ``problem``; None when the item has failed.

    ``tries``: how often ``model`` was tried in this attempt, the failed try included. ``megapixels``: size of the
    picture. ``enabled``: whether a model may run now. ``chance``: a random number from 0 to 1 that spreads the waits,
    so that those who failed together do not come back together. Only a `ProviderError` is tried again: wrong input
    stays wrong on any model, and a provider that refuses our token needs the operator.
    ``asked``: the wait in seconds that the provider asked for when it refused the start, for a problem that does not
    carry it.
    """
    if not isinstance(problem, ProviderError) or isinstance(problem, errors.JobExpired):
        return None
    named = asked if problem.retry_after is None else problem.retry_after
    in_turn = named is not None and isinstance(problem, errors.ProviderThrottled)
    tries_max = TURNS_TRIES if in_turn else TRIES.get(type(problem), 1)
    wait, may_run = _wait(named, tries, chance), problem.made or enabled(model)
    if tries < tries_max and wait <= PATIENCE_SECONDS and may_run:
        return Again(wait, keep=problem.made)
    return _instead(model, params, megapixels, enabled)


def _wait(asked: float | None, tries: int, chance: float) -> float:
    """Seconds to wait: what the provider asked for and up to one more; else exponential backoff with full jitter."""
    if asked is not None:
        return asked + chance
    return float(BACKOFF_SECONDS * 2 ** (tries - 1) * chance)


def _instead(
    model: Model, params: Params, megapixels: float, enabled: Callable[[Model], bool]
) -> Instead | None:
    """The first model of the chain of fallbacks that may run and can take a picture of this size."""
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
    """The fallback's parameters closest to those asked for; what it cannot do is left out and not charged."""
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
