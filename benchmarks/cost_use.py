"""What a month uses: the counts of one image, of a visit and of the schedules, and how long each function runs.

Counted by running the product (`benchmarks.cost_counts`): requests, units, log lines. Read from the template: memory,
schedules, secrets, alarms. Stated here, because only AWS or the users know it: how long a call takes (`CALL_MS`), what
people do (`MIX`, `VISITS`, `JOBS_SHARE`), how large their photos are (`MEGAPIXELS`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path
from typing import Any

from benchmarks.cost_counts import PAGE_READS, bench, person
from benchmarks.counted_table import Counts, record_bytes
from enhancer.adapters.images import pixels
from enhancer.domain import costs, images
from enhancer.domain.models import CATALOGUE, model_named
from enhancer.domain.plans import PLANS
from enhancer.telemetry import METRICS
from tests.support import template

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = template.load()
FUNCTIONS = template.functions(TEMPLATE)

MIX = {
    "local": 0.80,
    "real-esrgan": 0.10,
    "gfpgan": 0.04,
    "flux-klein": 0.03,
    "nano-banana": 0.02,
    "topaz": 0.01,
}
"""Share of the images by model. Assumed: most people take the default."""
MEGAPIXELS = 2.0
"""An original's size. Assumed; what larger ones cost is in the table of sizes."""
JOBS_SHARE, POLLS = 0.3, 4
"""Share of images that run as jobs (assumed), and how often the page looks at one (1 s, then ever longer)."""
VISITS = 0.5
"""Visits of the page for each image: two images a visit. Assumed."""
PAGE_BYTES = 60_000
"""What a first visit transfers: the budget that `tests/unit/functions/test_web_weight.py` holds the page to."""
KEPT_MONTHS = 24
"""Records without an end (ledger, once-keys) are priced as those of a table so old."""
VCPU_SECONDS = {"standard": 7.0, "pro": 380.0}
"""What a megapixel through the embedded network takes: the photo model 1.1 to 1.2 times the 6 s of the one for drawings
(side by side, on one core), pro as in docs/performance.md."""
VCPU_MB = 1769
"""Memory that comes with one vCPU."""
WAIT_SECONDS = {"real-esrgan": 10.2, "gfpgan": 10.2, "topaz": 15.0, "nano-banana": 10.0, "flux-klein": 3.0}
"""How long a request waits for a hosted model: by the price of a run where seconds are billed, else assumed."""
CALL_MS = {"item": 6.0, "transaction": 15.0, "file": 45.0, "state": 30.0}
"""How long a call takes from a Lambda function in its region, in ms. Assumed, on the slow side of what AWS states."""
CPU_MS = {"generate": 320.0, "jobs": 320.0, "upscale": 300.0, "start_prediction": 150.0, "finish_item": 150.0}
"""Own work for an image of 2 megapixels on one vCPU: decode, clean, encode. Measured on the machine of docs/load.md."""
CPU_MS_OTHER = 20.0
INIT_SECONDS, KEPT_WARM_SECONDS, COLD_MIN = 1.2, 600, 0.005
"""A cold start (assumed, see docs/performance.md for its parts), how long Lambda keeps an idle environment (observed by
many, promised by nobody), and the share of calls that meet a cold one however many there are."""
PLATFORM_BYTES, PLATFORM_LINES = 330, 3
"""What Lambda itself logs for each invocation: START, END, REPORT."""
LINE_OVERHEAD = 26
"""Bytes that CloudWatch adds to each line."""
HOURS = 720
LABELS = {
    "function": len(FUNCTIONS),
    "plan": len(PLANS),
    "provider": 3,
    "status": 8,
    "outcome": 3,
    "reason": 12,
    "model": len(CATALOGUE),
}
"""How many values each dimension of our metrics has at most."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One image of a model, in a request and as a job; ``kept``: bytes of records, by days they stay (0: for good)."""

    sync: Counts
    job: Counts
    kept: Counter[int]


@dataclass(frozen=True, slots=True)
class Use:
    """Everything that was counted: an image by model, a visit, a look at a result, one run of each schedule."""

    flows: dict[str, Flow]
    visit: Counts
    look: Counts
    sweep: Counts
    sweep_job: Counts
    closing: Counts
    closing_owner: Counts
    files_of_page: int


@cache
def counted() -> Use:
    """Run the product and count; some seconds."""
    with bench() as here:
        flows = {}
        here.generate(person(here), "local")  # what a warm environment has read already: flags, secrets
        for alias in MIX:
            browser = person(here)
            before = _kept(here.table.records(), here.world.clock)
            here.generate(browser, alias)
            sync = here.take()
            kept = _kept(here.table.records(), here.world.clock)
            kept.subtract(before)
            browser = person(here)
            here.job(browser, alias, polls=POLLS)
            flows[alias] = Flow(sync, here.take(), +kept)
        browser = person(here)
        for path, function in PAGE_READS.items():
            here.http(browser, function, "GET", path)
        files = _page_files()
        for _ in range(files):
            here.http(browser, "web", "GET", "/favicon.svg")
        visit = here.take()
        answer = here.generate(browser, "local")
        here.take()
        here.http(browser, "results", "GET", answer.data["imageUrl"])
        look = here.take()
    return Use(flows, visit, look, *_schedules(), files_of_page=files)


def _schedules() -> tuple[Counts, Counts, Counts, Counts]:
    """A run of the sweep and of the closing with nothing to do, and what each open job or owner adds to it."""
    jobs, owners = 10, 10
    with bench() as here:
        here.call("sweep", {})
        idle = here.take()
        here.call("quota_reset", {})
        closing = here.take()
        for _ in range(jobs):
            here.submit(person(here), "local")
        here.world.clock += 70_000
        here.take()
        here.call("sweep", {})
        busy = here.take()
    with bench() as here:
        for _ in range(owners):
            account = here.world.person("pro")
            here.world.ledger.grant(
                account.owner, 100, source=here.world.new_name(), reason="", actor="bench",
                entry_id=here.world.new_id("ent"), now=here.world.clock,
            )  # fmt: skip
        here.take()
        here.call("quota_reset", {})
        full = here.take()
    return idle, busy.plus(idle, -1).over(jobs), closing, full.plus(closing, -1).over(owners)


def _kept(records: list[dict[str, Any]], now: int) -> Counter[int]:
    """Bytes of records by the days until they expire, 0 for those that stay; DynamoDB adds 100 bytes to each."""
    found: Counter[int] = Counter()
    for record in records:
        days = round((record["expires"] - now / 1000) / 86_400) if "expires" in record else 0
        found[days] += record_bytes(record) + 100
    return found


def _page_files() -> int:
    """How many files a first visit fetches: the page, what it names, and the scripts that those import."""
    text = (ROOT / "web/index.html").read_text("utf-8")
    found, left = (
        set(),
        set(re.findall(r"\{\{assets\}\}/[^\"]*?([\w.-]+\.(?:js|css|woff2|svg|webp|jpg))\"", text)),
    )
    while left:
        name = left.pop()
        found.add(name)
        path = ROOT / "web/js" / name
        if path.is_file():
            left |= set(re.findall(r'from "\./([^"]+)"', path.read_text("utf-8"))) - found
    return len(found) + 1


def image_mix(use: Use) -> Counts:
    """An average image: models, jobs, visits and the look at the result, as stated above."""
    summed = use.visit.over(1 / VISITS).plus(use.look)
    for alias, share in MIX.items():
        flow = use.flows[alias]
        summed = summed.plus(flow.sync, share * (1 - JOBS_SHARE)).plus(flow.job, share * JOBS_SHARE)
    return summed


def kept_bytes(use: Use) -> float:
    """Bytes in the table, in the long run, of one image a month."""
    return sum(
        share * size * (min(days / 30, KEPT_MONTHS) if days else KEPT_MONTHS)
        for alias, share in MIX.items()
        for days, size in use.flows[alias].kept.items()
    )


def model_seconds(
    alias: str, *, megapixels: float = MEGAPIXELS, quality: str = "standard", passes: int = 1
) -> float:
    """How long a run of a model takes, in seconds: the embedded one by its vCPUs, a hosted one as stated."""
    if model_named(alias).provider != "embedded":
        return WAIT_SECONDS[alias]
    vcpus = (
        min(2.0, memory_of("Upscale") / VCPU_MB) if quality == "standard" else memory_of("Upscale") / VCPU_MB
    )
    work = VCPU_SECONDS[quality] * megapixels * (5 if passes > 1 else 1)
    return work / vcpus + CPU_MS["upscale"] / 1000 * megapixels / 2


def lambda_seconds(counts: Counts) -> Counter[str]:
    """Seconds of each function, without what it waits for a model."""
    found: Counter[str] = Counter()
    for name, invocations in counts.invocations.items():
        items = counts.requests[name] - counts.transactions[name]
        ms = invocations * CPU_MS.get(name, CPU_MS_OTHER) if name != "upscale" else 0.0
        ms += items * CALL_MS["item"] + counts.transactions[name] * CALL_MS["transaction"]
        found[name] = (ms + counts.files[name] * CALL_MS["file"]) / 1000
    return found


def waiting_seconds() -> tuple[float, float]:
    """Seconds of ``generate`` that wait for a model, and of the model itself, for an average image."""
    sync = 1 - JOBS_SHARE
    waits = sum(share * sync * model_seconds(alias) for alias, share in MIX.items())
    model = sum(share * model_seconds(a) for a, share in MIX.items() if model_named(a).provider == "embedded")
    return waits, model


@cache
def picture_bytes(scale: int = 2) -> tuple[float, float]:
    """Bytes of a megapixel of an original and of a result, by the samples and our own encoder."""
    before, after = [], []
    for path in sorted((ROOT / "samples").glob("*.jpg")):
        data = path.read_bytes()
        photo = pixels.read(data, pixels_max=images.PIXELS_MAX)
        larger = photo.image.resize((photo.image.width * scale, photo.image.height * scale))
        result = pixels.encode(larger, file_format="jpeg", icc=photo.icc, source_type=images.ENHANCED)
        before.append(len(data) / photo.info.megapixels)
        after.append(len(result) / (photo.info.megapixels * scale * scale))
    return sum(before) / len(before), sum(after) / len(after)


def memory_of(logical: str) -> int:
    """Memory of a function in MB, by its name in the template; a parameter counts with its default."""
    memory = FUNCTIONS[logical]["MemorySize"]
    if isinstance(memory, dict):
        memory = TEMPLATE["Parameters"][memory["Ref"]]["Default"]
    return int(memory)


def logical(function: str) -> str:
    """The template's name of a function's folder."""
    return next(name for name, found in FUNCTIONS.items() if found["CodeUri"] == f"functions/{function}")


def folder(logical: str) -> str:
    """The folder of a function, by its name in the template."""
    return str(FUNCTIONS[logical]["CodeUri"]).rpartition("/")[2]


def runs_a_month() -> dict[str, float]:
    """How often each schedule runs in a month of 30 days, by the template."""
    found = {}
    for name, properties in FUNCTIONS.items():
        for event in properties.get("Events", {}).values():
            if event["Type"] == "ScheduleV2":
                found[name] = found.get(name, 0) + runs(event["Properties"]["ScheduleExpression"])
    return found


def runs(expression: str) -> float:
    """How often a schedule runs in 30 days."""
    minutes = {"minute": 1, "hour": 60, "day": 1440}
    if rate := re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression):
        return 30 * 1440 / (int(rate[1]) * minutes[rate[2]])
    if re.fullmatch(r"cron\(\d+ \d+ \* \* \? \*\)", expression):
        return 30
    if re.fullmatch(r"cron\(\d+ \d+ \d+ \* \? \*\)", expression):
        return 1
    raise ValueError(f"not a schedule that can be counted: {expression}")


def custom_metrics(counts: Counts | None = None) -> float:
    """How many custom metrics a month is billed for: each by its share of hours in which it is written.

    Without ``counts`` the most there can be: each name in all, and once for each value of its dimension.
    """
    if counts is None:
        filters = template.resources(TEMPLATE, "AWS::Logs::MetricFilter")
        return sum(1 + (LABELS[metric.by] if metric.by else 0) for metric in METRICS.values()) + len(filters)
    return sum(1 - exp(-values / HOURS) for values in counts.metrics.values())


def alarm_metrics() -> int:
    """How many metrics our alarms look at: an alarm is billed for each."""
    return sum(
        sum("MetricStat" in metric for metric in found["Properties"].get("Metrics", [])) or 1
        for found in template.resources(TEMPLATE, "AWS::CloudWatch::Alarm").values()
        if "Condition" not in found or template.condition(TEMPLATE, found["Condition"])
    )


def provider_usd() -> float:
    """What providers cost for an average image, in USD."""
    return sum(share * costs.estimated(model_named(alias).slug) for alias, share in MIX.items()) / 1e6
