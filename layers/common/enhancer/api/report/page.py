"""The page of a cost report: one file, no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from html import escape

from enhancer.api.report import amounts, charts
from enhancer.api.report.style import STYLE
from enhancer.api.report.tables import Cell, Table, all_tables
from enhancer.domain.closings import spans
from enhancer.domain.income import Figures

MODELS_SHOWN = 8
"""Most models in the chart of costs; the table has all."""
PAIRED = {"owed", "aws", "cohorts", "releases"}
"""Narrow tables, two beside each other."""


def page(report: Figures) -> str:
    """Return the report as HTML."""
    title = _title(report)
    body = "".join(
        [f"<h1>{escape(title)}</h1>", _lead(report), _notes(report), _tiles(report), _budget(report),
         *_charts(report), *_sections(all_tables(report)), _footer(report)]
    )  # fmt: skip
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="robots" content="noindex"><title>{escape(title)}</title><style>{STYLE}</style></head>'
        f"<body><main>{body}</main></body></html>"
    )


def _title(report: Figures) -> str:
    first = date.fromisoformat(report["from"])
    return (
        f"Cost report, {first:%B %Y}" if report["kind"] == "month" else f"Cost report, {first:%A, %-d %B %Y}"
    )


def _lead(report: Figures) -> str:
    if report["kind"] == "month":
        return f'<p class="lead">{report["from"]} to {report["to"]}, days in UTC</p>'
    return '<p class="lead">From midnight to midnight, UTC</p>'


def _notes(report: Figures) -> str:
    notes = []
    if report["partial"]:
        notes.append("The time is not over yet: these are the figures so far.")
    for source, days in report["missing"].items():
        words = {"ledger": "The ledgers were not closed for", "stripe": "Stripe's books were not read for"}
        rows = spans(days)
        shown = ", ".join(rows[:6]) + (f" and {len(rows) - 6} more times" if len(rows) > 6 else "")
        notes.append(f"{words[source]} {shown}. What depends on them is missing or too small.")
    others = [currency.upper() for currency in report["money"] if currency != "usd"]
    if others:
        notes.append(
            f"Margins are in USD; income in {', '.join(others)} is shown by itself and is in none of them."
        )
    return "".join(f'<p class="note">{escape(one)}</p>' for one in notes)


def _tiles(report: Figures) -> str:
    main, trend = report["headline"], report["trend"]
    name = "dayBefore" if report["kind"] == "day" else "monthBefore"
    before = trend.get(name, {})
    than = "than the day before" if report["kind"] == "day" else "than the month before"
    costs = main["providerMicros"] + main["awsMicros"] + main["feesMicros"]
    costs_before = sum(before.get(one, 0) for one in ("providerMicros", "awsMicros", "feesMicros"))
    gross = report["money"].get("usd", {})
    earned, margin = main["earnedMicros"], main["marginMicros"]
    tone = "good" if margin >= 0 else "bad"
    shown = [
        ("Earned", amounts.usd(earned), _than(earned, before.get("earnedMicros"), than), ""),
        ("Costs and fees", amounts.usd(costs), _than(costs, costs_before, than), ""),
        ("Margin", amounts.usd(margin), _than(margin, before.get("marginMicros"), than), tone),
        ("Paid by customers", amounts.money(gross.get("gross", 0), "usd"),
         f"{amounts.money(gross.get('refunds', 0) + gross.get('disputes', 0), 'usd')} given back or disputed", ""),
        ("Runs", amounts.count(main["runs"]), _than(main["runs"], before.get("runs"), than), ""),
        ("Failed", amounts.percent(main["failed"], main["runs"]), f"{amounts.count(main['failed'])} runs", ""),
        ("Margin per run", amounts.usd(round(margin / main["runs"])) if main["runs"] else "–", "", ""),
        ("Owed for credits", _owed_usd(report), "unspent, at midnight", ""),
    ]  # fmt: skip
    tiles = "".join(
        f'<li class="tile"><span>{escape(label)}</span><b class="{tone}">{escape(value)}</b>'
        f"<small>{escape(hint)}</small></li>"
        for label, value, hint, tone in shown
    )
    return f'<ul class="tiles">{tiles}</ul>'


def _owed_usd(report: Figures) -> str:
    if report["owed"]["available"] is None:
        return amounts.UNKNOWN
    return amounts.money(report["credits"].get("usd", {}).get("closed", 0), "usd")


def _than(now: int, before: int | None, than: str) -> str:
    changed = amounts.change(now, before)
    return f"{changed} {than}" if changed else ""


def _budget(report: Figures) -> str:
    found = report["budget"]
    spent = amounts.usd(found["spentMicros"])
    if found["budgetMicros"] is None:
        text, meter = f"{spent} so far in {found['month']} for providers and AWS; there is no budget.", ""
    else:
        share = amounts.percent(found["spentMicros"], found["budgetMicros"])
        text = f"{spent} of {amounts.usd(found['budgetMicros'])} in {found['month']} for providers and AWS: {share}"
        meter = f'<div class="meter"><i style="width:{min(1000, found["permille"]) / 10}%"></i></div>'
    return f'<section><h2>Budget</h2><p class="about">{escape(text)}</p>{meter}</section>'


def _charts(report: Figures) -> list[str]:
    days = report["daily"]
    labels = [f"{date.fromisoformat(one['day']):%-d %b}" for one in days]
    spent = [sum(one[name] for name in ("providerMicros", "awsMicros", "feesMicros")) / 1e6 for one in days]
    money = charts.over_time(
        "Earned and spent in USD, day by day", labels,
        [("Earned", [one["earnedMicros"] / 1e6 for one in days]), ("Spent", spent)],
        written=_dollars, stacked=False,
    )  # fmt: skip
    runs = charts.over_time(
        "Runs, day by day", labels,
        [("Good", [one["runs"] - one["failed"] for one in days]), ("Failed", [one["failed"] for one in days])],
        written=_whole, stacked=True,
    )  # fmt: skip
    models = sorted(
        (one for one in report["margins"]["byModel"] if one["runs"]),
        key=lambda one: one["providerMicros"] + one["awsMicros"],
    )[-MODELS_SHOWN:]
    costs = charts.by_name(
        "Cost in USD, by model", [one["name"] for one in models],
        [("Provider", [one["providerMicros"] / 1e6 for one in models]),
         ("AWS", [one["awsMicros"] / 1e6 for one in models])],
        written=_dollars,
    )  # fmt: skip
    plans = [one for one in report["margins"]["byPlan"] if one["earnedMicros"] or one["marginMicros"]][::-1]
    margin = charts.by_name(
        "Margin in USD, by plan", [one["name"] for one in plans],
        [("Margin", [one["marginMicros"] / 1e6 for one in plans])], written=_dollars,
    )  # fmt: skip
    pair = _chart("Cost by model", costs, ("Providers", "AWS")) + _chart("Margin by plan", margin, ())
    return [
        _chart("Earned and spent, day by day", money, ("Earned", "Costs and fees")),
        _chart("Runs, day by day", runs, ("Good", "Failed")),
        f'<div class="pair">{pair}</div>',
    ]


def _chart(title: str, drawn: str, key: Sequence[str]) -> str:
    items = "".join(f'<li><i class="k{place}"></i>{escape(name)}</li>' for place, name in enumerate(key))
    legend = f'<ul class="key">{items}</ul>' if items else ""
    return f"<section><h2>{escape(title)}</h2>{legend}{drawn}</section>"


def _sections(tables: Sequence[Table]) -> list[str]:
    narrow = [_section(one) for one in tables if one.id in PAIRED]
    return [
        *(_section(one) for one in tables if one.id not in PAIRED),
        f'<div class="pair">{"".join(narrow)}</div>',
    ]


def _section(table: Table) -> str:
    head = f'<h2 id="{table.id}">{escape(table.title)}</h2><p class="about">{escape(table.about)}</p>'
    if not table.rows:
        return f'<section>{head}<p class="none">{escape(table.empty)}</p></section>'
    names = "".join(f'<th scope="col" class="label">{escape(one)}</th>' for one in table.labels)
    names += "".join(f'<th scope="col">{escape(one)}</th>' for one in table.measures)
    rows = "".join(f"<tr>{_labels(labels)}{''.join(map(_cell, cells))}</tr>" for labels, cells in table.rows)
    return (
        f'<section>{head}<div class="scroll" tabindex="0" role="region" aria-labelledby="{table.id}">'
        f"<table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _labels(labels: Sequence[str]) -> str:
    first, *more = labels
    others = "".join(f'<td class="label">{escape(one)}</td>' for one in more)
    return f'<th scope="row" class="label">{escape(first)}</th>{others}'


def _cell(cell: Cell) -> str:
    tone = ' class="bad"' if cell.shown.startswith("−") else ""
    return f"<td{tone}>{escape(cell.shown)}</td>"


def _footer(report: Figures) -> str:
    prices = report["prices"]
    return (
        f"<footer><p>Made {escape(report['madeAt'])}. Prices of providers as of {prices['providers']}, of AWS as of "
        f"{prices['aws']}, requests per run as of {prices['awsUsage']}.</p>"
        "<p>What each figure is and where it comes from: docs/cost-report.md.</p></footer>"
    )


def _dollars(value: float) -> str:
    return amounts.usd(round(value * 1e6))


def _whole(value: float) -> str:
    return amounts.count(round(value))
