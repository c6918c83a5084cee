"""The catalogue: which models there are, who runs them and what they can do. Data, not logic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from enhancer.domain.errors import UnknownModel

ProviderName = Literal["embedded", "replicate", "workers_ai"]
Kind = Literal["upscale", "restore", "edit"]


@dataclass(frozen=True, slots=True)
class Model:
    """One line of the catalogue.

    ``scales`` is empty for a model that keeps the size. ``base_tenths`` is the price before surcharges, in
    tenths of a credit. ``pins`` are further names that mean the same model (pinned provider versions).
    """

    slug: str
    alias: str
    provider: ProviderName
    kind: Kind
    title: str
    scales: tuple[int, ...] = ()
    face: bool = False
    prompt: bool = False
    qualities: tuple[str, ...] = ("standard",)
    base_tenths: int = 10
    pins: tuple[str, ...] = ()


_ESRGAN = "nightmareai/real-esrgan"
CATALOGUE: tuple[Model, ...] = (
    Model(
        "local/real-esrgan", "local", "embedded", "upscale", "Real-ESRGAN (built in)",
        scales=(2, 4, 6, 8), qualities=("standard", "pro"),
    ),
    Model(
        _ESRGAN, "real-esrgan", "replicate", "upscale", "Real-ESRGAN", scales=(2, 4, 6, 8), face=True,
        pins=(
            f"{_ESRGAN}:42fed1c4974146d4d2414e2be2c5277c7fcf05fcc3a73abf41610695738c1d7b",
            f"{_ESRGAN}:f0992969a94014d73864d08e6d9a39286868328e4263d9ce2da6fc4049d01a1a",
        ),
    ),
    Model(
        "tencentarc/gfpgan:0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c",
        "gfpgan", "replicate", "restore", "GFPGAN",
    ),
    Model("topazlabs/image-upscale", "topaz", "replicate", "restore", "Topaz"),
    Model("google/nano-banana", "nano-banana", "replicate", "edit", "Nano Banana", prompt=True, base_tenths=100),
    Model(
        "@cf/runwayml/stable-diffusion-v1-5-img2img", "sd15", "workers_ai", "edit", "Stable Diffusion 1.5",
        prompt=True,
    ),
    Model(
        "@cf/black-forest-labs/flux-2-klein-4b", "flux-klein", "workers_ai", "edit", "FLUX.2 klein",
        prompt=True, base_tenths=12,
    ),
)  # fmt: skip
DEFAULT_MODEL = "local/real-esrgan"
DEFAULT_SCALE = 2
"""An omitted scale means this, whatever the provider's own default is."""

_BY_NAME = {name: model for model in CATALOGUE for name in (model.slug, model.alias, *model.pins)}


def model_named(name: str) -> Model:
    """Return the model with this slug, alias or pinned version, or raise `UnknownModel`."""
    if name not in _BY_NAME:
        raise UnknownModel(model=name[:200], allowed=[model.alias for model in CATALOGUE])
    return _BY_NAME[name]
