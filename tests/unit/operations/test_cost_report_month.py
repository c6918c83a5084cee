"""A simulated month: the report equals the ledgers and Stripe's own books, to the cent and the credit, day by day.

500 owners of all kinds, every provider, packs, subscriptions, renewals, refunds, disputes won and lost, an outage, late
webhooks, and a daily run that is a day late. What it is compared with is counted apart from the product: the objects of
Stripe's stand-in, the records of the table, and what was seen at each midnight.
"""

import csv
import json
import re
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import pairwise
from types import SimpleNamespace

import jsonschema
import pytest

from enhancer.api.report.files import render
from enhancer.domain import closings, money
from enhancer.domain.closings import days_between
from enhancer.domain.money import MoneyDay
from enhancer.operations import cost_report
from tests.support import aws
from tests.support.business_month import BusinessMonth
from tests.support.template import ROOT

FIRST, LAST = "2026-11-01", "2026-11-30"
DAYS = days_between(FIRST, LAST)


@pytest.fixture(scope="module")
def month():
    """The month, lived once; nobody changes it."""
    with aws.environment():
        found = BusinessMonth()
        found.live(LAST)
        yield found


def report_of(month, name, **changed):
    """The figures of a report, made from what is stored."""
    kind, _, period = name.partition("-")
    make = cost_report.day_report if kind == "day" else cost_report.month_report
    deps = replace(month.report_deps, **changed)
    return cost_report.figures(make(period, now=month.world.now()), deps=deps, stripe=True)


def day_of_seconds(seconds):
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


# ------------------------------------------------------------------- counted apart from the product


def stripes_money(month):
    """(day, currency) -> sums, from charges, refunds, disputes and fees as the stand-in has them."""
    found = defaultdict(Counter)
    for charge in month.till.all("charge"):
        if charge["paid"]:
            found[day_of_seconds(charge["created"]), charge["currency"]]["gross"] += charge["amount"]
    for refund in month.till.all("refund"):
        found[day_of_seconds(refund["created"]), refund["currency"]]["refunds"] += refund["amount"]
        if refund["status"] == "failed":
            found[day_of_seconds(refund["created"]), refund["currency"]]["refunds_failed"] += refund["amount"]
    for dispute in month.till.all("dispute"):
        for moved in dispute["balance_transactions"]:
            name = "disputes" if moved["amount"] < 0 else "disputes_won"
            found[day_of_seconds(moved["created"]), dispute["currency"]][name] += abs(moved["amount"])
    for moved in month.till.all("balance_transaction"):
        if moved["reporting_category"] != "payout":
            sums = found[day_of_seconds(moved["created"]), moved["currency"]]
            sums["net"] += moved["net"]
            sums["fees"] += moved["fee"] - (moved["amount"] if moved["reporting_category"] == "fee" else 0)
    return found


def ledgers(month):
    """Day -> kind -> bought credits in tenths, from the records."""
    found = defaultdict(Counter)
    accounts = {one["pk"] for one in month.world.records() if one["sk"] == "ACCOUNT"}
    for record in month.world.records():
        if record["sk"].startswith("LEDGER#") and record["pk"] in accounts:
            found[day_of_seconds(record["at"] / 1000)][record["kind"]] += record["credits"]
    return found


def owed_for_plans(month, day):
    """What was paid for plans and belongs to later days, in cents, from the stand-in's invoices and refunds."""
    total = 0
    for invoice in month.till.all("invoice"):
        (line,) = invoice["lines"]["data"]
        first, last = (date.fromisoformat(day_of_seconds(line["period"][end])) for end in ("start", "end"))
        gone = min(max((date.fromisoformat(day) - first).days + 1, 0), (last - first).days)
        (payment,) = month.till.account.store.all("invoice_payment", invoice=invoice["id"])
        intent = month.till.account.store.objects[payment["payment"]["payment_intent"]]
        kept = [(invoice["status_transitions"]["paid_at"], line["amount"])]
        refunds = month.till.account.store.all("refund", charge=intent["latest_charge"])
        kept += [(one["created"], -one["amount"]) for one in refunds]
        for at, amount in kept:
            if day_of_seconds(at) <= day:
                earned = (2 * abs(amount) * gone + (last - first).days) // (2 * (last - first).days)
                total += (abs(amount) - earned) * (1 if amount > 0 else -1)
    return total


def check_money(month):
    """Every currency of every day is Stripe's; the month is their sum."""
    expected, whole = stripes_money(month), defaultdict(Counter)
    assert {currency for _, currency in expected} == {"usd", "eur", "jpy"}
    for day in DAYS:
        shown = report_of(month, f"day-{day}")["money"]
        for currency in ("usd", "eur", "jpy"):
            sums = shown.get(currency, {})
            wanted = expected[day, currency]
            for name in ("gross", "refunds", "refunds_failed", "disputes", "disputes_won", "fees", "net"):
                assert sums.get(name, 0) == wanted[name], (day, currency, name)
            whole[currency].update(wanted)
    shown = report_of(month, "month-2026-11")["money"]
    for currency, sums in whole.items():
        assert {name: shown[currency][name] for name in sums} == dict(sums)


def check_credits(month):
    """Every kind of entry of every day is the ledgers'; what is owed at midnight is what was seen then."""
    expected = ledgers(month)
    for day in DAYS:
        found = report_of(month, f"day-{day}")
        shown = Counter()
        for one in found["ledger"]:
            shown[one["kind"]] += one["creditTenths"]
        assert +shown == +expected[day], day
        seen = month.midnights[day]
        assert {name: found["owed"][name] for name in seen["totals"]} == seen["totals"], day
        assert found["credits"].get("usd", {"closed": 0})["closed"] == seen["worth"], day


def check_deferred(month):
    """What was paid for plans is owed day by day, annual ones for a year."""
    for day in DAYS:
        found = report_of(month, f"day-{day}")["subscriptions"]
        assert sum(one["closed"] for one in found) == owed_for_plans(month, day), day
        for one in found:
            assert one["opened"] + one["billed"] - one["earned"] == one["closed"], (day, one)


def check_costs(month):
    """What runs cost and were charged is what their items say."""
    for day in DAYS:
        found = report_of(month, f"day-{day}")
        assert sum(one["micros"] for one in found["costs"]) == month.costs[day]["micros"], day
        assert found["runs"]["creditTenths"] == month.credits[day]["credits"], day
        assert found["runs"]["planTenths"] == month.credits[day]["plan"], day


def check_sums(month):
    """The month is the sum of its days; margins add up to what was earned and spent; no check differs."""
    whole = report_of(month, "month-2026-11")
    days = [report_of(month, f"day-{day}") for day in DAYS]
    for name, value in whole["headline"].items():
        if name not in ("earned", "awsMicros", "marginMicros"):
            assert value == sum(one["headline"][name] for one in days), name
    for found in (whole, *days):
        assert (found["complete"], found["missing"]) == (True, {})
        for lines in found["margins"].values():
            assert sum(one["marginMicros"] for one in lines) == found["headline"]["marginMicros"]
            assert sum(one["earnedMicros"] for one in lines) == found["headline"]["earnedMicros"]
        assert [one for one in found["checks"] if one["one"] != one["other"]] == []
    for before, after in pairwise(days):
        for currency, flows in before["credits"].items():
            assert after["credits"][currency]["opened"] == flows["closed"]


CHECKS = [check_money, check_credits, check_deferred, check_costs, check_sums]


@pytest.mark.parametrize("check", CHECKS)
def test_the_report_equals_the_books(month, check):
    """Day by day and for the month."""
    assert check(month) is None


def test_the_month_has_everything_that_can_go_wrong(month):
    """So that the comparison means something."""
    found = report_of(month, "month-2026-11")
    usd = found["money"]["usd"]
    assert min(usd[name] for name in money.SUMS if name != "other") > 0
    assert {one["provider"] for one in found["costs"]} == {"embedded", "replicate", "workers_ai"}
    assert {one["ownerType"] for one in found["costs"]} == {"guest", "user"}
    assert {"pro", "premium", "team"} <= {one["plan"] for one in found["subscriptions"]}
    assert {one["interval"] for one in found["subscriptions"]} == {"monthly", "annual"}
    assert found["credits"]["usd"]["used"] > 1000
    assert found["headline"]["failed"] > 10
    assert found["rates"]["reused"] > 0
    assert found["cohorts"]["C1"] > 0
    assert {one["name"] for one in found["sold"]} >= {"unknown", "pack_500", "pro_monthly", "premium_annual"}


def test_a_daily_run_that_is_a_day_late_leaves_a_report_that_says_so_and_the_next_one_makes_it_again(month):
    """And each report is announced once, whatever is made again."""
    late = f"day-{month.first[:8]}{month.late_reset - 1:02d}"
    nights = [one for one in month.made if late in one.made]
    assert [late in one.incomplete for one in nights] == [True, False]
    told = Counter(name for name, _, _ in month.published)
    assert set(told.values()) == {1}
    assert set(told) >= {f"day-{day}" for day in DAYS}


def test_closings_come_out_the_same_however_late_and_often_they_are_made(month):
    """Made again from nothing at the end of the month: the entries alone decide."""
    stored = month.world.books.closings(FIRST, LAST)
    again = [closings.Closing(day) for day in DAYS]
    for owner in month.world.links.everybody():
        entries, lots = list(month.world.ledger.entries(owner)), month.world.ledger.lots(owner)
        for one in again:
            one.add(entries, lots, plan_at=lambda _: "free")
    for one in again:
        for name in ("balance", "worth", "released", "owners"):
            assert getattr(one, name) == getattr(stored[one.day], name), (one.day, name)


def test_what_cloudwatch_does_not_know_is_unknown_and_never_zero(month):
    """Where requests were counted, what nobody wrote did not happen; where not even they were, nothing is known."""
    found = report_of(month, "day-2026-11-05")["rates"]["metrics"]
    assert found["requests"] == {"value": 1005, "unknownDays": 0}
    assert found["jobs.canceled"] == {"value": 0, "unknownDays": 0}
    silent = SimpleNamespace(counts=SimpleNamespace(of_day=lambda day, wanted: dict.fromkeys(wanted)))
    assert set(cost_report._rates("2026-11-05", silent).values()) == {None}


def test_no_file_of_a_report_names_an_owner_an_address_or_a_prompt(month):
    """Whoever reads it learns about the business, and about nobody in it."""
    ids = [one.owner.id for one in (*month.guests, *month.people)]
    for name in ("month-2026-11", "day-2026-11-28"):
        for content, _ in render(report_of(month, name)).values():
            text = content.decode()
            assert [one for one in ids if one in text] == []
            assert "@" not in text.replace("@media", "")
            assert "calm sea" not in text
            assert "cus_" not in text


SABOTAGE = {
    "refunds": ("category", "refund", check_money),
    "disputes": ("category", "dispute", check_money),
    "payments": ("category", "charge", check_money),
    "fees": ("fee", None, check_money),
}


@pytest.mark.parametrize("source", SABOTAGE)
def test_without_one_kind_of_transaction_the_report_is_wrong(month, monkeypatch, source):
    """The comparison notices each of them."""
    what, category, check = SABOTAGE[source]
    real = MoneyDay.add

    def add(self, move, *, sold):
        if what == "fee":
            move = replace(move, fee=0)
        if move.category != category:
            real(self, move, sold=sold)

    monkeypatch.setattr(MoneyDay, "add", add)
    stored = {day: cost_report.read_day(day, deps=_unwritten(month)) for day in DAYS}
    monkeypatch.setattr(month.world.books, "money", lambda first, last: stored)
    with pytest.raises(AssertionError):
        check(month)


@pytest.mark.parametrize(
    ("source", "check"),
    [("closings", check_credits), ("money", check_deferred), ("rows", check_costs), ("closings", check_sums)],
)
def test_without_a_day_of_a_source_the_report_is_wrong(month, monkeypatch, source, check):
    """A closing, a day at Stripe, the runs of a day."""
    owner = month.world.spend if source == "rows" else month.world.books
    real = getattr(owner, source)

    def without(*arguments):
        if source == "rows":
            return [] if arguments == ("2026-11-17",) else real(*arguments)
        return {day: one for day, one in real(*arguments).items() if day != "2026-11-03"}

    monkeypatch.setattr(owner, source, without)
    with pytest.raises(AssertionError):
        check(month)


def _unwritten(month):
    """Dependencies that store nothing."""

    class Books:
        def save_money(self, day, *, now):
            """Forget it."""

    return replace(month.report_deps, books=Books())


@pytest.mark.parametrize("name", ["month-2026-11", "day-2026-11-28", "day-2026-11-01"])
def test_the_json_has_the_shape_that_is_written_down(month, name):
    """docs/cost-report.schema.json: every field and no other."""
    schema = json.loads((ROOT / "docs/cost-report.schema.json").read_text("utf-8"))
    found = json.loads(render(report_of(month, name))["json"][0])
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(found)) == []


def test_the_page_needs_nothing_and_the_csv_has_every_number(month):
    """No script, nothing from elsewhere; exact amounts with their unit."""
    found = report_of(month, "month-2026-11")
    files = render(found)
    html = files["html"][0].decode()
    assert (
        re.findall(r"<script|javascript:|\son\w+=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)", html)
        == []
    )
    assert len(html) < 200_000
    rows = list(csv.DictReader(files["csv"][0].decode().splitlines()))
    (jpy,) = [one for one in rows if (one["table"], one["row"], one["measure"]) == ("money", "JPY", "Paid")]
    assert (jpy["value"], jpy["unit"]) == (str(found["money"]["jpy"]["gross"]), "JPY")
    (margin,) = [
        one for one in rows if (one["table"], one["row"], one["measure"]) == ("margin-plan", "pro", "Margin")
    ]
    (line,) = [one for one in found["margins"]["byPlan"] if one["name"] == "pro"]
    assert round(float(margin["value"]) * 1_000_000) == line["marginMicros"]
