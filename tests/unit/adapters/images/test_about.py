"""What is kept of a picture's metadata: in originals and results of every format, and nothing else of it."""

from __future__ import annotations

import random
import struct
from dataclasses import asdict, replace

import pytest
from PIL import Image

from enhancer.adapters.images import about, pixels
from enhancer.adapters.images.relabelled import relabelled
from enhancer.domain import images
from enhancer.domain.images import NOTHING_KNOWN, TEXT_MAX, About
from tests.support import pictures
from tests.support.hostile_pictures import grid_heic
from tests.support.pictures import PIXELS_MAX, SECRET, photo, saved

FULL = About(
    taken="2026:11:20 10:30:00",
    offset="+01:00",
    artist="Zoë Müller",
    copyright="© 2026 Zoë Müller",
    make="Apple",
    model="iPhone 17",
    dpi=300,
)
OTHER = About(taken="2001:02:03 04:05:06", artist="B", dpi=96)
FORMATS = ["jpeg", "png", "webp", "avif"]
HEAD = b"MM\0*\0\0\0\x08"


def read(data: bytes) -> pixels.Photo:
    return pixels.read(data, pixels_max=PIXELS_MAX)


def camera_exif(known: About = FULL, *, orientation: int = 0) -> bytes:
    """Exif as a camera writes it: all that is kept, and more that is private."""
    exif = Image.Exif()
    exif.load(pictures.private_exif())
    del exif[0x0112]
    if orientation:
        exif[0x0112] = orientation
    main = {0x010F: known.make, 0x0110: known.model, 0x013B: known.artist, 0x8298: known.copyright}
    exif.update({tag: text.encode() for tag, text in main.items() if text})
    if known.dpi:
        exif.update({0x011A: float(known.dpi), 0x011B: float(known.dpi), 0x0128: 2})
    exif.get_ifd(0x8769).update({0x9003: known.taken, 0x9011: known.offset})
    return exif.tobytes()


def result(known: About | None, file_format: str, image: Image.Image | None = None) -> bytes:
    return pixels.encode(
        image or photo(), file_format=file_format, icc=None, source_type=images.ENHANCED, kept=known
    )


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_all_that_is_kept_is_read_and_stored_with_the_original(file_format):
    """And what is private is not: place, serial numbers, maker note, comment."""
    original = saved(photo(), file_format, exif=camera_exif())
    assert SECRET in original
    got = read(original)
    assert got.about == FULL
    copy, _ = got.clean_copy()
    assert SECRET not in copy
    assert b"GPS" not in copy
    assert read(copy).about == FULL
    kept = Image.open(pixels.BytesIO(copy)).getexif()
    assert 0x8825 not in kept
    assert set(kept.get_ifd(0x8769)) == {0x9000, 0x9003, 0x9011}


def test_heic_keeps_it_in_the_jpeg_that_is_stored():
    """Phones are where most dates come from; Exif beside an HEIC does not turn it."""
    got = read(grid_heic(1, 2, copies=True, exif=camera_exif(orientation=6)))
    assert got.image.size == (128, 64)
    assert read(got.clean_copy()[0]).about == got.about == FULL


@pytest.mark.parametrize("field", [name for name in asdict(FULL) if name != "offset"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_each_field_is_written_into_a_result(field, file_format):
    """Alone, too; Pillow, which knows nothing of our reader, finds it where it belongs."""
    known = replace(NOTHING_KNOWN, **{field: getattr(FULL, field)})
    data = result(known, file_format)
    assert read(data).about == known
    opened = Image.open(pixels.BytesIO(data))
    exif = opened.getexif()
    tags = {
        0x010F: "make",
        0x0110: "model",
        0x013B: "artist",
        0x8298: "copyright",
        0x011A: "dpi",
        0x8769: "taken",
    }
    assert {tags[tag] for tag in exif if tag in tags} == {field}
    if field == "dpi" and file_format in ("jpeg", "png"):
        assert [round(side) for side in opened.info["dpi"]] == [300, 300]
    if field == "taken":
        assert exif.get_ifd(0x8769)[0x9003] == FULL.taken


@pytest.mark.parametrize("file_format", FORMATS)
def test_result_has_it_beside_the_mark_of_how_it_was_made(file_format):
    """IPTC's DigitalSourceType stays; nothing known is nothing said."""
    data = result(FULL, file_format)
    assert images.ENHANCED.encode() in data
    assert read(data).about == FULL
    assert read(result(NOTHING_KNOWN, file_format)).about == NOTHING_KNOWN
    assert b"Exif" not in result(None, file_format)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_density_of_the_file_itself_counts_where_exif_says_none(file_format):
    """JFIF and pHYs; the original and its result say it again."""
    got = read(saved(photo(), file_format, dpi=(240, 240)))
    assert got.about == About(dpi=240)
    assert read(got.clean_copy()[0]).about.dpi == 240
    assert read(saved(photo(), file_format, dpi=(240, 120))).about.dpi == 0


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_same_picture_is_the_same_picture_whatever_is_said_about_it(file_format):
    """The digest decides what is paid for; a corrected date is not another picture."""
    plain = read(saved(photo(), file_format))
    assert read(saved(photo(), file_format, exif=camera_exif())).info == plain.info


def test_orientation_stands_beside_it():
    """A JPEG's blocks are not moved, so its original needs both."""
    got = read(saved(photo(), "JPEG", exif=camera_exif(orientation=6)))
    again = read(got.clean_copy()[0])
    assert (again.orientation, again.about, again.image.size) == (6, FULL, (32, 48))


def entries(*all_of: tuple[int, int, int, bytes], tail: bytes = b"") -> bytes:
    """A TIFF structure of one directory."""
    body = b"".join(struct.pack(">HHI", tag, kind, count) + value for tag, kind, count, value in all_of)
    return HEAD + struct.pack(">H", len(all_of)) + body + tail


@pytest.mark.parametrize(
    ("exif", "expected"),
    [
        (b"", NOTHING_KNOWN),
        (b"II*\0", NOTHING_KNOWN),
        (HEAD, NOTHING_KNOWN),
        (b"MM\0*\xff\xff\xff\xff", NOTHING_KNOWN),
        (HEAD + b"\xff\xff", NOTHING_KNOWN),
        (entries((0x010F, 2, 3, b"Ab\0\0")), About(make="Ab")),
        (entries((0x010F, 2, 4, b"Ab\x07\x1b")), About(make="Ab")),
        (entries((0x010F, 2, 2, b"\xe9\xff\0\0")), About(make="éÿ")),
        (entries((0x010F, 2, 1 << 31, b"\0\0\0\x08")), NOTHING_KNOWN),
        (entries((0x010F, 2, 20, b"\0\0\xff\xff")), NOTHING_KNOWN),
        (entries((0x010F, 99, 1, b"Ab\0\0")), NOTHING_KNOWN),
        (entries((0x010F, 2, 900, b"\0\0\0\x1a"), tail=bytes(4) + b"x" * 900), NOTHING_KNOWN),
        (entries((0x8769, 4, 1, b"\0\0\0\x08")), NOTHING_KNOWN),
        (entries((0x011A, 5, 1, b"\0\0\0\x1a"), tail=bytes(8)), NOTHING_KNOWN),
        (entries((0x010F, 2, 300, b"\0\0\0\x1a"), tail=b"\0" * 4 + b"x" * 300), About(make="x" * TEXT_MAX)),
    ],
)
def test_hostile_exif_is_bounded_and_refuses_nothing(exif, expected):
    """Loops, nonsense, other encodings, values that are cut off or endless."""
    assert about.read(exif) == expected
    assert (
        read(pictures.in_jpeg(saved(photo(), "JPEG"), pictures.segment(0xE1, b"Exif\0\0" + exif))).about
        == expected
    )


@pytest.mark.parametrize(("taken", "offset"), [("2026-11-20", "+01:00"), ("2026:11:20 10:30:00", "later")])
def test_dates_that_are_none_are_dropped(taken, offset):
    """Only what other programs can read is written again."""
    got = about.read(camera_exif(replace(FULL, taken=taken, offset=offset)))
    assert (got.taken, got.offset) == (taken if taken == FULL.taken else "", "")


def test_mutated_exif_never_raises_and_its_copy_is_read_the_same():
    """Whatever is read fits the block of a result, and says the same there."""
    chance, good = random.Random(3), camera_exif()  # noqa: S311 - repeatable
    for _ in range(2_000):
        got = about.read(pictures.damaged(good, chance))
        assert about.read(about.fixed_block(got)) == got
    widest = About(FULL.taken, FULL.offset, *("\U0001f5bc" * TEXT_MAX for _ in range(4)), dpi=65_535)
    assert len(about.fixed_block(widest)) == about.BLOCK_BYTES
    assert about.read(about.fixed_block(widest)) == widest


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize(
    ("before", "after"),
    [(FULL, OTHER), (OTHER, FULL), (FULL, NOTHING_KNOWN), (NOTHING_KNOWN, FULL), (About(make="A"), FULL)],
)
def test_result_is_given_the_metadata_of_another_photo_without_touching_a_pixel(file_format, before, after):
    """A result that is used again says what the order's own picture says, and nothing of the first one's."""
    first = result(before, file_format)
    data = relabelled(first, before, after)
    assert data is not None
    got = read(data)
    assert (got.about, got.info) == (after, read(first).info)
    assert got.about == about.read(Image.open(pixels.BytesIO(data)).info["exif"])
    Image.open(pixels.BytesIO(data)).verify()
    assert data == result(after, file_format)


def test_result_that_says_something_else_is_left_alone():
    """One that was made before results said anything."""
    assert relabelled(result(None, "jpeg"), NOTHING_KNOWN, FULL) is None
