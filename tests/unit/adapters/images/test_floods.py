"""Files that are nothing but parts: refused at once, in little time and memory."""

from __future__ import annotations

from functools import cache

import pytest

from enhancer.adapters.images import bare, jpeg, pixels, png
from enhancer.domain.errors import ImageUnreadable
from tests.support import pictures
from tests.support.hostile_pictures import fillings, floods
from tests.support.pictures import PIXELS_MAX, photo, saved
from tests.support.read_in_child import Cost, read_in_child

SIZE = 24_000_000
"""As much as can be uploaded."""


def read(data: bytes) -> pixels.Photo:
    return pixels.read(data, pixels_max=PIXELS_MAX)


@cache
def costs() -> dict[str, Cost]:
    """What each flood and each filling cost."""
    files = floods(SIZE) | fillings(SIZE)
    return dict(zip(files, read_in_child(list(files.values()), pixels_max=PIXELS_MAX), strict=True))


@pytest.mark.parametrize("name", floods(24))
def test_flood_of_parts_is_refused_at_once(name):
    """Millions of empty parts cost a fraction of a second, where decoders take ten and hundreds of megabytes."""
    cost = costs()[name]
    assert (cost.outcome, cost.reason) == ("image_unreadable", "parts")
    assert cost.seconds < 1
    assert cost.megabytes < 60


@pytest.mark.parametrize("name", fillings(24))
def test_filling_is_skipped(name):
    """Bytes that the format lets stand between its parts are skipped faster than they were sent."""
    cost = costs()[name]
    assert cost.outcome == "read"
    assert cost.seconds < 2
    assert cost.megabytes < 60


def test_as_many_parts_as_allowed_are_read():
    """The limits are far above what real files have, and exact."""
    data = saved(photo(), "JPEG")
    count = len(jpeg._MARKER.findall(data)) - len(
        jpeg._MARKER.findall(data[data.index(b"\xff\xda") + 2 : -2])
    )
    most = [pictures.segment(0xE5, b"")] * (jpeg.SEGMENTS_MAX - count + 1)
    assert read(pictures.in_jpeg(data, *most)).info.width == 48
    with pytest.raises(ImageUnreadable):
        read(pictures.in_jpeg(data, *most, most[0]))


def test_pixels_in_many_pieces_are_read():
    """Some encoders write the pixels of a PNG in pieces of a few bytes."""
    data = saved(photo(), "PNG")
    at, packed = data.index(b"IDAT"), b""
    length = int.from_bytes(data[at - 4 : at])
    for byte in data[at + 4 : at + 4 + length]:
        packed += pictures.chunk(b"IDAT", bytes((byte,)))
    assert len(packed) > 13 * 200
    split = data[: at - 4] + packed + data[at + 8 + length :]
    assert read(split).info.digest == read(data).info.digest


def test_passes_over_the_picture_are_bounded():
    """Each scan of a JPEG costs a pass over the picture, however few bytes it has."""
    data = saved(photo(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    assert read(data[:last] + scan * 3 + data[-2:]).info.width == 48
    with pytest.raises(ImageUnreadable) as refused:
        read(data[:last] + scan * jpeg.SCANS_MAX + data[-2:])
    assert refused.value.details["reason"] == "parts"


def test_more_compressed_data_than_pixels_is_refused():
    """A PNG cannot carry megabytes for eight rows of eight pixels."""
    bomb = pictures.png(pictures.chunk(b"IDAT", pictures.zeros_compressed(1 << 27)))
    with pytest.raises(bare.Refused):
        png.bare(bomb, PIXELS_MAX)
