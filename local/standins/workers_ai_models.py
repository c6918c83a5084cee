"""The models of the Workers AI stand-in: their inputs, and how they make an image."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image, ImageOps

from local.standins import pictures
from local.standins.control import Json

SIDE = 512  # pixels: the default of Stable Diffusion, and the most a reference image may have
FLUX_STRENGTH = 0.7
REFERENCES = tuple(f"input_image_{number}" for number in range(4))


class Refused(Exception):
    """A request that Workers AI answers with an error in its envelope."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def bad_input(message: str) -> Refused:
    """Return the error for a request that does not fit the model's schema."""
    return Refused(400, 5006, f"AiError: Bad input: {message}")


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range of a numeric field, both ends included."""

    least: float
    most: float
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Model:
    """A model of Workers AI.

    Attributes:
        content_type: what a request to it has to be.
        numbers: numeric fields and their bounds.
        texts: text fields; ``prompt`` is required.
        extension: of the picture it makes, ``png`` or ``jpg``.
        raw: whether it answers with the picture itself instead of an envelope.
        default_side: width and height in pixels of a picture where none are given.
    """

    content_type: str
    numbers: Mapping[str, Bounds]
    texts: tuple[str, ...] = ("prompt", "negative_prompt")
    pictures: tuple[str, ...] = ()
    extension: str = "png"
    raw: bool = True
    default_side: int = 1024

    def checked(self, given: Json) -> Json:
        """Return the fields of a valid request; numbers in a form become numbers.

        Raises:
            Refused: it does not fit.
        """
        if not given.get("prompt") or not isinstance(given["prompt"], str):
            raise bad_input("required properties at '/' are 'prompt'")
        for name in given:
            if name not in (*self.numbers, *self.texts, *self.pictures):
                raise bad_input(f"unknown property '/{name}'")
        checked = {
            name: within(name, given[name], self.numbers[name]) for name in self.numbers if name in given
        }
        for name in self.texts:
            if name in given and not isinstance(given[name], str):
                raise bad_input(f"Type mismatch of '/{name}', 'string' expected")
        return given | checked

    def paint(self, fields: Json) -> Image.Image:
        """Return the image for a checked request.

        Raises:
            Refused: a picture in it is none, or is too large.
        """
        size = int(fields.get("width", self.default_side)), int(fields.get("height", self.default_side))
        prompt = str(fields["prompt"])
        given = self._input(fields)
        imagined = pictures.imagined(prompt, size)
        if given is None:
            return imagined
        fitted = ImageOps.fit(given.convert("RGB"), size, Image.Resampling.LANCZOS)
        if not self.raw:
            return pictures.edited(fitted, prompt, FLUX_STRENGTH)
        strength = float(fields.get("strength", 1.0))  # at 1, the default, nothing of the input is left
        edited = pictures.edited(fitted, prompt, min(2 * strength, 1.0))
        return Image.blend(edited, imagined, max(2 * strength - 1, 0.0))

    def _input(self, fields: Json) -> Image.Image | None:
        if "image_b64" in fields:
            return opened(from_base64(fields["image_b64"]), "image_b64")
        if "image" in fields:
            return opened(from_integers(fields["image"]), "image")
        references = [opened(fields[name], name) for name in REFERENCES if name in fields]
        for reference in references:
            if max(reference.size) > SIDE:
                raise bad_input(f"input images must be at most {SIDE}x{SIDE}, got {reference.size}")
        return references[0] if references else None


def within(name: str, value: object, bounds: Bounds) -> float:
    """Return a number, or the text of one, within its bounds.

    Raises:
        Refused: it is none, or outside.
    """
    try:
        number = float(value) if isinstance(value, int | float | str) else float("nan")
    except ValueError:
        number = float("nan")
    if isinstance(value, bool) or number != number or (bounds.whole and number != int(number)):  # noqa: PLR0124
        raise bad_input(f"Type mismatch of '/{name}', 'number' expected")
    if not bounds.least <= number <= bounds.most:
        raise bad_input(f"'/{name}' must be >= {bounds.least:g} and <= {bounds.most:g}")
    return number


def from_base64(value: object) -> bytes:
    """Return the bytes of a base64 text."""
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Refused(400, 5004, "invalid data: image_b64 is not base64") from problem


def from_integers(value: object) -> bytes:
    """Return the bytes of a list of integers."""
    try:
        return bytes(value) if isinstance(value, list) else b""
    except (TypeError, ValueError) as problem:
        raise bad_input("'/image' must be an array of integers from 0 to 255") from problem


def opened(data: bytes | str, name: str) -> Image.Image:
    """Return the image in a request; a form field that is no file is text.

    Raises:
        Refused: it is none.
    """
    try:
        return pictures.decode(data if isinstance(data, bytes) else b"")
    except OSError as problem:
        raise bad_input(f"'/{name}' is not an image") from problem


DIFFUSION = Model(
    "application/json",
    {
        "width": Bounds(256, 2048),
        "height": Bounds(256, 2048),
        "num_steps": Bounds(1, 20),
        "strength": Bounds(0, 1, whole=False),
        "guidance": Bounds(0, 100, whole=False),
        "seed": Bounds(0, 2**53),
    },
    pictures=("image", "image_b64", "mask"),
    default_side=SIDE,
)
MODELS = {
    "@cf/runwayml/stable-diffusion-v1-5-img2img": DIFFUSION,
    "@cf/stabilityai/stable-diffusion-xl-base-1.0": DIFFUSION,
    "@cf/black-forest-labs/flux-2-klein-4b": Model(
        "multipart/form-data",
        {"width": Bounds(256, 1920), "height": Bounds(256, 1920), "seed": Bounds(0, 2**53)},
        texts=("prompt",),
        pictures=REFERENCES,
        extension="jpg",
        raw=False,
    ),
    "@cf/leonardo/phoenix-1.0": Model(
        "application/json",
        {
            "width": Bounds(256, 2048),
            "height": Bounds(256, 2048),
            "num_steps": Bounds(1, 50),
            "guidance": Bounds(2, 10, whole=False),
            "seed": Bounds(0, 2**53),
        },
        extension="jpg",
    ),
}
