"""Colour: whatever mode a decoder delivers, 8-bit RGB or RGBA comes out, and the profile that then holds."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops, ImageCms

PROFILE_BYTES_MAX = 4_000_000
"""Largest colour profile we carry along."""


def rgb(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Convert to RGB, or RGBA if any pixel is not opaque.

    Returns the picture without any metadata, and the RGB profile its pixels are in (None: sRGB).
    """
    grey_profile = profile(image, b"GRAY")
    if image.mode == "CMYK":
        result, icc = _by_profile(image, profile(image, b"CMYK")), None
    elif image.mode in ("L", "LA") and grey_profile:
        result, icc = _by_profile(image.getchannel(0), grey_profile), None
    else:
        plain = _high_bytes(image) if image.mode.startswith("I;16") else image
        result, icc = plain.convert("RGB"), profile(image, b"RGB ")
    if alpha := _alpha(image):
        result.putalpha(alpha)
    result.info = {}  # a transparent colour, for one, would be written into the next file
    return result, icc


def profile(image: Image.Image, space: bytes) -> bytes | None:
    """The ICC profile cut to its declared length, None unless there is one for colour space ``space``."""
    found = image.info.get("icc_profile")
    if not isinstance(found, bytes) or not 128 <= len(found) <= PROFILE_BYTES_MAX:
        return None
    declared = int.from_bytes(found[:4])
    if found[36:40] != b"acsp" or found[16:20] != space or not 128 <= declared <= len(found):
        return None
    return found[:declared]


def _alpha(image: Image.Image) -> Image.Image | None:
    """The alpha channel (mode L), None where every pixel is opaque."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I;16"):
        alpha = _alpha_of_key16(image, int(image.info["transparency"]))
    else:
        alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) else alpha


def _high_bytes(image: Image.Image) -> Image.Image:
    """16-bit grey as 8-bit: the high byte, as Pillow does for RGB; for grey it would clip to white."""
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


def _by_profile(image: Image.Image, icc: bytes | None) -> Image.Image:
    """CMYK or grey to sRGB through its profile; without a usable one, by Pillow's plain formula."""
    if icc is None:
        return image.convert("RGB")
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            image.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return transform.apply(image)
    except (ImageCms.PyCMSError, OSError):
        return image.convert("RGB")
