"""Take the metadata out of a WebP (RFC 9649) in one pass over its chunks. Standard library only."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from enhancer.adapters.images.bare import PROFILE_BYTES_MAX, Bare, Refused, check_size

CHUNKS_MAX = 65_536
"""Largest number of chunks. A still picture has about six, an animation one for each frame."""

_ANIMATED, _ALPHA = 0x02, 0x10


def bare(data: bytes, pixels_max: int) -> Bare:
    """Return the file without metadata; raise `Refused` or `TooManyPixels`."""
    canvas: tuple[int, int] | None = None
    flags = frames = 0
    found: dict[bytes, memoryview] = {}
    for kind, content in _chunks(data):
        if kind == b"VP8X" and not found:
            if len(content) < 10:
                raise Refused("damaged")
            flags = content[0]
            canvas = 1 + int.from_bytes(content[4:7], "little"), 1 + int.from_bytes(content[7:10], "little")
            check_size(*canvas, pixels_max)
        elif kind in (b"VP8 ", b"VP8L") and not canvas:
            found[kind] = content
            break  # the simple file format: whatever follows is not part of the picture
        frames += kind == b"ANMF"
        found.setdefault(kind, content)
    if flags & _ANIMATED and frames > 1:
        return Bare(b"", frames=frames)
    picture = _of_one_frame(found, canvas) if flags & _ANIMATED else found
    return Bare(
        _file(picture, canvas, pixels_max),
        bytes(found[b"ICCP"]) if len(found.get(b"ICCP", b"")) in range(1, PROFILE_BYTES_MAX + 1) else None,
        bytes(found[b"EXIF"]) if b"EXIF" in found else None,
    )


def _chunks(data: bytes, at: int = 12) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and content of each chunk; one that is cut off ends the file, unless it has pixels."""
    view = memoryview(data)
    for _ in range(CHUNKS_MAX):
        if at + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, at)
        end = at + 8 + length
        if end > len(data):
            if kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANMF"):
                raise Refused("incomplete")
            return
        yield kind, view[at + 8 : end]
        at = end + (length & 1)
    raise Refused("parts")


def _of_one_frame(found: dict[bytes, memoryview], canvas: tuple[int, int] | None) -> dict[bytes, memoryview]:
    """Return the chunks of an animation's only frame, which has to fill the canvas."""
    frame = bytes(found.get(b"ANMF", b""))
    if len(frame) < 16 or canvas is None:
        raise Refused("incomplete")
    size = 1 + int.from_bytes(frame[6:9], "little"), 1 + int.from_bytes(frame[9:12], "little")
    if size != canvas:
        raise Refused("kind")
    inner: dict[bytes, memoryview] = {}
    for kind, content in _chunks(frame, 16):
        inner.setdefault(kind, content)
    return inner


def _file(found: dict[bytes, memoryview], canvas: tuple[int, int] | None, pixels_max: int) -> bytes:
    """Return a still picture of its pixels and alpha; raise `Refused` where canvas and frame differ in size."""
    lossy = b"VP8 " in found
    if not lossy and b"VP8L" not in found:
        raise Refused("incomplete")
    pixels = found[b"VP8 " if lossy else b"VP8L"]
    size = _lossy_size(pixels) if lossy else _lossless_size(pixels)
    check_size(*size, pixels_max)
    if canvas and size != canvas:
        raise Refused("damaged")
    if not lossy or b"ALPH" not in found:
        return _riff(_chunk(b"VP8 " if lossy else b"VP8L", pixels))
    head = struct.pack("<I", _ALPHA) + b"".join((side - 1).to_bytes(3, "little") for side in size)
    return _riff(_chunk(b"VP8X", head), _chunk(b"ALPH", found[b"ALPH"]), _chunk(b"VP8 ", pixels))


def _lossy_size(pixels: memoryview) -> tuple[int, int]:
    if len(pixels) < 10:
        raise Refused("incomplete")
    width, height = struct.unpack_from("<HH", pixels, 6)
    return width & 0x3FFF, height & 0x3FFF


def _lossless_size(pixels: memoryview) -> tuple[int, int]:
    if len(pixels) < 5:
        raise Refused("incomplete")
    (bits,) = struct.unpack_from("<I", pixels, 1)
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def _chunk(kind: bytes, content: bytes | memoryview) -> bytes:
    return b"".join((kind, struct.pack("<I", len(content)), content, bytes(len(content) & 1)))


def _riff(*chunks: bytes) -> bytes:
    body = b"".join((b"WEBP", *chunks))
    return b"RIFF" + struct.pack("<I", len(body)) + body
