"""Builders of picture files for the tests: good, odd and hostile."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache
from io import BytesIO
from typing import Any

from PIL import Image, ImageCms

SECRET = b"SECRET-PAYLOAD"
"""Put into every place of a file where something private can hide; must never come out."""
PIXELS_MAX = 1_000_000


def photo(mode: str = "RGB", size: tuple[int, int] = (48, 32)) -> Image.Image:
    """A smooth picture whose four corners differ, so that turning it shows."""
    width, height = size
    red = Image.linear_gradient("L").resize(size)
    green = Image.linear_gradient("L").rotate(90).resize(size)
    blue = Image.radial_gradient("L").resize((width, height))
    return Image.merge("RGB", (red, green, blue)).convert(mode)


def with_alpha(size: tuple[int, int] = (48, 32)) -> Image.Image:
    """RGBA, wholly transparent on one side, opaque on the other."""
    image = photo("RGBA", size)
    image.putalpha(
        Image.linear_gradient("L").point(lambda value: max(0, value * 2 - 255)).rotate(90).resize(size)
    )
    return image


def saved(image: Image.Image, file_format: str, **options: Any) -> bytes:
    """The picture as a file."""
    out = BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


@cache
def icc() -> bytes:
    """An RGB profile."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_for(space: bytes) -> bytes:
    """The header of a profile for another colour space; enough to be told apart, not to convert with."""
    return icc()[:16] + space + icc()[20:]


def _profile(space: bytes, connection: bytes, tag: bytes, content: bytes) -> bytes:
    """A small but valid input profile with one tag."""
    head = (
        bytes(4) + bytes(4) + b"\2\x40\0\0" + b"prtr" + space + connection + bytes(12) + b"acsp" + bytes(28)
    )
    head += struct.pack(">3I", 0xF6D6, 0x10000, 0xD32D)  # D50, as every profile says
    body = head.ljust(128, b"\0") + struct.pack(">I4s2I", 1, tag, 144, len(content)) + content
    return struct.pack(">I", len(body)) + body[4:]


def cmyk_profile() -> bytes:
    """A CMYK profile in which every ink makes the same middle grey."""
    identity = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x10000)
    ramp = bytes(range(256))
    table = (
        b"mft1"
        + bytes(4)
        + bytes((4, 3, 2, 0))
        + identity
        + ramp * 4
        + bytes((128, 128, 128)) * 16
        + ramp * 3
    )
    return _profile(b"CMYK", b"Lab ", b"A2B0", table)


def grey_profile() -> bytes:
    """A grey profile of linear light, so that applying it brightens the middle tones."""
    return _profile(b"GRAY", b"XYZ ", b"kTRC", b"curv" + bytes(4) + struct.pack(">IHH", 1, 0x100, 0))


def private_exif(orientation: int = 1) -> bytes:
    """EXIF with serial numbers, a comment, a maker note, and a place."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 36.0)})
    exif.get_ifd(0x8769).update({0x927C: SECRET, 0xA431: SECRET.decode(), 0xA435: SECRET.decode()})
    return exif.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks: bytes, size: tuple[int, int] = (8, 8), bits: int = 8, colour: int = 2) -> bytes:
    """A PNG of these chunks between header and end."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def zeros_compressed(size: int) -> bytes:
    """``size`` zero bytes, as a zlib stream a thousandth as long."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    return b"".join(packer.compress(block) for _ in range(size >> 20)) + packer.flush()


def segment(marker: int, data: bytes) -> bytes:
    """One JPEG segment."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(data) + 2) + data


def in_jpeg(data: bytes, *segments: bytes) -> bytes:
    """The JPEG with segments put in at its start."""
    return data[:2] + b"".join(segments) + data[2:]


def originals() -> list[bytes]:
    """One small good file of every kind, to be damaged."""
    rich = {"icc_profile": icc(), "exif": private_exif(6)}
    tiny = photo(size=(20, 14))
    return [
        saved(tiny, "JPEG", comment=SECRET, **rich),
        saved(tiny, "JPEG", progressive=True),
        saved(tiny.convert("L"), "JPEG"),
        saved(tiny.convert("CMYK"), "JPEG"),
        saved(tiny, "MPO", save_all=True, append_images=[tiny]),
        saved(tiny, "PNG", **rich),
        saved(tiny.quantize(16), "PNG", transparency=3),
        saved(photo("I;16", (20, 14)), "PNG"),
        saved(tiny, "PNG", save_all=True, append_images=[photo("RGB", (20, 14)).rotate(180)]),
        saved(tiny, "WEBP", **rich),
        saved(with_alpha((20, 14)), "WEBP", lossless=True),
        saved(tiny, "WEBP", save_all=True, append_images=[tiny.rotate(180)]),
        saved(tiny, "AVIF", **rich),
        saved(with_alpha((20, 14)), "AVIF"),
    ]


def damaged(data: bytes, chance: random.Random) -> bytes:
    """A mutation of the file: flipped, cut, doubled, spliced or with an extreme number written over it."""
    broken = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(broken))
        match chance.randrange(6):
            case 0:
                broken[at] ^= 1 << chance.randrange(8)
            case 1:
                broken[at] = chance.randrange(256)
            case 2:
                broken[at : at + 4] = chance.choice(
                    (b"\xff\xff\xff\xff", bytes(4), b"\x7f\xff\xff\xff", b"\0\0\0\1")
                )
            case 3:
                del broken[at : at + chance.randrange(1, 64)]
            case 4:
                broken[at:at] = broken[at : at + chance.randrange(1, 64)]
            case _:
                del broken[at + 12 :]
        if len(broken) < 16:
            break
    return _checksums_mended(bytes(broken)) if chance.random() < 0.7 else bytes(broken)


def _checksums_mended(data: bytes) -> bytes:
    """The PNG with every checksum made right again, so that damage gets past them."""
    if not data.startswith(b"\x89PNG"):
        return data
    at, mended = 8, bytearray(data)
    while at + 12 <= len(mended):
        (length,) = struct.unpack_from(">I", mended, at)
        end = at + 8 + length
        if end + 4 > len(mended):
            break
        mended[end : end + 4] = struct.pack(">I", zlib.crc32(mended[at + 4 : end]))
        at = end + 4
    return bytes(mended)
