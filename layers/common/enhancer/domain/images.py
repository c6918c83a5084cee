"""Rules about pictures: accepted and offered formats, largest files and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.errors import FileTooLarge, ImageFormatUnsupported, OutputTooLarge

FILE_BYTES_MAX = 10_000_000
"""Largest image in a request body, in bytes."""
UPLOAD_BYTES_MAX = 25_000_000
"""Largest image through a presigned upload, in bytes."""
PIXELS_MAX = 64_000_000
"""Largest input of any plan, in pixels; checked on the header, before anything is decoded."""
SIDE_MAX = {"jpeg": 65_500, "webp": 16_383, "png": 65_535, "avif": 65_535}
"""Longest side a format can store (libjpeg, the WebP container; the others by our own choice), in pixels."""
OUTPUT_PIXELS_MAX = {"jpeg": 256_000_000, "png": 192_000_000, "webp": 64_000_000, "avif": 64_000_000}
"""Largest result by format, in pixels: what its encoder does within the memory of the embedded model's function."""

CONTENT_TYPES = {
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "heic": "image/heic",
}
"""Accepted formats and the content type of each. Tests hold texts, forms and the page to this list."""
UPLOAD_TYPES = (*CONTENT_TYPES.values(), "image/heif")
"""Content types an upload may have: browsers call the same file image/heic or image/heif."""
NAMES = {"jpeg": "JPEG", "png": "PNG", "webp": "WebP", "avif": "AVIF", "heic": "HEIC"}
"""What people call the accepted formats."""
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"}
"""How the names of stored files end, by format. HEIC is only read: originals and results are stored as another one."""
OUTPUT_FORMATS = ("same", "jpeg", "png", "webp")
"""What a caller may ask for; "same" means the format of the source."""

ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
"""IPTC DigitalSourceType of a photo made larger or sharper: still the same picture."""
COMPOSITED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
"""IPTC DigitalSourceType of a photo edited by prompt: parts of it are generated."""

TEXT_MAX = 200
"""Longest text that is kept of a picture's metadata, in characters."""


@dataclass(frozen=True, slots=True)
class About:
    """What is kept of a picture's metadata, in originals and results; nothing of it decides about pixels or digests.

    ``taken`` is local time as in Exif, ``2026:11:20 10:30:00``, ``offset`` its distance from UTC, ``+01:00``. Texts
    have at most `TEXT_MAX` characters. ``dpi``: pixels per inch, across and down, 0 where it is not known.
    """

    taken: str = ""
    offset: str = ""
    artist: str = ""
    copyright: str = ""
    make: str = ""
    model: str = ""
    dpi: int = 0


NOTHING_KNOWN = About()
"""Of a picture without metadata."""


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a decoded picture is.

    ``format`` is a key of ``CONTENT_TYPES``; width and height are in pixels as seen (orientation applied);
    ``digest`` is the hex SHA-256 of the oriented pixels, their mode and what the file says about their colour, so two
    files with the same picture have the same digest.
    """

    format: str
    width: int
    height: int
    alpha: bool
    digest: str

    @property
    def megapixels(self) -> float:
        """Its size in millions of pixels."""
        return self.width * self.height / 1_000_000


def output_format(requested: str, source_format: str, *, alpha: bool) -> str:
    """Return the format key of a result, given one of ``OUTPUT_FORMATS`` and what the source was.

    "same" never loses transparency: a result with alpha whose source was a JPEG becomes a PNG. A source that can only
    be read counts as a JPEG. A format asked for by name wins, even where it means that transparency is flattened.
    """
    if requested != "same":
        return requested
    source_format = source_format if source_format in EXTENSIONS else "jpeg"
    return "png" if alpha and source_format == "jpeg" else source_format


def check_upload(content_type: str, size: int) -> None:
    """Raise `ImageFormatUnsupported` or `FileTooLarge` for an upload of this content type and size (bytes)."""
    if content_type not in UPLOAD_TYPES:
        raise ImageFormatUnsupported(field="contentType", allowed=list(UPLOAD_TYPES))
    if size > UPLOAD_BYTES_MAX:
        raise FileTooLarge(field="size", size=size, limit=UPLOAD_BYTES_MAX)


def check_output_size(width: int, height: int, *, file_format: str) -> None:
    """Raise `OutputTooLarge` unless ``file_format`` can store width x height pixels within `OUTPUT_PIXELS_MAX`.

    ``limit`` in the error is the longest side in pixels, or the total in pixels where only that is exceeded.
    """
    if max(width, height) > SIDE_MAX[file_format]:
        raise OutputTooLarge(width=width, height=height, limit=SIDE_MAX[file_format])
    if width * height > OUTPUT_PIXELS_MAX[file_format]:
        raise OutputTooLarge(width=width, height=height, limit=OUTPUT_PIXELS_MAX[file_format])
