"""Where the first limits are: the number at which each breaks, and what to turn then.

Every limit is a rate of AWS (or of ours, from the template), divided by what one image asks of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks import cost_model, cost_use
from benchmarks.cost_model import MONTH_SECONDS, PEAK
from benchmarks.cost_use import CALL_MS, JOBS_SHARE, MIX, TEMPLATE, Use
from enhancer.adapters.dynamodb.keys import OPEN_SHARDS
from enhancer.domain.costs import SPEND_CAP_MICROS
from enhancer.domain.models import model_named
from enhancer.domain.plans import PLANS
from enhancer.operations.sweep import ASK_SECONDS
from tests.support import template

PARTITION_WRITES, NEW_TABLE_WRITES, TABLE_WRITES = 1_000, 4_000, 40_000
"""Write units per second: of a partition (and of an item), of a new table on demand, of any table by default.
DynamoDB, quotas and on-demand capacity mode, 2026-11."""
TRANSITIONS, STARTS = 800, 150
"""Per second, of Standard workflows outside the three largest regions (there 5,000 and 300); new accounts start with
less. Step Functions, service quotas, 2026-11: compare with the account's own in Service Quotas."""
NEW_CONCURRENCY, CONCURRENCY = 10, 1_000
"""Functions at the same time, in a new account and in an older one. Lambda quotas, 2026-11."""
GATEWAY_BODY_MB = 10
PREFIX_PUTS, PREFIX_GETS = 3_500, 5_500
"""Requests per second and prefix that a bucket takes before it divides. S3 performance guidelines, 2026-11."""
LOG_CALLS = 5_000
"""PutLogEvents per second of an account and region. CloudWatch Logs quotas, 2026-11."""
REPLICATE_CREATES = 600 / 60
"""Predictions begun per second. Replicate, HTTP API, rate limits, 2026-10."""
ASK_HOSTED_SECONDS = 0.3
"""How long Replicate takes to say how a prediction is. Assumed."""


@dataclass(frozen=True, slots=True)
class Limit:
    """``images``: images per second at which it breaks, None for one that counts something else (``breaks``)."""

    name: str
    allowed: str
    breaks: str
    turn: str
    images: float | None = None

    @property
    def a_month(self) -> float | None:
        """Images a month whose busiest hour reaches it."""
        return self.images * MONTH_SECONDS / PEAK if self.images else None


def limits(use: Use | None = None) -> list[Limit]:
    """Return every limit; those of images first, the lowest first, then those of other things."""
    use = use or cost_use.counted()
    found = [*_lambda(use), *_gateway(use), *_table(use), *_states(), *_others(use)]
    return sorted(found, key=lambda one: (one.images is None, one.images or 0)) + _of_schedules(use)


def seconds_at_once(use: Use) -> float:
    """Seconds of Lambda, over all functions, for an average image."""
    waits, model = cost_use.waiting_seconds()
    return sum(cost_use.lambda_seconds(cost_use.image_mix(use)).values()) + waits + model


def _lambda(use: Use) -> list[Limit]:
    each = seconds_at_once(use)
    return [
        Limit(
            f"Lambda concurrency of {name} account", f"{places:,} at once",
            f"{places / each * 60:,.0f} images a minute", turn, places / each,
        )
        for name, places, turn in (
            ("a new", NEW_CONCURRENCY, "ask for 1,000 in Service Quotas before the launch; alarm `FunctionsThrottled`"),
            ("an older", CONCURRENCY, "raise it further; more `UpscaleMemory` up to 3,538 MB frees places sooner"),
        )
    ]  # fmt: skip


def _gateway(use: Use) -> list[Limit]:
    (api,) = template.resources(TEMPLATE, "AWS::Serverless::HttpApi").values()
    rate = api["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"]
    each = cost_use.image_mix(use).gateway
    turn = "`ThrottlingRateLimit` in the template, up to the account's 10,000; files of the page through CloudFront"
    return [
        Limit("API Gateway throttle", f"{rate} requests/s", f"{rate / each:.1f} images/s", turn, rate / each)
    ]


def _table(use: Use) -> list[Limit]:
    mix = cost_use.image_mix(use)
    owner, hosted = mix.hot["OWNER"], _hosted()
    fastest = max(plan.generate_per_minute for plan in PLANS.values()) / 60
    of_index = mix.index / OPEN_SHARDS
    total = max(flow.sync.hot["COST TOTAL"] for flow in use.flows.values())
    row = PARTITION_WRITES / max(MIX.values())
    return [
        Limit(
            "table, new", f"{NEW_TABLE_WRITES:,} write units/s", f"{NEW_TABLE_WRITES / mix.writes:,.0f} images/s",
            "grows by itself to twice its last peak within 30 minutes; warm throughput before a campaign",
            NEW_TABLE_WRITES / mix.writes,
        ),
        Limit(
            "table, by default", f"{TABLE_WRITES:,} write units/s", f"{TABLE_WRITES / mix.writes:,.0f} images/s",
            "raise it in Service Quotas", TABLE_WRITES / mix.writes,
        ),
        Limit(
            "one owner's partition", f"{PARTITION_WRITES:,} write units/s",
            f"{PARTITION_WRITES / owner:,.0f} images/s of one owner; the fastest plan allows {fastest:.1f}",
            "nothing: the rate limit of the plan is reached first",
        ),
        Limit(
            "`COST#<day>` `TOTAL`, one item", f"{PARTITION_WRITES:,} writes/s",
            f"{PARTITION_WRITES / total:,.0f} images/s at hosted models",
            "divide it into numbered rows; the cap then holds to within a share of each",
            PARTITION_WRITES / total / hosted,
        ),
        Limit(
            "`COST#<day>`, row of the busiest model and plan", f"{PARTITION_WRITES:,} writes/s",
            f"{row:,.0f} images/s", "book the embedded model's cost by the minute instead of by run", row,
        ),
        Limit(
            f"index of open jobs, {OPEN_SHARDS} shards", f"{PARTITION_WRITES:,} writes/s each",
            f"{PARTITION_WRITES / of_index:,.0f} images/s",
            "`OPEN_SHARDS` in `adapters/dynamodb/keys.py`; the sweep reads all of them",
            PARTITION_WRITES / of_index,
        ),
    ]  # fmt: skip


def _states() -> list[Limit]:
    each = cost_model.transitions_of_a_job()
    return [
        Limit(
            "Step Functions, state transitions", f"{TRANSITIONS}/s", f"{TRANSITIONS / each:,.0f} jobs/s",
            "raise it in Service Quotas; alarm `RunsThrottled`; jobs are late, not lost",
            TRANSITIONS / each / JOBS_SHARE,
        ),
        Limit(
            "Step Functions, StartExecution", f"{STARTS}/s", f"{STARTS} jobs/s",
            "raise it in Service Quotas; what was refused the sweep starts a minute later", STARTS / JOBS_SHARE,
        ),
    ]  # fmt: skip


def _others(use: Use) -> list[Limit]:
    mix, hosted = cost_use.image_mix(use), _hosted()
    replicate = sum(share for alias, share in MIX.items() if model_named(alias).provider == "replicate")
    calls = sum(mix.invocations.values())
    a_day = SPEND_CAP_MICROS / 1e6 / cost_use.provider_usd()
    return [
        Limit(
            "S3, one prefix", f"{PREFIX_PUTS:,} PUT/s", f"{PREFIX_PUTS / mix.puts:,.0f} images/s",
            "nothing: the bucket divides by owner by itself, over some minutes", PREFIX_PUTS / mix.puts,
        ),
        Limit(
            "CloudWatch Logs, PutLogEvents", f"{LOG_CALLS:,}/s", f"{LOG_CALLS / calls:,.0f} images/s",
            "raise it in Service Quotas; Lambda keeps lines back for a while and then loses them", LOG_CALLS / calls,
        ),
        Limit(
            "Replicate, predictions begun", f"{REPLICATE_CREATES:.0f}/s",
            f"{REPLICATE_CREATES / replicate:,.0f} images/s of this mix",
            "ask Replicate; meanwhile runs wait their turn or fall back",
            REPLICATE_CREATES / replicate,
        ),
        Limit(
            "the day's cap for providers", f"{SPEND_CAP_MICROS / 1e6:.0f} USD",
            f"{a_day:,.0f} images a day, {a_day * hosted:,.0f} of them hosted",
            "flag `spendCapUsd` (with a look at the cost report); the embedded model goes on",
            a_day / 86_400 * PEAK,
        ),
    ]  # fmt: skip


def _of_schedules(use: Use) -> list[Limit]:
    sweep = cost_use.FUNCTIONS["Sweep"]["Timeout"] - ASK_SECONDS
    job = use.sweep_job
    each = (
        job.requests["sweep"] * CALL_MS["item"] + job.files["sweep"] * CALL_MS["file"] + CALL_MS["state"]
    ) / 1000
    closing = cost_use.FUNCTIONS["QuotaReset"]["Timeout"]
    owner = use.closing_owner.requests["quota_reset"] * CALL_MS["item"] / 1000
    return [
        Limit(
            "the sweep's minute", f"{sweep:.0f} s beside {ASK_SECONDS:.0f} s of asking",
            f"{sweep / each:,.0f} open jobs older than a minute; "
            f"{ASK_SECONDS / ASK_HOSTED_SECONDS:.0f} lost call-backs a minute",
            "a function for each shard (more memory is no help, it waits); what is left is done a minute later",
        ),
        Limit(
            "the closing's 15 minutes", f"{closing} s", f"{closing / owner:,.0f} owners with an account",
            "divide the owners over a distributed map; until then some ledgers are not added up: `ClosingFails`",
        ),
    ]  # fmt: skip


def _hosted() -> float:
    return sum(share for alias, share in MIX.items() if model_named(alias).provider != "embedded")
