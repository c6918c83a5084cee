"""Measure cold starts: import a handler and build its clients in a fresh process, as a ratio to a minimal one.

``python -m benchmarks.cold_start [--rounds 9] [--json]``

BASE is a Logger and a DynamoDB client. Processes run in turn on the built layer (with its bytecode), so that noise
affects all alike; medians are compared. The times are those of this machine; only the ratios hold for Lambda.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local import build

ROOT = Path(__file__).resolve().parent.parent
UNWANTED = ("stripe", "replicate", "httpx", "requests", "aws_xray_sdk", "PIL", "numpy", "ncnn")
SETTINGS = {
    "ENVIRONMENT": "production",
    "TABLE_NAME": "table",
    "BUCKET_NAME": "bucket",
    "SIGNING_SECRET_NAME": "secret",
    "UPSCALE_FUNCTION_NAME": "upscale",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "-",
    "AWS_SECRET_ACCESS_KEY": "-",
}
MEASURE = """
import json, resource, sys, time
started = time.perf_counter()
{body}
ms = (time.perf_counter() - started) * 1000
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({{"ms": ms, "modules": len(sys.modules), "rss": rss, "names": sorted(sys.modules)}}))
"""


@dataclass(frozen=True)
class Subject:
    """Code to measure, and the ratio to BASE it must stay under."""

    name: str
    body: str
    budget: float
    folder: str = ""


def handler(name: str, budget: float, *builders: str) -> Subject:
    """Return the subject for a handler and the clients that its first request needs."""
    calls = "\n".join(f"runtime.{builder}()" for builder in builders)
    return Subject(name, f"import app\nfrom enhancer import runtime\n{calls}", budget, name)


BASE = Subject(
    "base", "from aws_lambda_powertools import Logger\nLogger()\nimport boto3\nboto3.client('dynamodb')", 1.0
)
SUBJECTS = (
    BASE,
    handler("sweep", 1.25, "table"),
    handler("usage", 1.65, "table", "secrets"),
    handler("uploads", 1.65, "table", "secrets", "artifacts"),
    handler("results", 1.65, "secrets", "artifacts"),
    handler("generate", 1.65, "table", "secrets", "artifacts", "predictors"),
    handler("jobs", 1.65, "table", "secrets", "artifacts", "workflow"),
    handler("finish_item", 1.45, "table", "artifacts"),
)


def measure(subject: Subject, layer: Path) -> dict[str, object]:
    """Run the subject once in a fresh interpreter that sees its code and the layer only."""
    code = ROOT / "functions" / subject.folder if subject.folder else layer
    env = {
        **SETTINGS,
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{code}:{layer}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    script = MEASURE.format(body=subject.body)
    done = subprocess.run(
        [str(build.bare_interpreter()), "-c", script], env=env, capture_output=True, text=True, check=True
    )
    measured: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> int:
    """Print the table; exit with 1 if a budget is exceeded or an unwanted module is loaded."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory():
        built = build.built_template(ROOT / "template.yaml", dict(os.environ))
    layer = built.parent / "CommonLayer" / "python"
    runs: dict[str, list[dict[str, object]]] = {subject.name: [] for subject in SUBJECTS}
    for turn in range(options.rounds + 1):
        for subject in SUBJECTS:
            measured = measure(subject, layer)
            if turn:  # the first round warms the file cache
                runs[subject.name].append(measured)
    rows = [row(subject, runs) for subject in SUBJECTS]
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        print(f"CPython {sys.version.split()[0]}, {options.rounds} rounds, medians\n")
        print(
            f"{'handler':<10} {'ms':>7} {'ratio':>6} {'budget':>7} {'modules':>8} {'RSS MB':>7}  unwanted modules"
        )
        for shown in rows:
            print(
                f"{shown['name']:<10} {shown['ms']:>7.1f} {shown['ratio']:>6.2f} {shown['budget']:>7.2f} "
                f"{shown['modules']:>8} {shown['rss']:>7.1f}  {', '.join(shown['unwanted']) or '-'}"
            )
    return int(any(shown["ratio"] > shown["budget"] or shown["unwanted"] for shown in rows))


def row(subject: Subject, runs: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    """Return the medians of one subject, and their ratio to BASE."""

    def median(name: str, field: str) -> float:
        return statistics.median(float(str(run[field])) for run in runs[name])

    names = set(runs[subject.name][0]["names"])  # type: ignore[call-overload]
    return {
        "name": subject.name,
        "ms": median(subject.name, "ms"),
        "ratio": median(subject.name, "ms") / median(BASE.name, "ms"),
        "budget": subject.budget,
        "modules": int(median(subject.name, "modules")),
        "rss": median(subject.name, "rss"),
        "unwanted": sorted(names & set(UNWANTED)),
    }


if __name__ == "__main__":
    sys.exit(main())
