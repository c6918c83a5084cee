"""How near a picture is to the truth: PSNR and SSIM by scikit-image, HaarPSI, change of brightness.

HaarPSI follows R. Reisenhofer, S. Bosse, G. Kutyniok and T. Wiegand, "A Haar wavelet-based perceptual similarity index
for image quality assessment", Signal Processing: Image Communication 61 (2018), with the constants of its section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import convolve
from scipy.special import expit, logit
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

Plane = NDArray[np.float64]
HAARPSI_C, HAARPSI_ALPHA = 30.0, 4.2
YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])


@dataclass(frozen=True, slots=True)
class Score:
    """How near a picture is to the truth.

    ``psnr`` in dB; ``ssim`` and ``haarpsi`` up to 1, which is the same picture; ``bias``: by how much of 255 the
    channel that changed most became brighter on average.
    """

    psnr: float
    ssim: float
    haarpsi: float
    bias: float


def score(result: Image.Image, truth: Image.Image) -> Score:
    """Compare two RGB pictures of one size."""
    ours, wanted = (np.asarray(one.convert("RGB"), np.float64) for one in (result, truth))
    bias = (ours - wanted).mean(axis=(0, 1))
    return Score(
        psnr=float(peak_signal_noise_ratio(wanted, ours, data_range=255)),
        ssim=float(structural_similarity(wanted, ours, data_range=255, channel_axis=2)),
        haarpsi=haarpsi(ours, wanted),
        bias=float(bias[np.abs(bias).argmax()]),
    )


def mean(scores: list[Score]) -> Score:
    """Return the mean of each measure; of the biases, the one farthest from 0."""
    biases = [one.bias for one in scores]
    return Score(
        psnr=float(np.mean([one.psnr for one in scores])),
        ssim=float(np.mean([one.ssim for one in scores])),
        haarpsi=float(np.mean([one.haarpsi for one in scores])),
        bias=max(biases, key=abs),
    )


def haarpsi(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the similarity of two HxWx3 arrays (0..255), from 0 to 1."""
    first, second = (_halved(pixels.astype(np.float64) @ YIQ.T) for pixels in (one, other))
    similar, weight = [], []
    for axis in (0, 1):
        ours, theirs = (np.abs(_haar(planes[..., 0], axis)) for planes in (first, second))
        similar.append(_alike(ours[:2], theirs[:2]).mean(axis=0))
        weight.append(np.maximum(ours[2], theirs[2]))
    chroma = (np.abs(_smooth(planes[..., 1:])) for planes in (first, second))
    similar.append(_alike(*chroma).mean(axis=2))
    weight.append((weight[0] + weight[1]) / 2)
    likeness = (expit(HAARPSI_ALPHA * np.array(similar)) * np.array(weight)).sum() / np.array(weight).sum()
    return float((logit(likeness) / HAARPSI_ALPHA) ** 2)


def _alike(one: Plane, other: Plane) -> Plane:
    return (2 * one * other + HAARPSI_C**2) / (one**2 + other**2 + HAARPSI_C**2)


def _haar(plane: Plane, axis: int) -> Plane:
    """Return the Haar wavelet responses along an axis at three scales."""
    responses = []
    for scale in (1, 2, 3):
        kernel = np.full((2**scale, 2**scale), 2.0**-scale)
        kernel[: 2**scale // 2] *= -1
        responses.append(convolve(plane, kernel if axis == 0 else kernel.T, mode="constant"))
    return np.array(responses)


def _smooth(planes: Plane) -> Plane:
    """Return the means of 2x2 pixels."""
    return convolve(planes, np.full((2, 2, 1), 0.25), mode="constant")


def _halved(planes: Plane) -> Plane:
    """Return every second pixel of the means of 2x2 pixels."""
    return _smooth(planes)[::2, ::2]
