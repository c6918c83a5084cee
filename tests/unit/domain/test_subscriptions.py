"""Which plan was paid for, and when its month begins: from facts, whatever their order."""

import itertools
import random
from dataclasses import replace

import pytest

from enhancer.domain.subscriptions import (
    GRACE_MS,
    Paid,
    Subscription,
    among,
    current,
    in_force,
    month_at,
    with_paid,
)
from tests.support.cashier import later
from tests.support.world import at

START = at("2026-11-20 10:00:00")
END = at("2026-12-20 10:00:00")
DAY = 86_400_000


def subscription(*paid, plan="pro", status="active", **more):
    """A monthly one that began then, with these periods paid."""
    fields = {"id": "sub", "interval": "monthly", "period_end": END, "created": START}
    return Subscription(plan=plan, status=status, paid=paid, **{**fields, **more})


FIRST = Paid("in_1", "pro", START, END)
SECOND = Paid("in_2", "pro", END, at("2027-01-20 10:00:00"))


@pytest.mark.parametrize(
    ("moment", "plan"),
    [(START - 1, None), (START, "pro"), (END - 1, "pro"), (END, "pro"), (END + GRACE_MS - 1, "pro"),
     (END + GRACE_MS, None)],
)  # fmt: skip
@pytest.mark.parametrize("status", ["active", "past_due"])
def test_a_paid_period_gives_its_plan_and_seven_days_more(moment, plan, status):
    """To the millisecond."""
    assert subscription(FIRST, status=status).plan_at(moment) == plan


@pytest.mark.parametrize("status", ["canceled", "unpaid", "incomplete", "incomplete_expired", "paused"])
def test_a_subscription_that_does_not_live_gives_nothing(status):
    """However long was paid."""
    assert subscription(FIRST, status=status).plan_at(START) is None


def test_without_payment_there_is_no_plan():
    """Active alone proves nothing."""
    assert subscription().plan_at(START) is None


def test_a_cancelled_one_ends_with_its_period_and_has_no_grace():
    """The plan stays until then, not a millisecond longer."""
    leaving = subscription(FIRST, cancel_at=END)
    assert leaving.plan_at(END - 1) == "pro"
    assert leaving.plan_at(END) is None


def test_a_larger_plan_counts_from_its_paid_invoice_and_a_smaller_one_after_the_period():
    """Up when it is paid, down later; what is subscribed to gives nothing by itself, not even in grace."""
    up = subscription(FIRST, plan="team")
    assert (up.plan_at(START + 1), up.plan_at(END + 1)) == ("pro", "pro")
    paid = with_paid(up, "in_2", [Paid("in_2", "team", START + DAY, END)])
    assert (paid.plan_at(START + DAY - 1), paid.plan_at(START + DAY)) == ("pro", "team")
    down = subscription(Paid("in_1", "team", START, END), plan="pro")
    assert down.plan_at(END - 1) == "team"
    renewed = with_paid(down, "in_2", [SECOND])
    assert renewed.plan_at(END) == "pro"
    assert down.plan_at(END) == "pro"


def back(invoice, plan, start, end, **more):
    """Time that an invoice gives the money back for."""
    return Paid(invoice, plan, start, end, given_back=True, **more)


def test_time_whose_money_was_given_back_gives_no_plan_any_more():
    """A year of enterprise, exchanged for a month of pro, in any order of the facts; and it can be paid again."""
    year, month = Paid("in_1", "enterprise", START, later(START, 12)), START + DAY
    facts = [year, back("in_2", "enterprise", month, year.end), Paid("in_2", "pro", month, later(month, 1))]
    for order in itertools.permutations(facts):
        found = subscription(*order)
        assert [found.plan_at(moment) for moment in (month - 1, month)] == ["enterprise", "pro"]
        assert found.plan_at(later(month, 1) + GRACE_MS) is None
    again = subscription(*facts, Paid("in_3", "enterprise", month + DAY, END))
    assert (again.plan_at(month + DAY), again.plan_at(END)) == ("enterprise", "pro")


def test_an_exchange_whose_payment_was_refunded_did_not_happen():
    """Neither what it paid for nor what it gave back."""
    exchange = [
        back("in_2", "pro", START + DAY, END, refunded=True),
        Paid("in_2", "team", START + DAY, END, True),
    ]
    assert subscription(FIRST, *exchange, plan="team").plan_at(START + 2 * DAY) == "pro"


def test_no_month_begins_in_time_that_was_given_back():
    """A year that was exchanged for a month: in the grace of that month no further one of the year begins."""
    year, switched = Paid("in_1", "pro", START, later(START, 12)), START + 24 * DAY
    monthly = [back("in_2", "pro", switched, year.end), Paid("in_2", "pro", switched, later(switched, 1))]
    found = subscription(year, *monthly, status="past_due")
    until = later(switched, 1)
    moments = range(until, until + GRACE_MS, DAY // 4)
    assert {found.plan_at(moment) for moment in moments} == {"pro"}
    assert {month_at([found], moment).name for moment in moments} == {month_at([found], until - 1).name}


def test_a_refunded_period_gives_nothing():
    """Neither the plan nor its grace; what was paid beside it stays."""
    refunded = replace(FIRST, refunded=True)
    assert subscription(refunded).plan_at(START) is None
    upgrade = Paid("in_2", "team", START, END, refunded=True)
    assert subscription(FIRST, upgrade, plan="team").plan_at(START) == "pro"


def test_the_larger_of_base_and_subscription_is_in_force():
    """What an administrator gave is not taken by a smaller subscription."""
    assert in_force([subscription(FIRST)], "free", START) == "pro"
    assert in_force([subscription(FIRST)], "enterprise", START) == "enterprise"
    assert in_force([], "free", START) == "free"


def test_the_month_is_the_paid_period():
    """Its name, and when the next one begins."""
    month = month_at([subscription(FIRST)], START + DAY)
    assert (month.name, month.resets_at) == ("2026-11-20/2026-12-20", END)
    renewed = subscription(FIRST, SECOND)
    assert month_at([renewed], END - 1).name == "2026-11-20/2026-12-20"
    assert month_at([renewed], END).name == "2026-12-20/2027-01-20"
    assert month_at([subscription(status="canceled")], START) is None


def test_in_grace_the_plan_stays_and_no_new_month_begins():
    """Unpaid is no new allowance."""
    month = month_at([subscription(FIRST, status="past_due")], END + DAY)
    assert (month.name, month.resets_at) == ("2026-11-20/2026-12-20", END + GRACE_MS)


def test_a_paid_year_has_twelve_months():
    """Beginning on the same day each, or the last one of a shorter month."""
    start = at("2026-01-31 08:00:00")
    year = subscription(Paid("in", "pro", start, later(start, 12)), interval="annual")
    moments = range(start, later(start, 12), DAY // 2)
    names = list(dict.fromkeys(month_at([year], moment).name for moment in moments))
    assert len(names) == 12
    assert names[:3] == ["2026-01-31/2026-02-28", "2026-02-28/2026-03-31", "2026-03-31/2026-04-30"]


def test_months_of_an_odd_anchor_do_not_drift():
    """Paid on the 31st: each period is one month, also where the month is short."""
    moments = [
        at("2026-01-31 08:00:00"),
        at("2026-02-28 08:00:00"),
        at("2026-03-31 08:00:00"),
        at("2026-04-30 08:00:00"),
    ]
    paid = [
        Paid(f"in_{number}", "pro", start, end)
        for number, (start, end) in enumerate(itertools.pairwise(moments))
    ]
    found = {
        month_at([subscription(*paid)], moment).name for moment in range(moments[0], moments[-1], DAY // 2)
    }
    assert len(found) == 3


def test_switching_the_interval_back_and_forth_opens_no_new_month():
    """Ten switches in a month: the running month stays the only one."""
    paid = [FIRST]
    for number in range(1, 11):
        begins = START + number * DAY
        length = 12 if number % 2 else 1
        paid.append(Paid(f"in_{number + 1}", "pro", begins, later(begins, length)))
    switched = subscription(*paid)
    names = {month_at([switched], START + day * DAY).name for day in range(30)}
    assert names == {"2026-11-20/2026-12-20"}


def test_facts_in_any_order_give_the_same():
    """Plan and month are functions of a set."""
    chance = random.Random(7)  # noqa: S311
    facts = [
        FIRST,
        SECOND,
        Paid("in_3", "team", START + DAY, END),
        Paid("in_4", "premium", END, END + 30 * DAY, refunded=True),
    ]
    known = set()
    for _ in range(50):
        chance.shuffle(facts)
        found = subscription()
        for fact in facts + facts[:2]:
            found = with_paid(found, fact.invoice, [fact])
        known.add(found)
    assert len(known) == 1


def test_only_the_newest_of_those_that_ended_are_kept():
    """An account does not grow without end; one that is open is never dropped."""
    found = (subscription(FIRST, id="first"),)
    for number in range(20):
        found = among(found, subscription(id=f"sub_{number:02}", status="canceled", created=START + number))
    assert [one.id for one in found] == ["first", "sub_15", "sub_16", "sub_17", "sub_18", "sub_19"]
    assert current(found, START).id == "first"
