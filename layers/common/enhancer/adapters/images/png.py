"""Take the metadata out of a PNG (specification, third edition) in one pass over its chunks. Standard library only."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from enhancer.adapters.images.bare import PROFILE_BYTES_MAX, Bare, Refused, check_size, profile_for
from enhancer.adapters.images.stated_colour import by_code, by_gamma, known

CHUNKS_MAX = 65_536
"""Largest number of chunks; encoders write pixels in pieces of 8 KB or more; millions of empty ones are an attack."""
SIGNATURE = b"\x89PNG\r\n\x1a\n"

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_SPACES = {
    0: (b"GRAY", b"RGB "),
    2: (b"RGB ",),
    3: (b"RGB ",),
    4: (b"GRAY", b"RGB "),
    6: (b"RGB ",),
}
_LENGTHS = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32, b"pHYs": 9}
_NEEDED = {b"IHDR", b"PLTE", b"IDAT"}
_READ = {*_LENGTHS, b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL"}
_TRANSPARENT_LENGTHS = {0: 2, 2: 6}


def bare(data: bytes, pixels_max: int) -> Bare:
    """Return the file without metadata and with its pixels in one chunk; raise `Refused` or `TooManyPixels`."""
    chunks = _chunks(data)
    kind, header = next(chunks, (b"", memoryview(b"")))
    if kind != b"IHDR":
        raise Refused("kind" if kind == b"CgBI" else "damaged")
    budget, colour_type, bits = _check_header(header, pixels_max)
    ahead: dict[bytes, memoryview] = {}
    pixels: list[memoryview] = []
    for kind, content in chunks:
        if kind == b"IDAT":
            pixels.append(content)
            budget -= len(content)
            if budget < 0:
                raise Refused("damaged")  # far more data than the pixels could need: a decompression bomb
        elif kind == b"IEND" or (pixels and not kind[0] & 0x20):
            break  # what follows the pixels cannot change them
        elif not kind[0] & 0x20 and (kind != b"PLTE" or kind in ahead):
            raise Refused("damaged")  # a critical chunk that nobody knows, or one that may not come twice
        elif kind in _READ and (not pixels or kind == b"eXIf"):
            ahead.setdefault(kind, content)
    if not pixels:
        raise Refused("incomplete")
    if (frames := _frames(ahead)) > 1:
        return Bare(b"", frames=frames)
    profile = _profile(ahead[b"iCCP"], colour_type) if b"iCCP" in ahead else None
    exif = bytes(ahead[b"eXIf"]) if b"eXIf" in ahead else None
    kept = _kept(ahead, colour_type, bits)
    chunks_kept = [
        (b"IHDR", [header]),
        *((kind, [content]) for kind, content in kept.items()),
        (b"IDAT", pixels),
    ]
    statement, profile = _colour(kept, profile)
    return Bare(_file([*chunks_kept, (b"IEND", [])]), profile, exif, statement)


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield kind and content of each chunk; an ancillary one that is cut off or whose checksum is wrong is left out.

    Pixels have a checksum of their own, inside; where that holds, the one of their chunk does not matter.
    """
    view, at = memoryview(data), len(SIGNATURE)
    for _ in range(CHUNKS_MAX):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 8 + length
        if end > len(data):
            if kind in _NEEDED:
                raise Refused("incomplete")
            return
        right = zlib.crc32(view[at + 4 : end]) == int.from_bytes(data[end : end + 4])
        if not right and kind in _NEEDED and kind != b"IDAT":
            raise Refused("damaged")
        if right or not kind[0] & 0x20:
            yield kind, view[at + 8 : end]
        at = end + 4
    raise Refused("parts")


def _check_header(header: memoryview, pixels_max: int) -> tuple[int, int, int]:
    """Check IHDR; return how many bytes its compressed pixels may have at most, colour type and bits per channel."""
    if len(header) != 13:
        raise Refused("damaged")
    width, height, bits, colour_type, packing, filtering, interlacing = struct.unpack(">IIBBBBB", header)
    if max(width, height) >= 1 << 31:
        raise Refused("damaged")
    check_size(width, height, pixels_max)
    if bits not in _DEPTHS.get(colour_type, ()) or packing or filtering or interlacing > 1:
        raise Refused("damaged")
    needed = height * (width * bits * _CHANNELS[colour_type] // 8 + 2)
    return 2 * needed + 65_536, colour_type, bits


def _frames(ahead: dict[bytes, memoryview]) -> int:
    """Return the number of frames that an animation announces, 1 for a still picture."""
    control = ahead.get(b"acTL", b"")
    return int.from_bytes(control[:4]) if len(control) == 8 else 1


def _kept(ahead: dict[bytes, memoryview], colour_type: int, bits: int) -> dict[bytes, memoryview]:
    """Return what is kept, in an order that decoders take: statements about colour, the palette, transparency."""
    kept = {
        kind: ahead[kind] for kind, length in _LENGTHS.items() if kind in ahead and len(ahead[kind]) == length
    }
    palette = ahead.get(b"PLTE", memoryview(b""))
    if colour_type == 3:
        if not 3 <= len(palette) <= 768 or len(palette) % 3:
            raise Refused("damaged")
        kept[b"PLTE"] = palette
    transparent = ahead.get(b"tRNS", memoryview(b""))
    length = len(transparent)
    if length and (
        length == _TRANSPARENT_LENGTHS.get(colour_type) or length <= len(palette) // 3 * (colour_type == 3)
    ):
        kept[b"tRNS"] = _as_decoded(transparent, colour_type, bits)
    return kept


def _as_decoded(transparent: memoryview, colour_type: int, bits: int) -> memoryview:
    """Return tRNS with its colour in the range of the decoded pixels: Pillow compares the two as they are.

    Grey of 1, 2 and 4 bits is decoded to 0..255, and of a colour's 16 bits the upper 8 are kept.
    """
    if colour_type == 0 and bits < 8:
        highest = (1 << bits) - 1
        return memoryview((int.from_bytes(transparent) % (highest + 1) * 255 // highest).to_bytes(2))
    if colour_type == 2 and bits == 16:
        return memoryview(b"".join(b"\0" + transparent[at : at + 1] for at in (0, 2, 4)))
    return transparent


def _profile(content: memoryview, colour_type: int) -> bytes | None:
    """Return the ICC profile of an iCCP chunk; None for one that is damaged, too large or for other colours."""
    name, _, packed = bytes(content).partition(b"\0")
    if not 1 <= len(name) <= 79 or packed[:1] != b"\0":
        return None
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], PROFILE_BYTES_MAX + 1)
    except zlib.error:
        return None
    return profile_for(profile, *_SPACES[colour_type]) if unpacker.eof else None


def _colour(kept: dict[bytes, memoryview], profile: bytes | None) -> tuple[bytes, bytes | None]:
    """Return the statement about colour, or the profile, that counts: cICP, then iCCP, sRGB, gAMA with cHRM."""
    primaries, transfer, matrix, full = kept.get(b"cICP", b"\0\0\xff\0")
    if matrix == 0 and known(primaries, transfer):
        return by_code(primaries, transfer, narrow=not full), None
    if profile or b"sRGB" in kept:
        return b"", profile
    return by_gamma(bytes(kept.get(b"gAMA", b"")), bytes(kept.get(b"cHRM", b""))), None


def _file(chunks: list[tuple[bytes, list[memoryview]]]) -> bytes:
    """Return a file of these chunks, each with its content in pieces, which are copied once."""
    parts: list[bytes | memoryview] = [SIGNATURE]
    for kind, content in chunks:
        checksum = zlib.crc32(kind)
        for piece in content:
            checksum = zlib.crc32(piece, checksum)
        parts += [sum(map(len, content)).to_bytes(4), kind, *content, checksum.to_bytes(4)]
    return b"".join(parts)
