"""Compare our upscaler with others: seconds per input megapixel, peak memory, difference to the untiled result.

``python -m benchmarks.upscale [--json] [--repeat N] [--sizes 256 512 1000]``

Every figure comes from a fresh process, since peak memory never falls. Rounds go through all engines in turn, so that a
busy moment of the machine affects each of them; the best round counts for time, the worst for memory. The task is
always the same: a photo of size x size pixels, four times the sides. Needs requirements/vision.txt and bench.txt.
"""
# ruff: noqa: PLC0415 - an engine is loaded only by the process that measures it, or it would count for all

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SCALE = 4
TARGET_SECONDS_PER_MEGAPIXEL = 2.7
TARGET_PEAK_MB = 450
TARGET_DIFFERENCE = 1.0
ENGINES = {
    "ours": "enhancer: ncnn, tiles of 200 + 10",
    "whole": "ncnn, untiled",
    "onnx": "onnxruntime, same weights, our tiles",
    "onnx-whole": "onnxruntime, same weights, untiled",
    "lanczos": "Pillow Lanczos (no model)",
}


def photo(size: int) -> Any:
    """Return the sample photo at size x size pixels."""
    from PIL import Image

    image = Image.open(ROOT / "samples" / "astronaut.jpg").convert("RGB")
    return image.resize((size, size), Image.Resampling.BICUBIC)


def engine(name: str) -> Callable[[Any], Any]:
    """Load an engine; return a function from an RGB image to one with sides four times as long."""
    if name == "lanczos":
        from PIL.Image import Resampling

        return lambda image: image.resize((image.width * SCALE, image.height * SCALE), Resampling.LANCZOS)
    from vision import upscaler

    if name.endswith("whole"):
        upscaler.MODELS["standard"] = dataclasses.replace(upscaler.MODELS["standard"], tile=100_000)
    if name.startswith("onnx"):
        upscaler._infer = _onnx_inference()  # noqa: SLF001 - the tiling around it stays ours
    else:
        upscaler.warm_up("standard")
    return lambda image: upscaler.enlarge(image, scale=SCALE, quality="standard")


def _onnx_inference() -> Callable[[Any, Any], Any]:
    import numpy as np
    import onnxruntime

    from benchmarks.srvgg_onnx import convert
    from vision import upscaler, weights

    stem = weights.folder() / upscaler.MODELS["standard"].name
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    model = convert(stem.with_suffix(".param"), stem.with_suffix(".bin"))
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def infer(_model: Any, rgb: Any) -> Any:
        planes = np.ascontiguousarray(rgb.transpose(2, 0, 1)[None], np.float32) / 255
        (result,) = session.run(["output"], {"data": planes})
        return upscaler._to_pixels(result[0])  # noqa: SLF001

    return infer


def child(name: str, size: int, result: Path) -> None:
    """Measure one engine in this process, print JSON, leave the picture in ``result``."""
    run, image = engine(name), photo(size)
    run(image.crop((0, 0, 32, 32)))
    started = time.perf_counter()
    enlarged = run(image)
    seconds = time.perf_counter() - started
    status = Path("/proc/self/status").read_text().split("VmHWM:")[1]
    print(json.dumps({"seconds": seconds, "peak_mb": int(status.split()[0]) / 1000}))
    enlarged.save(result, compress_level=0)


def measure(name: str, size: int, scratch: Path) -> dict[str, float]:
    """Measure one engine once in a fresh process."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}:{ROOT / 'layers/vision'}"}
    result = scratch / f"{name}-{size}.png"
    command = [sys.executable, "-m", "benchmarks.upscale", "--child", name, str(size), str(result)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    values: dict[str, float] = json.loads(done.stdout)
    return values


def difference(one: Path, other: Path) -> float:
    """Return the mean absolute difference of two pictures, of 255."""
    from PIL import Image, ImageChops, ImageStat

    with Image.open(one) as first, Image.open(other) as second:
        return sum(ImageStat.Stat(ImageChops.difference(first, second)).mean) / 3


def compare(sizes: list[int], repeat: int, scratch: Path) -> list[dict[str, Any]]:
    """Measure all engines on all sizes; return one row each."""
    rows = []
    for size in sizes:
        rounds = [{name: measure(name, size, scratch) for name in ENGINES} for _ in range(repeat)]
        for name in ENGINES:
            results = [one[name] for one in rounds]
            row = {"engine": name, "size": size, "seconds": min(one["seconds"] for one in results)}
            row["seconds_per_megapixel"] = row["seconds"] / (size * size / 1e6)
            row["peak_mb"] = max(one["peak_mb"] for one in results)
            row["difference"] = difference(scratch / f"{name}-{size}.png", scratch / f"whole-{size}.png")
            rows.append(row)
    return rows


def machine() -> dict[str, str]:
    """Return the machine and versions that the figures are for."""
    cpu = next(
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    )
    found = {
        "cpu": f"{cpu.split(': ')[1]}, {len(os.sched_getaffinity(0))} cores",
        "python": platform.python_version(),
    }
    for package in ("ncnn", "numpy", "pillow", "onnxruntime"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| input | engine | s per input MP | peak MB | mean difference to untiled |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['size']}² | {ENGINES[row['engine']]} | {row['seconds_per_megapixel']:.2f} | {row['peak_mb']:.0f}"
        f" | {row['difference']:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


def verdict(rows: list[dict[str, Any]]) -> dict[str, bool]:
    """Return whether our largest run meets the targets."""
    ours = max((row for row in rows if row["engine"] == "ours"), key=lambda row: row["size"])
    return {
        f"<= {TARGET_SECONDS_PER_MEGAPIXEL} s per MP": ours["seconds_per_megapixel"]
        <= TARGET_SECONDS_PER_MEGAPIXEL,
        f"peak <= {TARGET_PEAK_MB} MB": ours["peak_mb"] <= TARGET_PEAK_MB,
        f"difference <= {TARGET_DIFFERENCE} of 255": ours["difference"] <= TARGET_DIFFERENCE,
    }


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--repeat", type=int, default=3, help="rounds (default 3)")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[256, 512, 1000], help="sides of the input in pixels"
    )
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        name, size, result = given.child
        child(name, int(size), Path(result))
        return
    with tempfile.TemporaryDirectory() as scratch:
        rows = compare(given.sizes, given.repeat, Path(scratch))
    if given.json:
        print(json.dumps({"machine": machine(), "rows": rows, "targets": verdict(rows)}, indent=2))
        return
    print(
        ", ".join(f"{key} {value}" for key, value in machine().items()), table(rows), sep="\n\n", end="\n\n"
    )
    for target, met in verdict(rows).items():
        print(f"{'met ' if met else 'MISSED'} {target}")


if __name__ == "__main__":
    main()
