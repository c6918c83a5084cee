"""Tell the format of an image file by its first bytes and take out what its decoder does not need.

Every file is walked once, within limits on its parts, in little time and memory and with the standard library alone:
hostile structure is refused here, and metadata, however broken or huge, never reaches a decoder.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from enhancer.adapters.images import avif, heic, jpeg, png, webp
from enhancer.adapters.images.bare import Bare

BARE: dict[str, Callable[[bytes, int], Bare]] = {
    "jpeg": jpeg.bare,
    "png": png.bare,
    "webp": webp.bare,
    "avif": avif.bare,
    "heic": heic.bare,
}
"""By format: takes a file and the largest number of pixels, returns the file without metadata.

Raises `enhancer.adapters.images.bare.Refused` or `TooManyPixels`.
"""


_OTHERS = {
    "GIF": rb"GIF8",
    "BMP": rb"BM.{4}\0{4}",
    "TIFF": rb"II\*\0|MM\0\*|II\+\0",
    "JPEG XL": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "JPEG 2000": rb"\0\0\0\x0cjP  ",
    "PSD": rb"8BPS",
    "PDF": rb"%PDF",
    "SVG": rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,500}?-->\s*)?<svg",
}


def other_format(data: bytes) -> str | None:
    """Return the name of a format that people send and we do not take, as far as its first bytes tell."""
    head = data[:1000]
    return next((name for name, pattern in _OTHERS.items() if re.match(pattern, head, re.DOTALL)), None)


def file_format(data: bytes) -> str | None:
    """Return the format key of a file (jpeg, png, webp, avif, heic), None for any other."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(png.SIGNATURE):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        named = data[8 : min(int.from_bytes(data[:4]), 256)]
        brands = {named[at : at + 4] for at in range(0, len(named), 4)}
        if not brands.isdisjoint((b"avif", b"avis")):
            return "avif"
        if heic.is_heic(brands):
            return "heic"
    return None
