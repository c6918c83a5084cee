"""Pictures: decode what strangers send, encode what we keep. All Pillow code lives here.

Import this module where pixels are needed and not at the top of a handler: Pillow costs a cold start about 20 ms.

Whatever the bytes are, :func:`read` returns a :class:`Photo` or raises one of our errors. Formats are told by
content, never by name or content type, and only the four plugins we take are ever given the bytes. The size
in the header is checked before anything is decoded, so memory is bounded by ``pixels_max``.
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import AvifImagePlugin, Image, ImageChops, ImageCms, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from enhancer.domain import images
from enhancer.domain.errors import (
    ImageAnimated,
    ImageEmpty,
    ImageFormatUnsupported,
    ImageUnreadable,
    TooManyPixels,
)
from enhancer.domain.images import ImageInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.ImageFile import ImageFile

JPEG_QUALITY = 90
JPEG_QUALITY_ORIGINAL = 95
"""For originals that cannot keep their own tables: visibly lossless."""
JPEG_SCANS_MAX = 100
"""Progressive files have about ten; each costs a pass over the whole picture, so thousands are an attack."""
PROFILE_BYTES_MAX = 4_000_000
"""Largest colour profile we carry along."""
AVIF_SPEED = 9

DECODE_ERRORS = (
    OSError,  # also UnidentifiedImageError: truncated or broken data
    SyntaxError,  # Pillow's word for "not such a file"
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Warning,  # raised only where a process turns warnings into errors
)
"""Everything Pillow throws on hostile bytes, as found by mutating files; all of it means "damaged"."""

_PLUGINS: dict[str, Callable[[BytesIO], ImageFile]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,  # reads the first picture of an MPO as the JPEG it is
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
}
_ORIENTATION = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_JPEG_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{source_type}"/></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded picture.

    ``image`` is 8-bit RGB, or RGBA where some pixel is not opaque, turned as it is meant to be seen. ``icc`` is
    the RGB colour profile of those pixels, None for sRGB. ``decoded`` and ``decoded_icc`` are the same before
    any conversion, as the file has them.
    """

    image: Image.Image
    icc: bytes | None
    info: ImageInfo
    decoded: ImageFile
    decoded_icc: bytes | None

    def clean_copy(self) -> tuple[bytes, str]:
        """Return what we store as the original, and its format key: the same picture and nothing else.

        Pixels, colour profile, alpha and (for JPEG, whose pixels would have to be resampled) the orientation
        are all that is left; camera data, place, thumbnail, comments and anything hidden in the file are gone.
        A JPEG is written with its own quantisation tables; PNG and WebP are lossless; an AVIF becomes a JPEG,
        with alpha a WebP.
        """
        source = self.info.format
        if source == "jpeg":
            return self._clean_jpeg(), "jpeg"
        if source == "avif" and not self.info.alpha:
            return _saved(
                self.image, "jpeg", icc_profile=self.icc, quality=JPEG_QUALITY_ORIGINAL, subsampling=0
            ), "jpeg"
        if source == "png" or max(self.image.size) > images.SIDE_MAX["webp"]:
            return _saved(self.image, "png", icc_profile=self.icc, compress_level=1), "png"
        lossless = {"lossless": True, "method": 0, "quality": 20, "exact": True}
        return _saved(self.image, "webp", icc_profile=self.icc, **lossless), "webp"

    def _clean_jpeg(self) -> bytes:
        assert isinstance(self.decoded, JpegImagePlugin.JpegImageFile)
        if self.decoded.mode not in ("L", "RGB"):
            return _saved(
                self.image, "jpeg", icc_profile=self.icc, quality=JPEG_QUALITY_ORIGINAL, subsampling=0
            )
        exif = Image.Exif()
        orientation = _orientation(self.decoded)
        if orientation != 1:
            exif[_ORIENTATION] = orientation
        options = {"icc_profile": self.decoded_icc, "exif": exif.tobytes() if exif else b"", "comment": b""}
        sampling = max(
            JpegImagePlugin.get_sampling(self.decoded), 0
        )  # one it cannot write: keep all the colour
        try:
            return _saved(
                self.decoded, "jpeg", qtables=self.decoded.quantization, subsampling=sampling, **options
            )
        except (ValueError, OSError):  # tables that can be read but not written
            return _saved(
                self.decoded, "jpeg", quality=JPEG_QUALITY_ORIGINAL, subsampling=sampling, **options
            )


def read(data: bytes, *, pixels_max: int) -> Photo:
    """Decode one picture completely.

    ``pixels_max`` is in pixels. Raises ImageEmpty, ImageFormatUnsupported, TooManyPixels, ImageAnimated or
    ImageUnreadable, and nothing else.
    """
    if not data:
        raise ImageEmpty
    format = _sniff(data)
    if format is None:
        raise ImageFormatUnsupported(allowed=list(images.CONTENT_TYPES.values()))
    try:
        decoded = _decode(data, format, pixels_max)
        profile = decoded.info.get("icc_profile")
        image, icc = _rgb(decoded, profile)
        if turn := _TRANSPOSE.get(_orientation(decoded)):
            image = image.transpose(turn)
    except DECODE_ERRORS as error:
        raise ImageUnreadable(format=format) from error
    info = ImageInfo(format, image.width, image.height, image.mode == "RGBA", _digest(image, icc))
    return Photo(
        image, icc, info, decoded, _checked_profile(profile, b"GRAY" if decoded.mode == "L" else b"RGB ")
    )


def encode(image: Image.Image, *, format: str, icc: bytes | None, source_type: str) -> bytes:
    """Return a finished result as a file.

    ``image`` is RGB or RGBA; a JPEG has no alpha, so there transparency is shown on white. ``icc`` is the
    profile the pixels are in (None: sRGB). ``source_type`` is ``images.ENHANCED`` or ``images.COMPOSITED`` and is
    written as IPTC DigitalSourceType. Raises OutputTooLarge where the format ends.
    """
    images.check_output_size(*image.size, format=format)
    xmp = _XMP.format(source_type=source_type).encode()
    if format == "png":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp)
        return _saved(image, format, icc_profile=icc, pnginfo=text, compress_level=1)
    if format == "jpeg" and image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    options: dict[str, dict[str, Any]] = {
        "jpeg": {"quality": JPEG_QUALITY},
        "webp": {"quality": JPEG_QUALITY, "method": 2},
        "avif": {"quality": 80, "speed": AVIF_SPEED},
    }
    return _saved(image, format, icc_profile=icc, xmp=xmp, **options[format])


def _sniff(data: bytes) -> str | None:
    """Tell the format by its first bytes; a HEIC, which shares AVIF's container, is not one of ours."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(int.from_bytes(data[:4]), 256)]
        if any(brands[at : at + 4] in (b"avif", b"avis") for at in range(0, len(brands), 4)):
            return "avif"
    return None


def _decode(data: bytes, format: str, pixels_max: int) -> ImageFile:
    """Open, check what the header promises, then decode. Errors are Pillow's or ours."""
    if format == "webp":
        _check_size(*_webp_size(data), pixels_max)  # opening one allocates its canvas
    image = _PLUGINS[format](BytesIO(data))
    _check_size(*image.size, pixels_max)
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise ImageAnimated(frames=frames)
    if format == "png":
        _check_png_payload(data)
    if format == "jpeg":
        _check_jpeg_scans(data)
    image.load()
    return image


def _check_size(width: int, height: int, pixels_max: int) -> None:
    if width * height > pixels_max:
        raise TooManyPixels(megapixels=round(width * height / 1e6, 1), limit=round(pixels_max / 1e6, 1))


def _webp_size(data: bytes) -> tuple[int, int]:
    """Canvas of a WebP in pixels, from the first chunk (WebP container specification)."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _check_png_payload(data: bytes) -> None:
    """Refuse a PNG with far more compressed data than its pixels could need: a bomb or a smuggled payload."""
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    needed = height * (width * bits * _PNG_CHANNELS[colour] // 8 + 2)
    at, total = 8, 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        total += length if kind == b"IDAT" else 0
        at += length + 12
    if total > 2 * needed + 65_536:
        raise ValueError("more image data than pixels")


def _check_jpeg_scans(data: bytes) -> None:
    """Refuse a JPEG with more than JPEG_SCANS_MAX passes; walks the markers up to the end of the image."""
    at, scans = 2, 0
    while found := _JPEG_MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker == 0xD9:
            return
        scans += marker == 0xDA
        if scans > JPEG_SCANS_MAX:
            raise ValueError("too many scans")
        at += int.from_bytes(data[at : at + 2])


def _orientation(image: ImageFile) -> int:
    """EXIF orientation 1 to 8; 1 where there is none or it cannot be read (the picture is still good)."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except DECODE_ERRORS:
        return 1
    return value if value in _TRANSPOSE else 1


def _rgb(image: ImageFile, profile: object) -> tuple[Image.Image, bytes | None]:
    """Convert to RGB, or RGBA if any pixel is not opaque, and return the profile that then holds."""
    if image.mode == "CMYK":
        return _by_profile(image, _checked_profile(profile, b"CMYK")), None
    if image.mode in ("L", "LA") and (grey_profile := _checked_profile(profile, b"GRAY")):
        colour: Image.Image = _by_profile(image.getchannel("L"), grey_profile)
        if alpha := _alpha(image):
            colour.putalpha(alpha)
        return colour, None
    icc = _checked_profile(profile, b"RGB ")
    alpha = _alpha(image)
    grey16 = image.mode.startswith("I;16")
    colour = _high_bytes(image).convert("RGB") if grey16 else image.convert("RGB")
    if alpha:
        colour.putalpha(alpha)
    return colour, icc


def _alpha(image: ImageFile) -> Image.Image | None:
    """The alpha channel (mode L), None where every pixel is opaque."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I;16"):
        alpha = _alpha_of_key16(image, int(image.info["transparency"]))
    else:
        alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) else alpha


def _high_bytes(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit: Pillow's own conversion clips to white, so take the high byte as it does for RGB."""
    return Image.frombytes("L", image.size, image.tobytes("raw", "I;16B")[0::2])


def _alpha_of_key16(image: Image.Image, key: int) -> Image.Image:
    """Alpha of 16-bit grey where one exact value means transparent."""
    raw = image.tobytes("raw", "I;16B")
    planes = (Image.frombytes("L", image.size, raw[byte::2]) for byte in (0, 1))
    high, low = (
        plane.point([255 * (value == part) for value in range(256)])
        for plane, part in zip(planes, divmod(key, 256), strict=True)
    )
    return ImageChops.invert(ImageChops.darker(high, low))


def _by_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """CMYK or grey to sRGB through its profile; without a usable one, by Pillow's plain formula."""
    if profile is None:
        return image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
    assert converted is not None  # only None when converting in place
    return converted


def _checked_profile(profile: object, space: bytes) -> bytes | None:
    """The ICC profile cut to its declared length, None unless it is one for colour space ``space``."""
    if not isinstance(profile, bytes) or not 128 <= len(profile) <= PROFILE_BYTES_MAX:
        return None
    declared = int.from_bytes(profile[:4])
    if profile[36:40] != b"acsp" or profile[16:20] != space or not 128 <= declared <= len(profile):
        return None
    return profile[:declared]


def _digest(image: Image.Image, icc: bytes | None) -> str:
    """Hex SHA-256 over mode, size, profile and pixels, in bands to keep memory flat."""
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height} ".encode())
    digest.update(icc or b"")
    for top in range(0, image.height, 256):
        digest.update(image.crop((0, top, image.width, min(top + 256, image.height))).tobytes())
    return digest.hexdigest()


def _saved(image: Image.Image, format: str, *, icc_profile: bytes | None, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, format.upper(), icc_profile=icc_profile or b"", **options)
    return out.getvalue()
