"""Write an ICC profile (ICC.1:2022, version 4) of a screen: three primaries, a white, one curve. Standard library only.

No library that we have writes one: Pillow's can only read them, and make sRGB's.
"""

from __future__ import annotations

import struct
from functools import cache

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y (CIE 1931) of white, red, green and blue."""
Vector = tuple[float, float, float]

_D50: Vector = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_SRGB_PARAMETERS = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # 10.18, function type 3


def _xyz(x: float, y: float) -> Vector:
    return x, y, 1 - x - y


def scales(primaries: Chromaticities) -> Vector | None:
    """Return how much of each primary makes white of luminance 1; None where they lie on a line."""
    white = _xyz(*primaries[:2])
    red, green, blue = (_xyz(*primaries[at : at + 2]) for at in (2, 4, 6))
    whole = _determinant(red, green, blue)
    if abs(whole) < 1e-4 or white[1] <= 0:
        return None
    target: Vector = tuple(part / white[1] for part in white)  # type: ignore[assignment]
    return (
        _determinant(target, green, blue) / whole,
        _determinant(red, target, blue) / whole,
        _determinant(red, green, target) / whole,
    )


def _determinant(a: Vector, b: Vector, c: Vector) -> float:
    return (
        a[0] * (b[1] * c[2] - b[2] * c[1])
        - b[0] * (a[1] * c[2] - a[2] * c[1])
        + c[0] * (a[1] * b[2] - a[2] * b[1])
    )


def _to_d50(colour: Vector, white: Vector) -> Vector:
    """Return a colour seen in ``white`` as it looks in D50 (ICC.1:2022, annex E), by Bradford's matrix."""
    cones, here, there = (_times(_BRADFORD, value) for value in (colour, white, _D50))
    seen: Vector = tuple(cone * b / a for cone, a, b in zip(cones, here, there, strict=True))  # type: ignore[assignment]
    whole = _determinant(*_columns(_BRADFORD))
    columns = _columns(_BRADFORD)
    return (
        _determinant(seen, columns[1], columns[2]) / whole,
        _determinant(columns[0], seen, columns[2]) / whole,
        _determinant(columns[0], columns[1], seen) / whole,
    )


def _times(matrix: tuple[Vector, Vector, Vector], vector: Vector) -> Vector:
    return tuple(sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)  # type: ignore[return-value]


def _columns(matrix: tuple[Vector, Vector, Vector]) -> tuple[Vector, Vector, Vector]:
    return tuple(zip(*matrix, strict=True))  # type: ignore[return-value]


@cache
def profile(primaries: Chromaticities, exponent: float | None) -> bytes:
    """Return an ICC profile (version 4, matrix and curves) with these primaries and a gamma; None: sRGB's curve."""
    shares = scales(primaries) or (1.0, 1.0, 1.0)
    x, y = primaries[:2]
    white = (x / y, 1.0, (1 - x - y) / y)
    colours = []
    for at, scale in zip((2, 4, 6), shares, strict=True):
        seen = _xyz(*primaries[at : at + 2])
        colours.append(_to_d50((seen[0] * scale, seen[1] * scale, seen[2] * scale), white))
    kind, parameters = (3, _SRGB_PARAMETERS) if exponent is None else (0, (exponent,))
    curve = b"para" + struct.pack(">IHH", 0, kind, 0) + _fixed(*parameters)
    adaptation = [_to_d50(unit, white) for unit in ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))]
    tags = [
        (b"desc", _text("Colour as stated in the file")),
        (b"cprt", _text("CC0")),
        (b"wtpt", b"XYZ \0\0\0\0" + _fixed(*_D50)),
        (
            b"chad",
            b"sf32\0\0\0\0" + _fixed(*(value for row in zip(*adaptation, strict=True) for value in row)),
        ),
        *(
            (name, b"XYZ \0\0\0\0" + _fixed(*value))
            for name, value in zip((b"rXYZ", b"gXYZ", b"bXYZ"), colours, strict=True)
        ),
        *((name, curve) for name in (b"rTRC", b"gTRC", b"bTRC")),
    ]
    return _file(tags)


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65_536)) for value in values)


def _text(words: str) -> bytes:
    encoded = words.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(encoded), 28) + encoded


def _file(tags: list[tuple[bytes, bytes]]) -> bytes:
    """Return a display profile with these tags; equal ones are stored once."""
    offset, table, places, contents = 132 + 12 * len(tags), b"", {}, b""
    for name, content in tags:
        padded = content + bytes(-len(content) % 4)
        if content not in places:
            places[content] = offset + len(contents)
            contents += padded
        table += name + struct.pack(">II", places[content], len(content))
    size = offset + len(contents)
    head = struct.pack(">I4sI4s4s4s", size, b"\0\0\0\0", 0x04400000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(24) + bytes(4) + _fixed(*_D50)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + contents
