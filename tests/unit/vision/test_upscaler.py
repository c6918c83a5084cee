"""The embedded model: exact sizes, no seams, transparency, the same result every time."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from vision import blending, upscaler

SAMPLES = Path(__file__).parents[3] / "samples"
INTERPRETER = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}


def picture(size: tuple[int, int], seed: int = 7) -> Image.Image:
    """Soft coloured shapes with some hard edges: texture enough for a seam to show."""
    chance = np.random.default_rng(seed)
    noise = Image.fromarray(chance.integers(0, 256, (*reversed(size), 3), dtype=np.uint8))
    soft = np.asarray(noise.filter(ImageFilter.GaussianBlur(3)), dtype=np.float32)
    return Image.fromarray(np.clip((soft - 128) * 4 + 128, 0, 255).astype(np.uint8))


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.int16)


def tiled(monkeypatch: pytest.MonkeyPatch, model: str, **changed: int | None) -> None:
    networks = tuple(dataclasses.replace(network, **changed) for network in upscaler.MODELS[model])
    monkeypatch.setitem(upscaler.MODELS, model, networks)


@pytest.mark.parametrize("model", ["photo", "standard"])
@pytest.mark.parametrize("scale", [2, 4, 6, 8])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (1, 150), (150, 1), (33, 20)])
def test_sides_are_multiplied_exactly(model, scale, size):
    """Whatever the shape, down to one pixel, the result has exactly ``scale`` times its sides."""
    result = upscaler.enlarge(picture(size), scale=scale, model=model)
    assert (result.mode, result.size) == ("RGB", (size[0] * scale, size[1] * scale))


@pytest.mark.parametrize("scale", [2, 4])
def test_pro_multiplies_exactly(scale):
    """The large network obeys the same rule."""
    assert upscaler.enlarge(picture((9, 6)), scale=scale, model="pro").size == (9 * scale, 6 * scale)


@pytest.mark.parametrize("scale", [2, 4])
def test_result_is_the_same_picture(scale):
    """Made small again the result is near its source: channels in order, nothing shifted, nothing inverted."""
    source = picture((96, 64)).filter(ImageFilter.GaussianBlur(1))
    result = upscaler.enlarge(source, scale=scale, model="standard").resize(source.size, Image.Resampling.BOX)
    assert (
        np.abs(pixels(result) - pixels(source)).mean() < 10
    )  # the network sharpens; a channel out of order is 40 off


@pytest.mark.parametrize(("model", "worst"), [("photo", 1), ("standard", 6)])
@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_leave_no_seams(monkeypatch, scale, model, worst):
    """Tiled and in one piece differ by a rounding error on average, and nowhere visibly."""
    source = picture((150, 120))
    whole = pixels(upscaler.enlarge(source, scale=scale, model=model))
    tiled(monkeypatch, model, tile=70)
    in_tiles = pixels(upscaler.enlarge(source, scale=scale, model=model))
    difference = np.abs(in_tiles - whole)
    assert difference.mean() < 0.1
    assert difference.max() <= worst


def test_pro_tail_in_tiles_is_the_whole_network(monkeypatch):
    """Cutting the network at its trunk saves memory and changes nothing but the last bit."""
    source = picture((24, 18))
    tiled(monkeypatch, "pro", pad=4)  # the surroundings, whatever their width, go the same way
    cut = pixels(upscaler.enlarge(source, scale=4, model="pro"))
    tiled(monkeypatch, "pro", tail_tile=10)
    cut_small = pixels(upscaler.enlarge(source, scale=4, model="pro"))
    tiled(monkeypatch, "pro", trunk=None)
    whole = pixels(upscaler.enlarge(source, scale=4, model="pro"))
    assert np.abs(cut - whole).max() <= 1
    assert np.abs(cut_small - whole).max() <= 1


@pytest.mark.parametrize("model", ["photo", "standard", "pro"])
def test_border_has_no_frame(model):
    """A flat picture stays flat up to its last row; the zeros a network pads with would darken it."""
    result = pixels(upscaler.enlarge(Image.new("RGB", (24, 24), (200, 120, 60)), scale=4, model=model))
    centre = result[40:56, 40:56].mean(axis=(0, 1))
    border = np.concatenate([result[:2], result[-2:]]).mean(axis=(0, 1))
    assert np.abs(border - centre).max() < 3


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_alpha_is_enlarged_apart(scale):
    """Transparency keeps its shape: clear stays clear, solid stays solid, and the size is that of the colours."""
    source = picture((40, 30)).convert("RGBA")
    source.putalpha(
        Image.linear_gradient("L").point(lambda value: 255 if value > 127 else 0).resize((40, 30))
    )
    result = upscaler.enlarge(source, scale=scale, model="standard")
    alpha = np.asarray(result.getchannel("A"))
    assert (result.mode, result.size) == ("RGBA", (40 * scale, 30 * scale))
    assert alpha[: 10 * scale].max() == 0
    assert alpha[-10 * scale :].min() == 255


def test_hidden_colour_does_not_bleed_into_the_edge():
    """Black under full transparency leaves no dark fringe around a bright shape."""
    source = Image.new("RGBA", (48, 48), (0, 0, 0, 0))
    source.paste((255, 240, 200, 255), (12, 12, 36, 36))
    result = upscaler.enlarge(source, scale=4, model="standard")
    colours, alpha = pixels(result.convert("RGB")), np.asarray(result.getchannel("A"))
    assert colours[alpha > 8].min(axis=0)[0] > 235


def test_result_is_the_same_every_time():
    """The same picture gives the same bytes, so a result can be recognised."""
    source = picture((120, 80))
    first, second = (upscaler.enlarge(source, scale=2, model="standard").tobytes() for _ in range(2))
    assert first == second


def test_twice_is_four_times_made_half():
    """The smaller result sits on the same grid as the larger, not half a pixel aside."""
    source = picture((120, 40))
    twice, fourfold = (upscaler.enlarge(source, scale=scale, model="standard") for scale in (2, 4))
    assert np.abs(pixels(twice) - pixels(fourfold.reduce(2))).mean() < 1


def test_output_is_rounded_and_clipped():
    """0..1 becomes 0..255 to the nearest, and what overshoots stays in range."""
    planes = np.array([-0.1, 0.499 / 255, 0.501 / 255, 254.6 / 255, 1.2], np.float32).reshape(1, 1, 5)
    assert upscaler._to_pixels(planes).ravel().tolist() == [0, 0, 1, 255, 255]


def test_source_is_not_changed():
    """Enlarging reads its picture and leaves it alone."""
    source = picture((20, 20)).convert("RGBA")
    before = source.tobytes()
    upscaler.enlarge(source, scale=2, model="standard")
    assert source.tobytes() == before


@pytest.mark.parametrize(("width", "height"), [(1, 1), (106, 106), (107, 1), (1000, 333)])
def test_tiles_cover_the_picture_once(width, height):
    """Every pixel lies in exactly one tile, and no tile is larger than allowed."""
    seen = np.zeros((height, width), np.int8)
    for left, top, right, bottom in upscaler.tiles(width, height, 106):
        assert 0 < right - left <= 106
        assert 0 < bottom - top <= 106
        seen[top:bottom, left:right] += 1
    assert (seen == 1).all()


def test_memory_stays_bounded():
    """A fresh process that enlarges 0.2 megapixels by 4 peaks below 300 MB, in one piece it would need 700."""
    code = (
        "from PIL import Image\nfrom vision import upscaler\n"
        "upscaler.enlarge(Image.effect_noise((500, 400), 60).convert('RGB'), scale=4, model='standard')\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=INTERPRETER, check=True, capture_output=True, text=True
    )
    (kib,) = re.findall(r"(\d+) kB", done.stdout)
    assert int(kib) < 300_000


def test_pro_draws_no_stripes_at_the_border():
    """Texture that runs off the picture ends naturally: no row near the top is a copy of its neighbour, stretched."""
    texture = np.random.default_rng(7).integers(0, 256, (24, 48, 3), np.uint8)
    photo = Image.fromarray(texture).resize((48, 24), Image.Resampling.BILINEAR)
    result = np.asarray(upscaler.enlarge(photo, scale=4, model="pro"), dtype=np.int16)
    change = np.abs(np.diff(result, axis=0)).mean(axis=(1, 2))
    assert change[:4].mean() > 0.5 * change[8:-8].mean()


@pytest.mark.parametrize("model", ["photo", "standard"])
def test_neutral_picture_stays_neutral(model):
    """Black and white comes out without a tint, also where the network sees patterns: halftones, grey photos."""
    dots = np.indices((24, 36)).sum(axis=0) % 3 == 0
    halftone = Image.fromarray((dots * 255).astype(np.uint8)).convert("RGB")
    result = pixels(upscaler.enlarge(halftone, scale=2, model=model))
    assert np.ptp(result, axis=2).max() == 0
    assert result.std() > 20


ROCKET = Path(__file__).with_name("rocket.jpg")
"""A rocket before its start: SpaceX, public domain; comes with the scikit-image wheel."""
CROPS = {SAMPLES / "astronaut.jpg": (128, 64), SAMPLES / "coffee.jpg": (128, 64), ROCKET: (0, 0)}
"""Photos sharp enough to be measured with -> left and top of the part that is."""


def truth_of(path: Path) -> Image.Image:
    left, top = CROPS[path]
    with Image.open(path) as sample:
        return sample.convert("RGB").crop((left, top, left + 256, top + 192))


def compressed(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("path", CROPS, ids=lambda path: path.stem)
def test_photo_model_is_nearer_to_the_truth_than_lanczos(path, scale):
    """By at least 1 dB, and neither brighter nor darker by 0.2 of 255 on average."""
    truth = truth_of(path)
    small = truth.resize((truth.width // scale, truth.height // scale), Image.Resampling.BICUBIC)
    ours = pixels(upscaler.enlarge(small, scale=scale, model="photo"))
    lanczos = pixels(small.resize(truth.size, Image.Resampling.LANCZOS))
    bias = np.abs((ours - pixels(truth)).mean(axis=(0, 1)))
    assert decibels(ours, pixels(truth)) > decibels(lanczos, pixels(truth)) + 1
    assert bias.max() < 0.2


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_both_networks_together_are_nearer_than_either_to_a_compressed_photo(quality):
    """And than Lanczos, on average over the photos: by the share that such a photo gets."""
    drawn = blending.drawn_share("photo", jpeg_quality=quality, scale=2, megapixels=0.01)
    found: dict[str, list[float]] = {"blend": [], "photo": [], "standard": [], "lanczos": []}
    for path in CROPS:
        truth = truth_of(path)
        small = compressed(truth.resize((128, 96), Image.Resampling.BICUBIC), quality)
        results = {
            "blend": upscaler.enlarge(small, scale=2, model="photo", drawn=drawn),
            "photo": upscaler.enlarge(small, scale=2, model="photo"),
            "standard": upscaler.enlarge(small, scale=2, model="standard"),
            "lanczos": small.resize(truth.size, Image.Resampling.LANCZOS),
        }
        for name, result in results.items():
            found[name].append(decibels(pixels(result), pixels(truth)))
    blend, *others = (float(np.mean(each)) for each in found.values())
    assert blend > max(others) + 0.05


@pytest.mark.parametrize("scale", [2, 4])
def test_a_blend_is_that_share_of_both(monkeypatch, scale):
    """Pixel by pixel, also where it is put together from tiles, and the same every time."""
    source = picture((150, 120))
    photo, standard = (upscaler.enlarge(source, scale=scale, model=one) for one in ("photo", "standard"))
    blend = upscaler.enlarge(source, scale=scale, model="photo", drawn=0.3)
    assert np.abs(pixels(blend) - pixels(Image.blend(photo, standard, 0.3))).max() <= 1
    assert upscaler.enlarge(source, scale=scale, model="photo", drawn=0.3).tobytes() == blend.tobytes()
    tiled(monkeypatch, "photo", tile=70)
    assert (
        np.abs(pixels(upscaler.enlarge(source, scale=scale, model="photo", drawn=0.3)) - pixels(blend)).max()
        <= 6
    )


def test_only_the_first_of_two_passes_is_blended():
    """The second works on four times the pixels of a picture that has been cleaned."""
    source, calls = picture((20, 16)), []
    infer = upscaler._infer
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            upscaler, "_infer", lambda network, rgb: calls.append(network.name) or infer(network, rgb)
        )
        upscaler.enlarge(source, scale=8, model="photo", drawn=0.5)
    assert calls == ["spanx2_ch48", "REALESRGAN_ANIMAVIDEOV3_UP4X", "spanx4_ch48"]


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two pictures."""
    return float(10 * np.log10(255**2 / np.square(one - other, dtype=np.float64).mean()))
