"""How strongly a JPEG was compressed, read from its quantisation tables."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from enhancer.adapters.images.pixels import Photo

_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
"""Table K.1 of ITU-T T.81: brightness, at quality 50 of the scale that libjpeg made common."""


def _steps(quality: int) -> int:
    """Return the sum of the brightness table that libjpeg writes at a quality of 1 to 100."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((step * percent + 50) // 100, 1), 255) for step in _LUMINANCE)


_SUMS = tuple(_steps(quality) for quality in range(100, 0, -1))
"""Sums of the tables from quality 100 down to 1: they grow."""


def jpeg_quality(photo: Photo) -> int | None:
    """Return the quality, 1 to 100 on libjpeg's scale, that a JPEG's brightness was stored with; None: no JPEG.

    For tables of another shape it is the quality whose steps are as large on average. Only the tables count: a picture
    compressed strongly once and saved again at a high quality has the high one.
    """
    if photo.jpeg is None or not photo.jpeg.quantization:
        return None
    tables = photo.jpeg.quantization
    used = photo.jpeg.layer[0][3] if photo.jpeg.layer else 0
    found = sum(tables.get(used) or tables[min(tables)])
    place = min(bisect_left(_SUMS, found), len(_SUMS) - 1)
    if place and found - _SUMS[place - 1] < _SUMS[place] - found:
        place -= 1
    return 100 - place
