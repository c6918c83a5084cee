"""The photos of `benchmarks.quality`, all free and all from the scikit-image wheel, and what is done to them."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import skimage
from PIL import Image

SIDE = 256
"""Pixels of the squares that are compared: a multiple of 4, so that every reduction is exact."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A photo: ``left`` and ``top`` of its square in pixels, its source and rights."""

    file: str
    left: int
    top: int
    credit: str

    def truth(self) -> Image.Image:
        """Return the square, RGB."""
        with Image.open(Path(skimage.__file__).with_name("data") / self.file) as whole:
            box = (self.left, self.top, self.left + SIDE, self.top + SIDE)
            return whole.convert("RGB").crop(box)


SAMPLES = (
    Sample("astronaut.png", 96, 0, "Eileen Collins; NASA Great Images, public domain"),
    Sample("chelsea.png", 110, 20, "Chelsea the cat; Stefan van der Walt, CC0"),
    Sample("coffee.png", 180, 60, "Coffee cup; Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0"),
    Sample("rocket.jpg", 230, 90, "Rocket; SpaceX, public domain"),
    Sample("camera.png", 130, 50, "Cameraman; Lav Varshney, CC0"),
    Sample("brick.png", 90, 90, "Bricks; CC0Textures, CC0"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """What a photo went through: made ``scale`` times smaller (bicubic), saved as a JPEG of this ``quality`` or not."""

    scale: int
    quality: int | None

    @property
    def name(self) -> str:
        """Its name in the tables."""
        state = "clean" if self.quality is None else f"JPEG {self.quality}"
        return f"{state}, {'same size' if self.scale == 1 else f'x{self.scale}'}"

    def degraded(self, truth: Image.Image) -> Image.Image:
        """Return what a model gets."""
        size = (truth.width // self.scale, truth.height // self.scale)
        small = truth if self.scale == 1 else truth.resize(size, Image.Resampling.BICUBIC)
        return small if self.quality is None else saved(small, self.quality)


def saved(image: Image.Image, quality: int) -> Image.Image:
    """Return a picture as it is after saving it as a JPEG."""
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    with Image.open(file) as again:
        return again.convert("RGB")


ENLARGED = (Case(2, None), Case(4, None), Case(2, 90), Case(2, 75), Case(2, 50), Case(4, 75))
PRO = (Case(4, None),)
"""Cases in which the large network, forty times as slow, runs too: the one with the smallest input."""
SAME_SIZE = (Case(1, 90), Case(1, 75), Case(1, 50))
