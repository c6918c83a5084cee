"""Metadata never decides about pixels: broken, huge or unknown, it is skipped, and the picture is the same."""

from __future__ import annotations

import random
import struct
import zlib

import pytest
from PIL import Image

from enhancer.adapters.images import bare, containers, pixels
from enhancer.domain.errors import ImageUnreadable
from tests.support import pictures
from tests.support.pictures import PIXELS_MAX, chunk, in_jpeg, photo, saved, segment

JPEG, PNG, WEBP = (saved(photo(), name, quality=90) for name in ("JPEG", "PNG", "WEBP"))
ICC = pictures.icc()


def read(data: bytes) -> pixels.Photo:
    return pixels.read(data, pixels_max=PIXELS_MAX)


def reason_of(data: bytes) -> str:
    """Why a file is unreadable."""
    with pytest.raises(ImageUnreadable) as refused:
        read(data)
    reason: str = refused.value.details["reason"]
    return reason


def with_chunk(*chunks: bytes, behind: bool = False) -> bytes:
    """The PNG with chunks before or behind its pixels."""
    at = len(PNG) - 12 if behind else 33
    return PNG[:at] + b"".join(chunks) + PNG[at:]


def wrong(one: bytes) -> bytes:
    """The chunk with a wrong checksum."""
    return one[:-1] + bytes((one[-1] ^ 1,))


def profile_chunk(profile: bytes) -> bytes:
    """An iCCP chunk."""
    return chunk(b"iCCP", b"name\0\0" + zlib.compress(profile, 9))


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    """A WebP with these chunks behind its pixels."""
    inner = WEBP[12:]
    flags = struct.pack("<4sIB3x3s3s", b"VP8X", 10, 0x2C, b"\x2f\0\0", b"\x1f\0\0")
    tail = b"".join(
        kind + struct.pack("<I", len(data)) + data + bytes(len(data) & 1) for kind, data in chunks
    )
    body = b"WEBP" + flags + inner + tail
    return b"RIFF" + struct.pack("<I", len(body)) + body


BROKEN_PNGS = {
    "text of 2 MB": with_chunk(chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2_000_000)))),
    "international text of 2 MB": with_chunk(
        chunk(b"iTXt", b"k\0\1\0\0\0" + zlib.compress(bytes(2_000_000))), behind=True
    ),
    "text that is no zlib": with_chunk(chunk(b"zTXt", b"k\0\0nothing")),
    "text with a wrong checksum": with_chunk(wrong(chunk(b"tEXt", b"k\0v"))),
    "density with a wrong checksum": with_chunk(wrong(chunk(b"pHYs", bytes(9)))),
    "density that is cut": with_chunk(chunk(b"pHYs", b"\0")),
    "profile with a wrong checksum": with_chunk(wrong(profile_chunk(ICC))),
    "profile that is no zlib": with_chunk(chunk(b"iCCP", b"name\0\0nothing")),
    "profile without a name": with_chunk(chunk(b"iCCP", b"")),
    "profile that is cut": with_chunk(chunk(b"iCCP", b"name\0\0" + zlib.compress(ICC)[:-9])),
    "transparency that is too long": with_chunk(chunk(b"tRNS", bytes(700))),
    "gamma that is cut": with_chunk(chunk(b"gAMA", b"\0")),
    "time of nonsense": with_chunk(chunk(b"tIME", b"x")),
    "unknown chunk": with_chunk(chunk(b"abCd", b"x" * 99)),
    "suggested palette": with_chunk(chunk(b"PLTE", bytes(6))),
    "Exif that is cut": with_chunk(chunk(b"eXIf", b"MM\0*\0\0")),
    "no end": PNG[:-12],
    "no end and half a checksum": PNG[:-14],
    "pixels with a wrong checksum": PNG[:-13] + b"\0" + PNG[-12:],
    "unknown critical chunk behind the pixels": with_chunk(chunk(b"ABCD", b"x"), behind=True),
    "nonsense behind the pixels": PNG[:-12] + b"\xff\xff\xff\xffABCDnonsense",
    "end with a wrong checksum": wrong(PNG),
    "chunk that is cut behind the pixels": PNG[:-12] + chunk(b"tEXt", b"k\0v")[:-3],
}
BROKEN_JPEGS = {
    "short JFIF": JPEG[:2] + segment(0xE0, b"JFIF\0") + JPEG[20:],
    "JFIF of another version": JPEG[:2] + segment(0xE0, b"JFIF\0\x09\x09\x05" + bytes(6)) + JPEG[20:],
    "short Adobe": in_jpeg(JPEG, segment(0xEE, b"Adobe\0\x64")),
    "cut Photoshop block": in_jpeg(JPEG, segment(0xED, b"Photoshop 3.0\x008BIM\x07\xdb")),
    "short profile": in_jpeg(JPEG, segment(0xE2, b"ICC_PROFILE\0")),
    "half a profile": in_jpeg(JPEG, segment(0xE2, b"ICC_PROFILE\0\1\2" + ICC[:200])),
    "segment longer than the file": in_jpeg(JPEG, b"\xff\xe7\xff\xfe"),
    "segment of no length": in_jpeg(JPEG, b"\xff\xe7\0\0"),
    "bytes between segments": in_jpeg(JPEG, segment(0xFE, b"x") + b"\0\1\2\3"),
    "Exif of nonsense": in_jpeg(JPEG, segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff")),
    "index of pictures that is cut": in_jpeg(JPEG, segment(0xE2, b"MPF\0MM\0*")),
}
BROKEN_WEBPS = {
    "Exif of nonsense": riff((b"EXIF", b"nothing"), (b"XMP ", b"<")),
    "empty profile": riff((b"ICCP", b"")),
    "chunk that is cut": riff((b"EXIF", b"x" * 20))[:-10],
}


@pytest.mark.parametrize("name", BROKEN_PNGS)
def test_png_with_broken_metadata_is_the_same_picture(name):
    """Every ancillary chunk may be wrong; the pixels are there."""
    assert read(BROKEN_PNGS[name]).info == read(PNG).info


@pytest.mark.parametrize("name", BROKEN_JPEGS)
def test_jpeg_with_broken_metadata_is_the_same_picture(name):
    """Every application segment may be wrong; the pixels are there."""
    assert read(BROKEN_JPEGS[name]).info == read(JPEG).info


@pytest.mark.parametrize("name", BROKEN_WEBPS)
def test_webp_with_broken_metadata_is_the_same_picture(name):
    """Every chunk but those with pixels may be wrong."""
    assert read(BROKEN_WEBPS[name]).info == read(WEBP).info


@pytest.mark.parametrize("size", [1_100_000, bare.PROFILE_BYTES_MAX])
def test_large_profile_is_kept(size):
    """Profiles with large tables are real; one as large as the limit is kept."""
    profile = struct.pack(">I", size) + ICC[4:] + random.Random(1).randbytes(size - len(ICC))  # noqa: S311 - repeatable
    assert read(with_chunk(profile_chunk(profile))).icc == profile


def test_profile_beyond_its_limit_counts_as_none():
    """It would have to be carried along with every result."""
    assert read(with_chunk(profile_chunk(bytes(bare.PROFILE_BYTES_MAX + 1)))).icc is None


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_profile_in_several_segments_is_joined_in_its_order(order):
    """Segments say which part they are."""
    step = len(ICC) // 3 + 1
    parts = [ICC[at : at + step] for at in range(0, len(ICC), step)]
    segments = [segment(0xE2, b"ICC_PROFILE\0" + bytes((place + 1, 3)) + parts[place]) for place in order]
    assert read(in_jpeg(JPEG, *segments)).icc == ICC


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
def test_orientation_in_xmp_turns_nothing(file_format):
    """Exif decides, as in browsers."""
    xmp = b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    info = pixels.PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    options = {"pnginfo": info} if file_format == "PNG" else {"xmp": xmp}
    data = saved(photo(), file_format, **options)
    assert xmp in data
    assert read(data).image.size == (48, 32)


def exif(tag: int, kind: int, count: int, value: bytes, order: str = ">") -> bytes:
    """Exif of one entry."""
    head = (b"MM" if order == ">" else b"II") + struct.pack(f"{order}HI", 42, 8)
    return head + struct.pack(f"{order}HHHI", 1, tag, kind, count) + value


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (exif(0x0112, 3, 1, b"\0\6\0\0"), 6),
        (exif(0x0112, 3, 1, b"\6\0\0\0", "<"), 6),
        (b"Exif\0\0" + exif(0x0112, 3, 1, b"\0\3\0\0"), 3),
        (exif(0x0112, 3, 1, b"\0\0\0\0"), 1),
        (exif(0x0112, 3, 1, b"\0\x09\0\0"), 1),
        (exif(0x0112, 4, 1, b"\0\0\0\6"), 1),
        (exif(0x0112, 3, 2, b"\0\6\0\6"), 1),
        (exif(0x0110, 3, 1, b"\0\6\0\0"), 1),
        (exif(0x0112, 3, 1, b""), 1),
        (b"MM\0*\xff\xff\xff\xff", 1),
        (b"", 1),
        (None, 1),
    ],
)
def test_orientation_is_one_short_number_from_one_to_eight(data, expected):
    """Anything else is no orientation, and no reason to refuse the picture."""
    assert bare.orientation(data) == expected


def test_jpeg_without_its_end_is_read():
    """All pixels are there; only the marker behind them is missing."""
    for data in (JPEG, saved(photo(), "JPEG", progressive=True), saved(photo("CMYK"), "JPEG")):
        assert read(data[:-2]).info == read(data).info
        assert read(data[:-1]).info == read(data).info


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(48, 32), (200, 150)])
def test_jpeg_without_its_last_rows_is_refused(size, progressive):
    """A picture with missing pixels is not a picture without an end."""
    data = saved(photo(size=size), "JPEG", progressive=progressive, quality=95)
    scan = data.rindex(b"\xff\xda") if progressive else data.index(b"\xff\xda")
    for missing in (40, 100, len(data) - scan - 30):
        assert reason_of(data[:-missing]) == "incomplete"
        assert reason_of(data[:-missing] + b"\xff") == "incomplete"


def test_jpeg_without_its_last_passes_is_refused():
    """A progressive picture cut between two scans would look whole, but blurred."""
    data = saved(photo(size=(200, 150)), "JPEG", progressive=True)
    cuts = [at for at in range(len(data) - 1) if data[at : at + 2] in (b"\xff\xda", b"\xff\xc4")]
    between = [at for at in cuts if at > data.index(b"\xff\xda")]
    assert len(between) > 5
    for at in between:
        assert reason_of(data[:at]) == "incomplete"


@pytest.mark.parametrize("kept", [0, 40, 80, 95])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_an_end_behind_half_a_picture_makes_it_no_whole_one(mode, kept):
    """Decoders fill what is missing with one colour, and nobody pays for that."""
    data = saved(Image.effect_noise((160, 120), 90).convert("RGB").convert(mode), "JPEG", quality=90)
    scan = data.index(b"\xff\xda")
    pixels = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4])
    assert reason_of(data[: pixels + (len(data) - pixels) * kept // 100] + b"\xff\xd9") == "incomplete"


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"restart_marker_blocks": 1}, {"subsampling": 0}], ids=str
)
@pytest.mark.parametrize("size", [(1, 1), (17, 9), (160, 120)], ids=str)
def test_a_whole_picture_of_one_colour_is_read(mode, options, size):
    """Its last pixels look like those that a decoder fills in."""
    data = saved(Image.new("RGB", size, "white").convert(mode), "JPEG", **options)
    assert read(data).info.width == size[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "bits"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc3\0\x11\x08"), "kind"),
        (JPEG.replace(b"\xff\xc0", b"\xff\xc0" + JPEG[JPEG.index(b"\xff\xc0") + 2 :][:17] + b"\xff\xc0"), "damaged"),
        (JPEG[: JPEG.index(b"\xff\xda")] + b"\xff\xd9", "incomplete"),
        (PNG[:8] + chunk(b"CgBI", bytes(4)) + PNG[8:], "kind"),
        (with_chunk(PNG[8:33]), "damaged"),
        (with_chunk(chunk(b"ABCD", b"")), "damaged"),
        (PNG[:29] + b"\0\0\0\0" + PNG[33:], "damaged"),
        (PNG[:16] + b"\x80" + PNG[17:29] + struct.pack(">I", zlib.crc32(PNG[12:16] + b"\x80" + PNG[17:29])) + PNG[33:],
         "damaged"),
        (PNG[:33] + PNG[-12:], "incomplete"),
        (PNG[: PNG.index(b"IDAT") + 9], "incomplete"),
        (riff().replace(b"\x2f\0\0\x1f\0\0", b"\x3f\0\0\x1f\0\0"), "damaged"),
        (WEBP[:-20], "incomplete"),
    ],
    ids=["12 bits", "lossless JPEG", "second frame header", "no scan", "CgBI", "second IHDR", "unknown critical chunk",
         "checksum of IHDR", "impossible width", "no pixels", "cut pixels", "canvas unlike its frame", "cut WebP"],
)  # fmt: skip
def test_what_concerns_pixels_is_refused_by_its_reason(data, reason):
    """Structure that pixels depend on has to be right before a decoder sees it; the error says what is wrong."""
    with pytest.raises(bare.Refused) as refused:
        containers.BARE[containers.file_format(data)](data, PIXELS_MAX)
    assert refused.value.reason == reason_of(data) == reason
