"""Closings, terms and amounts at the edges: leap days, ends of months, late payments, currencies without decimals."""

import pytest

from enhancer.api.report import amounts
from enhancer.domain import closings
from enhancer.domain.aws_usage import aws_of
from enhancer.domain.closings import Closing, days_asked, missing_days, spans
from enhancer.domain.costs import RunFigures, SpendRow
from enhancer.domain.credits import Lot
from enhancer.domain.ledger import Entry
from enhancer.domain.margins import margins
from enhancer.domain.money import MoneyDay, Move, Term, share
from enhancer.domain.payments import Line
from tests.support.world import at

DAY = 86_400_000


def term(start, end, amount, booked=None):
    return Term("pro", "annual", "usd", start, end, amount, booked or start)


@pytest.mark.parametrize(
    ("start", "end", "day", "earned"),
    [
        ("2028-02-01", "2028-03-01", "2028-02-01", 100), ("2028-02-01", "2028-03-01", "2028-02-28", 2800),
        ("2028-02-01", "2028-03-01", "2028-02-29", 2900), ("2027-02-01", "2027-03-01", "2027-02-28", 2900),
        ("2028-01-31", "2028-02-29", "2028-02-28", 2900), ("2026-12-31", "2027-12-31", "2026-12-31", 8),
        ("2026-11-30", "2026-12-30", "2026-11-29", 0), ("2026-11-30", "2026-12-30", "2030-01-01", 2900),
    ],
)  # fmt: skip
def test_a_period_is_earned_day_by_day_and_wholly_at_its_end(start, end, day, earned):
    """Across months, years and leap days; nothing before it begins or is booked, and no cent is lost."""
    assert term(start, end, 2900).earned_by(day) == earned
    assert term(start, end, -2900).earned_by(day) == -earned


def test_what_is_paid_late_is_caught_up_on_the_day_it_is_booked():
    """An invoice that is paid ten days into its period has earned eleven days then."""
    late = term("2026-11-01", "2026-12-01", 3000, booked="2026-11-11")
    assert [late.earned_by(day) for day in ("2026-11-10", "2026-11-11", "2026-11-30")] == [0, 1100, 3000]


@pytest.mark.parametrize("amount", [0, 1, 7, 100, -100, 12_345])
def test_the_parts_of_a_share_add_up_to_the_whole(amount):
    """Whatever the weights, also negative ones of time that is given back."""
    for weights in ({"a": 1, "b": 1, "c": 1}, {"a": 5, "b": -2}, {"a": 10**9, "b": 1}):
        assert sum(share(amount, weights).values()) == amount
    assert share(amount, {}) == {}


def move(category, amount, *, fee=0, currency="usd", pack="", lines=()):
    return Move("txn", 0, currency, amount, fee, category, pack, tuple(lines))


def test_payouts_are_no_income_and_currencies_stay_apart():
    """A yen is no cent, a payout is our own money."""
    day = MoneyDay("2026-11-20")
    for one in (move("charge", 1000, fee=59), move("charge", 500, currency="jpy"), move("payout", -900),
                move("charge_failure", -1000), move("fee", -25), move("something_new", 7)):  # fmt: skip
        day.add(one, sold=lambda price: None)
    usd = day.sums["usd"]
    assert (usd["gross"], usd["refunds"], usd["fees"], usd["other"], usd["net"]) == (1000, 1000, 84, 7, -77)
    assert (day.sums["jpy"]["gross"], day.sums["jpy"]["net"]) == (500, 500)


def test_an_exchange_of_plans_is_earned_as_its_lines_say():
    """Unused time goes back, the rest of the period is paid at the new price; the charge is the difference."""
    start, end = at("2026-11-10 09:00:00"), at("2026-11-20 09:00:00")
    lines = [
        Line("price_pro", -400, start, end, proration=True),
        Line("price_team", 1600, start, end, proration=True),
    ]
    day = MoneyDay("2026-11-10")
    day.add(move("charge", 1200, lines=lines), sold=lambda price: (price[6:], "monthly"))
    found = {one.plan: one for one in day.all_terms()}
    assert {plan: one.amount for plan, one in found.items()} == {"pro": -400, "team": 1600}
    assert sum(one.earned_by("2026-11-14") for one in found.values()) == 600


def entry(kind, credits, when, **more):
    return Entry(f"{kind}{when}", kind, at(when), credits, **more)


def closed(day, entries, lots=()):
    found = Closing(day)
    found.add(entries, lots, plan_at=lambda _: "free")
    return found


LOT = Lot(
    "checkout#cs",
    5000,
    at("2027-06-01 00:00:00"),
    arrived_at=at("2026-11-20 23:59:59"),
    paid=4000,
    currency="usd",
)


def test_an_entry_counts_on_the_day_of_its_time_to_the_last_second():
    """One bought a second before midnight, spent a second after."""
    entries = [entry("purchase", 5000, "2026-11-20 23:59:59", ref="cs"), entry("hold", 10, "2026-11-21 00:00:00"),
               entry("settle", 10, "2026-11-21 00:00:01")]  # fmt: skip
    first, second = closed("2026-11-20", entries, [LOT]), closed("2026-11-21", entries, [LOT])
    assert first.worth["usd"] == {
        "opened": 0,
        "paid_in": 4000,
        "taken_back": 0,
        "used": 0,
        "lapsed": 0,
        "closed": 4000,
    }
    assert second.worth["usd"] | {"opened": 0} == {
        "opened": 0, "paid_in": 0, "taken_back": 0, "used": 8, "lapsed": 0, "closed": 3992,
    }  # fmt: skip
    assert (first.active, second.active) == ({}, {"C2": 1})


def test_what_lapsed_or_was_taken_back_is_not_called_spent():
    """Expired on one day; a refund that credits no longer cover is income given back."""
    entries = [entry("purchase", 5000, "2026-11-20 23:59:59", ref="cs"), entry("expiry", 1000, "2026-11-22 00:05:00"),
               entry("settle", 0, "2026-11-22 01:00:00"), entry("hold", 3000, "2026-11-23 01:00:00"),
               entry("settle", 3000, "2026-11-23 01:00:09"),
               entry("clawback", 1000, "2026-11-24 01:00:00", ref="cs", debt=4000)]  # fmt: skip
    assert closed("2026-11-22", entries, [LOT]).worth["usd"]["lapsed"] == 800
    assert closed("2026-11-23", entries, [LOT]).worth["usd"]["used"] == 2400
    last = closed("2026-11-24", entries, [LOT]).worth["usd"]
    assert (last["taken_back"], last["used"], last["closed"]) == (4000, -3200, 0)


def test_a_gift_is_worth_nothing_and_is_spent_in_its_turn():
    """The older gift goes first, so the bought credits stay."""
    gift = Lot("grant#1", 100, LOT.expires_at - DAY, arrived_at=at("2026-11-20 10:00:00"))
    entries = [entry("grant", 100, "2026-11-20 10:00:00"), entry("purchase", 5000, "2026-11-20 23:59:59", ref="cs"),
               entry("hold", 60, "2026-11-21 01:00:00")]  # fmt: skip
    found = closed("2026-11-21", [*entries, entry("settle", 60, "2026-11-21 01:00:01")], [LOT, gift])
    assert (found.worth["usd"]["used"], found.balance["bought"], found.balance["given"]) == (0, 5000, 40)


@pytest.mark.parametrize(
    ("known", "now", "days"),
    [
        ([], "2026-11-21 00:05:00", ["2026-11-20"]), (["2026-11-20"], "2026-11-21 00:05:00", []),
        (["2026-11-17"], "2026-11-21 00:05:00", ["2026-11-18", "2026-11-19", "2026-11-20"]),
        (["2026-11-17", "2026-11-19"], "2026-11-21 00:05:00", ["2026-11-18", "2026-11-20"]),
        (["2026-02-27"], "2026-03-01 00:05:00", ["2026-02-28"]), ([], "2026-11-21 00:01:00", ["2026-11-19"]),
        (["2026-01-01"], "2026-11-21 00:05:00", ["2026-11-20"]),
    ],
)  # fmt: skip
def test_missed_days_are_made_up_for(known, now, days):
    """Also gaps; a day is closed once it has been over for three minutes, and one long past by hand."""
    assert missing_days(known, now=at(now)) == days


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"close": "2026-11-20"}, "to must be a day that is over"), ({"close": "soon"}, "from must be a day"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "in order"), ({"from": "2026-11-01"}, "to must be a day"),
        ({"from": "2025-01-01", "to": "2026-11-01"}, "at most 400"),
    ],
)  # fmt: skip
def test_days_that_cannot_be_closed_are_refused_by_name(event, words):
    """It is the twentieth."""
    with pytest.raises(ValueError, match=words):
        days_asked(event, now=at("2026-11-20 12:00:00"))


def test_days_are_closed_by_hand():
    """One, or several; a scheduled event names none."""
    now = at("2026-11-20 12:00:00")
    assert days_asked({"close": "2026-02-28"}, now=now) == ["2026-02-28"]
    assert days_asked({"from": "2028-02-28", "to": "2028-03-01"}, now=at("2028-03-09 00:00:00")) == [
        "2028-02-28", "2028-02-29", "2028-03-01",
    ]  # fmt: skip
    assert days_asked({"time": "2026-11-20T00:05:00Z", "detail": "{}"}, now=now) is None


def test_a_closing_survives_the_table():
    """What is stored is what is read."""
    found = closed("2026-11-20", [entry("purchase", 5000, "2026-11-20 23:59:59", ref="cs")], [LOT])
    assert closings.from_record({**closings.as_record(found), "pk": "x", "made_at": 1}) == found


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (amounts.money(4999, "eur"), "€49.99"), (amounts.money(7300, "jpy"), "¥7,300"),
        (amounts.money(-5, "usd"), "−$0.05"), (amounts.money(1234, "kwd"), "KWD 1.234"),
        (amounts.minor(-5, "usd"), "-0.05"),
        (amounts.usd(1_234_567_890), "$1,234.57"), (amounts.usd(41), "$0.0000"), (amounts.usd(12_345), "$0.0123"),
        (amounts.usd(-284_123), "−$0.28"), (amounts.usd(None), "unknown"), (amounts.micros(-20_000), "-0.020000"),
        (amounts.credits(12_345), "1,234.5"), (amounts.credits(-10), "−1"), (amounts.percent(53, 698), "7.6 %"),
        (amounts.percent(1, 0), "unknown"), (amounts.change(150, 100), "+50.0 %"), (amounts.change(1, 0), ""),
        (amounts.change(-50, 100), "-150.0 %"), (amounts.change(-100, 1), "< −1,000 %"),
        (amounts.change(100, 1), "> 1,000 %"),
    ],
)  # fmt: skip
def test_amounts_are_written_exactly(shown, text):
    """Each currency with its own decimals, negative ones with a minus."""
    assert shown == text


ROWS = [
    SpendRow("replicate", "topaz", "pro", "user", 3, RunFigures(150_000, waited_ms=30_000, plan_tenths=150)),
    SpendRow(
        "embedded", "local", "pro", "user", 2, RunFigures(82, plan_tenths=20, credit_tenths=7, in_steps=2)
    ),
    SpendRow("embedded", "local", "guest", "guest", 1, RunFigures(41, failed=1, waited_ms=900)),
]


def test_aws_is_asked_for_the_time_and_the_requests_of_runs():
    """Ten seconds of a waiting function each, and the writes of three runs; no steps, so no transitions."""
    found = aws_of(ROWS[0])
    assert found["Lambda"] == round((30 * 1769 / 1024 * 0.0000166667 + 3 * 0.2e-6) * 1e6)
    assert found["DynamoDB"] == round(3 * 34 * 0.625 + 3 * 9 * 0.125)
    assert "Step Functions" not in {name for name, micros in found.items() if micros}
    assert aws_of(ROWS[1])["Step Functions"] == 350


def test_margins_add_up_to_the_micro_and_nothing_is_lost():
    """A plan's income goes to its models by what they charged; what nobody ran for stands by itself."""
    earned = {"subscriptions": {"pro": 1001, "team": 500}, "used": 7, "lapsed": 3}
    found = margins(ROWS, earned, {"pro": 7}, fees=590_000)
    for lines in found.values():
        assert sum(one["earnedMicros"] for one in lines) == (1001 + 500 + 7 + 3) * 10_000
        assert sum(one["feesMicros"] for one in lines) == 590_000
        assert sum(one["providerMicros"] for one in lines) == 150_000
    models = {one["name"]: one for one in found["byModel"]}
    assert models["topaz"]["earnedMicros"] == round(10_010_000 * 150 / 170)
    assert models["local"]["earnedMicros"] == 10_010_000 - models["topaz"]["earnedMicros"] + 70_000
    assert models["not attributed"]["earnedMicros"] == 5_030_000
    assert models["not attributed"]["marginPerRunMicros"] is None


def test_days_in_a_row_are_told_as_the_first_and_the_last():
    """Over the end of a month, too; in any order."""
    days = ["2026-12-02", "2026-11-29", "2026-11-30", "2026-12-01", "2026-12-05"]
    assert spans(days) == ["2026-11-29 to 2026-12-02", "2026-12-05"]
    assert spans([]) == []
