"""Read what is kept of a picture's Exif (CIPA DC-008: TIFF 6.0 directories), and write it. Standard library only.

A few entries are copied by value into a new block; everything else (place, serial numbers, maker notes, thumbnails,
comments) is left out because it is not asked for. What cannot be read counts as not there: no picture is refused.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from enhancer.domain.images import TEXT_MAX, About

ENTRIES_MAX = 512
"""Entries of a directory that are looked at; cameras write a few dozen."""
BLOCK_BYTES = 4_096
"""Length of the block in a result. It is the same in all, so one picture's block can be put where another's was."""

_MAKE, _MODEL, _ORIENTATION, _ARTIST, _COPYRIGHT = 0x010F, 0x0110, 0x0112, 0x013B, 0x8298
_WIDE, _HIGH, _UNIT, _EXIF = 0x011A, 0x011B, 0x0128, 0x8769
_VERSION, _TAKEN, _OFFSET = 0x9000, 0x9003, 0x9011
_TEXT, _SHORT, _LONG, _RATIO, _BYTES = 2, 3, 4, 5, 7
_SIZES = {_TEXT: 1, _SHORT: 2, _LONG: 4, _RATIO: 8, _BYTES: 1}
_PER_INCH = {2: 1.0, 3: 2.54}
_DPI_MAX = 65_535
_TIME = re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
_ZONE = re.compile(r"[+-]\d\d:\d\d")


def read(exif: bytes | None, density: object = None) -> About:
    """Return what is kept of Exif, a TIFF structure perhaps with a prefix.

    ``density``: pixels per inch, across and down, as the file says them elsewhere (JFIF, pHYs); Exif counts first.
    """
    tiff = (exif or b"").removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4], "")
    main = _directory(tiff, order, _number(tiff[4:8], order))
    shot = _directory(tiff, order, _number(main.get(_EXIF, b""), order))
    unit = _PER_INCH.get(_number(main.get(_UNIT, b"\0\2" if order == ">" else b"\2\0"), order), 0.0)
    taken, offset = _text(shot.get(_TAKEN, b"")), _text(shot.get(_OFFSET, b""))
    return About(
        taken=taken if _TIME.fullmatch(taken) else "",
        offset=offset if _TIME.fullmatch(taken) and _ZONE.fullmatch(offset) else "",
        artist=_text(main.get(_ARTIST, b"")),
        copyright=_text(main.get(_COPYRIGHT, b"")),
        make=_text(main.get(_MAKE, b"")),
        model=_text(main.get(_MODEL, b"")),
        dpi=_dpi([unit * _ratio(main.get(tag, b""), order) for tag in (_WIDE, _HIGH)]) or _dpi(density),
    )


def block(about: About, *, orientation: int = 1) -> bytes:
    """Return this as Exif without a prefix, empty where there is nothing to say."""
    if about == About() and orientation == 1:
        return b""
    main = [
        (_MAKE, _TEXT, _written(about.make)),
        (_MODEL, _TEXT, _written(about.model)),
        (_ORIENTATION, _SHORT, struct.pack(">H", orientation) if orientation != 1 else b""),
        *((tag, _RATIO, struct.pack(">II", about.dpi, 1) if about.dpi else b"") for tag in (_WIDE, _HIGH)),
        (_UNIT, _SHORT, b"\0\2" if about.dpi else b""),
        (_ARTIST, _TEXT, _written(about.artist)),
        (_COPYRIGHT, _TEXT, _written(about.copyright)),
    ]
    shot = [(_TAKEN, _TEXT, _written(about.taken)), (_OFFSET, _TEXT, _written(about.offset))]
    head = b"MM\0*" + struct.pack(">I", 8)
    if not about.taken:
        return head + _entries(main, 8)
    place = 8 + len(_entries([*main, (_EXIF, _LONG, bytes(4))], 8))
    main.append((_EXIF, _LONG, struct.pack(">I", place)))
    return head + _entries(main, 8) + _entries([(_VERSION, _BYTES, b"0232"), *shot], place)


def fixed_block(about: About) -> bytes:
    """Return this as Exif of exactly `BLOCK_BYTES`, the block of a result; the bytes behind it mean nothing."""
    return (block(about) or b"MM\0*\0\0\0\x08" + bytes(6)).ljust(BLOCK_BYTES, b"\0")


def _directory(tiff: bytes, order: str, at: int) -> dict[int, bytes]:
    """Return the values of a directory's entries by tag; those that are cut off or too long are left out."""
    if not order or not 8 <= at <= len(tiff) - 2:
        return {}
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    return dict(_values(tiff, order, at + 2, min(count, ENTRIES_MAX)))


def _values(tiff: bytes, order: str, start: int, count: int) -> Iterator[tuple[int, bytes]]:
    for at in range(start, min(start + 12 * count, len(tiff) - 11), 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", tiff, at)
        length = _SIZES.get(kind, 0) * values
        if not 0 < length <= 4 * TEXT_MAX + 1:
            continue
        place = at + 8 if length <= 4 else struct.unpack_from(f"{order}I", tiff, at + 8)[0]
        if place + length <= len(tiff):
            yield tag, tiff[place : place + length]


def _number(value: bytes, order: str) -> int:
    return int.from_bytes(value, "little" if order == "<" else "big")


def _ratio(value: bytes, order: str) -> float:
    if len(value) != 8:
        return 0.0
    above, below = struct.unpack(f"{order}II", value)
    return above / below if below else 0.0


def _dpi(density: object) -> int:
    """Return whole pixels per inch, 0 unless they are known and the same across and down."""
    if not isinstance(density, (list, tuple)) or len(density) != 2:
        return 0
    wide, high = (round(side) if 0 < side <= _DPI_MAX else 0 for side in map(float, density))
    return wide if wide == high else 0


def _text(value: bytes) -> str:
    """Return a text without what does not print, at most `TEXT_MAX` characters."""
    raw = value.partition(b"\0")[0]
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return "".join(one for one in text if one.isprintable())[:TEXT_MAX].strip()


def _written(text: str) -> bytes:
    return text.encode() + b"\0" if text else b""


def _entries(entries: list[tuple[int, int, bytes]], at: int) -> bytes:
    """Return a directory that begins at this place, and its values behind it; entries without a value are left out."""
    entries = [entry for entry in entries if entry[2]]
    head, values = struct.pack(">H", len(entries)), b""
    place = at + 2 + 12 * len(entries) + 4
    for tag, kind, value in entries:
        head += struct.pack(">HHI", tag, kind, len(value) // _SIZES[kind])
        if len(value) <= 4:
            head += value.ljust(4, b"\0")
        else:
            head += struct.pack(">I", place + len(values))
            values += value + bytes(len(value) & 1)
    return head + bytes(4) + values
