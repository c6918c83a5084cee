"""Reading: whatever mode, profile and orientation a good file has, the picture comes out as it is meant to be seen."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib

import pytest
from PIL import Image, ImageChops

from enhancer.adapters.images import pixels
from tests.support import pictures
from tests.support.pictures import PIXELS_MAX, photo, saved


def read(data: bytes) -> pixels.Photo:
    return pixels.read(data, pixels_max=PIXELS_MAX)


def differ(one: Image.Image, other: Image.Image) -> int:
    """Largest difference of any channel of any pixel."""
    assert (one.mode, one.size) == (other.mode, other.size)
    extrema = ImageChops.difference(one, other).getextrema()
    return max(high for _, high in (extrema if isinstance(extrema[0], tuple) else [extrema]))


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_each_accepted_format_is_told_by_its_content(file_format):
    """The format key, the size and the pixels follow from the bytes alone."""
    got = read(saved(photo(), file_format, quality=95))
    assert (got.info.format, got.info.width, got.info.height) == (file_format.lower(), 48, 32)
    assert differ(got.image, photo()) < 24


def test_first_picture_of_an_mpo_is_read_as_jpeg():
    """Phones write MPO: the main picture counts, the others are neither animation nor error."""
    data = saved(photo(), "MPO", save_all=True, append_images=[photo().rotate(180)])
    got = read(data)
    assert got.info.format == "jpeg"
    assert differ(got.image, photo()) < 40


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_applied(file_format, orientation):
    """A picture stored in any of the eight orientations is seen upright."""
    undo = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}[
        orientation
    ]  # the inverse, as Pillow numbers turns
    stored = photo() if undo is None else photo().transpose(Image.Transpose(undo))
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = read(saved(stored, file_format, exif=exif.tobytes(), quality=98))
    assert got.image.size == (48, 32)
    assert differ(got.image, photo()) < 40


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"]
)
def test_broken_exif_leaves_the_picture_readable(exif):
    """Camera data nobody needs cannot make a photo unreadable."""
    assert read(pictures.in_jpeg(saved(photo(), "JPEG"), pictures.segment(0xE1, exif))).info.width == 48


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_colour_profile_is_kept(file_format):
    """An RGB profile travels with the pixels it describes."""
    assert read(saved(photo(), file_format, icc_profile=pictures.icc())).icc == pictures.icc()


@pytest.mark.parametrize(
    "profile",
    [
        b"short",
        b"x" * 500,
        pictures.profile_for(b"CMYK"),
        pictures.profile_for(b"GRAY"),
        pictures.icc().replace(b"acsp", b"nope"),
    ],
)
def test_profile_that_does_not_fit_the_pixels_is_dropped(profile):
    """A damaged profile, or one of another colour space, would turn the colours wrong."""
    assert read(saved(photo(), "JPEG", icc_profile=profile)).icc is None


def test_bytes_behind_the_profile_are_dropped():
    """A profile cannot carry a payload behind its declared end."""
    assert read(saved(photo(), "WEBP", icc_profile=pictures.icc() + pictures.SECRET)).icc == pictures.icc()


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_grey_and_palette_become_rgb(mode):
    """Every opaque mode comes out as 8-bit RGB with the same colours."""
    got = read(saved(photo(mode), "PNG"))
    assert not got.info.alpha
    assert differ(got.image, photo(mode).convert("RGB")) == 0


def test_grey_with_its_own_profile_becomes_srgb():
    """A grey profile cannot describe RGB pixels: it is applied, not kept."""
    got = read(saved(Image.new("L", (8, 8), 64), "PNG", icc_profile=pictures.grey_profile()))
    assert (got.image.mode, got.icc) == ("RGB", None)
    assert got.image.getpixel((0, 0)) == pytest.approx((137, 137, 137), abs=2)


def test_grey_with_alpha_becomes_rgba():
    """LA keeps its transparency."""
    image = photo("LA")
    image.putalpha(photo("L"))
    got = read(saved(image, "PNG"))
    assert got.info.alpha
    assert differ(got.image, image.convert("RGBA")) == 0


def test_palette_with_alpha_becomes_rgba():
    """A palette with a transparent entry keeps exactly that transparency."""
    image = photo().quantize(16)
    got = read(saved(image, "PNG", transparency=3))
    alpha = got.image.getchannel("A")
    assert alpha.getextrema() == (0, 255)
    assert alpha.histogram()[0] == image.histogram()[3]


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF"])
def test_alpha_is_kept(file_format):
    """Transparency comes through in every format that has it."""
    got = read(saved(pictures.with_alpha(), file_format, quality=95))
    assert got.info.alpha
    assert differ(got.image.getchannel("A"), pictures.with_alpha().getchannel("A")) < 16


def test_alpha_that_hides_nothing_is_dropped():
    """RGBA with every pixel opaque is an RGB picture, with the same digest."""
    got = read(saved(photo("RGBA"), "PNG"))
    assert (got.image.mode, got.info.alpha) == ("RGB", False)
    assert got.info.digest == read(saved(photo(), "PNG")).info.digest


def test_16_bit_grey_keeps_its_tones():
    """Scaled to 8 bits, not clipped to white."""
    ramp = Image.frombytes("I;16", (256, 1), b"".join(struct.pack("<H", tone * 257) for tone in range(256)))
    got = read(saved(ramp, "PNG"))
    assert got.image.getchannel("R").tobytes() == bytes(range(256))
    assert got.image.mode == "RGB"


def test_16_bit_grey_with_a_transparent_tone_becomes_rgba():
    """Exactly the one tone is transparent, not its neighbours that share the high byte."""
    tones = [0x1200, 0x1234, 0x1235, 0x3434]
    raw = b"\0" + struct.pack(">4H", *tones)
    key, idat = (
        pictures.chunk(b"tRNS", struct.pack(">H", 0x1234)),
        pictures.chunk(b"IDAT", zlib.compress(raw)),
    )
    got = read(pictures.png(key, idat, size=(4, 1), bits=16, colour=0))
    assert got.image.getchannel("A").tobytes() == bytes([255, 0, 255, 255])
    assert got.image.getchannel("R").tobytes() == bytes([0x12, 0x12, 0x12, 0x34])


def test_16_bit_rgb_keeps_its_tones():
    """The high byte of each channel is the 8-bit tone."""
    raw = b"\0" + struct.pack(">6H", 0, 0x8000, 0xFFFF, 0x1234, 0x5678, 0x9ABC)
    got = read(pictures.png(pictures.chunk(b"IDAT", zlib.compress(raw)), size=(2, 1), bits=16))
    assert got.image.tobytes() == bytes([0, 0x80, 0xFF, 0x12, 0x56, 0x9A])


def test_cmyk_becomes_rgb():
    """A print-ready JPEG is shown in its colours, not inverted."""
    got = read(saved(photo("CMYK"), "JPEG", quality=95))
    assert (got.image.mode, got.icc) == ("RGB", None)
    assert differ(got.image, photo()) < 40


def test_cmyk_is_converted_by_its_profile():
    """The profile decides what the inks look like."""
    got = read(saved(photo("CMYK"), "JPEG", icc_profile=pictures.cmyk_profile()))
    assert (got.image.mode, got.icc) == ("RGB", None)
    for place in ((3, 3), (40, 3), (24, 28)):
        assert got.image.getpixel(place) == pytest.approx((119, 119, 119), abs=3)


def test_cmyk_with_an_unusable_profile_is_still_readable():
    """The plain formula stands in where the profile cannot be applied."""
    assert read(saved(photo("CMYK"), "JPEG", icc_profile=pictures.profile_for(b"CMYK"))).image.mode == "RGB"


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1)])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_extreme_shapes_are_read(file_format, size):
    """One pixel, or one row of very many, is a picture like any other."""
    assert read(saved(photo(size=size), file_format)).image.size == size


def test_digest_is_of_the_picture_and_not_of_the_file():
    """The same pixels, written differently, have one digest; one pixel more makes another."""
    one, other = saved(photo(), "PNG", compress_level=0), saved(photo(), "WEBP", lossless=True, exact=True)
    changed = photo()
    changed.putpixel((0, 0), (1, 2, 3))
    assert read(one).info.digest == read(other).info.digest != read(saved(changed, "PNG")).info.digest


def test_digest_depends_on_the_profile():
    """The same numbers in another colour space are another picture."""
    assert (
        read(saved(photo(), "PNG")).info.digest
        != read(saved(photo(), "PNG", icc_profile=pictures.icc())).info.digest
    )


def with_chunks(**chunks: bytes) -> bytes:
    """The PNG with chunks before its pixels."""
    data = saved(photo(), "PNG")
    return (
        data[:33]
        + b"".join(pictures.chunk(kind.encode(), content) for kind, content in chunks.items())
        + data[33:]
    )


def test_digest_depends_on_every_statement_about_colour():
    """Equal numbers that mean other colours are other pictures; what only says sRGB says nothing."""
    linear, half = struct.pack(">I", 100_000), struct.pack(">I", 50_000)
    wide = struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)
    stated = [
        with_chunks(gAMA=linear), with_chunks(gAMA=half), with_chunks(cHRM=wide), with_chunks(gAMA=linear, cHRM=wide),
        with_chunks(cICP=b"\x0c\x0d\0\1"), with_chunks(cICP=b"\x09\x10\0\1"), with_chunks(cICP=b"\x09\x12\0\1"),
        with_chunks(cICP=b"\x0c\x0d\0\0"), with_chunks(cICP=b"\1\x0d\0\0"),
        saved(photo(), "PNG", icc_profile=pictures.icc()), saved(photo(), "PNG"),
    ]  # fmt: skip
    assert len({read(data).info.digest for data in stated}) == len(stated)
    for same in (with_chunks(sRGB=b"\0", gAMA=linear), with_chunks(gAMA=struct.pack(">I", 45_455)),
                 with_chunks(cICP=b"\1\x0d\0\1"), with_chunks(cICP=b"\1\x0d\0\1", gAMA=linear)):  # fmt: skip
        assert read(same).info.digest == read(stated[-1]).info.digest


@pytest.mark.parametrize(
    "packed",
    [
        zlib.compress(pictures.icc())[:-20],
        zlib.compress(b"no profile" * 40),
        zlib.compress(pictures.profile_for(b"CMYK")),
        zlib.compress(pictures.grey_profile()),
    ],
    ids=["cut off", "none", "of inks", "of grey"],
)
def test_unusable_profile_leaves_the_other_statements_in_force(packed):
    """A profile that is cut off, or for other colours than the pixels', counts as none."""
    linear, profile = struct.pack(">I", 100_000), b"x\0\0" + packed
    assert (
        read(with_chunks(iCCP=profile, gAMA=linear)).info.digest == read(with_chunks(gAMA=linear)).info.digest
    )


def test_16_bit_grey_with_its_own_profile_becomes_srgb():
    """As with 8 bits: the profile is applied, and pictures that differ by it alone are two."""
    pixels = pictures.chunk(b"IDAT", zlib.compress(b"".join(b"\0" + b"\x40\0" * 8 for _ in range(8))))
    profile = pictures.chunk(b"iCCP", b"x\0\0" + zlib.compress(pictures.grey_profile()))
    plain, linear = (read(pictures.png(*chunks, pixels, bits=16, colour=0)) for chunks in ((), (profile,)))
    assert plain.image.getpixel((0, 0)) == (64, 64, 64)
    assert linear.image.getpixel((0, 0))[0] > 120
    assert linear.info.digest != plain.info.digest


def test_digest_depends_on_the_colour_of_an_avif():
    """Primaries and transfer count, in the container's box or in the coded picture."""
    data = saved(photo(), "AVIF")
    at = data.index(b"colrnclx") + 8
    digests = {
        read(data[:at] + bytes((0, primaries, 0, transfer)) + data[at + 4 :]).info.digest
        for primaries, transfer in ((1, 13), (12, 13), (9, 16), (9, 18))
    }
    assert len(digests) == 4
    assert read(data).info.digest in digests


def test_handlers_that_need_no_pixels_do_not_load_pillow():
    """The module is heavy, so the rules about pictures must not pull it in."""
    code = "import sys; import enhancer.domain.images; sys.exit('PIL' in sys.modules)"
    path = next(folder for folder in sys.path if folder.endswith("layers/common"))
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0
