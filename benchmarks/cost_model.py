"""What a month costs, by service, from an idle one to ten million images: ``make cost`` writes docs/cost.md.

Counts come from `benchmarks.cost_use`, prices from `enhancer.domain.aws_prices` and `enhancer.domain.costs`, first
limits from `benchmarks.cost_limits`, margins of the plans from `benchmarks.cost_margins`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import ceil, exp

from benchmarks import cost_use
from benchmarks.cost_use import TEMPLATE, Use
from benchmarks.counted_table import Counts
from enhancer.domain.aws_prices import GIB, aws_cost
from tests.support import template

VOLUMES = (0, 1_000, 100_000, 10_000_000)
"""Images a month."""
MONTH_SECONDS = 30 * 86_400
PEAK = 5
"""How many times the mean a busy hour has. Assumed."""
IMAGES_OF_AN_OWNER = 10
"""Images a month of each owner with an account, whose ledger is added up daily. Assumed."""
COUNTED = ("Sweep", "QuotaReset")
"""Schedules whose runs are counted; others are taken to run until their time-out, which is the most they can cost."""
ACCESS_LINE = {"requestId": "x" * 16, "httpMethod": "POST", "routeKey": "ANY /api/ai-image/generate", "status": "200",
               "responseLatency": "1234", "integrationErrorMessage": "-"}  # fmt: skip
"""Values as long as the usual ones, for the gateway's own log line."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month's costs in USD, by service and line; ``seconds``: of each function; ``images``: how many were made."""

    images: int
    lines: dict[tuple[str, str], float]
    counts: Counts
    seconds: Counter[str]

    @property
    def total(self) -> float:
        """AWS and providers together."""
        return sum(self.lines.values())

    def of(self, service: str) -> float:
        """One service's share."""
        return sum(usd for (name, _), usd in self.lines.items() if name == service)

    @property
    def services(self) -> dict[str, float]:
        """By service, in the order of the lines."""
        return {name: self.of(name) for name, _ in self.lines}


def month(images: int, use: Use | None = None) -> Month:
    """Return what a month with so many images costs."""
    use = use or cost_use.counted()
    counts = Counts().plus(cost_use.image_mix(use), images)
    runs = cost_use.runs_a_month()
    counts = counts.plus(use.sweep, runs["Sweep"]).plus(use.closing, runs["QuotaReset"])
    counts = counts.plus(use.closing_owner, runs["QuotaReset"] * images / IMAGES_OF_AN_OWNER)
    others = {name: times for name, times in runs.items() if name not in COUNTED}
    counts = counts.plus(
        Counts(invocations=Counter({cost_use.folder(name): n for name, n in others.items()}))
    )
    seconds = _seconds(counts, images)
    for name, times in others.items():
        seconds[cost_use.folder(name)] += times * cost_use.FUNCTIONS[name]["Timeout"]
    lines: dict[tuple[str, str], float] = {}
    lines |= {("Lambda", name): usd for name, usd in _functions(counts, seconds).items()}
    lines |= {("API Gateway", "requests"): aws_cost("api.request", counts.gateway)}
    lines |= {("DynamoDB", name): usd for name, usd in _table(counts, images, use).items()}
    lines |= {("S3", name): usd for name, usd in _bucket(counts, images).items()}
    transitions = transitions_of_a_job() * counts.starts
    lines |= {("Step Functions", "transitions"): aws_cost("states.transition", transitions)}
    lines |= {("CloudWatch", name): usd for name, usd in _watching(counts).items()}
    lines |= {("Secrets Manager", name): usd for name, usd in _secrets(seconds).items()}
    lines |= {("SNS, SQS, Scheduler", "runs"): aws_cost("scheduler.run", sum(runs.values()))}
    lines |= {("SNS, SQS, Scheduler", "notices"): aws_cost("sns.publish", counts.notices)}
    lines |= {("Transfer out", "pages and results"): aws_cost("transfer.out_gb", bytes_out(images) / GIB)}
    lines |= {("Providers", "predictions"): cost_use.provider_usd() * images}
    return Month(images, lines, counts, seconds)


def transitions_of_a_job() -> int:
    """State transitions of a job with one picture that nothing goes wrong with: the states it enters, and its end."""
    states = template.load(template.ROOT / "statemachines/enhance.asl.json")
    entered = _walk(states) + 1
    for state in states["States"].values():
        if state["Type"] == "Map":
            entered += _walk(state["ItemProcessor"])
    return entered


def _walk(machine: template.Json) -> int:
    """How many states are entered from the start, where every choice takes its default."""
    name, entered = machine["StartAt"], 0
    while name:
        state = machine["States"][name]
        entered, name = entered + 1, state.get("Next") or state.get("Default")
    return entered


def access_line_bytes() -> int:
    """The gateway's log line of a request, by the format in the template."""
    (api,) = template.resources(TEMPLATE, "AWS::Serverless::HttpApi").values()
    text = re.sub(
        r"\$context\.(\w+)",
        lambda name: ACCESS_LINE[name[1]],
        api["Properties"]["AccessLogSettings"]["Format"],
    )
    return len(text) + 1


def picture_bytes() -> tuple[float, float]:
    """Bytes of an average original and of its result."""
    before, after = cost_use.picture_bytes()
    return before * cost_use.MEGAPIXELS, after * cost_use.MEGAPIXELS * 4


def bytes_out(images: float) -> float:
    """What leaves AWS: each result once, and the page for each visit."""
    return images * (picture_bytes()[1] + cost_use.VISITS * cost_use.PAGE_BYTES)


def log_bytes(counts: Counts) -> float:
    """All log lines of ours, of Lambda and of the gateway, as CloudWatch counts them."""
    invocations = sum(counts.invocations.values())
    lines = sum(counts.log_events.values()) + invocations * cost_use.PLATFORM_LINES + counts.gateway
    written = sum(counts.log_bytes.values()) + invocations * cost_use.PLATFORM_BYTES
    return written + counts.gateway * access_line_bytes() + lines * cost_use.LINE_OVERHEAD


def concurrency(seconds: Counter[str], *, peak: int = PEAK) -> float:
    """Functions that run at the same time in a busy hour."""
    return sum(seconds.values()) / MONTH_SECONDS * peak


def cold_share(invocations: float) -> float:
    """The share of a function's calls that meet a cold environment, if they come at random."""
    return max(cost_use.COLD_MIN, exp(-invocations / MONTH_SECONDS * cost_use.KEPT_WARM_SECONDS))


def _seconds(counts: Counts, images: int) -> Counter[str]:
    seconds = cost_use.lambda_seconds(counts)
    waits, model = cost_use.waiting_seconds()
    seconds["generate"] += waits * images
    seconds["upscale"] += model * images
    for name, invocations in counts.invocations.items():
        seconds[name] += invocations * cold_share(invocations) * cost_use.INIT_SECONDS
    return seconds


def _functions(counts: Counts, seconds: Counter[str]) -> dict[str, float]:
    found = {}
    for name, invocations in sorted(counts.invocations.items()):
        gigabytes = cost_use.memory_of(cost_use.logical(name)) / 1024
        usd = aws_cost("lambda.gb_second", seconds[name] * gigabytes)
        found[name] = usd + aws_cost("lambda.request", invocations)
    return found


def _table(counts: Counts, images: int, use: Use) -> dict[str, float]:
    stored = cost_use.kept_bytes(use) * images / GIB
    return {
        "writes": aws_cost("dynamodb.write", counts.writes),
        "reads": aws_cost("dynamodb.read", counts.reads),
        "storage": aws_cost("dynamodb.gb_month", stored),
        "backup": aws_cost("dynamodb.backup_gb_month", stored),
    }


def _bucket(counts: Counts, images: int) -> dict[str, float]:
    days = TEMPLATE["Parameters"]["ArtifactDays"]["Default"]
    stored = sum(picture_bytes()) * images * days / 30 / GIB
    return {
        "storage": aws_cost("s3.gb_month", stored),
        "requests": aws_cost("s3.put", counts.puts) + aws_cost("s3.get", counts.gets),
    }


def _watching(counts: Counts) -> dict[str, float]:
    gigabytes = log_bytes(counts) / GIB
    months = TEMPLATE["Parameters"]["LogRetentionDays"]["Default"] / 30
    dashboards = template.resources(TEMPLATE, "AWS::CloudWatch::Dashboard")
    return {
        "log lines": aws_cost("logs.gb", gigabytes) + aws_cost("logs.gb_month", gigabytes * months * 0.15),
        "metrics": aws_cost("metrics.metric", cost_use.custom_metrics(counts)),
        "alarms": aws_cost("metrics.alarm", cost_use.alarm_metrics()),
        "dashboard": aws_cost("metrics.dashboard", len(dashboards)),
    }


def _secrets(seconds: Counter[str]) -> dict[str, float]:
    secrets = template.resources(TEMPLATE, "AWS::SecretsManager::Secret")
    environments = ceil(concurrency(seconds, peak=1)) * 2
    reads = (
        environments * 2 * MONTH_SECONDS / 300
    )  # each environment reads two of them every five minutes at most
    return {
        "secrets": aws_cost("secrets.secret", len(secrets)),
        "reads": aws_cost("secrets.read", reads),
    }


if __name__ == "__main__":
    from benchmarks.cost_page import write

    write()
