"""How much of the drawing network goes into a photo: more, the stronger it was compressed.

SPAN takes the blocks and ringing of a JPEG for detail and sharpens them; the drawing network takes them out and
flattens skin and fur. Both together are nearer to the truth than either, and than Lanczos (docs/quality.md).
"""

from __future__ import annotations

from itertools import pairwise

WORK_MEGAPIXELS_MAX = 40.0
"""Megapixels through both networks together; above, a photo goes through its own only. A job's step waits four minutes
and the networks take 170 s for 48 megapixels: a blend of 20 megapixels, twice the work, stays below that."""
SECOND_PASS_FACTOR = 4
"""Scales 6 and 8 take a second pass on four times the pixels, which is never blended."""

_SHARES = ((75, 0.5), (90, 0.3), (95, 0.0))
"""JPEG quality -> share, as measured; in between on a straight line, below the first as there, above the last none."""


def drawn_share(model: str, *, jpeg_quality: int | None, scale: int, megapixels: float) -> float:
    """Return the share of the drawing network, 0 to 0.5, in a picture of ``megapixels``.

    ``model`` is a key of `upscaler.MODELS`: only ``photo`` is blended. ``jpeg_quality`` is 1 to 100, None for a picture
    that was no JPEG.
    """
    passes = 2 + (SECOND_PASS_FACTOR if scale > 4 else 0)
    if model != "photo" or jpeg_quality is None or megapixels * passes > WORK_MEGAPIXELS_MAX:
        return 0.0
    return _share(jpeg_quality)


def _share(quality: int) -> float:
    lowest, share = _SHARES[0]
    if quality <= lowest:
        return share
    for (low, more), (high, less) in pairwise(_SHARES):
        if quality < high:
            return round(more + (less - more) * (quality - low) / (high - low), 2)
    return 0.0
