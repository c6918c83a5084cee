"""Storing originals: the same picture, and nothing else of the file."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops, ImageStat
from PIL.JpegImagePlugin import JpegImageFile, get_sampling

from enhancer.adapters.images import pixels
from tests.support import pictures
from tests.support.pictures import PIXELS_MAX, SECRET, photo, saved

FORMATS = ["JPEG", "PNG", "WEBP", "AVIF"]


def read(data: bytes) -> pixels.Photo:
    return pixels.read(data, pixels_max=PIXELS_MAX)


def cleaned(data: bytes) -> bytes:
    return read(data).clean_copy()[0]


def mean_difference(one: Image.Image, other: Image.Image) -> float:
    """Mean absolute difference, worst channel, of 255."""
    return max(ImageStat.Stat(ImageChops.difference(one, other)).mean)


@pytest.mark.parametrize(
    ("image", "file_format", "stored"),
    [
        (photo(), "JPEG", "jpeg"),
        (photo(), "PNG", "png"),
        (photo(), "WEBP", "webp"),
        (photo(), "AVIF", "jpeg"),
        (pictures.with_alpha(), "PNG", "png"),
        (pictures.with_alpha(), "WEBP", "webp"),
        (pictures.with_alpha(), "AVIF", "webp"),
    ],
)
def test_format_is_kept_except_avif(image, file_format, stored):
    """The stored file is what its format key says; AVIF, slow to write, becomes JPEG or, with alpha, WebP."""
    data, key = read(saved(image, file_format)).clean_copy()
    assert key == stored
    assert read(data).info.format == stored


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
@pytest.mark.parametrize("image", [photo(), pictures.with_alpha(), photo("L")], ids=["rgb", "rgba", "grey"])
def test_lossless_copy_has_the_same_digest(file_format, image):
    """Not one pixel changes, colours under transparency included."""
    original = saved(image, file_format, icc_profile=pictures.icc())
    assert read(cleaned(original)).info.digest == read(original).info.digest


@pytest.mark.parametrize("quality", [60, 95])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_keeps_its_tables_and_hardly_changes(mode, quality):
    """Re-encoding with the same tables loses no more than rounding."""
    original = saved(photo(mode, (96, 64)), "JPEG", quality=quality, subsampling=1)
    copy = cleaned(original)
    before, after = (JpegImageFile(pixels.BytesIO(data)) for data in (original, copy))
    assert after.quantization == before.quantization
    assert get_sampling(after) == get_sampling(before)
    assert mean_difference(read(copy).image, read(original).image) < 0.5
    assert len(copy) < len(original) * 1.1


def test_jpeg_with_a_rare_sampling_keeps_all_its_colour():
    """4:4:0 cannot be written, so the copy is 4:4:4."""
    grey = Image.new("RGB", (64, 64), (128, 128, 128))  # whose blocks are all alike, whatever they belong to
    data = bytearray(saved(grey, "JPEG", subsampling=0, keep_rgb=True))
    data[data.index(b"\xff\xc0") + 11] = 0x12  # the first channel twice as tall: another layout of the blocks
    assert get_sampling(JpegImageFile(pixels.BytesIO(bytes(data)))) == -1
    assert get_sampling(JpegImageFile(pixels.BytesIO(cleaned(bytes(data) + bytes(9))))) == 0


def test_cmyk_copy_is_an_rgb_jpeg():
    """Every browser can show the stored original."""
    copy = read(cleaned(saved(photo("CMYK"), "JPEG", quality=95)))
    assert copy.jpeg is not None
    assert copy.jpeg.mode == "RGB"


@pytest.mark.parametrize("file_format", FORMATS)
def test_private_metadata_is_gone(file_format):
    """Neither camera, place, maker note, comment nor XMP survive in any byte."""
    xmp = b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>"
    original = saved(photo(), file_format, exif=pictures.private_exif(), xmp=xmp, comment=SECRET)
    assert SECRET in original
    copy = cleaned(original)
    for private in (SECRET, b"Exif", b"xmpmeta", b"GPS"):
        assert private not in copy


def test_png_texts_and_unknown_chunks_are_gone():
    """Chunks before and behind the pixels are not copied."""
    data = saved(photo(), "PNG")
    head, tail = data[:33], data[33:]
    hidden = [pictures.chunk(kind, b"Comment\0" + SECRET) for kind in (b"tEXt", b"prVt", b"eXIf")]
    original = head + b"".join(hidden) + tail[:-12] + hidden[1] + tail[-12:]
    assert original.count(SECRET) == 4
    assert SECRET not in cleaned(original)


def test_transparent_colour_nobody_uses_is_gone():
    """A picture that is opaque stays opaque, whatever colour the file had declared transparent."""
    original = saved(photo(), "PNG", transparency=(1, 254, 3))
    assert b"tRNS" in original
    assert b"tRNS" not in cleaned(original)


def test_jpeg_thumbnail_and_every_segment_are_gone():
    """Whatever application segment something hides in, it is not copied."""
    hidden = [pictures.segment(marker, b"Exif\0\0" + SECRET) for marker in (*range(0xE1, 0xF0), 0xFE)]
    original = pictures.in_jpeg(saved(photo(), "JPEG"), *hidden)
    assert SECRET not in cleaned(original)


@pytest.mark.parametrize("file_format", FORMATS)
def test_bytes_behind_the_picture_are_gone(file_format):
    """A polyglot loses the program appended to it."""
    assert SECRET not in cleaned(saved(photo(), file_format) + b"PK\3\4" + SECRET)


def test_script_inside_a_jpeg_is_gone():
    """A JPEG that is also JavaScript is only a JPEG afterwards."""
    script = b"*/=alert('" + SECRET + b"');/*"
    assert SECRET not in cleaned(pictures.in_jpeg(saved(photo(), "JPEG"), pictures.segment(0xFE, script)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_copy_is_seen_the_same_way_up(orientation):
    """Pixels stay as stored, and the one thing left of EXIF turns them."""
    original = saved(photo(), "JPEG", exif=pictures.private_exif(orientation), quality=98)
    copy = cleaned(original)
    assert mean_difference(read(copy).image, read(original).image) < 1
    assert JpegImageFile(pixels.BytesIO(copy)).size == photo().size
    assert dict(Image.open(pixels.BytesIO(copy)).getexif()) == (
        {} if orientation == 1 else {0x0112: orientation}
    )


@pytest.mark.parametrize("file_format", FORMATS)
def test_profile_is_kept(file_format):
    """The copy looks the same because its profile is the same."""
    assert read(cleaned(saved(photo(), file_format, icc_profile=pictures.icc()))).icc == pictures.icc()


def test_unwritable_quantisation_tables_fall_back_to_high_quality():
    """Tables a decoder takes and the encoder does not are no reason to refuse a picture."""
    got = read(saved(photo(), "JPEG", quality=98))
    assert got.jpeg is not None
    got.jpeg.quantization.clear()
    assert mean_difference(read(got.clean_copy()[0]).image, got.image) < 2
