"""Read how large a picture of coded HEVC is (ITU-T H.265, 7.3) before it is decoded. Standard library only.

A container may say another size, and memory is allocated by this one.
"""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.adapters.images.bare import Refused
from enhancer.adapters.images.boxes import Reader
from enhancer.adapters.images.coded_frames import Bits

UNITS_MAX = 1_000
"""Largest number of units (NAL) in one picture: its parameter sets, and at most 600 slices (H.265, table A.8)."""
MARGIN_MAX = 64
"""A coded picture ends at a whole block, which is at most so many pixels wide; more than that is never shown."""
BITS_MAX = 12
"""Most bits per channel; phones write 8 and 10."""

_SETS, _PICTURES, _FIRST_KEY, _LAST_KEY = 33, 32, 16, 21
_HEADER_BYTES = 1_000
"""Longer than what is read of any sequence parameter set."""
_OTHER_SHAPE = 255  # of pixels, written out


@dataclass(frozen=True, slots=True)
class Coded:
    """What a picture's data says: its size as shown and as decoded, and primaries and transfer, if stated."""

    size: tuple[int, int]
    decoded: tuple[int, int]
    colour: tuple[int, int] | None


def read(setup: bytes, data: bytes | memoryview) -> Coded:
    """Read a picture's headers; raise `Refused`. ``setup``: the content of its ``hvcC`` box (14496-15, 8.3.3)."""
    reader = Reader(setup, 21, len(setup))
    width = (reader.number(1) & 3) + 1
    units: list[bytes] = []
    for _ in range(reader.number(1)):
        reader.number(1)
        for _ in range(reader.number(2)):
            _add(units, reader.bytes(reader.number(2)))
    reader = Reader(data, 0, len(data))
    while reader.at < reader.end:
        length = reader.number(width)
        start, reader.at = reader.at, reader.at + length
        if reader.at > reader.end:
            raise Refused("incomplete")
        _add(units, bytes(data[start : start + min(length, _HEADER_BYTES)]))
    return _checked(units)


def _add(units: list[bytes], unit: bytes) -> None:
    if len(units) == UNITS_MAX:
        raise Refused("parts")
    units.append(unit[:_HEADER_BYTES])


def _checked(units: list[bytes]) -> Coded:
    """Return what the parameter sets say, which all have to say the same, if there is exactly one picture."""
    found: set[Coded] = set()
    pictures = 0
    for unit in units:
        if len(unit) < 3:
            continue
        kind = unit[0] >> 1 & 63
        if kind == _SETS:
            found.add(_parameters(Bits(unit[2:].replace(b"\0\0\3", b"\0\0"))))
        elif kind < _PICTURES:
            if not _FIRST_KEY <= kind <= _LAST_KEY:
                raise Refused("damaged")
            pictures += unit[2] >> 7
    if not found or not pictures:
        raise Refused("incomplete")
    if pictures > 1:
        raise Refused("parts")
    if len(found) > 1:
        raise Refused("damaged")
    return found.pop()


def _code(bits: Bits) -> int:
    """Return a number of variable length (9.2)."""
    zeros = 0
    while not bits.read():
        zeros += 1
        if zeros > 31:
            raise Refused("damaged")
    return (1 << zeros) - 1 + bits.read(zeros)


def _codes(bits: Bits, count: int) -> list[int]:
    return [_code(bits) for _ in range(count)]


def _parameters(bits: Bits) -> Coded:
    """Read a sequence parameter set (7.3.2.2)."""
    bits.read(4)
    layers = bits.read(3)
    bits.read(1)
    _profile(bits, layers)
    _code(bits)
    chroma = _code(bits)
    if chroma > 3:
        raise Refused("damaged")
    if chroma == 3:
        bits.read()
    width, height = _codes(bits, 2)
    left, right, top, bottom = _codes(bits, 4) if bits.read() else (0, 0, 0, 0)
    across, down = 2 if chroma in (1, 2) else 1, 2 if chroma == 1 else 1
    size = width - across * (left + right), height - down * (top + bottom)
    if max(_codes(bits, 2)) + 8 > BITS_MAX:
        raise Refused("bits")
    if min(size) < 1 or width - size[0] > MARGIN_MAX or height - size[1] > MARGIN_MAX:
        raise Refused("damaged")
    return Coded(size, (width, height), _colour(bits, layers))


def _profile(bits: Bits, layers: int) -> None:
    """Skip profile, tier and level (7.3.3)."""
    bits.read(96)
    given = [(bits.read(), bits.read()) for _ in range(layers)]
    if layers:
        bits.read(2 * (8 - layers))
    for profile, level in given:
        bits.read(88 * profile + 8 * level)


def _colour(bits: Bits, layers: int) -> tuple[int, int] | None:
    """Read on up to the colour description (E.2.1); None where there is none, or behind what stills do not have."""
    _code(bits)
    _codes(bits, 3 * (layers + 1 if bits.read() else 1))
    _codes(bits, 6)
    if bits.read() and bits.read():
        return None  # own scaling lists
    bits.read(2)
    if bits.read():
        bits.read(8)
        _codes(bits, 2)
        bits.read()
    if _code(bits) or bits.read():
        return None  # refers to other pictures
    bits.read(2)
    if not bits.read():
        return None
    if bits.read() and bits.read(8) == _OTHER_SHAPE:
        bits.read(32)
    if bits.read():
        bits.read()
    if not bits.read():
        return None
    bits.read(4)
    return (bits.read(8), bits.read(8)) if bits.read() else None
