"""Colour that files state without a profile: kept as an equivalent profile, or brought to the curve of sRGB."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from enhancer.adapters.images.pixels import Photo, read
from tests.support.pictures import chunk, icc, png, saved

SAMPLES = ((255, 255, 255), (128, 128, 128), (200, 100, 50), (30, 200, 120), (12, 40, 90), (0, 0, 0))
# CSS Color Module Level 4, 10.5 and sample code: linear-light Display P3 and Rec. 2020 to CIE XYZ, XYZ to linear sRGB.
P3_TO_XYZ = np.array(
    [
        [608311 / 1250200, 189793 / 714400, 198249 / 1000160],
        [35783 / 156275, 247089 / 357200, 198249 / 2500400],
        [0, 32229 / 714400, 5220557 / 5000800],
    ]
)
XYZ_TO_SRGB = np.array(
    [
        [12831 / 3959, -329 / 214, -1974 / 3959],
        [-851781 / 878810, 1648619 / 878810, 36519 / 878810],
        [705 / 12673, -2585 / 12673, 705 / 667],
    ]
)
WIDE = struct.pack(">8I", 31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000)  # Display P3


def row(*colours: tuple[int, int, int]) -> Image.Image:
    image = Image.new("RGB", (len(colours), 1))
    image.putdata(colours)
    return image


def stating(image: Image.Image, **chunks: bytes) -> bytes:
    """A PNG with these ancillary chunks in front of its pixels."""
    data = saved(image, "png")
    return data[:33] + b"".join(chunk(kind.encode(), content) for kind, content in chunks.items()) + data[33:]


def coded(image: Image.Image, primaries: int, transfer: int) -> bytes:
    """An AVIF, nearly without loss, whose nclx has these code points."""
    data = bytearray(saved(image.resize((image.width * 16, 16), 0), "avif", quality=100, subsampling="4:4:4"))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(data)


def shown(photo: Photo) -> np.ndarray:
    """What a colour-managed viewer shows on an sRGB screen, by LittleCMS."""
    image = photo.image
    if photo.icc:
        profile = ImageCms.ImageCmsProfile(BytesIO(photo.icc))
        image = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), "RGB", "RGB").apply(image)
    block = image.height  # 1 in a PNG of `row`, 16 in an AVIF of `coded`
    return np.asarray(image)[block // 2, block // 2 :: block].astype(int)


def p3_in_srgb(colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    value = np.array(colours) / 255
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    linear = (XYZ_TO_SRGB @ P3_TO_XYZ @ light.T).T.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("statement", [{"cICP": b"\x0c\x0d\0\1"}, {"cHRM": WIDE}])
def test_wide_primaries_of_a_png_are_shown_as_css_defines_them(statement):
    """Display P3 by code point or by chromaticities looks like ``color(display-p3 …)``; the pixels are untouched."""
    photo = read(stating(row(*SAMPLES), **statement), pixels_max=100)
    assert [photo.image.getpixel((x, 0)) for x in range(len(SAMPLES))] == list(SAMPLES)
    assert np.abs(shown(photo) - p3_in_srgb(SAMPLES)).max() < 1.5


def test_wide_primaries_of_an_avif_are_shown_as_css_defines_them():
    """The same for the code points of a ``colr`` box."""
    photo = read(coded(row(*SAMPLES), 12, 13), pixels_max=10_000)
    assert np.abs(shown(photo) - p3_in_srgb(SAMPLES)).max() < 4  # AVIF itself is not exact


@pytest.mark.parametrize("gamma", [1.8, 2.6])
def test_gamma_near_a_screens_becomes_a_profile(gamma):
    """Pixels stay, and a viewer shows the light that the file means."""
    photo = read(stating(row((128, 128, 128)), gAMA=struct.pack(">I", round(100_000 / gamma))), pixels_max=10)
    light = (128 / 255) ** gamma
    assert photo.image.getpixel((0, 0)) == (128, 128, 128)
    assert shown(photo)[0][0] == pytest.approx(255 * (1.055 * light ** (1 / 2.4) - 0.055), abs=1)


@pytest.mark.parametrize(
    "data",
    [
        stating(row((55, 128, 188)), gAMA=struct.pack(">I", 100_000)),
        stating(row((55, 128, 188)), cICP=b"\1\x08\0\1"),
        coded(row((55, 128, 188)), 1, 8),
    ],
)
def test_linear_light_is_brought_to_srgb(data):
    """Linear light has too few dark steps to be worked on in 8 bits, so it gets the curve of sRGB, exactly."""
    photo = read(data, pixels_max=10_000)
    assert photo.icc is None
    assert shown(photo)[0] == pytest.approx([128, 188, 223], abs=2)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_tone_mapped(transfer):
    """Black stays black, mid-tones are as bright as meant, white paper is below white, and highlights do not clip."""
    paper = {16: 148, 18: 191}[transfer]  # 203 cd/m2 by BT.2408
    grey = 97  # 26 cd/m2, BT.2408's grey card, is 38 % of the signal in both
    steps = [0, grey, paper, *({16: (170, 185), 18: (215, 235)}[transfer]), 255]
    photo = read(stating(row(*[(v, v, v) for v in steps]), cICP=bytes((9, transfer, 0, 1))), pixels_max=100)
    out = [int(value) for value in shown(photo)[:, 0]]
    assert out[0] == 0
    assert out == [*sorted(set(out[:-1])), 255]
    assert 220 <= out[2] <= 235
    assert 95 <= out[1] <= 115
    assert np.ptp(shown(photo), axis=1).max() <= 1, "neutral stays neutral"


def test_hdr_of_an_avif_is_tone_mapped_within_its_primaries():
    """A saturated colour of BT.2020 stays one: its profile says so."""
    photo = read(coded(row((40, 120, 40)), 9, 16), pixels_max=10_000)
    assert photo.icc
    assert photo.image.getpixel((8, 8))[1] > 150


def test_narrow_range_is_spread():
    """16 is black and 235 white where a cICP chunk says narrow range."""
    photo = read(stating(row((16, 16, 16), (235, 235, 235), (0, 0, 0)), cICP=b"\1\x0d\0\0"), pixels_max=10)
    assert shown(photo).tolist() == [[0] * 3, [255] * 3, [0] * 3]


def test_png_statements_count_in_the_order_of_the_specification():
    """CICP, then iCCP, then sRGB, then gAMA and cHRM (PNG, third edition, 4.3)."""
    image, linear = row((100, 150, 200)), struct.pack(">I", 100_000)
    profile = b"p\0\0" + zlib.compress(icc())
    code = {"cICP": b"\x0c\x0d\0\1"}
    assert (
        read(stating(image, **code, iCCP=profile), pixels_max=9).icc
        == read(stating(image, **code), pixels_max=9).icc
    )
    assert read(stating(image, cICP=b"\1\x0d\0\1", iCCP=profile), pixels_max=9).icc is None
    assert read(stating(image, iCCP=profile, gAMA=linear), pixels_max=9).icc == icc()
    plain = read(stating(image, sRGB=b"\0", gAMA=linear, cHRM=WIDE), pixels_max=9)
    assert (plain.icc, plain.image.getpixel((0, 0))) == (None, (100, 150, 200))


@pytest.mark.parametrize(
    "chunks",
    [
        {"gAMA": bytes(4)},
        {"gAMA": b"\xff" * 4},
        {"gAMA": struct.pack(">I", 45_455)},
        {"cHRM": bytes(32)},
        {"cHRM": b"\xff" * 32},
        {"cHRM": struct.pack(">8I", *[33_333] * 8)},
        {"cHRM": struct.pack(">8I", 31_270, 32_900, 1, 1, 2, 2, 3, 3)},
        {"cHRM": struct.pack(">8I", 90_000, 9_000, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000)},
        {"cICP": b"\x03\x0d\0\1"},
        {"cICP": b"\x0c\xfe\0\1"},
        {"cICP": b"\x0c\x0d\1\1"},
    ],
)
def test_nonsense_counts_as_nothing_said(chunks):
    """What no screen could show is ignored, and the picture is taken as sRGB."""
    photo = read(stating(row((100, 150, 200)), **chunks), pixels_max=9)
    assert (photo.icc, photo.image.getpixel((0, 0))) == (None, (100, 150, 200))


def test_profile_of_an_avif_counts_before_its_code_points():
    """As in browsers: ``colr`` of kind ``prof`` before ``nclx``."""
    image = row((40, 120, 40)).resize((16, 16), 0)
    data = bytearray(saved(image, "avif", quality=100, icc_profile=icc()))
    at = data.index(b"colrnclx") + 8
    data[at : at + 4] = struct.pack(">HH", 9, 16)
    photo = read(bytes(data), pixels_max=1_000)
    assert photo.icc == icc()
    assert photo.image.getpixel((8, 8))[1] == pytest.approx(120, abs=3)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_transparent_grey_of_every_depth_is_transparent(bits):
    """The value that tRNS names, and no other, is transparent; so it was lost below 8 bits."""
    highest = (1 << bits) - 1
    values = sorted({0, 1, highest // 2, highest})
    packed = sum(value << bits * place for place, value in enumerate(reversed(values)))
    width = len(values)
    raw = (packed << -(bits * width) % 8).to_bytes(-(-bits * width // 8))
    for key in values:
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, 1, bits, 0, 0, 0, 0))
        photo = read(_file(head, chunk(b"tRNS", struct.pack(">H", key)), raw), pixels_max=9)
        alpha = [photo.image.getpixel((x, 0))[3] for x in range(width)]
        assert alpha == [0 if value == key else 255 for value in values]


def test_transparent_colour_of_16_bits_is_transparent():
    """As far as 8 bits can tell."""
    colours = ((0, 0, 0), (0x1234, 0x5678, 0x9ABC), (0x1234, 0x5678, 0x1234))
    raw = b"".join(struct.pack(">HHH", *colour) for colour in colours)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 1, 16, 2, 0, 0, 0))
    photo = read(_file(head, chunk(b"tRNS", struct.pack(">HHH", *colours[1])), raw), pixels_max=9)
    assert [photo.image.getpixel((x, 0))[3] for x in range(3)] == [255, 0, 255]


def _file(head: bytes, extra: bytes, raw: bytes) -> bytes:
    return png()[:8] + head + extra + chunk(b"IDAT", zlib.compress(b"\0" + raw)) + chunk(b"IEND", b"")
