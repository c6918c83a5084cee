"""The page docs/quality.md and its pictures, from what `benchmarks.quality` measured."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

# ruff: noqa: E501 - the lines of the page are its own
from benchmarks.quality import NAMES, engine
from benchmarks.quality_measures import Score
from benchmarks.quality_photos import SAMPLES, Case

SHOWN = {
    "astronaut": (Case(2, None), 125, 60),
    "chelsea": (Case(2, 50), 60, 60),
    "coffee": (Case(2, 75), 130, 130),
}
"""Pictures of the page: photo -> case, left and top of the detail in pixels of the truth."""
DETAIL, ZOOM = 96, 2
"""Side of a detail in pixels of the truth, and how many times larger it is shown."""
COLUMNS = ("lanczos", "network", "photo", "restore")

HEAD = """# Quality
Written by `make quality`: what the built-in models make of {photos} free photos (squares of {side} pixels) that were made smaller (bicubic) and,
or, saved as a JPEG. Means over the photos; PSNR in dB, SSIM and HaarPSI up to 1, higher is better. *Bias* is how much brighter the
most changed channel of any photo became, of 255. `local/photo` is SPAN; what came as a compressed JPEG gets a share of the drawing network as well
(`layers/vision/vision/blending.py:drawn_share`): 0.5 up to quality 75, 0.3 at 90, none from 95.

"""
FINDINGS = """
## What follows
{claims}
- `restore` remains the model for drawings, and for readers who prefer its clean look on a photo; no answer advises to change to it.
- Above 40 megapixels of work (20 of a picture at scales 2 and 4) a photo goes through SPAN alone, because the blend doubles the time.
- Only a JPEG says how it was compressed. WebP and AVIF, and a JPEG saved again at a high quality, are taken as clean.

## Same size
The scale 1 is not offered. A clean picture can only lose. A compressed one, enlarged twice and reduced again:

"""


def claims(enlarged: dict[Case, dict[str, Score]]) -> dict[str, bool]:
    """Return what the product relies on -> whether it was measured."""
    clean = [rows for case, rows in enlarged.items() if case.quality is None]
    compressed = [rows for case, rows in enlarged.items() if case.quality is not None]
    pro = [rows for rows in enlarged.values() if "pro" in rows]

    def nearer(rows: dict[str, Score], other: str) -> bool:
        ours, theirs = rows["photo"], rows[other]
        return ours.psnr > theirs.psnr and ours.ssim > theirs.ssim and ours.haarpsi > theirs.haarpsi

    return {
        "Clean photos: `local/photo` is nearer to the truth than Lanczos and the drawing network, in every measure": all(
            nearer(rows, other) for rows in clean for other in ("lanczos", "restore")
        ),
        "Compressed photos: so it is, in PSNR, than Lanczos, SPAN alone and the drawing network": all(
            rows["photo"].psnr > rows[other].psnr
            for rows in compressed
            for other in ("lanczos", "network", "restore")
        ),
        "... and in every measure than SPAN alone": all(nearer(rows, "network") for rows in compressed),
        "... and in HaarPSI than `restore`": all(
            rows["photo"].haarpsi > rows["restore"].haarpsi for rows in compressed
        ),
        "... and in PSNR than cleaning the small picture first, with SSIM within 0.01": all(
            rows["photo"].psnr > rows["cleaned"].psnr and rows["photo"].ssim > rows["cleaned"].ssim - 0.01
            for rows in compressed
        ),
        "`pro` invents detail: it is farther from the truth than `local/photo`, in every measure": bool(pro)
        and all(nearer(rows, "pro") for rows in pro),
    }


def page(
    enlarged: dict[Case, dict[str, Score]],
    same_size: dict[Case, dict[str, Score]],
    costs: dict[str, dict[str, float]],
) -> str:
    """Return the whole page as Markdown."""
    parts = [HEAD.format(photos=len(SAMPLES), side=SAMPLES[0].truth().width), _scores(enlarged, NAMES)]
    parts += ["\n## Pictures\n", _legend(), "\n## Time and memory\n", _costs(costs)]
    said = "\n".join(f"- {claim}: {'yes' if true else '**no**'}." for claim, true in claims(enlarged).items())
    parts += [FINDINGS.format(claims=said)]
    parts += [_scores(same_size, {name: name for each in same_size.values() for name in each})]
    parts += ["\n## Photos\nAll from the scikit-image wheel.\n\n"]
    parts += [f"- `{sample.file}`: {sample.credit}\n" for sample in SAMPLES]
    return "".join(parts)


def _scores(found: dict[Case, dict[str, Score]], names: dict[str, str]) -> str:
    lines = ["| input | model | PSNR | SSIM | HaarPSI | bias |", "|---|---|---|---|---|---|"]
    for case, rows in found.items():
        for number, (name, one) in enumerate(rows.items()):
            first = case.name if number == 0 else ""
            lines.append(
                f"| {first} | {names[name]} | {one.psnr:.2f} | {one.ssim:.3f} | {one.haarpsi:.3f} | {one.bias:+.1f} |"
            )
    return "\n".join(lines) + "\n"


def _costs(costs: dict[str, dict[str, float]]) -> str:
    lines = [
        "Enlarging a JPEG of quality 75 twice, in a fresh process on one core; seconds of that core per megapixel of the input.",
        "",
        "| model | CPU seconds | peak MB |",
        "|---|---|---|",
    ]
    lines += [f"| {NAMES[name]} | {one['seconds']:.1f} | {one['peak']:.0f} |" for name, one in costs.items()]
    return "\n".join(lines) + "\n"


def _legend() -> str:
    lines = [
        "From left to right: the photo, then what the input became: Lanczos, SPAN alone, `local/photo`, `restore`.\n"
    ]
    lines += [
        f"\n{case.name}:\n\n![{name}](images/quality-{name}.webp)\n" for name, (case, *_) in SHOWN.items()
    ]
    return "".join(lines)


def draw(folder: Path) -> None:
    """Write the details side by side, one picture per photo."""
    for name, (case, left, top) in SHOWN.items():
        truth = next(sample for sample in SAMPLES if sample.file.startswith(name)).truth()
        small = case.degraded(truth)
        results = [truth, *(engine(column)(small, case.scale, case.quality) for column in COLUMNS)]
        side = DETAIL * ZOOM
        strip = Image.new("RGB", (len(results) * (side + 4) - 4, side), "white")
        for number, result in enumerate(results):
            detail = result.crop((left, top, left + DETAIL, top + DETAIL))
            strip.paste(detail.resize((side, side), Image.Resampling.NEAREST), (number * (side + 4), 0))
        strip.save(folder / f"quality-{name}.webp", quality=88, method=6)
