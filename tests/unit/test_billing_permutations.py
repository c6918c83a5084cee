"""All 5,040 orders of seven events of Stripe, each with its own copies and delays, end alike.

The orders form a tree: what begins alike is applied once, and each branch goes on from a copy of the table. Nothing is
told while it happens: every event is late, and Stripe is asked how things stand now. Orders in which things happen
between the deliveries are in `test_billing_simulation`.
"""

import math
import random
from collections import Counter

import pytest

from enhancer.billing.stripe_events import apply_event
from enhancer.domain.ledger import add_up
from tests.support.memory_table import MemoryTable
from tests.support.world import NOON, World

HOUR = 3_600_000
DELAYS = (0, 1, HOUR, 30 * HOUR, 72 * HOUR)
"""Between two deliveries; Stripe goes on for three days."""
COPIES = (1, 1, 2)
TOLD = (
    "checkout.session.completed", "charge.refunded", "charge.dispute.created", "charge.dispute.closed",
    "customer.subscription.created", "invoice.paid", "customer.subscription.updated",
)  # fmt: skip


def copy_of(table):
    """Another table with the same records, which are replaced and never changed."""
    copy = MemoryTable()
    copy.stored = {pk: dict(partition) for pk, partition in table.stored.items()}
    return copy


class Post:
    """What Stripe told, and every order in which it can arrive."""

    def __init__(self, world, account, events):
        self.world, self.account, self.events = world, account, events
        self.chance = random.Random(1)  # noqa: S311 - reproducible on purpose
        self.ends, self.orders, self.outcomes = Counter(), 0, Counter()

    def deliver_all(self, left, heard):
        """Every order of what is left, after what was heard."""
        if not left:
            again = self.chance.choice(heard)  # days later once more
            assert apply_event(again, deps=self.world.billing_deps) in ("repeated", "nothing")
            self.orders += 1
            self.ends[self.end()] += 1
        for place, event in enumerate(left):
            before, clock = self.world.table, self.world.clock
            self.world.use(copy_of(before))
            for _ in range(self.chance.choice(COPIES)):
                self.world.clock += self.chance.choice(DELAYS)
                self.outcomes[apply_event(event, deps=self.world.billing_deps)] += 1
            self.deliver_all(left[:place] + left[place + 1 :], [*heard, event])
            self.world.use(before)
            self.world.clock = clock

    def end(self):
        """How things stand, whatever the way there; the books add up."""
        owner, account = self.account.owner, self.world.again(self.account)
        found = self.world.ledger.usage_and_balance(owner, now=NOON)
        balance = found.balance
        assert balance.difference == 0
        assert add_up(self.world.ledger.entries(owner)) == balance
        lots = tuple(
            (lot.source, lot.credits, lot.expires_at, lot.owed_back) for lot in self.world.ledger.lots(owner)
        )
        plans = tuple(account.plan_at(NOON + day * 24 * HOUR) for day in (1, 3, 35))
        totals = balance.purchased, balance.available, balance.debt, found.disputed
        return totals, lots, plans, account.month_at(NOON + HOUR), account.subscriptions


@pytest.fixture
def post(configured):
    """A pack that was partly refunded, one whose dispute was won, and a plan that was paid and then enlarged."""
    world = World(seed=1)
    account = world.person()
    cashier = world.cashier
    first, second = world.bought(account, 500), world.bought(account, 100)
    cashier.refund(f"ch_{first.payment_intent}", 1000)
    cashier.close_dispute(cashier.dispute(f"ch_{second.payment_intent}"), "won")
    subscription = world.subscribed(account)
    world.clock += 2 * 24 * HOUR
    cashier.switch(subscription.id, "price_team_monthly", "always_invoice")
    last = {event.type: event for event in cashier.events_told}
    events = [last[kind] for kind in TOLD]
    about = {event.object["id"]: event for event in cashier.events_told if event.type in TOLD}
    events[0], events[5] = about[first.id], about[str(subscription.latest_invoice)]
    return Post(world, account, events)


def test_seven_events_in_every_order_with_copies_and_delays_end_alike(post):
    """Counted: 7! orders, and more deliveries than events."""
    post.deliver_all(post.events, [])
    assert post.orders == math.factorial(len(TOLD)) >= 5000
    assert post.ends.total() == post.orders
    ((totals, _, plans, _, _),) = post.ends
    assert (totals, plans) == ((6000, 4750, 0, False), ("pro", "team", "team"))
    assert post.world.parked == []
    assert post.outcomes.keys() == {"applied", "nothing", "repeated"}
    distinct = sum(math.perm(len(TOLD), length) for length in range(1, len(TOLD) + 1))
    assert post.outcomes.total() > 1.25 * distinct


def test_a_copied_table_is_another_one():
    """What a branch writes is in no other branch."""
    table = MemoryTable()
    table.put({"pk": "a", "sk": "1", "tags": {"x"}})
    copy = copy_of(table)
    copy.update({"pk": "a", "sk": "1"}, "ADD tags :tag", values={":tag": {"y"}})
    copy.put({"pk": "a", "sk": "2"})
    assert table.records() == [{"pk": "a", "sk": "1", "tags": {"x"}}]
    assert len(copy.records()) == 2
