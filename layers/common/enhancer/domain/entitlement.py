"""What a model can do and what a plan includes: checked before anything is stored or held."""

from __future__ import annotations

from collections.abc import Mapping

from enhancer.domain.errors import (
    NeedsJob,
    OptionNotSupported,
    PlanRequired,
    PromptRequired,
    ScaleNotSupported,
    TooManyPixels,
    TooMuchWork,
)
from enhancer.domain.images import ImageInfo, check_output_size
from enhancer.domain.models import DEFAULT_SCALE, Model, Params
from enhancer.domain.plans import PLANS, Plan, smallest_plan_with

SYNC_MEGAPIXELS_MAX = {"standard": 6.0, "pro": 0.1}
"""What the embedded model finishes within one request, by quality: megapixels that pass through its network."""
JOB_MEGAPIXELS_MAX = {"standard": 48.0, "pro": 1.0}
"""What it finishes within the four minutes that a job's step waits for it, and for half of the lowest price of a run;
in the same megapixels."""
PROVIDER_OUTPUT_MEGAPIXELS_MAX = 64.0
"""Largest result taken from a provider, in megapixels: it is decoded and encoded within a function's memory."""
SECOND_PASS_FACTOR = 5
"""Scales 6 and 8 take two passes: first the input, then four times as many pixels; 1 + 4 times the input in all."""


def resolve_scale(model: Model, scale: int | None) -> int:
    """Return the scale to run with: the one asked for, else `DEFAULT_SCALE`; 0 for a model without scales.

    Raises `ScaleNotSupported`. The provider's own default is never used.
    """
    if not model.scales:
        if scale is not None:
            raise ScaleNotSupported(scale=scale, allowed=[])
        return 0
    chosen = DEFAULT_SCALE if scale is None else scale
    if chosen not in model.scales:
        raise ScaleNotSupported(scale=chosen, allowed=list(model.scales))
    return chosen


def check_model(model: Model, params: Params) -> None:
    """Raise `OptionNotSupported` for what the model cannot do, `PromptRequired` where it needs a prompt."""
    if params.face and not model.face:
        raise OptionNotSupported(option="face_enhance", model=model.alias)
    if params.quality not in model.qualities:
        raise OptionNotSupported(option=f"quality={params.quality}", model=model.alias)
    edits = ("prompt", "negative_prompt", "strength", "guidance", "steps")
    known = (*model.options, "prompt") if model.prompt else model.options
    given = [name for name in edits if getattr(params, name) is not None and name not in known]
    if given:
        raise OptionNotSupported(option=given[0], model=model.alias)
    if model.prompt and params.prompt is None and model.prompt_default is None:
        raise PromptRequired(model=model.alias)


def check_plan(plan: Plan, params: Params, *, plans: Mapping[str, Plan] = PLANS) -> None:
    """Raise `PlanRequired` for what the plan does not include; the error names the smallest of ``plans`` that does."""
    if params.scale > plan.scale_max:
        needed = smallest_plan_with(scale=params.scale, plans=plans)
        raise PlanRequired(feature=f"scale {params.scale}", plan=plan.name, requiredPlan=needed)
    if params.face and not plan.face:
        needed = smallest_plan_with(face=True, plans=plans)
        raise PlanRequired(feature="face_enhance", plan=plan.name, requiredPlan=needed)


def check_size(model: Model, image: ImageInfo, params: Params, output_format: str) -> None:
    """Raise `OutputTooLarge` for a result that its format cannot store."""
    factor = params.scale or model.factor
    check_output_size(image.width * factor, image.height * factor, file_format=output_format)


def check_input(model: Model, megapixels: float, params: Params) -> None:
    """Raise `TooManyPixels` (``limit`` in megapixels) where a provider's input, or the result, would be too large."""
    if model.provider == "embedded":
        return
    factor = params.scale or model.factor
    limit = min(
        model.input_megapixels_max or PROVIDER_OUTPUT_MEGAPIXELS_MAX,
        PROVIDER_OUTPUT_MEGAPIXELS_MAX / factor**2,
    )
    if megapixels > limit:
        raise TooManyPixels(megapixels=round(megapixels, 1), limit=limit, model=model.alias)


def check_job(model: Model, megapixels: float, params: Params) -> None:
    """Raise `TooMuchWork` for what the embedded model does not finish even within a job."""
    if model.provider != "embedded":
        return
    limit = _input_limit(JOB_MEGAPIXELS_MAX, params)
    if megapixels > limit:
        raise TooMuchWork(
            megapixels=round(megapixels, 3), limit=round(limit, 3), quality=params.quality, scale=params.scale
        )


def _input_limit(limits: dict[str, float], params: Params) -> float:
    return limits[params.quality] / (SECOND_PASS_FACTOR if params.scale > 4 else 1)


def check_sync(model: Model, megapixels: float, params: Params) -> None:
    """Raise `NeedsJob` for what the embedded model does not finish within one request."""
    if model.provider != "embedded":
        return
    limit = _input_limit(SYNC_MEGAPIXELS_MAX, params)
    if megapixels > limit:
        raise NeedsJob(
            megapixels=round(megapixels, 3), limit=round(limit, 3), quality=params.quality, scale=params.scale
        )
