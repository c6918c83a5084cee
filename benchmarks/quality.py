"""Measure what the built-in models do to photos: print the tables and write docs/quality.md with its pictures.

``python -m benchmarks.quality [--print]``. Needs requirements/vision.txt and bench.txt; nothing is downloaded.

A photo is made smaller and, or, saved as a JPEG; each model gets that, and its result is compared with the photo. Time
and memory are those of a fresh process per model.
"""
# ruff: noqa: PLC0415 - a model is loaded only by the process that measures it, or it would count for all

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

if TYPE_CHECKING:
    from benchmarks.quality_measures import Score
    from benchmarks.quality_photos import Case

ROOT = Path(__file__).resolve().parent.parent
Engine = Callable[[Image.Image, int, "int | None"], Image.Image]
"""A picture, the scale and its JPEG quality -> the enlarged picture."""
NAMES = {
    "lanczos": "Lanczos, no model",
    "network": "SPAN alone",
    "cleaned": "cleaned, then SPAN",
    "photo": "**`local/photo`**",
    "restore": "`local/real-esrgan`",
    "pro": "`local/real-esrgan`, pro",
}
SIDES = {"lanczos": 512, "network": 512, "photo": 512, "restore": 512, "pro": 144}
"""Side in pixels of the picture that each is timed with; it is enlarged twice."""
FOR_COMPRESSED = {"network", "cleaned"}
"""Other ways for a compressed photo; for a clean one they are `local/photo` itself."""
TIMED_QUALITY = 75


def engine(name: str) -> Engine:
    """Return what makes the results of one row."""
    if name == "lanczos":
        return lambda image, scale, _: image.resize(
            (image.width * scale, image.height * scale), Image.Resampling.LANCZOS
        )
    from vision import blending, upscaler

    if name == "cleaned":
        return _cleaned
    model = {"network": "photo", "photo": "photo", "restore": "standard", "pro": "pro"}[name]

    def run(image: Image.Image, scale: int, quality: int | None) -> Image.Image:
        asked = quality if name == "photo" else None
        megapixels = image.width * image.height / 1e6
        drawn = blending.drawn_share(model, jpeg_quality=asked, scale=scale, megapixels=megapixels)
        return upscaler.enlarge(image, scale=scale, model=model, drawn=drawn)

    return run


def _cleaned(image: Image.Image, scale: int, quality: int | None) -> Image.Image:
    """Blend the small picture with what the drawing network makes of it in the same size, then enlarge that."""
    from vision import blending, upscaler

    drawn = blending.drawn_share("photo", jpeg_quality=quality, scale=scale, megapixels=0)
    clean = upscaler.enlarge(image, scale=2, model="standard").resize(image.size, Image.Resampling.BOX)
    return upscaler.enlarge(Image.blend(image, clean, drawn), scale=scale, model="photo")


def _names(case: Case) -> list[str]:
    """Return what is compared in a case."""
    from benchmarks.quality_photos import PRO

    skipped = (FOR_COMPRESSED if case.quality is None else set()) | (set() if case in PRO else {"pro"})
    return [name for name in NAMES if name not in skipped]


def enlarged() -> dict[Case, dict[str, Score]]:
    """Return the mean scores of every model in every case."""
    from benchmarks.quality_measures import mean, score
    from benchmarks.quality_photos import ENLARGED, SAMPLES

    truths = [sample.truth() for sample in SAMPLES]
    found: dict[Case, dict[str, Score]] = {}
    for case in ENLARGED:
        inputs = [case.degraded(truth) for truth in truths]
        found[case] = {
            name: mean(
                [
                    score(engine(name)(image, case.scale, case.quality), truth)
                    for image, truth in zip(inputs, truths, strict=True)
                ]
            )
            for name in _names(case)
        }
        print(f"{case.name}: {len(truths)} photos", file=sys.stderr)
    return found


def same_size() -> dict[Case, dict[str, Score]]:
    """Return the mean scores of a picture as it is, and of it enlarged twice and reduced again."""
    from benchmarks.quality_measures import mean, score
    from benchmarks.quality_photos import SAME_SIZE, SAMPLES

    truths = [sample.truth() for sample in SAMPLES]
    found: dict[Case, dict[str, Score]] = {}
    for case in SAME_SIZE:
        scores: dict[str, list[Score]] = {}
        for truth in truths:
            image = case.degraded(truth)
            photo, drawn = (
                engine(name)(image, 2, None).resize(image.size, Image.Resampling.BOX)
                for name in ("network", "restore")
            )
            results = {
                "as it is": image,
                "SPAN": photo,
                "drawing network": drawn,
                "half as it is, half drawing network": Image.blend(image, drawn, 0.5),
            }
            for name, result in results.items():
                scores.setdefault(name, []).append(score(result, truth))
        found[case] = {name: mean(each) for name, each in scores.items()}
        print(f"{case.name}: {len(truths)} photos", file=sys.stderr)
    return found


def child(name: str) -> None:
    """Time one model in this process and print JSON."""
    side = SIDES[name]
    with Image.open(ROOT / "samples" / "astronaut.jpg") as sample:
        image = sample.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    os.sched_setaffinity(
        0, {min(os.sched_getaffinity(0))}
    )  # threads that wait for each other would count as work
    run = engine(name)
    run(image.crop((0, 0, 32, 32)), 2, TIMED_QUALITY)
    used = time.process_time()
    run(image, 2, TIMED_QUALITY)
    seconds = (time.process_time() - used) / (side * side / 1e6)
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000
    print(json.dumps({"seconds": seconds, "peak": peak}))


def costs() -> dict[str, dict[str, float]]:
    """Return the CPU seconds of one core per input megapixel and the peak MB, by model."""
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/common'}:{ROOT / 'layers/vision'}"}
    found: dict[str, dict[str, float]] = {}
    for name in SIDES:
        command = [sys.executable, "-m", "benchmarks.quality", "--child", name]
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, cwd=ROOT)
        found[name] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, print and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--print", action="store_true", help="print the page instead of writing it")
    parser.add_argument("--child", choices=SIDES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    from benchmarks import quality_page

    page = quality_page.page(enlarged(), same_size(), costs())
    print(page)
    if not given.print:
        (ROOT / "docs" / "quality.md").write_text(page)
        quality_page.draw(ROOT / "docs" / "images")


if __name__ == "__main__":
    main()
