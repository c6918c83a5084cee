"""The cost report of a day or a month: what came in, what is owed, what it cost, and what is left.

Everything follows from days that were summed up before: runs (`SpendRow`), ledgers (`Closing`), Stripe (`MoneyDay`) and
rates. Amounts are whole numbers: USD micros for costs and margins, the smallest unit of its currency for money, tenths
for credits. Costs are USD; other currencies are shown and enter no margin. What is not known is None, never 0.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from enhancer.domain import aws_prices, aws_usage, costs
from enhancer.domain.closings import FLOWS
from enhancer.domain.costs import RunFigures, SpendRow
from enhancer.domain.income import (
    DayBook,
    Figures,
    cash,
    credit_flows,
    day_before,
    earned_by_plan,
    owed,
    sold,
    subscriptions,
    used_by_plan,
)  # fmt: skip
from enhancer.domain.margins import margins
from enhancer.domain.money import MICROS_PER_CENT, Term

SCHEMA = 1
"""Version of the report's shape; it changes when a field goes away or means something else."""
Kind = Literal["day", "month"]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which report: ``name`` such as ``day-2026-11-28``; ``days``: its days; ``partial``: its last day is not over."""

    kind: Kind
    name: str
    days: tuple[str, ...]
    partial: bool = False

    @property
    def last_day(self) -> str:
        """The last day of its time, also where that is not over; the list is sorted by it."""
        if self.kind == "day":
            return self.days[-1]
        year, month = map(int, self.days[0].split("-")[:2])
        return f"{self.days[0][:7]}-{calendar.monthrange(year, month)[1]}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A report in the list.

    ``figures``: its main ones, by name. ``complete``: nothing was missing when it was made. ``made_at``: epoch ms.
    """

    name: str
    kind: str
    last_day: str
    made_at: int
    complete: bool
    figures: dict[str, Any] = field(default_factory=dict)


def compose(
    asked: Asked, books: dict[str, DayBook], terms: Sequence[Term], *, budget: int, made_at: str, stripe: bool
) -> Figures:
    """Return the report. ``books``: by day, with the days that come before; ``budget``: USD micros a month, 0 for none.

    ``terms``: what was paid for plans on any day of the last year. ``stripe``: whether there is a key for Stripe.
    """
    days = [books.get(day) or DayBook(day) for day in asked.days]
    main = headline(days, terms)
    rows = merged([row for one in days for row in one.rows])
    earned = main["earned"]
    return {
        "schema": SCHEMA,
        "name": asked.name,
        "kind": asked.kind,
        "from": asked.days[0],
        "to": asked.days[-1],
        "timeZone": "UTC",
        "madeAt": made_at,
        "complete": not missing(days, stripe=stripe) and not asked.partial,
        "missing": missing(days, stripe=stripe),
        "partial": asked.partial,
        "headline": main,
        "money": cash(days),
        "sold": sold(days),
        "credits": credit_flows(days),
        "subscriptions": subscriptions(days, terms),
        "owed": owed(days),
        "costs": cost_rows(rows),
        "aws": aws_rows(rows),
        "margins": margins(rows, earned, used_by_plan(days), fees=main["feesMicros"]),
        "runs": run_sums(rows),
        "ledger": ledger(days),
        "rates": rates(days, rows),
        "cohorts": cohorts(days),
        "budget": budget_of(asked.days[-1], books, budget),
        "trend": trend(asked, books, terms),
        "daily": daily(asked, books, terms),
        "checks": checks(days, rows),
        "prices": {"providers": costs.DATED, "aws": aws_prices.DATED, "awsUsage": aws_usage.DATED},
    }


def missing(days: Sequence[DayBook], *, stripe: bool) -> dict[str, list[str]]:
    """Return the days whose closing or books at Stripe are missing or incomplete; {} when nothing is."""
    found = {
        "ledger": [one.day for one in days if one.closing is None or not one.closing.is_complete],
        "stripe": [one.day for one in days if one.money is None or not one.money.final] if stripe else [],
    }
    return {name: which for name, which in found.items() if which}


def merged(rows: Sequence[SpendRow]) -> list[SpendRow]:
    """Add up rows of several days."""
    found: dict[tuple[str, str, str, str], list[int]] = {}
    for row in rows:
        sums = found.setdefault((row.provider, row.model, row.plan, row.owner_type), [0] * 9)
        sums[0] += row.runs
        for place, name in enumerate(RunFigures.__slots__, 1):
            sums[place] += getattr(row.sums, name)
    return [SpendRow(*key, sums[0], RunFigures(*sums[1:])) for key, sums in sorted(found.items())]


def headline(days: Sequence[DayBook], terms: Sequence[Term]) -> Figures:
    """Return the main figures of some days."""
    rows = merged([row for one in days for row in one.rows])
    provider = sum(row.sums.micros for row in rows if row.provider != "embedded")
    aws = sum(sum(one["micros"] for one in aws_rows([row])) for row in rows)
    fees = sum((one.money.sums.get("usd", {}).get("fees", 0) if one.money else 0) for one in days)
    usd = credit_flows(days).get("usd", dict.fromkeys(FLOWS, 0))
    by_plan = earned_by_plan(days, terms)
    earned = {"subscriptions": by_plan, "used": usd["used"], "lapsed": usd["lapsed"]}
    income = (sum(by_plan.values()) + usd["used"] + usd["lapsed"]) * MICROS_PER_CENT
    return {
        "runs": sum(row.runs for row in rows),
        "failed": sum(row.sums.failed for row in rows),
        "providerMicros": provider,
        "awsMicros": aws,
        "feesMicros": fees * MICROS_PER_CENT,
        "earnedMicros": income,
        "marginMicros": income - provider - aws - fees * MICROS_PER_CENT,
        "earned": earned,
    }


def cost_rows(rows: Sequence[SpendRow]) -> list[Figures]:
    """Return what runs cost, by provider, model, plan and type of owner. The embedded model's cost is Lambda's."""
    return [
        {
            "provider": row.provider, "model": row.model, "plan": row.plan, "ownerType": row.owner_type,
            "runs": row.runs, "failed": row.sums.failed, "micros": row.sums.micros,
            "milliseconds": row.sums.milliseconds, "kilopixels": row.sums.kilopixels,
            "planTenths": row.sums.plan_tenths, "creditTenths": row.sums.credit_tenths,
        }
        for row in rows
    ]  # fmt: skip


def aws_rows(rows: Sequence[SpendRow]) -> list[Figures]:
    """Return what AWS asks for the runs, by service; the embedded model has a line of its own."""
    found: dict[str, int] = {}
    for row in rows:
        if row.provider == "embedded":
            found["Lambda, embedded model"] = found.get("Lambda, embedded model", 0) + row.sums.micros
        for service, micros in aws_usage.aws_of(row).items():
            found[service] = found.get(service, 0) + micros
    return [{"service": service, "micros": micros} for service, micros in sorted(found.items())]


def run_sums(rows: Sequence[SpendRow]) -> dict[str, int]:
    """Return the sums over all runs."""
    names = {"milliseconds": "milliseconds", "kilopixels": "kilopixels", "plan_tenths": "planTenths",
             "credit_tenths": "creditTenths", "in_steps": "inSteps"}  # fmt: skip
    return {"runs": sum(row.runs for row in rows), "failed": sum(row.sums.failed for row in rows)} | {
        shown: sum(getattr(row.sums, name) for row in rows) for name, shown in names.items()
    }


def ledger(days: Sequence[DayBook]) -> list[Figures]:
    """Return what the ledgers did, by kind of entry and plan."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for one in days:
        for kind, by_plan in (one.closing.entries if one.closing else {}).items():
            for plan, sums in by_plan.items():
                into = found.setdefault((kind, plan), {"count": 0, "credits": 0, "plan": 0, "debt": 0})
                for name in into:
                    into[name] += sums[name]
    return [
        {"kind": kind, "plan": plan, "count": sums["count"], "creditTenths": sums["credits"],
         "planTenths": sums["plan"], "debtTenths": sums["debt"]}
        for (kind, plan), sums in sorted(found.items())
    ]  # fmt: skip


def rates(days: Sequence[DayBook], rows: Sequence[SpendRow]) -> Figures:
    """Return counts of CloudWatch, None where it has none, and what runs and ledgers say of failures and reuse."""
    names = sorted({name for one in days for name in one.rates})
    metrics = {}
    for name in names:
        known = [value for one in days if (value := one.rates.get(name)) is not None]
        metrics[name] = {"value": sum(known) if known else None, "unknownDays": len(days) - len(known)}
    released: dict[str, int] = {}
    for one in days:
        for reason, count in (one.closing.released if one.closing else {}).items():
            released[reason] = released.get(reason, 0) + count
    return {
        "metrics": metrics,
        "runs": sum(row.runs for row in rows),
        "failed": sum(row.sums.failed for row in rows),
        "released": dict(sorted(released.items())),
        "reused": released.get("paid_before", 0),
    }


def cohorts(days: Sequence[DayBook]) -> dict[str, int | None]:
    """Return owners with a settled run, by cohort, each counted once a day; None where no closing says."""
    known = [one.closing for one in days if one.closing]
    return {
        name: sum(one.active.get(name, 0) for one in known) if known else None
        for name in ("C0", "C1", "C2", "C3")
    }


def budget_of(last: str, books: dict[str, DayBook], budget: int) -> Figures:
    """Return what providers and AWS cost in the month so far, against its budget; None without one."""
    month = [one for day, one in books.items() if day[:7] == last[:7] and day <= last]
    main = headline(month, ()) if month else {"providerMicros": 0, "awsMicros": 0}
    spent = main["providerMicros"] + main["awsMicros"]
    permille = round(1000 * spent / budget) if budget else None
    return {"month": last[:7], "spentMicros": spent, "budgetMicros": budget or None, "permille": permille}


def trend(asked: Asked, books: dict[str, DayBook], terms: Sequence[Term]) -> dict[str, Figures]:
    """Return the main figures of the time before: the day before and the month before, as far as they are known."""
    day = day_before(asked.days[0])
    month = [one for name, one in sorted(books.items()) if name[:7] == _month_before(asked.days[-1][:7])]
    found = {"monthBefore": month}
    if asked.kind == "day":
        found["dayBefore"] = [books[day]] if day in books else []
    return {
        name: {key: value for key, value in headline(which, terms).items() if key != "earned"}
        for name, which in found.items()
        if any(one.rows or one.closing or one.money for one in which)
    }


def daily(asked: Asked, books: dict[str, DayBook], terms: Sequence[Term]) -> list[Figures]:
    """Return the main figures day by day, for charts: of the month, or of the 30 days that end with the day."""
    wanted = (
        asked.days if asked.kind == "month" else sorted(day for day in books if day <= asked.days[-1])[-30:]
    )
    found = []
    for day in wanted:
        one = books.get(day) or DayBook(day)
        main = headline([one], terms)
        gross = one.money.sums.get("usd", {}).get("gross", 0) if one.money else 0
        found.append(
            {"day": day, **{name: main[name] for name in main if name != "earned"}, "grossCents": gross}
        )
    return found


def checks(days: Sequence[DayBook], rows: Sequence[SpendRow]) -> list[Figures]:
    """Return sums that must agree although they come from different sources, each with both sides."""
    settled = [one for one in ledger(days) if one["kind"] == "settle"]
    found = [
        {
            "name": "creditsCharged",
            "one": sum(row.sums.credit_tenths for row in rows),
            "other": sum(one["creditTenths"] for one in settled)
            if all(one.closing for one in days)
            else None,
        }
    ]
    for currency, sums in cash(days).items():
        net = (
            sums["gross"] - sums["refunds"] + sums["refunds_failed"] - sums["disputes"] + sums["disputes_won"]
        )
        net += sums["other"] - sums["fees"]
        found.append({"name": f"net.{currency}", "one": net, "other": sums["net"]})
    for currency, flows in credit_flows(days).items():
        left = flows["opened"] + flows["paid_in"] - flows["taken_back"] - flows["used"] - flows["lapsed"]
        found.append({"name": f"credits.{currency}", "one": left, "other": flows["closed"]})
    return found


def _month_before(month: str) -> str:
    return day_before(f"{month}-01")[:7]
