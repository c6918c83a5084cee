"""Rules about pictures: what we take, what we give, and how big."""

from __future__ import annotations

from dataclasses import dataclass

FILE_BYTES_MAX = 10_000_000
"""Largest image in a request body."""
UPLOAD_BYTES_MAX = 25_000_000
"""Largest image through a presigned upload."""
PIXELS_MAX = 32_000_000
"""Largest input of any plan, in pixels; checked on the header, before anything is decoded."""
SIDE_MAX = {"jpeg": 65_500, "webp": 16_383, "png": 65_535, "avif": 65_535}
"""Longest side a format can store (libjpeg, the WebP container; the others by our own choice), in pixels."""
OUTPUT_PIXELS_MAX = 256_000_000
"""Largest result, in pixels."""

CONTENT_TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp", "avif": "image/avif"}
"""Accepted formats, and the content type each is served with."""
EXTENSIONS = {"jpeg": "jpg", "png": "png", "webp": "webp", "avif": "avif"}
OUTPUT_FORMATS = ("same", "jpeg", "png", "webp")


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a decoded picture is.

    ``format`` is a key of ``CONTENT_TYPES``; width and height are in pixels as seen (orientation applied);
    ``digest`` is the hex SHA-256 of the oriented pixels, their mode and the colour profile, so two files with
    the same picture have the same digest.
    """

    format: str
    width: int
    height: int
    alpha: bool
    digest: str

    @property
    def megapixels(self) -> float:
        """Input size in millions of pixels."""
        return self.width * self.height / 1_000_000
