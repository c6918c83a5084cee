"""Enlarge pictures with Real-ESRGAN on the CPU.

Both networks multiply the sides by 4. Twice the size is their result halved again (with a windowed filter:
0.3 dB better than the x2 variant of the same weights); 6 and 8 take two passes. A picture is worked on in
tiles, so memory follows the size of the result: 4 bytes per pixel of it plus 150 MB (standard) or 800 MB
(pro). Every tile sees ``pad`` pixels of its surroundings; at the border of the picture those come from
the picture itself, because the zeros a network pads with show as a frame.

Standard is ``realesr-animevideov3`` (small, robust against compression), pro is ``RealESRGAN_x4plus`` (forty
times the work). They invent plausible detail: a result is nicer to look at, not closer to the truth.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Literal

import ncnn
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from enhancer.domain.errors import ProviderUnavailable
from vision import weights

NATIVE_SCALE = 4
PASSES = {2: (2,), 4: (4,), 6: (2, 3), 8: (2, 4)}
"""Scale -> factors of the passes; small ones first, because the second pass works on the larger picture."""


@dataclass(frozen=True, slots=True)
class Model:
    """A network and how to tile it; lengths in input pixels.

    ``border`` says what lies beyond the picture: its outermost pixels repeated, or for a network that would draw
    those as stripes, its mirror image.

    ``trunk`` names the blob where the work at input resolution ends, for networks whose tail is so wide that
    it has to run in smaller tiles (``tail_tile``, ``tail_pad``) to fit into memory; the result is the same.
    """

    name: str
    tile: int
    pad: int
    border: Literal["edge", "reflect"] = "edge"
    trunk: str | None = None
    tail_tile: int = 0
    tail_pad: int = 0


MODELS = {
    "standard": Model("REALESRGAN_ANIMAVIDEOV3_UP4X", tile=200, pad=10),
    "pro": Model(
        "REALESRGAN_X4PLUS_UP4X", tile=144, pad=24, border="reflect", trunk="1878", tail_tile=48, tail_pad=6
    ),
}


def enlarge(
    image: Image.Image, *, scale: int, quality: str, on_tile: Callable[[], None] = lambda: None
) -> Image.Image:
    """Return ``image`` (RGB or RGBA, from 1x1) in the same mode, its sides multiplied by ``scale``.

    ``scale`` is a key of PASSES, ``quality`` one of MODELS. The same input gives the same output on the same
    machine. ``on_tile`` is called before each tile; what it raises ends the work.
    Raises ProviderUnavailable when the network runs out of memory.
    """
    model = MODELS[quality]
    colour = _bleed(image) if image.mode == "RGBA" else image
    neutral = _is_neutral(image)
    for factor in PASSES[scale]:
        colour = _one_pass(colour, model, factor, on_tile)
    if neutral:
        colour = colour.convert("L").convert("RGB")
    if image.mode == "RGBA":
        colour.putalpha(image.getchannel("A").resize(colour.size, Image.Resampling.LANCZOS))
    return colour


def warm_up(quality: str) -> None:
    """Load the network now, so that the first picture does not wait for it."""
    _net(MODELS[quality].name)


def _one_pass(image: Image.Image, model: Model, factor: int, on_tile: Callable[[], None]) -> Image.Image:
    """Return an RGB picture with its sides multiplied by ``factor`` (up to 4)."""
    width, height = image.size
    result = Image.new("RGB", (width * factor, height * factor))
    for left, top, right, bottom in tiles(width, height, model.tile):
        on_tile()
        padded = _surroundings(image, (left, top, right, bottom), model)
        big = Image.fromarray(_infer(model, padded))
        inner = _inner(model.pad, right - left, bottom - top)
        size = ((right - left) * factor, (bottom - top) * factor)
        if factor == NATIVE_SCALE:
            part = big.crop(inner)
        else:  # the filter looks beyond the box, so neighbours agree
            part = big.resize(size, Image.Resampling.HAMMING, box=inner)
        result.paste(part, (left * factor, top * factor))
    return result


def _inner(pad: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the box of a tile of width x height in its enlarged surroundings, in output pixels."""
    edge = pad * NATIVE_SCALE
    return edge, edge, edge + width * NATIVE_SCALE, edge + height * NATIVE_SCALE


def tiles(width: int, height: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield nearly equal boxes (left, top, right, bottom) that cover width x height, with sides at most ``side``."""
    rows, columns = (range(-(-length // side) + 1) for length in (height, width))
    for top, bottom in pairwise(height * row // rows[-1] for row in rows):
        for left, right in pairwise(width * column // columns[-1] for column in columns):
            yield left, top, right, bottom


def _surroundings(image: Image.Image, inner: tuple[int, int, int, int], model: Model) -> NDArray[np.uint8]:
    """Return the box ``inner`` with the model's ``pad`` pixels around it, HxWx3; beyond the picture, its ``border``."""
    (left, top, right, bottom), pad = inner, model.pad
    box = (
        max(left - pad, 0),
        max(top - pad, 0),
        min(right + pad, image.width),
        min(bottom + pad, image.height),
    )
    missing_rows = (box[1] - (top - pad), bottom + pad - box[3])
    missing_columns = (box[0] - (left - pad), right + pad - box[2])
    return np.pad(np.asarray(image.crop(box)), (missing_rows, missing_columns, (0, 0)), model.border)


def _infer(model: Model, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Run the network on HxWx3 (0..255) and return 4Hx4Wx3 (0..255)."""
    height, width, _ = rgb.shape
    net = _net(model.name)
    pixels = ncnn.Mat.from_pixels(np.ascontiguousarray(rgb), ncnn.Mat.PixelType.PIXEL_RGB, width, height)
    pixels.substract_mean_normalize([0.0] * 3, [1 / 255] * 3)  # ncnn's spelling
    if model.trunk is None:
        return _to_pixels(_run(net, "data", pixels, "output"))
    features = _run(net, "data", pixels, model.trunk)
    return _tail(
        net, model, np.pad(features, ((0, 0), *[(model.tail_pad, model.tail_pad)] * 2), model.border)
    )


def _tail(net: ncnn.Net, model: Model, features: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Run the network after its trunk, in tiles, and return 4Hx4Wx3.

    ``features`` is the trunk's output, CxHxW, with ``tail_pad`` on each side.
    """
    pad = model.tail_pad
    height, width = (side - 2 * pad for side in features.shape[1:])
    result = np.empty((height * NATIVE_SCALE, width * NATIVE_SCALE, 3), np.uint8)
    edge = pad * NATIVE_SCALE
    for left, top, right, bottom in tiles(width, height, model.tail_tile):
        part = np.ascontiguousarray(features[:, top : bottom + 2 * pad, left : right + 2 * pad])
        big = _to_pixels(_run(net, model.trunk, ncnn.Mat(part), "output"))[edge:-edge, edge:-edge]
        result[top * NATIVE_SCALE : bottom * NATIVE_SCALE, left * NATIVE_SCALE : right * NATIVE_SCALE] = big
    return result


def _run(net: ncnn.Net, source: str | None, value: ncnn.Mat, target: str) -> NDArray[np.float32]:
    """Feed blob ``source`` and return a copy of blob ``target``, CxHxW."""
    extractor = net.create_extractor()
    extractor.input(source, value)
    code, blob = extractor.extract(target)
    if code:  # -100: out of memory; nothing else is left to go wrong once the network is loaded
        raise ProviderUnavailable
    return np.array(blob)


def _to_pixels(planes: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return 3xHxW in 0..1 as HxWx3 in 0..255, rounded; overwrites its input."""
    planes *= 255
    planes += 0.5
    np.clip(planes, 0, 255, out=planes)
    return np.ascontiguousarray(planes.astype(np.uint8).transpose(1, 2, 0))


def _is_neutral(image: Image.Image) -> bool:
    """Return whether every pixel is grey; the network would draw such a picture with a tint."""
    red, green, blue = image.split()[:3]
    return red.tobytes() == green.tobytes() == blue.tobytes()


def _bleed(image: Image.Image) -> Image.Image:
    """Return RGBA as RGB, with fully transparent pixels coloured like their visible neighbours.

    What is stored under transparency is arbitrary (often black); the network would carry it into the edge.
    """
    blurred = image.convert("RGBa").filter(ImageFilter.GaussianBlur(4)).convert("RGBA").convert("RGB")
    visible = image.getchannel("A").point([0] + [255] * 255)
    return Image.composite(image.convert("RGB"), blurred, visible)


@cache
def _net(name: str) -> ncnn.Net:
    """Load a network, once per process; RuntimeError if its files cannot be loaded."""
    where = weights.folder()
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False  # options count only before loading
    net.opt.num_threads = len(os.sched_getaffinity(0))
    if net.load_param(str(where / f"{name}.param")) or net.load_model(str(where / f"{name}.bin")):
        raise RuntimeError(f"cannot load {name} from {where}")
    return net
