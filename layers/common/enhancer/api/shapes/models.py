"""The catalogue of models, as the caller may use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from enhancer.api.shapes.wire import Wire
from enhancer.domain.models import DEFAULT_MODEL, Model
from enhancer.domain.plans import Plan, smallest_plan_with
from enhancer.domain.pricing import credits, price


class ModelView(Wire):
    """One model as this caller may use it. ``price`` is the cheapest run in credits; ``reason`` says why locked.

    ``factor``: how many times larger a model without ``scales`` makes a picture. ``maxOutputSide``: the longest side,
    in pixels, of what an edit gives back; None where it depends on the picture.
    """

    slug: str
    alias: str
    title: str
    provider: str
    kind: str
    scales: list[int]
    allowed_scales: list[int]
    face: bool
    face_allowed: bool
    prompt: bool
    prompt_default: str | None
    options: list[str]
    qualities: list[str]
    max_input_megapixels: float | None
    max_output_side: int | None
    factor: int
    price: float
    available: bool
    reason: Literal["provider_disabled"] | None
    required_plan: str | None

    @classmethod
    def of(cls, model: Model, plan: Plan, plans: Mapping[str, Plan], *, enabled: bool) -> ModelView:
        """Return a model of the catalogue, seen from one of ``plans``."""
        locked = [scale for scale in model.scales if scale > plan.scale_max]
        cheapest = price(model, scale=0, face=False, quality="standard")
        return cls(
            slug=model.slug,
            alias=model.alias,
            title=model.title,
            provider=model.provider,
            kind=model.kind,
            scales=list(model.scales),
            allowed_scales=[scale for scale in model.scales if scale <= plan.scale_max] if enabled else [],
            face=model.face,
            face_allowed=enabled and model.face and plan.face,
            prompt=model.prompt,
            prompt_default=model.prompt_default,
            options=list(model.options),
            max_input_megapixels=model.input_megapixels_max,
            max_output_side=model.work_side_max,
            factor=model.factor,
            qualities=list(model.qualities),
            price=credits(cheapest),
            available=enabled,
            reason=None if enabled else "provider_disabled",
            required_plan=smallest_plan_with(scale=min(locked), plans=plans) if locked else None,
        )


class ModelsView(Wire):
    """The catalogue for this caller."""

    models: list[ModelView]
    default_model: str = DEFAULT_MODEL
