"""Decode the images that users and providers send, encode originals and results, with Pillow.

Import this module where pixels are needed and not at the top of a handler: Pillow costs a cold start 20 ms.

For any bytes, `read` returns a `Photo` or raises one of our errors. The content decides the format, never a name or a
content type, and only the decoders of the formats we take ever get the bytes, after `containers` has taken out
the metadata and checked what the coded stream says about its size, so memory is bounded by ``pixels_max``.
"""

from __future__ import annotations

import hashlib
import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import AvifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from enhancer.adapters.images import about, bare, colour, containers, heic, stated_colour
from enhancer.domain import images
from enhancer.domain.errors import (
    ImageAnimated,
    ImageEmpty,
    ImageFormatUnsupported,
    ImageUnreadable,
)
from enhancer.domain.images import NOTHING_KNOWN, About, ImageInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from enhancer.adapters.images.bare import Bare

warnings.filterwarnings(
    "ignore", module=r"PIL\."
)  # about damaged metadata, which is dropped; logs are JSON lines

_JPEG_ORIGINAL: dict[str, Any] = {"quality": 95, "subsampling": 0}
"""For originals that cannot keep their own quantisation tables: no visible loss."""
_WEBP_LOSSLESS: dict[str, Any] = {"lossless": True, "method": 0, "quality": 20, "exact": True}
_RESULT_OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {"quality": 90},
    "png": {"compress_level": 1},  # never optimize=True: thirty times slower
    "webp": {"quality": 90, "method": 2},
    "avif": {"quality": 80, "speed": 9},
}

DECODE_ERRORS = (
    OSError,  # also UnidentifiedImageError: truncated or broken data
    SyntaxError,  # what Pillow raises for a file of another format
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
"""Everything Pillow and our own walks raise for hostile bytes, as found by mutating files: the file is not readable."""

_PLUGINS: dict[str, Callable[[BytesIO], Image.Image]] = {
    "jpeg": JpegImagePlugin.JpegImageFile,  # reads the first picture of an MPO as the JPEG it is
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "heic": heic.opened,
}
_FILLINGS = (b"\x35\xa7\x1c" * 10_000, b"\xca\x58\xe3" * 10_000)
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 Iptc4xmpExt:DigitalSourceType="{source_type}"/></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(frozen=True, slots=True)
class Photo:
    """A decoded picture.

    ``image`` is 8-bit RGB, or RGBA if some pixel is not opaque, with its EXIF orientation applied. ``icc`` is the
    RGB colour profile of those pixels, None for sRGB. ``jpeg`` is a JPEG as decoded, before any conversion, and
    ``orientation`` what was applied to it; None and 1 for other formats. ``about`` is what is kept of its metadata.
    """

    image: Image.Image
    icc: bytes | None
    info: ImageInfo
    jpeg: JpegImagePlugin.JpegImageFile | None
    orientation: int = 1
    about: About = NOTHING_KNOWN

    def clean_copy(self) -> tuple[bytes, str]:
        """Return the file we store as the original and its format key.

        It keeps pixels, colour profile, alpha, ``about`` and (for JPEG, whose blocks should not be moved) the
        orientation. Place, serial numbers, thumbnail, comments and anything hidden in the file are dropped. A JPEG is
        written with its own quantisation tables; PNG and WebP are lossless; an AVIF or HEIC becomes a JPEG, with alpha
        a WebP.
        """
        if self.jpeg and self.jpeg.mode in ("L", "RGB"):
            return _clean_jpeg(self.jpeg, self.orientation, self.about), "jpeg"
        options = _metadata(self.about)
        if self.jpeg or (self.info.format in ("avif", "heic") and not self.info.alpha):
            return _saved(self.image, "jpeg", icc_profile=self.icc, **options, **_JPEG_ORIGINAL), "jpeg"
        if self.info.format == "png" or max(self.image.size) > images.SIDE_MAX["webp"]:
            return _saved(self.image, "png", icc_profile=self.icc, **options, compress_level=1), "png"
        return _saved(self.image, "webp", icc_profile=self.icc, **options, **_WEBP_LOSSLESS), "webp"


def read(data: bytes, *, pixels_max: int) -> Photo:
    """Decode one picture completely.

    ``pixels_max`` is the limit of width x height. Raises ImageEmpty, ImageFormatUnsupported, TooManyPixels,
    ImageAnimated or ImageUnreadable, and nothing else.
    """
    if not data:
        raise ImageEmpty
    file_format = containers.file_format(data)
    if file_format is None:
        other = containers.other_format(data)
        found: dict[str, Any] = {"found": other} if other else {}
        raise ImageFormatUnsupported(allowed=list(images.CONTENT_TYPES.values()), **found)
    try:
        file = containers.BARE[file_format](data, pixels_max)
        if file.frames > 1:
            raise ImageAnimated(frames=file.frames)
        decoded = _decode(file, file_format)
        profiled = colour.has_profile(decoded)
        image, icc = colour.rgb(decoded)
        if not profiled:
            image, icc = stated_colour.applied(image, file.colour)
        turned = bare.orientation(file.exif if file.turned_by_exif else decoded.info.get("exif"))
        if turned != 1:
            image = image.transpose(_TRANSPOSE[turned])
    except DECODE_ERRORS as error:
        reason = error.reason if isinstance(error, bare.Refused) else "damaged"
        raise ImageUnreadable(format=file_format, reason=reason) from error
    kept = about.read(file.exif, decoded.info.get("dpi"))
    digest = _digest(image, icc, file.colour)
    info = ImageInfo(file_format, image.width, image.height, image.mode == "RGBA", digest)
    if isinstance(decoded, JpegImagePlugin.JpegImageFile):
        return Photo(image, icc, info, decoded, turned, kept)
    return Photo(image, icc, info, None, about=kept)


def encode(
    image: Image.Image, *, file_format: str, icc: bytes | None, source_type: str, kept: About | None = None
) -> bytes:
    """Return a result as a file.

    ``image`` is RGB or RGBA; in a JPEG, which has no alpha, transparency becomes white. ``icc`` is the colour profile
    of the pixels (None: sRGB). ``source_type`` is ``images.ENHANCED`` or ``images.COMPOSITED``, written as IPTC
    DigitalSourceType. ``kept``: what is known of the photo, None for a file that is no result. Raises OutputTooLarge if
    the format cannot hold so many pixels.
    """
    images.check_output_size(*image.size, file_format=file_format)
    xmp = _XMP.format(source_type=source_type).encode()
    if file_format == "jpeg" and image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    metadata = _metadata(kept, fixed=True) if kept is not None else {}
    if file_format != "png":
        metadata["xmp"] = xmp
    else:
        metadata["pnginfo"] = PngImagePlugin.PngInfo()
        metadata["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp)
    return _saved(image, file_format, icc_profile=icc, **metadata, **_RESULT_OPTIONS[file_format])


def resized(photo: Photo, width: int, height: int) -> bytes:
    """Return a picture as a JPEG of exactly this size in pixels, as the input of a model."""
    small = photo.image.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return encode(small, file_format="jpeg", icc=photo.icc, source_type=images.ENHANCED)


def reshaped(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image brought to exactly this width and height in pixels."""
    return image.resize(size, Image.Resampling.LANCZOS)


def _decode(file: Bare, file_format: str) -> Image.Image:
    """Decode a file without metadata and give the picture the profile that the file had. Raises Pillow's errors."""
    image = _opened(file.data, file_format) if file.ended else _with_every_row(file.data)
    image.load()
    if file_format == "jpeg" and file.ended and _ends_flat(image):
        _with_every_row(file.data)  # an end may have been put behind what is not whole
    if file.icc:
        image.info["icc_profile"] = file.icc
    return image


def _opened(data: bytes, file_format: str) -> Image.Image:
    image = _PLUGINS[file_format](BytesIO(data))
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        image.decodermaxblock = len(data)  # in one piece: its decoder goes back where it gets one of several
    return image


def _ends_flat(image: Image.Image) -> bool:
    """Whether the last pixels have one colour, as all have that a decoder filled in."""
    corner = (max(0, image.width - 4), max(0, image.height - 4), image.width, image.height)
    return len(image.crop(corner).getcolors() or ()) == 1


def _with_every_row(data: bytes) -> Image.Image:
    """Return a JPEG whose end may have been added; raise `bare.Refused` unless it has all of its pixels.

    Decoders fill what is missing. So bytes are added behind the last ones, twice and not the same: where that makes
    another picture, pixels were missing.
    """
    files = [data[:-2] + filling + data[-2:] for filling in _FILLINGS]
    other = _digest(_opened(files[0], "jpeg"), None, b"")
    image = _opened(files[1], "jpeg")
    if _digest(image, None, b"") != other:
        raise bare.Refused("incomplete")
    return image


def _metadata(kept: About, *, orientation: int = 1, fixed: bool = False) -> dict[str, Any]:
    """Return what Pillow takes to write Exif and pixels per inch; ``fixed``: Exif of `about.BLOCK_BYTES`."""
    exif = about.fixed_block(kept) if fixed else about.block(kept, orientation=orientation)
    options: dict[str, Any] = {"exif": b"Exif\0\0" + exif} if exif else {}
    return options | ({"dpi": (kept.dpi, kept.dpi)} if kept.dpi else {})


def _clean_jpeg(image: JpegImagePlugin.JpegImageFile, orientation: int, kept: About) -> bytes:
    """Encode a grey or RGB JPEG again with its own quantisation tables and its orientation as it was."""
    options: dict[str, Any] = {
        "icc_profile": colour.profile(image, b"GRAY" if image.mode == "L" else b"RGB "),
        **_metadata(kept, orientation=orientation),
        "comment": b"",  # else Pillow copies the one it read
        "subsampling": max(JpegImagePlugin.get_sampling(image), 0),  # one it cannot write: keep all colour
    }
    try:
        return _saved(image, "jpeg", qtables=image.quantization, **options)
    except (ValueError, OSError):  # tables that can be read but not written
        return _saved(image, "jpeg", quality=_JPEG_ORIGINAL["quality"], **options)


def _digest(image: Image.Image, icc: bytes | None, statement: bytes) -> str:
    """Return the hex SHA-256 of mode, size, colour and pixels; hashed in bands to save memory.

    ``statement``: what the file says about colour besides a profile (`Bare.colour`).
    """
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height} ".encode())
    digest.update((icc or b"") + statement)
    for top in range(0, image.height, 256):
        digest.update(image.crop((0, top, image.width, min(top + 256, image.height))).tobytes())
    return digest.hexdigest()


def _saved(image: Image.Image, file_format: str, *, icc_profile: bytes | None, **options: Any) -> bytes:
    out = BytesIO()
    image.save(out, file_format.upper(), icc_profile=icc_profile or b"", **options)
    return out.getvalue()
