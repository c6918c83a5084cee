"""Give a result file of ours the metadata of another photo, without touching a pixel. Standard library only.

All results have an Exif block of one length (`about.fixed_block`), so it is replaced where it stands.
"""

from __future__ import annotations

import struct
import zlib

from enhancer.adapters.images import about, png
from enhancer.domain.images import About

_DENSITY = slice(13, 18)  # of a JPEG that begins with JFIF: unit, across, down
_DENSITY_CHUNK_BYTES = 21
_METRES_PER_INCH = 0.0254


def relabelled(data: bytes, before: About, after: About) -> bytes | None:
    """Return the file with what is ``after`` in place of ``before``; None if it does not say the latter."""
    old, new = about.fixed_block(before), about.fixed_block(after)
    at = data.find(old)
    if at < 0:
        return None
    if data.startswith(png.SIGNATURE):
        return _png(data, at, new, after)
    head = bytearray(data[:at])
    if data[6:11] == b"JFIF\0":
        head[_DENSITY] = struct.pack(">BHH", 1, after.dpi, after.dpi) if after.dpi else b"\0\0\1\0\1"
    return b"".join((head, new, memoryview(data)[at + len(old) :]))


def _png(data: bytes, at: int, new: bytes, after: About) -> bytes:
    """Replace eXIf, and pHYs, which our encoder writes right before it."""
    start = at - 8
    before = start - _DENSITY_CHUNK_BYTES
    if data[before + 4 : before + 8] == b"pHYs":
        start = before
    metres = round(after.dpi / _METRES_PER_INCH)
    density = _chunk(b"pHYs", struct.pack(">IIB", metres, metres, 1)) if after.dpi else b""
    return b"".join((data[:start], density, _chunk(b"eXIf", new), memoryview(data)[at + len(new) + 4 :]))


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
