"""The largest pictures fit into the memory of the functions that work on them, as the template gives it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enhancer.domain.entitlement import JOB_MEGAPIXELS_MAX
from enhancer.domain.images import OUTPUT_PIXELS_MAX, PIXELS_MAX
from tests.support import template

HEIC = Path(__file__).parents[3] / "support" / "heic"
INTERPRETER = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
TEMPLATE = template.load()
DECODES = ("Generate", "Jobs", "StartPrediction", "FinishItem")
OTHER_BYTES = 250 * 2**20
"""What the interpreter, the libraries, the network's weights and the request take."""
ENCODER_BYTES = {"jpeg": 6.0, "png": 6.0, "webp": 39.0, "avif": 37.0}
"""Most that encoding takes beside the picture, by pixel of noise with noise as alpha, the worst there is."""
HELD_BYTES = 4
"""A decoded picture, by pixel."""
NEED = """
import re, sys
from PIL import Image
from enhancer.adapters.images import pixels
from enhancer.domain import images
def kib(name): return int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])
def reset(): open("/proc/self/clear_refs", "w").write("5")
"""


def run(code, *arguments):
    """What a fresh process prints."""
    command = [sys.executable, "-c", NEED + code, *map(str, arguments)]
    done = subprocess.run(command, env=INTERPRETER, check=True, capture_output=True, text=True)
    return done.stdout


def test_the_largest_picture_of_any_plan_is_read_and_copied(tmp_path):
    """Transparent WebP takes most of all formats; measured by pixel at 9 megapixels."""
    path, side = tmp_path / "large.webp", 3000
    run(
        "Image.new('RGBA', (int(sys.argv[2]),) * 2, (9, 99, 199, 128)).save(sys.argv[1], quality=50, method=0)",
        path,
        side,
    )
    used = run(
        "data, before = open(sys.argv[1], 'rb').read(), kib('VmRSS')\n"
        "pixels.read(data, pixels_max=images.PIXELS_MAX).clean_copy()\n"
        "print(kib('VmHWM') - before)",
        path,
    )
    need = int(used) * 1024 / side**2 * PIXELS_MAX
    for name in DECODES:
        memory = template.functions(TEMPLATE)[name]["MemorySize"] * 2**20
        assert need + OTHER_BYTES <= memory, (name, need)


@pytest.mark.parametrize(("name", "side"), [("flat", 4096), ("flat-alpha", 2048)])
def test_the_largest_heic_of_any_plan_is_read_and_copied(name, side):
    """Its decoder holds the coded picture, the converted one, and ours."""
    used = run(
        "import pi_heif\n"
        "data, before = open(sys.argv[1], 'rb').read(), kib('VmRSS')\n"
        "pixels.read(data, pixels_max=images.PIXELS_MAX).clean_copy()\n"
        "print(kib('VmHWM') - before)",
        HEIC / f"{name}.heic",
    )
    need = int(used) * 1024 / side**2 * PIXELS_MAX
    for function in DECODES:
        memory = template.functions(TEMPLATE)[function]["MemorySize"] * 2**20
        assert need + OTHER_BYTES <= memory, (function, need)


@pytest.mark.parametrize("file_format", ENCODER_BYTES)
def test_the_largest_result_of_a_format_is_encoded(file_format):
    """What the encoder takes a pixel is measured; the rest is counted, for the smallest scale with such a result."""
    side = 1200
    used = run(
        "side, fmt = int(sys.argv[1]), sys.argv[2]\n"
        "noise = Image.merge('RGBA', [Image.effect_noise((side, side), 90) for _ in range(4)])\n"
        "encode = lambda image: pixels.encode(image, file_format=fmt, icc=None, source_type=images.ENHANCED)\n"
        "encode(noise.crop((0, 0, 9, 9)))  # loads the encoder\n"
        "before = kib('VmRSS'); reset(); encode(noise)\n"
        "print(kib('VmHWM') - before)",
        side,
        file_format,
    )
    assert int(used) * 1024 / side**2 <= ENCODER_BYTES[file_format]
    memory = TEMPLATE["Parameters"]["UpscaleMemory"]["Default"] * 2**20
    for scale in (2, 4, 6, 8):
        source = min(JOB_MEGAPIXELS_MAX["standard"] * 1e6, OUTPUT_PIXELS_MAX[file_format] / scale**2)
        result = source * scale**2
        need = 2 * HELD_BYTES * source + (HELD_BYTES + ENCODER_BYTES[file_format]) * result
        assert need + OTHER_BYTES <= memory, (scale, need)
