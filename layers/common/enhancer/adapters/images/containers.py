"""Read an image file's format, size and structure from its bytes, before a decoder gets them. Standard library only.

These checks read the container only, in little time and memory; other damage shows when the file is decoded.
"""

from __future__ import annotations

import re
import struct

JPEG_SCANS_MAX = 100
"""Progressive files have about ten scans; each costs a pass over the whole picture, so thousands are an attack."""

_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")


def file_format(data: bytes) -> str | None:
    """Return the format key of a file (jpeg, png, webp, avif), None for any other; HEIC shares AVIF's container."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(int.from_bytes(data[:4]), 256)]
        if any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4)):
            return "avif"
    return None


def png_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a PNG in pixels, from its first chunk (PNG specification, IHDR)."""
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def webp_size(data: bytes) -> tuple[int, int]:
    """Return width and height of a WebP's canvas in pixels, from its first chunk (RFC 9649, 2.5 to 2.7)."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def check_png_payload(data: bytes) -> None:
    """Raise ValueError for a PNG with far more compressed data than its pixels could need (a decompression bomb)."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    needed = height * (width * bits * _PNG_CHANNELS[colour] // 8 + 2)
    at, total = 8, 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        total += length if kind == b"IDAT" else 0
        at += length + 12
    if total > 2 * needed + 65_536:
        raise ValueError("more image data than pixels")


def check_jpeg_scans(data: bytes) -> None:
    """Raise ValueError for a JPEG with more than `JPEG_SCANS_MAX` scans; reads the markers up to its end."""
    at, scans = 2, 0
    while found := _JPEG_MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == 0xD9:
            return
        scans += marker == 0xDA
        if scans > JPEG_SCANS_MAX:
            raise ValueError("too many scans")
        at += int.from_bytes(data[at : at + 2])
