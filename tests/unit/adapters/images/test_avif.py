"""AVIF: the coded frames decide how large a picture is, whatever its container says."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from enhancer.adapters.images import avif, coded_frames, pixels
from enhancer.adapters.images.bare import Refused
from enhancer.adapters.images.boxes import PARTS_MAX, BoxFile, Item
from enhancer.domain.errors import ImageUnreadable, TooManyPixels
from tests.support import pictures
from tests.support.hostile_pictures import box, coded, flat_avif, full_box, grid_avif, lying_avif
from tests.support.pictures import photo, saved
from tests.support.read_in_child import read_in_child

CAP = 100_000


def read(data: bytes, pixels_max: int = CAP) -> pixels.Photo:
    return pixels.read(data, pixels_max=pixels_max)


def reason_of(data: bytes, pixels_max: int = CAP) -> str:
    """Why a file is unreadable."""
    with pytest.raises(ImageUnreadable) as refused:
        read(data, pixels_max)
    reason: str = refused.value.details["reason"]
    return reason


@pytest.mark.parametrize("size", [(1, 1), (47, 33), (64, 64), (300, 200)])
@pytest.mark.parametrize("alpha", [False, True])
def test_ordinary_picture_is_read_in_its_size(size, alpha):
    """Coded size and container agree in every honest file, alpha included."""
    image = pictures.with_alpha(size) if alpha else photo(size=size)
    assert read(saved(image, "AVIF")).image.size == size


def test_coded_frame_larger_than_said_counts_against_the_cap():
    """A container that says 64 x 64 buys no more pixels than the plan has; the error tells the real number."""
    with pytest.raises(TooManyPixels) as refused:
        read(lying_avif((512, 512), (64, 64)))
    assert refused.value.details == {"megapixels": 0.3, "limit": 0.1}


@pytest.mark.parametrize("said", [(64, 64), (128, 256), (300, 300)])
def test_coded_frame_of_another_size_than_said_is_damaged(said):
    """Below the cap too, who lies about the size is not decoded."""
    assert reason_of(lying_avif((256, 256), said)) == "damaged"


def test_size_said_is_capped_too():
    """A small coded frame does not excuse a huge picture around it."""
    with pytest.raises(TooManyPixels):
        read(grid_avif((64, 64), 8, 8))


@pytest.mark.parametrize("size", [(192, 128), (150, 100)])
def test_tiles_are_read_as_one_picture(size):
    """Phones write tiles; those at the right and below may stand over."""
    assert read(grid_avif((64, 64), 2, 3, size)).image.size == size


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (grid_avif((64, 64), 2, 2, (64, 64)), "damaged"),
        (grid_avif((64, 64), 2, 2, (200, 128)), "damaged"),
        (grid_avif((64, 64), 2, 2, references=3), "damaged"),
        (grid_avif((128, 128), 2, 2, (128, 128), tile_said=(64, 64)), "damaged"),
        (grid_avif((16, 16), 17, 16), "parts"),
        (grid_avif((300, 300), 3, 2, (64, 64)), "parts"),
    ],
    ids=["too many tiles", "gap", "missing tile", "tiles that lie", "flood of tiles", "tiles over the cap"],
)  # fmt: skip
def test_hostile_tiles_are_refused(data, reason):
    """Tiles have to fit the picture exactly, and all of them together are bounded, before a decoder sees them."""
    with pytest.raises(Refused) as refused:
        avif.bare(data, CAP)
    assert refused.value.reason == reason


def test_lies_cost_no_memory():
    """Files of a kilobyte that unpack to hundreds of megabytes are refused before anything is allocated."""
    lies = [
        lying_avif((4096, 4096), (64, 64)),
        grid_avif((4096, 4096), 3, 3, (192, 192), tile_said=(64, 64)),
        grid_avif((4096, 4096), 16, 16, (64, 64)),
    ]
    assert max(map(len, lies)) < 15_000
    for cost in read_in_child(lies, pixels_max=1_000_000):
        assert cost.outcome in ("too_many_pixels", "image_unreadable")
        assert cost.megabytes < 10
        assert cost.seconds < 1


def with_boxes(data: bytes) -> bytes:
    """The AVIF with these bytes behind its first box."""
    picture = flat_avif((64, 64))
    (first,) = struct.unpack(">I", picture[:4])
    return picture[:first] + data + picture[first:]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (with_boxes(box(b"free") * PARTS_MAX), "parts"),
        (with_boxes(full_box(b"meta", box(b"free") * PARTS_MAX)), "parts"),
        (with_boxes(full_box(b"meta", full_box(b"iloc", b"\x44\0" + struct.pack(">H", 0xFFFF)))), "parts"),
        (with_boxes(full_box(b"meta", box(b"iprp", full_box(b"ipma", b"\xff" * 4)))), "parts"),
        (with_boxes(full_box(b"meta", full_box(b"iref", box(b"dimg", b"\0\1\xff\xff")))), "parts"),
        (with_boxes(full_box(b"meta")), "damaged"),
        (with_boxes(struct.pack(">I4s", 4, b"free")), "damaged"),
        (with_boxes(struct.pack(">I4s", 1 << 30, b"free")), "incomplete"),
    ],
    ids=["boxes", "boxes in meta", "places", "properties", "references", "second meta", "too short", "too long"],
)  # fmt: skip
def test_hostile_boxes_are_refused(data, reason):
    """Decoders look for every part in every table; no table is longer than any real file needs."""
    assert reason_of(data) == reason


def test_sequence_beside_a_picture_is_not_decoded():
    """A file whose brand is that of a still picture is one, though it has a sequence as well."""
    data = saved(photo(), "AVIF", save_all=True, append_images=[photo().rotate(180)])
    assert data[8:12] == b"avis"
    still = data[:8] + b"avif" + data[12:]
    assert b"moov" not in avif.bare(still, CAP).data
    assert read(still).image.size == (48, 32)


def test_metadata_never_reaches_the_decoder():
    """However broken, it cannot refuse a picture; Exif and XMP do not turn one either: `irot` and `imir` do."""
    image = Image.Exif()
    image[0x0112] = 6
    data = saved(photo(), "AVIF", exif=pictures.private_exif(), xmp=b'<x tiff:Orientation="6"/>')
    assert b"Exif\0" in data
    assert b"mime" in data
    opened = pixels.AvifImagePlugin.AvifImageFile(pixels.BytesIO(avif.bare(data, CAP).data))
    assert opened.info.keys().isdisjoint({"exif", "xmp"})
    assert read(data).image.size == (48, 32)
    assert read(saved(photo(), "AVIF", exif=image)).image.size == (32, 48)


class Bits:
    """Writes numbers bit by bit."""

    def __init__(self) -> None:
        self.text = ""

    def add(self, value: int, count: int = 1) -> Bits:
        """Append a number."""
        self.text += f"{value:0{count}b}"
        return self

    def unit(self, kind: int) -> bytes:
        """The bits as a unit of AV1."""
        text = self.text.ljust((len(self.text) + 7) // 8 * 8, "0")
        data = int(text, 2).to_bytes(len(text) // 8)
        return bytes((kind << 3 | 2, len(data))) + data


def full_sequence(width: int, height: int) -> bytes:
    """A sequence header with timing, a decoder model and two operating points, as for layered pictures."""
    bits = Bits().add(0, 3).add(0).add(0)
    bits.add(1).add(1, 32).add(25, 32).add(1).add(0b00101, 5)  # timing: ticks, equal intervals of 4 (uvlc)
    bits.add(1).add(9, 5).add(1, 32).add(9, 5).add(7, 5)  # decoder model
    bits.add(1).add(1, 5)  # display delays, two operating points
    for level in (9, 5):
        bits.add(0, 12).add(level, 5)
        if level > 7:
            bits.add(0)
        bits.add(1).add(3, 10).add(3, 10).add(0).add(1).add(2, 4)
    bits.add(9, 4).add(8, 4).add(width - 1, 10).add(height - 1, 9)
    bits.add(1).add(13, 4).add(2, 3)  # frame ids
    bits.add(0, 3).add(0, 4).add(1).add(0, 2).add(1).add(1).add(6, 3)  # tools, order, screen content, motion
    bits.add(0, 3)
    return bits.add(0).add(0).add(1).add(12, 8).add(16, 8).unit(1)


def frame(*, own_size: bool, shown: bool = True) -> bytes:
    """The beginning of a key frame's header for `full_sequence`."""
    bits = Bits().add(0).add(0, 2).add(shown)
    if not shown:
        bits.add(1).add(1)
    return bits.add(0).add(1).add(0).add(77, 18).add(own_size).add(0, 200).unit(6)


@pytest.mark.parametrize("shown", [True, False])
def test_full_headers_are_read_bit_by_bit(shown):
    """Size, colour, and whether a frame states its own size, which then counts as large as it can be."""
    plain = coded_frames.read(full_sequence(640, 480) + frame(own_size=False, shown=shown))
    assert plain == coded_frames.Coded((640, 480), (640, 480), (12, 16))
    own = coded_frames.read(full_sequence(640, 480) + frame(own_size=True, shown=shown))
    assert own.largest == (1024, 512)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "incomplete"),
        (frame(own_size=False), "damaged"),
        (full_sequence(64, 64), "incomplete"),
        (full_sequence(64, 64)[:9], "incomplete"),
        (full_sequence(64, 64) + frame(own_size=False) * (coded_frames.FRAMES_MAX + 1), "parts"),
        (b"\x12\0" * (coded_frames.UNITS_MAX + 1), "parts"),
        (b"\x12" + b"\x80" * 9, "damaged"),
    ],
    ids=["nothing", "no sequence", "no frame", "cut", "hidden frames", "flood of units", "endless length"],
)  # fmt: skip
def test_hostile_units_are_refused(data, reason):
    """Each frame costs a decoding, shown or not."""
    with pytest.raises(Refused) as refused:
        coded_frames.read(data)
    assert refused.value.reason == reason


@pytest.mark.parametrize("extents", [2, 400])
def test_pieces_that_repeat_the_file_are_refused(extents):
    """A decoder joins the pieces of a picture in memory: together they are no longer than the file."""
    file = BoxFile(flat_avif((64, 64)))
    item = Item(extents=[(0, len(file.data))] * extents)
    with pytest.raises(Refused) as refused:
        file.content(item)
    assert refused.value.reason == "parts"
    assert len(BoxFile(bytes(file.data)).content(Item(extents=[(0, 40), (40, 50)]))) == 90


def test_number_of_pieces_is_bounded():
    """All items of a file have a few thousand pieces together, not as many each."""
    head = struct.pack(">HHHHH", 0x4400, 1, 1, 0, PARTS_MAX + 1)
    places = full_box(b"iloc", head, struct.pack(">II", 0, 1) * (PARTS_MAX + 1))
    with pytest.raises(Refused) as refused:
        BoxFile(box(b"ftyp", b"avif", bytes(4), b"avif") + full_box(b"meta", places))
    assert refused.value.reason == "parts"


def test_pieces_of_a_coded_picture_are_joined():
    """A picture in several pieces is as good as one in one piece."""
    whole = flat_avif((64, 64))
    picture, _ = coded(whole)
    place = whole.index(picture)
    file = BoxFile(whole)
    split = Item(extents=[(place, 20), (place + 20, len(picture) - 20)])
    assert coded_frames.read(file.content(split)).size == (64, 64)
