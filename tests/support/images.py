"""Small real pictures."""

from __future__ import annotations

from io import BytesIO

from PIL import Image


def picture(size: tuple[int, int] = (8, 6), *, shade: int = 0, mode: str = "RGB") -> Image.Image:
    """A gradient; another ``shade`` is another picture."""
    image = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", (image, image.rotate(90), Image.new("L", size, shade % 256))).convert(mode)


def encoded(image: Image.Image, file_format: str = "PNG") -> bytes:
    """The picture as a file."""
    out = BytesIO()
    image.save(out, file_format)
    return out.getvalue()


def png(size: tuple[int, int] = (8, 6), *, shade: int = 0) -> bytes:
    """A PNG file."""
    return encoded(picture(size, shade=shade))


def jpeg(size: tuple[int, int] = (8, 6), *, shade: int = 0) -> bytes:
    """A JPEG file."""
    return encoded(picture(size, shade=shade), "JPEG")


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height of a picture file."""
    with Image.open(BytesIO(data)) as opened:
        return opened.size
