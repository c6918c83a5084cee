"""Colour that a file states without an ICC profile: code points (ITU-T H.273: cICP, nclx, AV1) or gAMA and cHRM.

What looks the same is said by a profile, and the pixels stay as they are: other primaries, another gamma. What an
8-bit picture cannot be shown or worked on with (linear light, PQ, HLG) is brought to the curve of sRGB, and its
primaries stay. Brightness above that of paper is rolled off by the curve of Report ITU-R BT.2390-11, 5.4.1, per
channel, from 1,000 cd/m2 to the 203 cd/m2 of a white page (BT.2408).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from math import e
from typing import TYPE_CHECKING

from enhancer.adapters.images.matrix_profile import Chromaticities, profile, scales

if TYPE_CHECKING:
    from PIL import Image


_D65, _C, _E, _DCI = (0.3127, 0.3290), (0.310, 0.316), (1 / 3, 1 / 3), (0.314, 0.351)
SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,  # BT.709
    2: SRGB,  # not specified
    4: (*_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),  # BT.470 M
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),  # BT.470 B, G
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # BT.601, 525 lines
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),  # SMPTE 240
    8: (*_C, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),  # film
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020, BT.2100
    10: (*_E, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),  # CIE XYZ
    11: (*_DCI, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),  # EBU 3213
}
"""By ColourPrimaries of H.273, table 2; all others are reserved."""
_SRGB_CURVE = (1, 2, 6, 11, 12, 13, 14, 15)  # sRGB, and camera curves that screens show by it
_GAMMAS = {4: 2.2, 5: 2.8, 17: 2.6}
_LINEAR, _PQ, _HLG = 8, 16, 18
_SHOWN_GAMMAS = (1.6, 3.0)  # curves so close to a screen's that networks and 8 bits do well with them
_GAMMAS_READ = (0.1, 10.0)
_PAPER_WHITE, _BRIGHTEST, _PQ_BRIGHTEST = 203.0, 1_000.0, 10_000.0  # cd/m2


def known(primaries: int, transfer: int) -> bool:
    """Return whether these code points of H.273 are ones that we can apply, "not specified" included."""
    return primaries in PRIMARIES and transfer in (*_SRGB_CURVE, *_GAMMAS, _LINEAR, _PQ, _HLG)


def by_code(primaries: int, transfer: int, *, narrow: bool = False) -> bytes:
    """Return code points of H.273 as a statement; empty for sRGB, for nothing said, and for reserved ones.

    ``narrow``: black is 16 and white 235, of RGB.
    """
    if not known(primaries, transfer) or (
        PRIMARIES[primaries] == SRGB and transfer in _SRGB_CURVE and not narrow
    ):
        return b""
    return b"code" + bytes((primaries, transfer, narrow))


def by_gamma(gamma: bytes, primaries: bytes) -> bytes:
    """Return the contents of PNG's gAMA and cHRM as a statement; either may be empty. Empty for sRGB and nonsense."""
    exponent = 100_000 / (int.from_bytes(gamma) or 1)
    if not _GAMMAS_READ[0] <= exponent <= _GAMMAS_READ[1] or abs(exponent - 2.2) < 0.005:
        gamma = b""
    found = _chromaticities(primaries)
    if found is None or max(abs(a - b) for a, b in zip(found, SRGB, strict=True)) < 0.001:
        primaries = b""
    return b"gama" + gamma.rjust(4, b"\0") + primaries if gamma or primaries else b""


def applied(image: Image.Image, statement: bytes) -> tuple[Image.Image, bytes | None]:
    """Return an RGB or RGBA picture as it is to be kept, and the ICC profile of its pixels (None: sRGB).

    ``statement`` is what `by_code` or `by_gamma` returned.
    """
    if not statement:
        return image, None
    narrow = False
    if statement.startswith(b"code"):
        primaries, code, narrow = PRIMARIES[statement[4]], statement[5], bool(statement[6])
        curve, exponent = _curve(code), _GAMMAS.get(code)
    else:
        stored = int.from_bytes(statement[4:8])
        exponent, curve = (100_000 / stored if stored else None), None
        primaries = _chromaticities(statement[8:]) or SRGB
        if exponent and not _SHOWN_GAMMAS[0] <= exponent <= _SHOWN_GAMMAS[1]:
            curve, exponent = partial(_power, exponent), None
    if curve or narrow:
        image = _mapped(image, curve or (lambda value: value), encoded=curve is None, narrow=narrow)
    if primaries == SRGB and exponent is None:
        return image, None
    return image, profile(primaries, exponent)


def _power(exponent: float, value: float) -> float:
    return float(value**exponent)


def _curve(code: int) -> Callable[[float], float] | None:
    """Return how a signal of 0..1 becomes linear light, white being 1; None where the pixels stay as they are."""
    curves: dict[int, Callable[[float], float]] = {
        _LINEAR: partial(_power, 1.0),
        _PQ: _from_pq,
        _HLG: _from_hlg,
    }
    return curves.get(code)


def _mapped(
    image: Image.Image, curve: Callable[[float], float], *, encoded: bool, narrow: bool
) -> Image.Image:
    """Return the picture with each channel but alpha brought to sRGB's curve; ``encoded``: it has that already."""
    table = []
    for value in range(256):
        signal = min(1.0, max(0.0, (value - 16) / 219)) if narrow else value / 255
        light = curve(signal)
        table.append(round(255 * (light if encoded else _to_srgb(light))))
    same = list(range(256)) if image.mode == "RGBA" else []
    return image.point(table * 3 + same)


def _to_srgb(light: float) -> float:
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def _from_pq(signal: float) -> float:
    return _light(_pq_light(_rolled_off(signal)))


def _from_hlg(signal: float) -> float:
    """Apply BT.2100's inverse OETF and its OOTF for a screen of 1,000 cd/m2, per channel."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = signal**2 / 3 if signal <= 0.5 else (e ** ((signal - c) / a) + b) / 12
    return _light(_pq_light(_rolled_off(_pq_signal(_BRIGHTEST * scene**1.2))))


def _light(luminance: float) -> float:
    return min(1.0, luminance / _PAPER_WHITE)


def _pq_light(signal: float) -> float:
    """Return cd/m2 of a PQ signal (SMPTE ST 2084)."""
    power = signal ** (1 / 78.84375)
    return float(
        _PQ_BRIGHTEST
        * (max(0.0, power - 0.8359375) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    )


def _pq_signal(luminance: float) -> float:
    """Return the PQ signal of so many cd/m2."""
    power = (luminance / _PQ_BRIGHTEST) ** 0.1593017578125
    return float(((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375)


def _rolled_off(signal: float) -> float:
    """Return a PQ signal with what is bright compressed so that the brightest becomes a white page."""
    brightest = _pq_signal(_BRIGHTEST)
    value, top = min(1.0, signal / brightest), _pq_signal(_PAPER_WHITE) / brightest
    knee = 1.5 * top - 0.5
    if value > knee:
        t = (value - knee) / (1 - knee)
        value = (
            (2 * t**3 - 3 * t**2 + 1) * knee
            + (t**3 - 2 * t**2 + t) * (1 - knee)
            + (3 * t**2 - 2 * t**3) * top
        )
    return value * brightest


def _chromaticities(content: bytes) -> Chromaticities | None:
    """Return what a cHRM chunk says, None unless its primaries can make its white."""
    if len(content) != 32:
        return None
    found: Chromaticities = tuple(value / 100_000 for value in struct.unpack(">8I", content))
    if not all(0 <= value <= 1 for value in found) or not all(found[1::2][:1]):
        return None
    shares = scales(found)
    return found if shares and all(share > 0 for share in shares) else None
