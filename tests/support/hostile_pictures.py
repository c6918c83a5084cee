"""Builders of picture files that lie about their size or flood their reader with parts."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.pictures import chunk, in_jpeg, photo, saved, segment


def box(kind: bytes, *content: bytes) -> bytes:
    """One box of an AVIF."""
    body = b"".join(content)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full_box(kind: bytes, *content: bytes, version: int = 0) -> bytes:
    """A box with version and flags."""
    return box(kind, bytes((version, 0, 0, 0)), *content)


@cache
def flat_avif(size: tuple[int, int]) -> bytes:
    """An AVIF of one colour: however large the picture, the file has less than a kilobyte."""
    return saved(Image.new("RGB", size, "red"), "AVIF", speed=10)


def lying_avif(coded: tuple[int, int], said: tuple[int, int]) -> bytes:
    """An AVIF whose container says another size than its coded frame has."""
    return flat_avif(coded).replace(struct.pack(">II", *coded), struct.pack(">II", *said))


def coded(avif: bytes) -> tuple[bytes, bytes]:
    """The coded picture of an AVIF without alpha, and its decoder configuration box."""
    data, setup = avif.index(b"mdat"), avif.index(b"av1C")
    (length,) = struct.unpack_from(">I", avif, setup - 4)
    return avif[data + 4 :], avif[setup - 4 : setup - 4 + length]


def grid_avif(tile: tuple[int, int], *args: Any, **options: Any) -> bytes:
    """An AVIF of one colour in tiles, see `_grid`."""
    return _grid(tile, *coded(flat_avif(tile)), b"av01", *args, **options)


def grid_heic(*args: Any, **options: Any) -> bytes:
    """An HEIC whose tiles all are the 64 x 64 pixels of ``tile.heic``, see `_grid`."""
    data = heic("tile")
    setup = data.index(b"hvcC")
    (length,) = struct.unpack_from(">I", data, setup - 4)
    picture = data[data.index(b"mdat") + 4 :]
    return _grid((64, 64), picture, data[setup - 4 : setup - 4 + length], b"hvc1", *args, **options)


def heic(name: str) -> bytes:
    """One of the files in ``tests/support/heic``, whose README says how they were made."""
    return (Path(__file__).parent / "heic" / f"{name}.heic").read_bytes()


def _grid(
    tile: tuple[int, int],
    picture: bytes,
    setup: bytes,
    kind: bytes,
    rows: int,
    columns: int,
    size: tuple[int, int] | None = None,
    *,
    references: int | None = None,
    extents: int = 1,
    tile_said: tuple[int, int] | None = None,
    copies: bool = False,
    turns: int = 0,
    exif: bytes = b"",
) -> bytes:
    """A file of ``rows`` x ``columns`` tiles that all are the same coded picture, shown as ``size``.

    ``references``: how many tiles the file has, where that is not as many as the grid says. ``extents``: how often each
    tile repeats the coded picture. ``tile_said``: the size that the container gives the tiles. ``copies``: each tile
    has its own bytes; else all share one place. ``turns``: quarter turns to the left (irot). ``exif``: an Exif item.
    """
    count = rows * columns if references is None else references
    width, height = size or (tile[0] * columns, tile[1] * rows)
    numbers = range(2, count + 2)
    info = [full_box(b"infe", struct.pack(">HH4sx", 1, 0, b"grid"), version=2)]
    info += [full_box(b"infe", struct.pack(">HH4sx", number, 0, kind), version=2) for number in numbers]
    plan = struct.pack(">BBBBII", 0, 1, rows - 1, columns - 1, width, height)
    sizes = [
        full_box(b"ispe", struct.pack(">II", width, height)),
        full_box(b"ispe", struct.pack(">II", *(tile_said or tile))),
    ]
    turn = [box(b"irot", bytes((turns,)))] if turns else []
    links = struct.pack(">HBB", 1, 1, 1) if not turns else struct.pack(">HBBB", 1, 2, 1, 0x84)
    links += b"".join(struct.pack(">HBBB", number, 2, 2, 0x83) for number in numbers)
    brands = (b"avif", bytes(4), b"avifmif1miafMA1A") if kind == b"av01" else (b"heic", bytes(4), b"mif1heic")
    if exif:
        info.append(full_box(b"infe", struct.pack(">HH4sx", count + 2, 0, b"Exif"), version=2))
        exif = bytes(4) + exif
    pictures = picture * count if copies else picture
    head = box(b"ftyp", *brands)
    meta = b""
    for _ in range(2):  # the second time it is known where the coded picture lies
        start = len(head) + len(meta) + 8
        places = struct.pack(">HHHHII", 1, 1, 0, 1, 0, len(plan))
        for number in numbers:
            at = start + (number - 2) * len(picture) * copies
            places += (
                struct.pack(">HHHH", number, 0, 0, extents) + struct.pack(">II", at, len(picture)) * extents
            )
        if exif:
            places += struct.pack(">HHHHII", count + 2, 0, 0, 1, start + len(pictures), len(exif))
        meta = full_box(
            b"meta",
            full_box(b"hdlr", bytes(4), b"pict", bytes(13)),
            full_box(b"pitm", struct.pack(">H", 1)),
            full_box(b"iinf", struct.pack(">H", len(info)), *info),
            full_box(b"iloc", struct.pack(">HH", 0x4400, len(info)), places, version=1),
            full_box(b"iref", box(b"dimg", struct.pack(f">HH{count}H", 1, count, *numbers))),
            box(
                b"iprp",
                box(b"ipco", *sizes, setup, *turn),
                full_box(b"ipma", struct.pack(">I", count + 1), links),
            ),
            box(b"idat", plan),
        )
    return head + meta + box(b"mdat", pictures, exif)


def _riff(body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(body)) + body


def floods(size: int) -> dict[str, bytes]:
    """Files of about ``size`` bytes that are almost nothing but parts without content, by name."""
    jpeg, png, webp = (saved(photo(), name) for name in ("JPEG", "PNG", "WEBP"))
    avif = flat_avif((64, 64))
    first = avif.index(b"meta") - 4
    canvas = struct.pack("<4sII3s3s", b"VP8X", 10, 0, b"\x2f\0\0", b"\x1f\0\0")
    return {
        "JPEG application segments": in_jpeg(jpeg, segment(0xE5, b"") * (size // 4)),
        "JPEG comments": in_jpeg(jpeg, segment(0xFE, b"") * (size // 4)),
        "JPEG tables": in_jpeg(jpeg, segment(0xC4, b"") * (size // 4)),
        "JPEG restarts": jpeg[:2] + b"\xff\xd0" * (size // 2) + jpeg[2:],
        "PNG texts": png[:33] + chunk(b"tEXt", b"") * (size // 12) + png[33:],
        "PNG unknown chunks": png[:33] + chunk(b"abCd", b"") * (size // 12) + png[33:],
        "PNG pieces of pixels": png[:33] + chunk(b"IDAT", b"") * (size // 12) + png[33:],
        "WebP chunks": _riff(b"WEBP" + canvas + b"abcd\0\0\0\0" * (size // 8) + webp[12:]),
        "AVIF boxes": avif[:first] + box(b"free") * (size // 8) + avif[first:],
        "AVIF boxes in meta": avif[:first] + full_box(b"meta", box(b"free") * (size // 8)) + avif[first:],
    }


def fillings(size: int) -> dict[str, bytes]:
    """Files with ``size`` bytes that mean nothing, where the format allows them: to be read without cost, by name."""
    jpeg = saved(photo(), "JPEG")
    large = saved(Image.effect_noise((400, 300), 90), "JPEG", quality=95)
    inside = large.index(b"\xff\x00", large.index(b"\xff\xda") + len(large) // 2)
    return {
        "between the pixels": large[:inside] + b"\xff" * size + large[inside:],
        "before the tables": jpeg[:2] + b"\xff" * size + jpeg[2:],
        "behind the pixels": jpeg[:-2] + b"\xff" * size + jpeg[-2:],
        "behind the end": jpeg + b"\xff" * size,
    }
