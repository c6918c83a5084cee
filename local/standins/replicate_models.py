"""The models of the Replicate stand-in: their inputs, and how they make an output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jsonschema.exceptions import ValidationError
from PIL import Image, ImageOps

from local.standins import pictures
from local.standins.control import Json
from local.standins.schemas import schema_of, violations

OUTPUT_PIXELS = 150_000_000  # where a GPU of the size used runs out of memory
EDIT_PIXELS = 1024 * 1024  # what nano-banana draws, whatever it is given
EDIT_STRENGTH = 0.65
FACTORS = {"None": 1, "2x": 2, "4x": 4, "6x": 6}
KINDS = {
    "required": "required",
    "additionalProperties": "additional_property",
    "type": "invalid_type",
    "format": "format",
    "enum": "enum",
    "minimum": "range",
    "maximum": "range",
}
"""What Replicate calls a violation, by the keyword of the schema."""


class ModelFailure(Exception):
    """A prediction fails; the message becomes its ``error``."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model: how it is called, and how it makes an output. Its inputs are in its schema (`schemas`).

    Attributes:
        versions: ids it may be called by; official models can be called by name too.
        paint: from the input and the pictures it names, in order, to the result.
        extension: ``png`` or ``jpg`` when the input does not say.
        input_pixels: how large an input may be, 0 for any size.
        unreadable: the error about an input that is no picture.
    """

    name: str
    paint: Callable[[Json, Sequence[Image.Image]], Image.Image]
    official: bool = False
    versions: tuple[str, ...] = ()
    extension: str = "png"
    input_pixels: int = 0
    unreadable: str = "cannot identify image file"

    def problems(self, given: object) -> list[Json]:
        """Return what is wrong with an input, as Replicate lists it under ``invalid_fields``."""
        if not isinstance(given, dict):
            return [violation("input", "required", "input is required")]
        return [
            violation(f"input.{name}", KINDS[found.validator], found.message)
            for found in violations(self.name, given)
            for name in _names(found, given)
        ]

    def sources(self, given: Json) -> list[str]:
        """Return the URLs of the images in an input."""
        found: list[str] = []
        for name, field in schema_of(self.name)["properties"].items():
            if name in given and "uri" in (field.get("format"), field.get("items", {}).get("format")):
                found += given[name] if isinstance(given[name], list) else [given[name]]
        return found

    def extension_for(self, given: Json) -> str:
        """Return ``png`` or ``jpg``, the output format of an input."""
        return str(given.get("output_format", self.extension))


def violation(field: str, kind: str, description: str) -> Json:
    """Return one entry of ``invalid_fields``."""
    return {"type": kind, "field": field, "description": description}


def _names(found: ValidationError, given: Json) -> list[str]:
    """Return the fields that a violation is about."""
    match found.validator:
        case "required":
            return [name for name in found.validator_value if name not in given]
        case "additionalProperties":
            return sorted(set(given) - set(found.schema["properties"]))
        case _:
            return [str(found.absolute_path[0])]


def paint_real_esrgan(given: Json, inputs: Sequence[Image.Image]) -> Image.Image:
    """Return the input enlarged by ``scale`` (4 by default)."""
    result = enlarge(inputs[0], float(given.get("scale", 4)))
    return pictures.restored(result) if given.get("face_enhance") else result


def paint_gfpgan(given: Json, inputs: Sequence[Image.Image]) -> Image.Image:
    """Return the input restored and enlarged by ``scale`` (2 by default)."""
    return pictures.restored(enlarge(inputs[0], float(given.get("scale", 2))))


def paint_topaz(given: Json, inputs: Sequence[Image.Image]) -> Image.Image:
    """Return the input restored, and enlarged by ``upscale_factor``."""
    return pictures.restored(enlarge(inputs[0], FACTORS[given.get("upscale_factor", "None")]))


def paint_nano_banana(given: Json, inputs: Sequence[Image.Image]) -> Image.Image:
    """Return the first input edited by the prompt at about a megapixel, in its own or the requested aspect ratio."""
    ratio = str(given.get("aspect_ratio", "match_input_image"))
    width, height = 1, 1
    if ratio != "match_input_image":
        width, height = (int(part) for part in ratio.split(":"))
    elif inputs:
        width, height = inputs[0].size
    size = pictures.scaled((width, height), (EDIT_PIXELS / (width * height)) ** 0.5)
    if not inputs:
        return pictures.imagined(given["prompt"], size)
    fitted = ImageOps.fit(inputs[0].convert("RGB"), size, Image.Resampling.LANCZOS)
    return pictures.edited(fitted, given["prompt"], EDIT_STRENGTH)


def enlarge(picture: Image.Image, scale: float) -> Image.Image:
    """A picture times a factor.

    Raises:
        ModelFailure: there would be too much of it.
    """
    if picture.width * picture.height * scale * scale > OUTPUT_PIXELS:
        raise ModelFailure(
            "CUDA out of memory. Tried to allocate 14.83 GiB (GPU 0; 14.75 GiB total capacity)"
        )
    return pictures.upscaled(picture, scale)


MODELS = (
    Model(
        "nightmareai/real-esrgan",
        paint_real_esrgan,
        official=True,
        versions=(
            "42fed1c4974146d4d2414e2be2c5277c7fcf05fcc3a73abf41610695738c1d7b",
            "f0992969a94014d73864d08e6d9a39286868328e4263d9ce2da6fc4049d01a1a",
        ),
        input_pixels=2_096_704,
    ),
    Model(
        "tencentarc/gfpgan",
        paint_gfpgan,
        versions=("0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c",),
        unreadable="'NoneType' object has no attribute 'shape'",
    ),
    Model(
        "topazlabs/image-upscale",
        paint_topaz,
        official=True,
        extension="jpg",
    ),
    Model(
        "google/nano-banana",
        paint_nano_banana,
        official=True,
        extension="jpg",
    ),
)
BY_NAME = {model.name: model for model in MODELS}
BY_VERSION = {version: model for model in MODELS for version in model.versions}


def check_fit(model: Model, inputs: Sequence[Image.Image], most: int | None) -> None:
    """Raise ModelFailure for images that do not fit into the model's memory.

    Args:
        model: whose memory.
        inputs: the pictures given.
        most: another limit in pixels than the model's own; 0 for none.

    Raises:
        ModelFailure: one is too large.
    """
    limit = model.input_pixels if most is None else most
    for picture in inputs if limit and model.input_pixels else ():
        if (pixels := picture.width * picture.height) > limit:
            raise ModelFailure(
                f"Input image of dimensions ({picture.height}, {picture.width}, 3) has a total number of pixels"
                f" {pixels} greater than the max size that fits in GPU memory on this hardware, {limit}."
                " Resize input image and try again."
            )
