"""Writing results: right format, marked as enhanced, colours kept, limits told."""

from __future__ import annotations

import time
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from enhancer.adapters.images import pixels
from enhancer.domain import images
from enhancer.domain.errors import OutputTooLarge
from tests.support import pictures
from tests.support.pictures import PIXELS_MAX, photo

FORMATS = ["jpeg", "png", "webp", "avif"]


def encode(image: Image.Image, file_format: str, **options) -> bytes:
    return pixels.encode(
        image, file_format=file_format, **{"icc": None, "source_type": images.ENHANCED, **options}
    )


def source_type(data: bytes) -> str | None:
    """DigitalSourceType as another program would find it: parse the XMP packet."""
    info = Image.open(pixels.BytesIO(data)).info
    packet = info.get("xmp") or info["XML:com.adobe.xmp"]
    packet = packet.encode() if isinstance(packet, str) else packet
    description = next(
        ET.fromstring(packet).iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")  # noqa: S314 - our own packet
    )
    return description.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("expected", [images.ENHANCED, images.COMPOSITED])
def test_result_says_how_it_was_made(file_format, expected):
    """Every format carries the IPTC mark, as a full NewsCodes address."""
    assert source_type(encode(photo(), file_format, source_type=expected)) == expected
    assert expected.startswith("http://cv.iptc.org/newscodes/digitalsourcetype/")


@pytest.mark.parametrize("file_format", FORMATS)
def test_result_is_of_the_format_and_keeps_the_profile(file_format):
    """The file is what it claims to be and its colours mean what they meant."""
    got = pixels.read(encode(photo(), file_format, icc=pictures.icc()), pixels_max=PIXELS_MAX)
    assert (got.info.format, got.icc, got.image.size) == (file_format, pictures.icc(), photo().size)


@pytest.mark.parametrize("file_format", ["png", "webp", "avif"])
def test_alpha_is_kept_where_the_format_has_it(file_format):
    """Transparency of a result survives."""
    assert pixels.read(encode(pictures.with_alpha(), file_format), pixels_max=PIXELS_MAX).info.alpha


def test_jpeg_shows_transparency_on_white():
    """Not on black, and not the hidden colour."""
    hidden = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    got = pixels.read(encode(hidden, "jpeg"), pixels_max=PIXELS_MAX)
    assert got.image.getpixel((8, 8)) == (255, 255, 255)


@pytest.mark.parametrize(("file_format", "side"), sorted(images.SIDE_MAX.items()))
def test_side_beyond_the_format_is_refused_with_the_limit(file_format, side):
    """The last size that fits passes the check, one pixel more names the limit; nothing is allocated to find out."""
    images.check_output_size(side, 1, file_format=file_format)
    with pytest.raises(OutputTooLarge) as refused:
        images.check_output_size(1, side + 1, file_format=file_format)
    assert refused.value.details == {"width": 1, "height": side + 1, "limit": side}


def test_result_of_too_many_pixels_is_refused():
    """Short sides do not help beyond the total."""
    with pytest.raises(OutputTooLarge):
        images.check_output_size(16_001, 16_000, file_format="webp")


def test_encoding_checks_the_side():
    """The encoder refuses by itself what its caller forgot to check."""
    with pytest.raises(OutputTooLarge):
        encode(Image.new("RGB", (16_384, 1)), "webp")


@pytest.mark.parametrize("file_format", FORMATS)
def test_one_pixel_is_encoded(file_format):
    """The smallest result is a result."""
    assert pixels.read(encode(photo(size=(1, 1)), file_format), pixels_max=1).image.size == (1, 1)


def test_png_is_written_fast():
    """A second for a megapixel would mean the slow optimiser is on (30 times the time for a few per cent)."""
    image = Image.effect_noise((1000, 1000), 60).convert("RGB")
    started = time.process_time()
    encode(image, "png")
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("requested", "source", "alpha", "expected"),
    [
        ("same", "jpeg", False, "jpeg"),
        ("same", "png", True, "png"),
        ("same", "webp", False, "webp"),
        ("same", "avif", True, "avif"),
        ("same", "jpeg", True, "png"),
        ("jpeg", "png", True, "jpeg"),
        ("webp", "jpeg", False, "webp"),
    ],
)
def test_output_format_follows_the_request_and_same_never_loses_alpha(requested, source, alpha, expected):
    """A named format wins; "same" is the source's, unless that could not hold the result's transparency."""
    assert images.output_format(requested, source, alpha=alpha) == expected
