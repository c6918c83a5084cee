"""The tables of a cost report: the page shows them, the CSV has their exact numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from enhancer.api.report import amounts
from enhancer.domain.income import Figures

MEASURES = ("gross", "refunds", "refunds_failed", "disputes", "disputes_won", "fees", "other", "net")
MONEY_WORDS = ("Paid", "Refunded", "Refunds failed", "Disputed", "Disputes won", "Fees", "Other", "Net")
FLOW_WORDS = {
    "opened": "Owed before", "paid_in": "Paid in", "taken_back": "Taken back", "used": "Spent", "lapsed": "Lapsed",
    "closed": "Owed after",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: ``shown`` on the page, ``exact`` with its ``unit`` in the CSV."""

    shown: str
    exact: str = ""
    unit: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it is a number, which stands on the right."""
        return bool(self.unit)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: a sentence says what it is; ``empty`` is said where it has no rows; ``labels`` of its first columns."""

    id: str
    title: str
    about: str
    labels: tuple[str, ...]
    measures: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]
    empty: str = "Nothing in this time."


def all_tables(report: Figures) -> list[Table]:
    """Return the tables of a report, in order."""
    return [
        _margin(report, "byPlan", "Plan"), _margin(report, "byModel", "Model"), _money(report), _sold(report),
        _credits(report), _subscriptions(report), _owed(report), _costs(report), _aws(report), _rates(report),
        _releases(report), _cohorts(report), _ledger(report), _daily(report), _checks(report),
    ]  # fmt: skip


def usd(amount: int | None) -> Cell:
    """Return a cell of USD micros."""
    return Cell(amounts.usd(amount), amounts.UNKNOWN if amount is None else amounts.micros(amount), "USD")


def number(found: int | None, unit: str = "count") -> Cell:
    """Return a cell of a count."""
    return Cell(amounts.count(found), amounts.UNKNOWN if found is None else str(found), unit)


def credit(tenths: int | None) -> Cell:
    """Return a cell of credits."""
    return Cell(
        amounts.credits(tenths), amounts.UNKNOWN if tenths is None else amounts.tenths(tenths), "credits"
    )


def money(amount: int, currency: str) -> Cell:
    """Return a cell of an amount in its own currency."""
    return Cell(amounts.money(amount, currency), amounts.minor(amount, currency), currency.upper())


def _margin(report: Figures, which: str, label: str) -> Table:
    names = (
        "earnedMicros",
        "providerMicros",
        "awsMicros",
        "feesMicros",
        "marginMicros",
        "marginPerRunMicros",
    )
    return Table(
        f"margin-{label.lower()}",
        f"Margin by {label.lower()}",
        "What was earned, less what it cost, in USD. A plan's income goes to the models that its owners ran.",
        (label,),
        ("Runs", "Earned", "Providers", "AWS", "Fees", "Margin", "Per run"),
        _rows(
            report["margins"][which],
            lambda one: ((one["name"],), (number(one["runs"]), *(usd(one[name]) for name in names))),
        ),
    )


def _money(report: Figures) -> Table:
    return Table(
        "money", "Money at Stripe",
        "Balance transactions by the time Stripe gives them (UTC); payouts to the bank are left out.",
        ("Currency",), MONEY_WORDS,
        _rows(
            report["money"].items(),
            lambda one: ((one[0].upper(),), tuple(money(one[1][name], one[0]) for name in MEASURES)),
        ),
        empty="No money moved, or there is no key for Stripe.",
    )  # fmt: skip


def _sold(report: Figures) -> Table:
    return Table(
        "sold", "Sold", "Packs and plans: what was paid for them, and what refunds and disputes took back.",
        ("What", "Currency"), ("Sales", "Paid", "Given back"),
        _rows(
            report["sold"],
            lambda one: (
                (one["name"].replace("_", " "), one["currency"].upper()),
                (number(one["count"]), money(one["gross"], one["currency"]), money(one["returned"], one["currency"])),
            ),
        ),
    )  # fmt: skip


def _credits(report: Figures) -> Table:
    return Table(
        "credits", "Bought credits",
        "What unspent credits are worth, by what was paid for them, and what became of it.",
        ("Currency",), tuple(FLOW_WORDS.values()),
        _rows(
            report["credits"].items(),
            lambda one: ((one[0].upper(),), tuple(money(one[1][name], one[0]) for name in FLOW_WORDS)),
        ),
    )  # fmt: skip


def _subscriptions(report: Figures) -> Table:
    return Table(
        "subscriptions", "Subscriptions",
        "Paid ahead and earned day by day: a year that was paid today is owed for a year.",
        ("Plan", "Paid", "Currency"), ("Owed before", "Billed", "Earned", "Owed after"),
        _rows(
            report["subscriptions"],
            lambda one: (
                (one["plan"], one["interval"], one["currency"].upper()),
                tuple(money(one[name], one["currency"]) for name in ("opened", "billed", "earned", "closed")),
            ),
        ),
    )  # fmt: skip


def _owed(report: Figures) -> Table:
    words = {"available": "Available", "held": "Held by runs", "bought": "of these bought", "given": "of these given",
             "debt": "Debt"}  # fmt: skip
    return Table(
        "owed", "Credits at midnight", "What all owners together have at the end.", ("",), ("Credits",),
        _rows(words.items(), lambda one: ((one[1],), (credit(report["owed"][one[0]]),))),
    )  # fmt: skip


def _costs(report: Figures) -> Table:
    return Table(
        "costs", "Runs",
        "Every try of a model, by who ran it. The built-in model costs time of our own function.",
        ("Provider", "Model", "Plan", "Owner"),
        ("Runs", "Failed", "Cost", "Seconds", "Megapixels", "Plan credits", "Bought credits"),
        _rows(
            report["costs"],
            lambda one: (
                (one["provider"], one["model"], one["plan"], one["ownerType"]),
                (
                    number(one["runs"]), number(one["failed"]), usd(one["micros"]),
                    Cell(amounts.count(one["milliseconds"] // 1000), amounts.plain(one["milliseconds"], 3), "s"),
                    Cell(amounts.plain(one["kilopixels"] // 100, 1), amounts.plain(one["kilopixels"], 3), "MP"),
                    credit(one["planTenths"]), credit(one["creditTenths"]),
                ),
            ),
        ),
    )  # fmt: skip


def _aws(report: Figures) -> Table:
    return Table(
        "aws", "AWS",
        f"By our model of what a run makes AWS count, at list prices of {report['prices']['aws']}; not the invoice.",
        ("Service",), ("Cost",),
        _rows(report["aws"], lambda one: ((one["service"],), (usd(one["micros"]),))),
    )  # fmt: skip


def _rates(report: Figures) -> Table:
    words = {"requests": "Requests", "refused.402": "Refused with 402", "refused.403": "Refused with 403",
             "refused.429": "Refused with 429", "jobs.succeeded": "Jobs succeeded", "jobs.failed": "Jobs failed",
             "jobs.canceled": "Jobs canceled", "reused": "Results given again",
             "tooManyRequests": "429 on any plan"}  # fmt: skip
    metrics = report["rates"]["metrics"]
    total = metrics.get("requests", {}).get("value")
    shown = [
        (words.get(name, name.replace("tooManyRequests.", "429 on plan ")), one)
        for name, one in metrics.items()
    ]
    found = [
        (
            (label,),
            (
                number(one["value"]),
                Cell(amounts.percent(one["value"], total), "", ""),
                number(one["unknownDays"]),
            ),
        )
        for label, one in sorted(shown)
    ]
    runs = report["rates"]["runs"]
    for label, part in (("Runs that failed", "failed"), ("Runs not needed: paid before", "reused")):
        value = report["rates"][part]
        found.append(((label,), (number(value), Cell(amounts.percent(value, runs)), number(0))))
    return Table(
        "rates", "Rates", "Counts of CloudWatch with their share of all requests; of runs, their share of all runs."
        " Unknown: nothing was written, which is so on a day without any of the kind, too.",
        ("What",), ("Count", "Share", "Days unknown"), tuple(found),
    )  # fmt: skip


def _releases(report: Figures) -> Table:
    return Table(
        "releases", "Holds given back", "Why runs cost their owner nothing.", ("Reason",), ("Count",),
        _rows(
            report["rates"]["released"].items(), lambda one: ((one[0].replace("_", " "),), (number(one[1]),))
        ),
    )  # fmt: skip


def _cohorts(report: Figures) -> Table:
    words = {
        "C0": "C0 invited",
        "C1": "C1 on a paying plan",
        "C2": "C2 users",
        "C3": "C3 guests with an account",
    }
    return Table(
        "cohorts", "Active owners", "Owners with a settled run, each counted once a day.", ("Cohort",), ("Owners",),
        _rows(words.items(), lambda one: ((one[1],), (number(report["cohorts"][one[0]]),))),
    )  # fmt: skip


def _ledger(report: Figures) -> Table:
    return Table(
        "ledger", "Ledgers", "All entries of all owners, by the time of the entry.",
        ("Kind", "Plan"), ("Entries", "Bought credits", "Plan credits", "Debt"),
        _rows(
            report["ledger"],
            lambda one: (
                (one["kind"], one["plan"]),
                (number(one["count"]), credit(one["creditTenths"]), credit(one["planTenths"]),
                 credit(one["debtTenths"])),
            ),
        ),
    )  # fmt: skip


def _daily(report: Figures) -> Table:
    names = ("earnedMicros", "providerMicros", "awsMicros", "feesMicros", "marginMicros")
    return Table(
        "daily", "Day by day", "The numbers of the charts.", ("Day",),
        ("Runs", "Failed", "Earned", "Providers", "AWS", "Fees", "Margin"),
        _rows(
            report["daily"],
            lambda one: (
                (one["day"],),
                (number(one["runs"]), number(one["failed"]), *(usd(one[name]) for name in names)),
            ),
        ),
    )  # fmt: skip


def _checks(report: Figures) -> Table:
    return Table(
        "checks", "Checks",
        "The same sum from two sources. Runs around midnight can stand on different days.",
        ("Sum",), ("One", "Other", "Difference"),
        _rows(report["checks"], lambda one: ((one["name"],), tuple(map(number, _sides(one))))),
    )  # fmt: skip


def _sides(one: Figures) -> tuple[int, int | None, int | None]:
    other = one["other"]
    return one["one"], other, None if other is None else one["one"] - other


def _rows(
    found: Iterable[Any], row: Callable[[Any], tuple[tuple[str, ...], tuple[Cell, ...]]]
) -> tuple[tuple[tuple[str, ...], tuple[Cell, ...]], ...]:
    return tuple(row(one) for one in found)
