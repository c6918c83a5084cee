"""Convert a decoded picture of any mode (grey, palette, CMYK, 16 bits) to 8-bit RGB or RGBA with its ICC profile."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, ImageChops, ImageCms

from enhancer.adapters.images.bare import profile_for


def rgb(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """Return the picture as RGB, or RGBA if any pixel is not opaque, and the ICC profile of its pixels (None: sRGB).

    The result has no metadata. CMYK, and grey with a profile, are converted to sRGB.
    """
    grey_profile = profile(image, b"GRAY")
    plain = _high_bytes(image) if image.mode.startswith("I;16") else image
    if image.mode == "CMYK":
        result, icc = _by_profile(image, profile(image, b"CMYK")), None
    elif plain.mode in ("L", "LA") and grey_profile:
        result, icc = _by_profile(plain.getchannel(0), grey_profile), None
    else:
        result, icc = plain.convert("RGB"), profile(image, b"RGB ")
    if alpha := _alpha(image):
        result.putalpha(alpha)
    result.info = {}  # else a transparent colour, for example, would be written into the next file
    return result, icc


def profile(image: Image.Image, space: bytes) -> bytes | None:
    """Return the embedded ICC profile if it is one for ``space`` (see `bare.profile_for`); else None."""
    return profile_for(image.info.get("icc_profile"), space)


def has_profile(image: Image.Image) -> bool:
    """Return whether a usable ICC profile says what colour the pixels are."""
    return profile_for(image.info.get("icc_profile"), b"RGB ", b"GRAY", b"CMYK") is not None


def _alpha(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel (mode L), None if every pixel is opaque."""
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I;16"):
        alpha = _alpha_of_key16(image, int(image.info["transparency"]))
    else:
        alpha = image.convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) else alpha


def _high_bytes(image: Image.Image) -> Image.Image:
    """Return 16-bit grey as 8-bit by its high byte, as Pillow does for RGB; for grey Pillow would clip to white."""
    return Image.frombytes("L", image.size, image.tobytes("raw", "I;16B")[0::2])


def _alpha_of_key16(image: Image.Image, key: int) -> Image.Image:
    """Return the alpha channel of 16-bit grey in which the value ``key`` means transparent (PNG tRNS)."""
    raw = image.tobytes("raw", "I;16B")
    planes = (Image.frombytes("L", image.size, raw[byte::2]) for byte in (0, 1))
    high, low = (
        plane.point([255 * (value == part) for value in range(256)])
        for plane, part in zip(planes, divmod(key, 256), strict=True)
    )
    return ImageChops.invert(ImageChops.darker(high, low))


def _by_profile(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Return CMYK or grey as sRGB, converted by its ICC profile, without a usable one by Pillow's formula."""
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
