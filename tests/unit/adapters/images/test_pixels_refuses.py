"""Refusing: every bad file gets the error that says why, at a bounded cost."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
import zlib
from collections import Counter

import pytest
from PIL import Image

from enhancer.adapters.images import pixels
from enhancer.api.shapes.error_texts import message
from enhancer.domain import images
from enhancer.domain.errors import (
    ImageAnimated,
    ImageEmpty,
    ImageFormatUnsupported,
    ImageUnreadable,
    TooManyPixels,
)
from tests.support import pictures
from tests.support.pictures import PIXELS_MAX, photo, saved
from tests.support.read_in_child import read_in_child

GOOD_IDAT = pictures.chunk(b"IDAT", zlib.compress(bytes(25 * 8)))


def read(data: bytes) -> pixels.Photo:
    return pixels.read(data, pixels_max=PIXELS_MAX)


def test_no_bytes_are_refused_as_empty():
    """0 bytes are not damaged, they are missing."""
    with pytest.raises(ImageEmpty):
        read(b"")


@pytest.mark.parametrize(
    "data",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<!doctype html><script>alert(1)</script>",
        b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        b"just text",
        b"\xff\xd8",
        saved(photo(), "GIF"),
        b"GIF89a\x2f\x2a\x20\0\0\0\0" + b"*/=1;alert(1)//",
        b"data:image/png;base64,iVBORw0KGgo=",
        b"iVBORw0KGgoAAAANSUhEUg==",
        saved(photo(), "BMP"),
        saved(photo(), "TIFF"),
        b"RIFF\x10\0\0\0WAVEfmt " + bytes(40),
    ],
    ids=[
        "svg",
        "html",
        "pdf",
        "text",
        "two bytes",
        "gif",
        "gif that is a script",
        "data URL",
        "base64",
        "bmp",
        "tiff",
        "wav",
    ],
)
def test_anything_but_the_formats_we_take_is_unsupported(data):
    """What the content is decides, and the error names what would be taken."""
    with pytest.raises(ImageFormatUnsupported) as refused:
        read(data)
    assert refused.value.details["allowed"] == [*images.CONTENT_TYPES.values()]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (saved(photo(), "GIF"), "GIF"),
        (saved(photo(), "BMP"), "BMP"),
        (saved(photo(), "TIFF"), "TIFF"),
        (b"\xff\x0a" + bytes(20), "JPEG XL"),
        (b"%PDF-1.7\n", "PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- made by hand -->\n<svg/>", "SVG"),
        (b"<!doctype html><svg>", None),
        (b"just text", None),
        (b"\0" * 5000, None),
    ],
)
def test_a_known_format_is_called_by_its_name(data, name):
    """Who sends a GIF reads that it is one, in their language, and what to do."""
    with pytest.raises(ImageFormatUnsupported) as refused:
        read(data)
    assert refused.value.details.get("found") == name
    texts = [message(refused.value.code, refused.value.details, language) for language in ("en", "de")]
    assert all((name or "JPEG") in text and "WebP" in text for text in texts)


@pytest.mark.parametrize("frames", [2, 50])
@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF"])
def test_animation_is_refused_with_its_number_of_frames(file_format, frames):
    """Enhancing one frame of many would surprise."""
    more = [photo().rotate(7 * number) for number in range(1, frames)]
    with pytest.raises(ImageAnimated) as refused:
        read(saved(photo(), file_format, save_all=True, append_images=more))
    assert refused.value.details == {"frames": frames}


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_long_animation_is_refused_like_a_short_one(file_format):
    """Frames are counted, not decoded."""
    more = [Image.new("RGB", (4, 4), (number % 256, number // 256, 0)) for number in range(1, 500)]
    with pytest.raises(ImageAnimated) as refused:
        read(saved(Image.new("RGB", (4, 4)), file_format, save_all=True, append_images=more, lossless=True))
    assert refused.value.details == {"frames": 500}


def test_animation_of_one_frame_is_a_picture():
    """Some programs write every WebP and PNG as an animation."""
    still = saved(photo(), "WEBP", lossless=True)
    frame = bytes(6) + b"\x2f\0\0\x1f\0\0" + bytes(4) + still[12:]
    head = struct.pack("<4sIB3x3s3s", b"VP8X", 10, 0x02, b"\x2f\0\0", b"\x1f\0\0")
    body = b"WEBP" + head + struct.pack("<4sI", b"ANIM", 6) + bytes(6)
    body += struct.pack("<4sI", b"ANMF", len(frame)) + frame
    assert read(b"RIFF" + struct.pack("<I", len(body)) + body).info == read(still).info
    data = saved(photo(), "PNG")
    moving = data[:33] + pictures.chunk(b"acTL", struct.pack(">II", 1, 0)) + data[33:]
    assert read(moving).info == read(data).info


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("percent", [10, 50, 99])
def test_truncated_file_is_unreadable(file_format, percent):
    """Half a picture is never taken for a whole one."""
    data = saved(photo(size=(200, 150)), file_format)
    with pytest.raises(ImageUnreadable) as refused:
        read(data[: len(data) * percent // 100])
    assert refused.value.details["format"] == file_format.lower()
    assert refused.value.details["reason"] in ("incomplete", "damaged")


def test_two_and_a_half_gigapixels_are_refused_from_the_header():
    """A 50000 x 50000 PNG of a few bytes is refused before anything is decoded; the details say how far off it is."""
    with pytest.raises(TooManyPixels) as refused:
        read(pictures.png(GOOD_IDAT, size=(50_000, 50_000)))
    assert refused.value.details == {"megapixels": 2500.0, "limit": 1.0}


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_limit_is_exact(file_format):
    """As many pixels as allowed are read, one row more is refused."""
    data = saved(photo(size=(40, 25)), file_format)
    assert pixels.read(data, pixels_max=1000).info.megapixels == 0.001
    with pytest.raises(TooManyPixels):
        pixels.read(data, pixels_max=999)


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        (b"VP8X", struct.pack("<IBBBB3s3s", 10, 0, 0, 0, 0, b"\xfe\x3f\0", b"\xfe\x3f\0")),
        (b"VP8L", struct.pack("<IBI", 20, 0x2F, 0x3FFE | 0x3FFE << 14)),
        (b"VP8 ", struct.pack("<I3s3sHH", 20, b"\x10\0\0", b"\x9d\x01\x2a", 0x3FFF, 0x3FFF)),
    ],
)
def test_webp_canvas_is_refused_before_it_is_allocated(kind, head):
    """Every kind of WebP tells its size in its first chunk, and opening one allocates it."""
    body = b"WEBP" + kind + head + bytes(20)
    with pytest.raises(TooManyPixels):
        read(b"RIFF" + struct.pack("<I", len(body)) + body)


def test_compressed_bombs_cost_neither_memory_nor_a_picture():
    """256 MB of zeros as the pixels of a PNG are refused; as profile or text they are skipped."""
    bomb = pictures.zeros_compressed(1 << 28)
    hostile = [
        pictures.png(pictures.chunk(b"IDAT", bomb)),
        pictures.png(pictures.chunk(b"iCCP", b"x\0\0" + bomb), GOOD_IDAT),
        pictures.png(pictures.chunk(b"zTXt", b"x\0\0" + bomb), GOOD_IDAT),
        pictures.png(GOOD_IDAT, pictures.chunk(b"iTXt", b"x\0\1\0\0\0" + bomb)),
    ]
    costs = read_in_child(hostile, pixels_max=PIXELS_MAX)
    assert [cost.outcome for cost in costs] == ["image_unreadable", "read", "read", "read"]
    assert max(cost.megabytes for cost in costs) < 20
    assert max(cost.seconds for cost in costs) < 1


def test_motion_photo_is_read():
    """A film appended to a JPEG is ignored, whatever markers its bytes happen to spell."""
    assert read(saved(photo(), "JPEG") + b"\0\0\0\x18ftypmp42" + b"\xff\xda\0\x04" * 500).info.width == 48


def test_mutated_files_are_read_or_refused_within_memory_and_never_crash():
    """1540 damaged files of every format give a photo or a documented error about it, in a bounded process."""
    chance = random.Random(20261120)  # noqa: S311 - repeatable
    originals = pictures.originals()
    files = [pictures.damaged(originals[number % len(originals)], chance) for number in range(1540)]
    costs = read_in_child(files, pixels_max=PIXELS_MAX)
    outcomes = Counter(cost.outcome for cost in costs)
    errors = {
        "image_unreadable",
        "image_animated",
        "image_empty",
        "image_format_unsupported",
        "too_many_pixels",
    }
    assert set(outcomes) <= errors | {"read"}
    assert min(outcomes["read"], outcomes["image_unreadable"]) > 200  # else the mutations prove nothing
    assert max(cost.megabytes for cost in costs) < 40


def test_damage_is_not_warned_of_on_stderr():
    """Logs are JSON lines, so what Pillow has to say about metadata we drop stays out of them."""
    code = (
        "from enhancer.adapters.images import pixels\n"
        "from tests.support import pictures\n"
        "data = pictures.in_jpeg(pictures.saved(pictures.photo(), 'JPEG'),"
        " pictures.segment(0xE1, b'Exif\\0\\0MM\\0*\\0\\0\\0\\x08\\xff\\xff'))\n"
        "assert pixels.read(data, pixels_max=10_000).info.width == 48\n"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    assert done.stderr == b""
