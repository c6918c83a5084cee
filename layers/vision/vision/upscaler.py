"""Enlarge pictures on the CPU: SPAN for photos, Real-ESRGAN for drawings and compressed pictures.

A model is one network or several, each of which multiplies the sides by its ``factor``. A pass takes the smallest that
is enough and reduces its result where less was asked for (with a windowed filter); 6 and 8 take two passes. A picture
is worked on in tiles, so memory follows the size of the result: 4 bytes per pixel of it plus 250 MB for standard,
450 for photo, 650 for a blend, 850 for pro.
Every tile sees ``pad`` pixels of its surroundings; at the border of the picture those come from the picture itself,
because the zeros a network pads with show as a frame.

``photo`` is SPAN (Swift Parameter-free Attention Network, 48 channels): 1.6 to 2.9 dB nearer to the truth than Lanczos
on clean photos, and no brighter or darker. What compression left it takes for detail, so a compressed photo gets a
share of the drawing network as well (`vision.blending`). ``standard`` is ``realesr-animevideov3``: it draws clean
lines, takes out what compression left, and makes photos look drawn. ``pro`` is ``RealESRGAN_x4plus``, forty times the
work, which invents detail: a result is nicer to look at, not closer to the truth.
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

PASSES = {2: (2,), 4: (4,), 6: (2, 3), 8: (2, 4)}
"""Scale -> factors of the passes; small ones first, because the second pass works on the larger picture."""


@dataclass(frozen=True, slots=True)
class Network:
    """A network, which multiplies the sides by ``factor``, and how to tile it; lengths in input pixels.

    ``border`` says what lies beyond the picture: its outermost pixels repeated, or for a network that would draw
    those as stripes, its mirror image.

    ``trunk`` names the blob where the work at input resolution ends, for networks whose tail is so wide that
    it has to run in smaller tiles (``tail_tile``, ``tail_pad``) to fit into memory; the result is the same.
    """

    name: str
    factor: int
    tile: int
    pad: int
    border: Literal["edge", "reflect"] = "edge"
    trunk: str | None = None
    tail_tile: int = 0
    tail_pad: int = 0


MODELS: dict[str, tuple[Network, ...]] = {
    # 18 pixels away nothing changes the result by a step of 255 any more.
    "photo": (Network("spanx2_ch48", 2, tile=200, pad=18), Network("spanx4_ch48", 4, tile=200, pad=18)),
    "standard": (Network("REALESRGAN_ANIMAVIDEOV3_UP4X", 4, tile=200, pad=10),),
    "pro": (
        Network(
            "REALESRGAN_X4PLUS_UP4X",
            4,
            tile=144,
            pad=24,
            border="reflect",
            trunk="1878",
            tail_tile=48,
            tail_pad=6,
        ),
    ),
}
"""The networks of each model, the smallest factor first."""


def enlarge(
    image: Image.Image,
    *,
    scale: int,
    model: str,
    drawn: float = 0.0,
    on_tile: Callable[[], None] = lambda: None,
) -> Image.Image:
    """Return ``image`` (RGB or RGBA, from 1x1) in the same mode, its sides multiplied by ``scale``.

    ``scale`` is a key of PASSES, ``model`` one of MODELS. ``drawn``, from 0 to 1, is the share of the drawing network
    (``standard``) in the first pass, beside the model's own; a second pass finds nothing left to clean. The same input
    gives the same output on the same machine. ``on_tile`` is called before each tile; what it raises ends the work.
    Raises ProviderUnavailable when the network runs out of memory.
    """
    colour = _bleed(image) if image.mode == "RGBA" else image
    neutral = _is_neutral(image)
    for factor in PASSES[scale]:
        colour = _one_pass(colour, model, factor, drawn, on_tile)
        drawn = 0.0
    if neutral:
        colour = colour.convert("L").convert("RGB")
    if image.mode == "RGBA":
        colour.putalpha(image.getchannel("A").resize(colour.size, Image.Resampling.LANCZOS))
    return colour


def warm_up(model: str) -> None:
    """Load the model's first network now, so that the first picture does not wait for it."""
    _net(MODELS[model][0].name)


def _one_pass(
    image: Image.Image, model: str, factor: int, drawn: float, on_tile: Callable[[], None]
) -> Image.Image:
    """Return an RGB picture with its sides multiplied by ``factor``, at most the model's own."""
    network, drawing = (_network(name, factor) for name in (model, "standard"))
    result = Image.new("RGB", (image.width * factor, image.height * factor))
    for box in tiles(*image.size, network.tile):
        on_tile()
        part = _enlarged(image, box, network, factor)
        if drawn:  # tile by tile, so that no second picture is held
            part = Image.blend(part, _enlarged(image, box, drawing, factor), drawn)
        result.paste(part, (box[0] * factor, box[1] * factor))
    return result


def _network(model: str, factor: int) -> Network:
    """Return the smallest network of a model that multiplies by ``factor`` or more."""
    return next(one for one in MODELS[model] if one.factor >= factor)


def _enlarged(
    image: Image.Image, box: tuple[int, int, int, int], network: Network, factor: int
) -> Image.Image:
    """Return what is in ``box`` with its sides multiplied by ``factor``, at most the network's own."""
    width, height = box[2] - box[0], box[3] - box[1]
    big = Image.fromarray(_infer(network, _surroundings(image, box, network)))
    inner = _inner(network, width, height)
    if factor == network.factor:
        return big.crop(inner)
    # The filter looks beyond the box, so neighbours agree.
    return big.resize((width * factor, height * factor), Image.Resampling.HAMMING, box=inner)


def _inner(network: Network, width: int, height: int) -> tuple[int, int, int, int]:
    """Return the box of a tile of width x height in its enlarged surroundings, in output pixels."""
    edge = network.pad * network.factor
    return edge, edge, edge + width * network.factor, edge + height * network.factor


def tiles(width: int, height: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield nearly equal boxes (left, top, right, bottom) that cover width x height, with sides at most ``side``."""
    rows, columns = (range(-(-length // side) + 1) for length in (height, width))
    for top, bottom in pairwise(height * row // rows[-1] for row in rows):
        for left, right in pairwise(width * column // columns[-1] for column in columns):
            yield left, top, right, bottom


def _surroundings(
    image: Image.Image, inner: tuple[int, int, int, int], network: Network
) -> NDArray[np.uint8]:
    """Return the box ``inner`` with the network's ``pad`` around it, HxWx3; beyond the picture, its ``border``."""
    (left, top, right, bottom), pad = inner, network.pad
    box = (
        max(left - pad, 0),
        max(top - pad, 0),
        min(right + pad, image.width),
        min(bottom + pad, image.height),
    )
    missing_rows = (box[1] - (top - pad), bottom + pad - box[3])
    missing_columns = (box[0] - (left - pad), right + pad - box[2])
    return np.pad(np.asarray(image.crop(box)), (missing_rows, missing_columns, (0, 0)), network.border)


def _infer(network: Network, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Run the network on HxWx3 (0..255) and return HxWx3 times its factor (0..255)."""
    height, width, _ = rgb.shape
    net = _net(network.name)
    pixels = ncnn.Mat.from_pixels(np.ascontiguousarray(rgb), ncnn.Mat.PixelType.PIXEL_RGB, width, height)
    pixels.substract_mean_normalize([0.0] * 3, [1 / 255] * 3)  # ncnn's spelling
    if network.trunk is None:
        return _to_pixels(_run(net, "data", pixels, "output"))
    features = _run(net, "data", pixels, network.trunk)
    return _tail(
        net, network, np.pad(features, ((0, 0), *[(network.tail_pad, network.tail_pad)] * 2), network.border)
    )


def _tail(net: ncnn.Net, network: Network, features: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Run the network after its trunk, in tiles, and return HxWx3 times its factor.

    ``features`` is the trunk's output, CxHxW, with ``tail_pad`` on each side.
    """
    pad = network.tail_pad
    height, width = (side - 2 * pad for side in features.shape[1:])
    factor, edge = network.factor, pad * network.factor
    result = np.empty((height * factor, width * factor, 3), np.uint8)
    for left, top, right, bottom in tiles(width, height, network.tail_tile):
        part = np.ascontiguousarray(features[:, top : bottom + 2 * pad, left : right + 2 * pad])
        big = _to_pixels(_run(net, network.trunk, ncnn.Mat(part), "output"))[edge:-edge, edge:-edge]
        result[top * factor : bottom * factor, left * factor : right * factor] = big
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
    """Load a network, once per process; RuntimeError if its files are no network."""
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False  # options count only before loading
    net.opt.num_threads = len(os.sched_getaffinity(0))
    if net.load_param(str(weights.path(f"{name}.param"))) or net.load_model(str(weights.path(f"{name}.bin"))):
        raise RuntimeError(f"cannot load {name}")
    return net
