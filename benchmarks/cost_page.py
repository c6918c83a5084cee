"""docs/cost.md and its chart, written from the model."""

from __future__ import annotations

from html import escape

from benchmarks import cost_limits, cost_margins, cost_model, cost_use
from benchmarks.cost_margins import Margin
from benchmarks.cost_model import VOLUMES, Month
from benchmarks.cost_use import ROOT, Use
from enhancer.domain import aws_prices, costs

PAGE, CHART = ROOT / "docs/cost.md", ROOT / "docs/cost.svg"
COLOURS = {
    "Providers": "#b5482a", "Lambda": "#1f6f6b", "Transfer out": "#5b7fb4", "S3": "#d19a2e",
    "Step Functions": "#8a5a9e", "DynamoDB": "#3f8f4f", "API Gateway": "#9a9a94", "CloudWatch": "#c0708c",
    "Secrets Manager": "#60604f", "SNS, SQS, Scheduler": "#222222",
}  # fmt: skip


def write() -> None:
    """Write both."""
    use = cost_use.counted()
    months = [cost_model.month(images, use) for images in VOLUMES]
    PAGE.write_text(page(use, months), "utf-8")
    CHART.write_text(chart(months[1:]), "utf-8")


def page(use: Use, months: list[Month]) -> str:
    """The document."""
    return "\n".join((_opening(), _month_part(use, months), _lambda_part(months[-1]), _ends(use)))


def _opening() -> str:
    elsewhere = f"{aws_prices.DEAREST_REGION - 1:.0%}"
    return f"""# Cost

What a month of the product costs, where its first limits are, and what each plan leaves. `make cost` writes this page
(`benchmarks/cost_model.py`): requests, units, log bytes and transitions are counted by running the product's own
handlers in memory and by reading `template.yaml`; prices are AWS's list prices of US East as of {aws_prices.DATED},
without free allowances (`domain/aws_prices.py`; other regions ask up to {elsewhere} more), and the providers' of
{costs.DATED} (`domain/costs.py`). Nothing here was measured on AWS: what only AWS or the users know is stated as an
assumption in `benchmarks/cost_use.py`. What a real month cost says the product's own report.
"""


def _month_part(use: Use, months: list[Month]) -> str:
    mix = cost_use.image_mix(use)
    before, after = cost_model.picture_bytes()
    owners = cost_model.IMAGES_OF_AN_OWNER
    shares = " · ".join(f"{name} {share:.0%}" for name, share in cost_use.MIX.items())
    services = [
        "Providers",
        *sorted((name for name in COLOURS if name != "Providers"), key=lambda n: -months[-1].of(n)),
    ]
    table = [[name, *(_usd(found.of(name)) for found in months)] for name in services]
    table.append(["**AWS**", *(f"**{_usd(found.total - found.of('Providers'))}**" for found in months)])
    table.append(["**all**", *(f"**{_usd(found.total)}**" for found in months)])
    table.append(["for 1,000 images", "", *(_usd(found.total / found.images * 1000) for found in months[1:])])
    jobs, visits = f"{cost_use.JOBS_SHARE:.0%}", f"{1 / cost_use.VISITS:g}"
    volumes = ["idle" if not found.images else f"{found.images:,} images" for found in months]
    each, page = cost_use.MEGAPIXELS, cost_use.POLLS
    sweeps = f"{cost_use.runs_a_month()['Sweep']:,.0f}"
    written, most = cost_use.custom_metrics(months[0].counts), cost_use.custom_metrics()
    idle = f"{written:.0f} custom metrics, {cost_use.alarm_metrics()} metrics that alarms look at"
    return f"""## A month, in USD

{_table(["service", *volumes], table)}

![Cost of 1,000 images by service and volume](cost.svg)

An image here is an average one: {shares};
{each:g} megapixels, twice as large afterwards; {jobs} as jobs that the page looks at {page} times;
a visit of the page for {visits} images; {owners} images a month of each owner. The busiest hour has {cost_model.PEAK}
times the mean.

| one image | counted |
|---|---|
| requests through the gateway | {mix.gateway:.1f} |
| invocations of functions | {sum(mix.invocations.values()):.1f} |
| DynamoDB | {sum(mix.requests.values()):.1f} requests, {mix.writes:.1f} write units, {mix.reads:.1f} read units |
| S3 | {mix.puts:.1f} PUT, {mix.gets:.1f} GET |
| state transitions of a job | {cost_model.transitions_of_a_job()} |
| log bytes, those of Lambda and the gateway included | {cost_model.log_bytes(mix):,.0f} |
| original and result, by the samples | {before / 1e6:.2f} MB, {after / 1e6:.2f} MB |
| records in the table | {cost_use.kept_bytes(use) / cost_use.KEPT_MONTHS / 1024:.1f} KB a month of keeping |
| seconds of Lambda, all functions | {cost_limits.seconds_at_once(use):.1f} |

An idle month is {idle}, {_secrets_count()} secrets,
and the sweep's {sweeps} runs. Metrics are billed by the hours in which they are written; {most:.0f} at most.
"""


def _lambda_part(large: Month) -> str:
    functions = sorted(large.seconds, key=lambda name: -large.lines["Lambda", name])
    waiting = f"{large.lines['Lambda', 'generate'] / large.of('Lambda'):.0%}"
    head = ["function", "MB", "time-out, s", "invocations", "hours", "USD"]
    return f"""## Lambda

At {large.images:,} images. Hours are those of one environment. `generate` waits while a model runs, and is {waiting} of
the bill: `Prefer: respond-async` and jobs do not wait.

{_table(head, [_function_row(name, large) for name in functions])}
"""


def _ends(use: Use) -> str:
    rows = [_limit_row(found) for found in cost_limits.limits(use)]
    cap = f"{costs.SPEND_CAP_MICROS / 1e6:.0f} USD"
    worst = cost_margins.dearest()
    fee = f"{cost_margins.STRIPE_SHARE:.1%} + {cost_margins.STRIPE_EACH:.2f} USD"
    return f"""## The first limits

In the order in which a growing service meets them. *Images a month*: the month whose busiest hour reaches the limit.

{_table(["limit", "allowed", "breaks at", "images a month", "what to turn"], rows)}

## What a plan leaves

A plan whose owner spends every credit one way, each month; in brackets how many images that is. Income is the monthly
price less Stripe's share ({fee}). *Dearest*: `{worst.name}`, of which a credit costs us {worst.usd_a_credit:.4f} USD.

{_margins(cost_margins.margins())}

Guests and free users pay nothing: the figures are what one of them can cost at most, bounded by the day's images and
the month's credits; the daily cap of {cap} bounds all hosted runs together. Flags that lower it:
`planCaps`, `off`, `phase`.

A credit of a pack brings {_packs()}.
"""


def chart(months: list[Month]) -> str:
    """Bars of the cost of 1,000 images, divided by service."""
    left, width, height, gap, legend = 130, 560, 44, 22, 190
    most = max(found.total / found.images * 1000 for found in months)
    parts, y = [], 46
    for found in months:
        x = float(left)
        parts.append(_text(left - 10, y + height / 2 + 5, f"{found.images:,}", anchor="end"))
        for name, colour in COLOURS.items():
            usd = found.of(name) / found.images * 1000
            long = usd / most * width
            title = f"<title>{escape(name)}: {usd:.2f} USD</title>"
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{long:.1f}" height="{height}" fill="{colour}">{title}</rect>'
            )
            x += long
        parts.append(_text(x + 8, y + height / 2 + 5, f"{found.total / found.images * 1000:.2f} USD"))
        y += height + gap
    for place, (name, colour) in enumerate(COLOURS.items()):
        across, down = left + place % 4 * legend, y + 8 + place // 4 * 22
        parts.append(f'<rect x="{across}" y="{down}" width="12" height="12" fill="{colour}"/>')
        parts.append(_text(across + 18, down + 11, name))
    total = left + width + 120
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {y + 80}" '
        'font-family="sans-serif" font-size="13">'
        f'<rect width="{total}" height="{y + 80}" fill="#ffffff"/>'
        f"{_text(left, 26, 'Cost of 1,000 images in USD, by images a month')}{''.join(parts)}</svg>\n"
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222222">{escape(text)}</text>'


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _usd(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= 1000 else f"{amount:.2f}"


def _function_row(name: str, found: Month) -> list[str]:
    logical = cost_use.logical(name)
    return [
        f"`{name}`",
        f"{cost_use.memory_of(logical):,}",
        f"{cost_use.FUNCTIONS[logical]['Timeout']}",
        f"{found.counts.invocations[name]:,.0f}",
        f"{found.seconds[name] / 3600:,.0f}",
        _usd(found.lines["Lambda", name]),
    ]


def _limit_row(found: cost_limits.Limit) -> list[str]:
    month = f"{found.a_month:,.0f}" if found.a_month else "–"
    return [found.name, found.allowed, found.breaks, month, found.turn]


def _margins(found: list[Margin]) -> str:
    plans = list(dict.fromkeys(one.plan for one in found))
    rows = []
    for plan in plans:
        dear, usual, large, pro = (one for one in found if one.plan == plan)
        cells = [f"{one.left:+.2f} ({one.images:.0f})" for one in (dear, usual)]
        cells += [
            f"{one.left:+.2f} ({one.images:.0f}, {one.run.name.rpartition(', ')[2]})" for one in (large, pro)
        ]
        rows.append([plan, f"{usual.income:.2f}", *cells])
    head = [
        "plan",
        "income",
        "dearest (images)",
        "embedded, usual size",
        "embedded, largest",
        "embedded, quality pro",
    ]
    return _table(head, rows)


def _packs() -> str:
    found = cost_margins.packs()
    shown = ", ".join(f"{income:.3f} USD in the pack of {size:,}" for size, income, _ in found)
    return f"{shown}; the dearest credit costs us {found[0][2]:.4f} USD"


def _secrets_count() -> int:
    return sum(
        found["Type"] == "AWS::SecretsManager::Secret" for found in cost_use.TEMPLATE["Resources"].values()
    )
