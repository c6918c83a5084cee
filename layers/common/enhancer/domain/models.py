"""The catalogue of models: who runs each, what it can do, what it costs and what the provider is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from enhancer.domain.errors import UnknownModel

ProviderName = Literal["embedded", "replicate", "workers_ai"]
Kind = Literal["upscale", "restore", "edit"]


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue.

    ``slug``: its full name at the provider; ``alias``: its short one. ``scales``: what a caller may choose; empty for a
    model without a choice, which makes the sides ``factor`` times longer. ``face``: it can restore faces. ``prompt``:
    it edits by prompt, by ``prompt_default`` if none is given. ``options``: further parameters of an edit.
    ``base_tenths``: the price before surcharges, in tenths of a credit. ``pins``: further names of the same model, such
    as a pinned version of the provider; ``version``: the one we run, empty where the provider has none.

    ``input``: what the provider is sent: fixed values, and ``$name`` for what `filled` puts there. ``multipart``: sent
    as multipart/form-data instead of JSON. ``input_megapixels_max``: larger pictures are refused, because of the memory
    or the higher price of the provider. ``work_side_max``: pictures are reduced to this longest side (pixels) before
    they are sent, for models that draw a new picture anyway; no side may be longer than ``work_side_limit``, whatever
    the shape. ``fallback``: alias of the model that runs instead when
    this one fails or is switched off.
    """

    slug: str
    alias: str
    provider: ProviderName
    kind: Kind
    title: str
    scales: tuple[int, ...] = ()
    factor: int = 1
    face: bool = False
    prompt: bool = False
    prompt_default: str | None = None
    options: tuple[str, ...] = ()
    qualities: tuple[str, ...] = ("standard",)
    base_tenths: int = 10
    pins: tuple[str, ...] = ()
    version: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    multipart: bool = False
    input_megapixels_max: float | None = None
    work_side_max: int | None = None
    work_side_limit: int = 1920
    fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Params:
    """The parameters of a run, defaults filled in.

    ``scale``: how many times longer the sides get; 0 for a model without that choice. ``face``: restore faces too.
    ``quality``: ``standard`` or ``pro``. ``output_format``: one of `images.OUTPUT_FORMATS`. The others are for models
    that edit by prompt; None means the model's default.
    """

    scale: int
    face: bool = False
    quality: str = "standard"
    output_format: str = "same"
    prompt: str | None = None
    negative_prompt: str | None = None
    strength: float | None = None
    guidance: float | None = None
    steps: int | None = None


_ESRGAN = "nightmareai/real-esrgan"
_ESRGAN_VERSION = "42fed1c4974146d4d2414e2be2c5277c7fcf05fcc3a73abf41610695738c1d7b"
_GFPGAN_VERSION = "0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c"
_RESTORE = "restore this photo: sharp, natural colors, no scratches, no noise"
CATALOGUE: tuple[Model, ...] = (
    Model("local/photo", "local", "embedded", "upscale", "Photo (built in)", scales=(2, 4, 6, 8)),
    Model(
        "local/real-esrgan", "restore", "embedded", "upscale", "Drawings and compressed pictures (built in)",
        scales=(2, 4, 6, 8), qualities=("standard", "pro"),
    ),
    Model(
        _ESRGAN, "real-esrgan", "replicate", "upscale", "Real-ESRGAN", scales=(2, 4, 6, 8), face=True,
        pins=(
            f"{_ESRGAN}:{_ESRGAN_VERSION}",
            f"{_ESRGAN}:f0992969a94014d73864d08e6d9a39286868328e4263d9ce2da6fc4049d01a1a",
        ),
        version=_ESRGAN_VERSION,
        input={"image": "$image", "scale": "$scale", "face_enhance": "$face"},
        input_megapixels_max=2.0, fallback="local",
    ),
    Model(
        f"tencentarc/gfpgan:{_GFPGAN_VERSION}", "gfpgan", "replicate", "restore", "GFPGAN", factor=2,
        version=_GFPGAN_VERSION, input={"img": "$image", "scale": 2, "version": "v1.4"},
        input_megapixels_max=4.0,
    ),
    Model(
        "topazlabs/image-upscale", "topaz", "replicate", "upscale", "Topaz", factor=2, base_tenths=50,
        input={
            "image": "$image", "upscale_factor": "2x", "enhance_model": "Standard V2", "output_format": "png",
        },
        input_megapixels_max=3.0, fallback="local",  # twice the sides: 12 megapixels, its cheapest step
    ),
    Model(
        "google/nano-banana", "nano-banana", "replicate", "edit", "Nano Banana", prompt=True, base_tenths=100,
        input={"prompt": "$prompt", "image_input": ["$image"], "output_format": "png"}, fallback="flux-klein",
    ),
    Model(
        "@cf/runwayml/stable-diffusion-v1-5-img2img", "sd15", "workers_ai", "edit", "Stable Diffusion 1.5",
        prompt=True, prompt_default=_RESTORE, options=("negative_prompt", "strength", "guidance", "steps"),
        input={
            "prompt": "$prompt", "negative_prompt": "$negative_prompt", "image_b64": "$image", "width": "$width",
            "height": "$height", "strength": "$strength", "guidance": "$guidance", "num_steps": "$steps",
        },
        work_side_max=504, work_side_limit=511,
    ),
    Model(
        "@cf/black-forest-labs/flux-2-klein-4b", "flux-klein", "workers_ai", "edit", "FLUX.2 klein",
        prompt=True, base_tenths=12, multipart=True,
        input={"prompt": "$prompt", "width": "$width", "height": "$height", "input_image_0": "$image"},
        work_side_max=1024, fallback="sd15",
    ),
)  # fmt: skip
DEFAULT_MODEL = "local/photo"
DEFAULT_SCALE = 2
"""The scale of a request without one, whatever the provider's own default is."""
DEFAULT_STRENGTH = 0.3
"""How much an edit may change, from 0 to 1. The provider's own default, 1, would ignore the picture."""

_BY_NAME = {name: model for model in CATALOGUE for name in (model.slug, model.alias, *model.pins)}


def default_model(quality: str) -> str:
    """Return the slug of what runs if no model was named: the first built-in one that has this quality."""
    fits = (model.slug for model in CATALOGUE if model.provider == "embedded" and quality in model.qualities)
    return next(fits, DEFAULT_MODEL)


def model_named(name: str) -> Model:
    """Return the model with this slug, alias or pinned version; raise `UnknownModel`."""
    if name not in _BY_NAME:
        raise UnknownModel(model=name[:200], allowed=[model.alias for model in CATALOGUE])
    return _BY_NAME[name]


def filled(template: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a model's ``input`` with every ``$name`` replaced by that value; a field with value None is left out."""

    def fill(wanted: Any) -> Any:
        if isinstance(wanted, str) and wanted.startswith("$"):
            return values[wanted[1:]]
        return [fill(inner) for inner in wanted] if isinstance(wanted, list) else wanted

    found = {name: fill(wanted) for name, wanted in template.items()}
    return {name: value for name, value in found.items() if value is not None}
