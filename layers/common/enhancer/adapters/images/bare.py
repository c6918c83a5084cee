"""A picture file without its metadata: what `jpeg`, `png`, `webp`, `avif` and `heic` make before decoding."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from enhancer.domain.errors import TooManyPixels

PROFILE_BYTES_MAX = 4_000_000
"""Largest ICC profile that is kept, in bytes."""
_ORIENTATION, _SHORT = 0x0112, 3


class Refused(ValueError):
    """The structure of a file makes it unreadable.

    ``reason``: ``incomplete`` (cut off), ``damaged``, ``parts`` (more segments, chunks or boxes than any real file
    has), ``bits`` (more per channel than can be read), ``kind`` (a rare variant of the format).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Bare:
    """A file that has only what its decoder needs, and what was said about its pixels.

    ``icc`` and ``exif`` are as in the file, not looked into; the latter is a TIFF structure, perhaps with a prefix.
    ``colour``: what the file states about colour by other means than a profile, empty for sRGB or nothing. ``frames``:
    more than 1 for an animation, whose ``data`` is then empty. ``ended``: False for a JPEG that breaks off without an
    end, perhaps behind its last pixel. ``turned_by_exif``: False where boxes turn the picture and Exif does not.
    """

    data: bytes
    icc: bytes | None = None
    exif: bytes | None = None
    colour: bytes = b""
    frames: int = 1
    ended: bool = True
    turned_by_exif: bool = True


def check_size(width: int, height: int, pixels_max: int) -> None:
    """Raise `TooManyPixels` above the cap, `Refused` for a picture without pixels."""
    if width * height > pixels_max:
        raise TooManyPixels(megapixels=round(width * height / 1e6, 1), limit=round(pixels_max / 1e6, 1))
    if not width * height:
        raise Refused("damaged")


def profile_for(found: object, *spaces: bytes) -> bytes | None:
    """Return an ICC profile, cut to its declared length, if it is one for one of these colour spaces; else None.

    A space is as in the profile's header (ICC.1:2022, 7.2.6): ``b"RGB "``, ``b"GRAY"`` or ``b"CMYK"``.
    """
    if not isinstance(found, bytes) or not 128 <= len(found) <= PROFILE_BYTES_MAX:
        return None
    declared = int.from_bytes(found[:4])
    if found[36:40] != b"acsp" or found[16:20] not in spaces or not 128 <= declared <= len(found):
        return None
    return found[:declared]


def orientation(exif: bytes | None) -> int:
    """Return the EXIF orientation, 1 to 8; 1 without a readable one, because the picture is still good.

    Reads that one entry only (a file may have 65,535), and no XMP: Exif decides, as in browsers.
    """
    tiff = (exif or b"").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for at in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, kind, values, value = struct.unpack_from(f"{order}HHIH", tiff, at)
            if tag == _ORIENTATION:
                return value if (kind, values) == (_SHORT, 1) and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1
