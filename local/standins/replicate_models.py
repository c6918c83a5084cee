"""The models of the Replicate stand-in: their inputs, and how they make an output."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageOps

from local.standins import pictures
from local.standins.control import Json

DATA_URL_CHARACTERS = 1_400_000  # about 1 MB of data: larger inputs have to be uploaded or fetched
OUTPUT_PIXELS = 150_000_000  # where a GPU of the size used runs out of memory
EDIT_PIXELS = 1024 * 1024  # what nano-banana draws, whatever it is given
EDIT_STRENGTH = 0.65
FACTORS = {"None": 1, "2x": 2, "4x": 4, "6x": 6}
RATIOS = ("match_input_image", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
TYPES: dict[str, type | tuple[type, ...]] = {
    "uri": str,
    "string": str,
    "boolean": bool,
    "number": (int, float),
    "uris": list,
}
URI = re.compile(r"(https?://|data:)\S+")


class ModelFailure(Exception):
    """A prediction fails; the message becomes its ``error``."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input of a model. ``kind`` is a key of TYPES; bounds are inclusive."""

    kind: str
    required: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def problem(self, value: object) -> tuple[str, str] | None:
        """Return the kind of a violation and a sentence about it, None for a valid value."""
        if not isinstance(value, TYPES[self.kind]) or (self.kind == "number" and isinstance(value, bool)):
            return "invalid_type", f"Invalid type. Expected: {self.kind}, given: {type(value).__name__}"
        if self.kind == "uri" and not is_uri(value):
            return "format", "Does not match format 'uri'"
        if isinstance(value, list) and not all(is_uri(item) for item in value):
            return "format", "Every item must match format 'uri'"
        if self.choices and value not in self.choices:
            return "enum", "Must be one of " + ", ".join(self.choices)
        if isinstance(value, int | float) and not self._within(value):
            return "range", f"Must be between {self.minimum} and {self.maximum}"
        return None

    def _within(self, value: float) -> bool:
        return (self.minimum is None or value >= self.minimum) and (
            self.maximum is None or value <= self.maximum
        )


@dataclass(frozen=True, slots=True)
class Model:
    """A model: how it is called, its inputs, and how it makes an output.

    Attributes:
        versions: ids it may be called by; official models can be called by name too.
        paint: from the input and the pictures it names, in order, to the result.
        extension: ``png`` or ``jpg`` when the input does not say.
        input_pixels: how large an input may be, 0 for any size.
        unreadable: the error about an input that is no picture.
    """

    name: str
    fields: Mapping[str, Field]
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
        found = [
            violation(f"input.{name}", "required", f"{name} is required")
            for name, field in self.fields.items()
            if field.required and name not in given
        ]
        for name, value in given.items():
            field = self.fields.get(name)
            if field is None:
                text = f"Additional property {name} is not allowed"
                found.append(violation(f"input.{name}", "additional_property", text))
            elif problem := field.problem(value):
                found.append(violation(f"input.{name}", *problem))
        return found

    def sources(self, given: Json) -> list[str]:
        """Return the URLs of the images in an input."""
        urls = [given[name] for name, field in self.fields.items() if field.kind == "uri" and name in given]
        lists = [given[name] for name, field in self.fields.items() if field.kind == "uris" and name in given]
        return urls + [url for several in lists for url in several]

    def extension_for(self, given: Json) -> str:
        """Return ``png`` or ``jpg``, the output format of an input."""
        return str(given.get("output_format", self.extension))


def violation(field: str, kind: str, description: str) -> Json:
    """Return one entry of ``invalid_fields``."""
    return {"type": kind, "field": field, "description": description}


def is_uri(value: object) -> bool:
    """Return whether an input can be fetched: http, https, or a data URL that is not too long."""
    return isinstance(value, str) and len(value) <= DATA_URL_CHARACTERS and bool(URI.fullmatch(value))


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


SHARE = Field("number", minimum=0, maximum=1)
OUTPUT_FORMAT = Field("string", choices=("jpg", "png"))

MODELS = (
    Model(
        "nightmareai/real-esrgan",
        {
            "image": Field("uri", required=True),
            "scale": Field("number", minimum=0, maximum=10),
            "face_enhance": Field("boolean"),
        },
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
        {
            "img": Field("uri", required=True),
            "version": Field("string", choices=("v1.2", "v1.3", "v1.4", "RestoreFormer")),
            "scale": Field("number", minimum=0, maximum=10),
        },
        paint_gfpgan,
        versions=("0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c",),
        unreadable="'NoneType' object has no attribute 'shape'",
    ),
    Model(
        "topazlabs/image-upscale",
        {
            "image": Field("uri", required=True),
            "enhance_model": Field(
                "string",
                choices=("Standard V2", "Low Resolution V2", "CGI", "High Fidelity V2", "Text Refine"),
            ),
            "upscale_factor": Field("string", choices=tuple(FACTORS)),
            "subject_detection": Field("string", choices=("None", "All", "Foreground", "Background")),
            "face_enhancement": Field("boolean"),
            "face_enhancement_strength": SHARE,
            "face_enhancement_creativity": SHARE,
            "output_format": OUTPUT_FORMAT,
        },
        paint_topaz,
        official=True,
        extension="jpg",
    ),
    Model(
        "google/nano-banana",
        {
            "prompt": Field("string", required=True),
            "image_input": Field("uris"),
            "aspect_ratio": Field("string", choices=RATIOS),
            "output_format": OUTPUT_FORMAT,
        },
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
