"""The models of the Workers AI stand-in: their inputs, and how they make an image."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from PIL import Image, ImageOps

from local.standins import pictures
from local.standins.control import Json
from local.standins.schemas import schema_of, violations

SIDE = 512  # pixels: the default of Stable Diffusion; a picture that is given has to be smaller
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
class Model:
    """A model of Workers AI. Its fields are in its schema (`schemas`).

    Attributes:
        name: its name without its owner.
        content_type: what a request to it has to be.
        extension: of the picture it makes, ``png`` or ``jpg``.
        raw: whether it answers with the picture itself instead of an envelope.
        default_side: width and height in pixels of a picture where none are given.
        input_side: a picture that is given has to be smaller than so many pixels, on both sides; 0 for any size.
    """

    name: str
    content_type: str = "application/json"
    extension: str = "png"
    raw: bool = True
    default_side: int = 1024
    input_side: int = 0

    def checked(self, given: Json) -> Json:
        """Return the fields of a valid request; in a form, the numbers are text and become numbers.

        Raises:
            Refused: it does not fit.
        """
        fields, known = dict(given), schema_of(self.name)["properties"]
        if self.content_type == "multipart/form-data":
            for name in given.keys() & known.keys():
                if known[name]["type"] == "integer":
                    fields[name] = whole(given[name])
        shown = {name: "" if isinstance(value, bytes) else value for name, value in fields.items()}
        for found in violations(self.name, shown):
            raise bad_input(f"'/{'/'.join(map(str, found.absolute_path))}': {found.message}")
        return fields

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
        if given := {"image_b64", "image"} & fields.keys():
            name = max(given)
            data = from_base64(fields[name]) if name == "image_b64" else bytes(fields[name])
            picture = opened(data, name)
            self._check_side(picture)
            return picture
        references = [opened(fields[name], name) for name in REFERENCES if name in fields]
        for reference in references:
            self._check_side(reference)
        return references[0] if references else None

    def _check_side(self, picture: Image.Image) -> None:
        if self.input_side and max(picture.size) >= self.input_side:
            side = self.input_side
            raise bad_input(f"input images must be smaller than {side}x{side}, got {picture.size}")


def whole(text: object) -> object:
    """Return the number in a form's field, or the field itself where it holds none."""
    return int(text) if isinstance(text, str) and text.isdecimal() else text


def from_base64(value: object) -> bytes:
    """Return the bytes of a base64 text."""
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise Refused(400, 5004, "invalid data: image_b64 is not base64") from problem


def opened(data: bytes | str, name: str) -> Image.Image:
    """Return the image in a request; a form field that is no file is text.

    Raises:
        Refused: it is none.
    """
    try:
        return pictures.decode(data if isinstance(data, bytes) else b"")
    except OSError as problem:
        raise bad_input(f"'/{name}' is not an image") from problem


MODELS = {
    "@cf/runwayml/stable-diffusion-v1-5-img2img": Model(
        "stable-diffusion-v1-5-img2img", default_side=SIDE, input_side=SIDE
    ),
    "@cf/stabilityai/stable-diffusion-xl-base-1.0": Model("stable-diffusion-xl-base-1.0", default_side=SIDE),
    "@cf/black-forest-labs/flux-2-klein-4b": Model(
        "flux-2-klein-4b", "multipart/form-data", extension="jpg", raw=False, input_side=SIDE
    ),
    "@cf/leonardo/phoenix-1.0": Model("phoenix-1.0", extension="jpg"),
}
