"""Random payers: whatever events Stripe sends, in any order, however often and late, the end is the same.

Events come duplicated, reordered, days late and signed with either of two secrets; processes die before or after any
write; meanwhile credits are held, spent, given, expire, and browsers come back. After every step the books add up; when
every event was applied, nothing was granted twice or is missing, and plan, debt and block follow from Stripe alone.

``BILLING_SEQUENCES`` runs more of them, ``BILLING_SEED`` starts elsewhere.
"""

import json
import os
import random
from contextlib import suppress

import pytest

from enhancer.adapters.stripe.parse import OPEN_DISPUTES
from enhancer.adapters.stripe.webhook import verified
from enhancer.billing import checkout, stripe_events
from enhancer.domain.credits import PACKS, to_take_back
from enhancer.domain.errors import EnhancerError, StripeUnavailable
from enhancer.domain.ledger import AlreadyResolved, BalanceChanged, add_up
from enhancer.domain.subscriptions import GRACE_MS, Paid, in_force, larger, month_at
from enhancer.operations import quota_reset
from tests.support.cashier import PRICES, PRORATIONS, Cashier
from tests.support.crashes import Died, Mortal
from tests.support.memory_table import MemoryTable
from tests.support.signatures import signed
from tests.support.world import NOON, World

SEQUENCES = int(os.environ.get("BILLING_SEQUENCES", "5000"))
SEED = int(os.environ.get("BILLING_SEED", "1"))
GROUPS = 10
STEPS = 24
SECRETS = ["whsec_new", "whsec_old"]
DAY = 86_400_000
PLANS = ("pro", "premium", "team")
RUNNING = ("active", "past_due")
ENDS = ("won", "lost", "prevented", "warning_closed")
"""Of a dispute."""


class Life:
    """One random sequence."""

    def __init__(self, seed, world):
        self.chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
        self.world = world
        self.mortal = Mortal(MemoryTable())
        world.use(self.mortal)
        world.clock = NOON + self.chance.randrange(40) * DAY
        world.random.seed(seed)
        world.cashier = Cashier(world.now)
        world.parked.clear()
        world.notices.clear()
        self.account = world.person()
        self.caller = world.caller("free")
        self.caller = type(self.caller)(self.account.owner, self.caller.plan, "user", "net", None)
        self.waiting, self.heard_up_to, self.deaths = [], 0, 0
        self.held, self.given, self.deducted = [], 0, 0

    @property
    def cashier(self):
        return self.world.cashier

    def live(self):
        """So many steps with an audit after each; then every event is applied, and the daily run follows."""
        moves = (self.buy, self.buy, self.settle, self.subscribe, self.renew, self.fail_renewal, self.recover,
                 self.switch, self.schedule, self.cancel, self.end, self.refund, self.fail_refund, self.dispute,
                 self.decide, self.hear, self.hear, self.hear, self.hear, self.hear, self.sync, self.hold, self.hold,
                 self.resolve, self.resolve, self.grant, self.deduct, self.jump, self.close)  # fmt: skip
        for _ in range(STEPS):
            move = self.chance.choice(moves)
            if self.chance.random() < 0.25:
                self.mortal.fate.doom(self.chance.randrange(8), after=self.chance.random() < 0.5)
            with suppress(EnhancerError, BalanceChanged, AlreadyResolved):
                try:
                    move()
                except Died:
                    self.deaths += 1
            self.mortal.fate.revive()
            self.post()
            self.audit()
        self.hear_all()
        self.audit()
        self.verify()
        assert not self.world_close().differences

    # ---------------------------------------------------------------------------------------- Stripe's side

    def buy(self):
        self.world.bought(self.account, self.chance.choice(list(PACKS)), later=self.chance.random() < 0.3)

    def settle(self):
        found = [one for one in self.cashier.sessions.values() if one.status == "complete" and not one.paid]
        if found:
            session = self.chance.choice(found)
            self.chance.choice((self.cashier.settle, self.cashier.settle, self.cashier.fail))(session.id)

    def subscribe(self):
        interval = self.chance.choice(("monthly", "monthly", "annual"))
        self.world.subscribed(self.account, self.chance.choice(PLANS), interval)

    def running(self):
        found = [one.id for one in self.cashier.subscribed.values() if one.status in RUNNING]
        return self.chance.choice(found) if found else None

    def renew(self):
        if (found := self.running()) and self.cashier.subscribed[found].status == "active":
            self.world.clock = max(self.world.clock, self.cashier.subscribed[found].period_end)
            self.cashier.renew(found)

    def fail_renewal(self):
        if found := self.running():
            self.world.clock = max(self.world.clock, self.cashier.subscribed[found].period_end)
            self.cashier.fail_renewal(found)

    def recover(self):
        found = self.running()
        if found and self.cashier.subscribed[found].status == "past_due":
            self.cashier.recover(found)

    def switch(self):
        found = self.running()
        if found and self.cashier.subscribed[found].status == "active":
            prices = PRICES.monthly if self.chance.random() < 0.8 else PRICES.annual
            proration, pays = self.chance.choice(PRORATIONS), self.chance.random() < 0.7
            self.cashier.switch(found, prices[self.chance.choice(PLANS)], proration, pays=pays)

    def schedule(self):
        if found := self.running():
            interval = self.cashier.subscribed[found].price.rpartition("_")[2]
            self.cashier.schedule(found, f"price_{self.chance.choice(PLANS)}_{interval}")

    def cancel(self):
        checkout.cancel(self.world.again(self.account), deps=self.world.billing_deps)

    def end(self):
        if found := self.running():
            self.cashier.end(found)

    def charge(self):
        return self.chance.choice(list(self.cashier.charges)) if self.cashier.charges else None

    def refund(self):
        if found := self.charge():
            self.cashier.refund(found, self.chance.choice((None, 100, 700, 2500)))

    def fail_refund(self):
        found = [one for one, amount in self.cashier.refunds.items() if amount]
        if found:
            self.cashier.fail_refund(self.chance.choice(found))

    def dispute(self):
        found = self.charge()
        if found and found not in [one.charge for one in self.cashier.disputes.values()]:
            self.cashier.dispute(found)

    def open_disputes(self):
        return [one.id for one in self.cashier.disputes.values() if one.status in OPEN_DISPUTES]

    def decide(self):
        if found := self.open_disputes():
            dispute = self.chance.choice(found)
            if self.chance.random() < 0.3:
                self.cashier.change_dispute(dispute, self.chance.choice(OPEN_DISPUTES))
            else:
                self.cashier.close_dispute(dispute, self.chance.choice(ENDS))

    # ------------------------------------------------------------------------------------ our side

    def post(self):
        """What was told since goes into the post, once to three times."""
        told = self.cashier.events_told[self.heard_up_to :]
        self.heard_up_to += len(told)
        for event in told:
            self.waiting += [event] * self.chance.choice((1, 1, 2, 3))

    def hear(self):
        """Some event arrives, old or new; if nothing answers, it stays in the post."""
        if self.waiting:
            place = self.chance.randrange(len(self.waiting))
            self.deliver(self.waiting[place])
            self.waiting.pop(place)

    def deliver(self, event):
        """As bytes, signed now with one of the two secrets; Stripe may be down, too."""
        body = json.dumps(
            {"id": event.id, "object": "event", "type": event.type, "created": event.created // 1000,
             "livemode": event.livemode, "data": {"object": event.object}}
        ).encode()  # fmt: skip
        header = signed(body, self.chance.choice(SECRETS), self.world.clock)
        found = verified(body, header, SECRETS, now=self.world.clock)
        self.cashier.problem = StripeUnavailable() if self.chance.random() < 0.05 else None
        self.cashier.meanwhile = self.overtaking()
        try:
            stripe_events.apply_event(found, deps=self.world.billing_deps)
        finally:
            self.cashier.problem = self.cashier.meanwhile = None

    def overtaking(self):
        """Perhaps something comes between one of the next questions and its answer."""
        return self.after(self.chance.randrange(5)) if self.chance.random() < 0.4 else None

    def after(self, questions):
        def happens():
            if questions:
                self.cashier.meanwhile = self.after(questions - 1)
            else:
                self.overtake()

        return happens

    def overtake(self):
        """While one process waits for Stripe, things happen there, and another process applies them."""
        before = len(self.cashier.events_told)
        with suppress(EnhancerError):
            self.chance.choice(
                (self.refund, self.decide, self.dispute, self.recover, self.switch, self.end)
            )()
        for event in self.cashier.events_told[before:]:
            stripe_events.apply_event(event, deps=self.world.billing_deps)

    def hear_all(self):
        """Everything in the post arrives, in any order."""
        self.post()
        self.chance.shuffle(self.waiting)
        for event in self.waiting:
            self.cashier.meanwhile = self.overtaking()
            stripe_events.apply_event(event, deps=self.world.billing_deps)
        self.cashier.meanwhile = None
        self.waiting.clear()

    def sync(self):
        """A browser comes back, from any session."""
        if self.cashier.sessions:
            session = self.chance.choice(list(self.cashier.sessions))
            checkout.sync(
                session, self.world.again(self.account), home="/en/account", deps=self.world.billing_deps
            )

    def hold(self):
        job = self.world.job(self.caller, [(0, self.chance.choice((10, 35, 400)))])
        self.world.hold(job, plan="enterprise")
        self.held.append(job)

    def resolve(self):
        if self.held:
            job = self.held.pop(self.chance.randrange(len(self.held)))
            (self.world.settle if self.chance.random() < 0.6 else self.world.release)(job)

    def grant(self):
        amount, source = self.chance.choice((10, 300)), self.chance.choice("abc")
        self.world.ledger.grant(
            self.account.owner, amount, source=f"admin#{source}", reason="gift", actor="admin",
            entry_id=self.world.new_id("ent"), now=self.world.clock,
        )  # fmt: skip

    def deduct(self):
        self.world.ledger.deduct(
            self.account.owner, 50, source=f"admin#{self.chance.choice('xyz')}", reason="mistake", actor="admin",
            entry_id=self.world.new_id("ent"), now=self.world.clock,
        )  # fmt: skip

    def jump(self):
        self.world.clock += self.chance.choice((1, DAY // 2, DAY, 3 * DAY, 9 * DAY, 40 * DAY, 210 * DAY))

    def close(self):
        self.world_close()

    def world_close(self):
        return quota_reset.close(deps=self.world.billing_deps, notify=self.world.notify)

    # ---------------------------------------------------------------------------------------- truth

    def audit(self):
        """The books add up, and the entries say the same."""
        balance = self.world.ledger.usage_and_balance(self.account.owner, now=self.world.clock).balance
        assert balance.difference == 0
        assert add_up(self.world.ledger.entries(self.account.owner)) == balance
        assert min(balance.available, balance.held, balance.debt) >= 0

    def verify(self):
        """Every event was applied: what we have follows from what Stripe has."""
        owner, now = self.account.owner, self.world.clock
        lots = {lot.source: lot for lot in self.world.ledger.lots(owner)}
        usage_and_balance = self.world.ledger.usage_and_balance(owner, now=now)
        packs = [one for one in self.cashier.sessions.values() if one.mode == "payment" and one.paid]
        assert {one for one in lots if one.startswith("checkout#")} == {f"checkout#{one.id}" for one in packs}
        assert usage_and_balance.balance.purchased == sum(
            PACKS[int(one.metadata["pack"])].tenths for one in packs
        )
        for session in packs:
            lot, charge = lots[f"checkout#{session.id}"], self.cashier.charge_of(session.payment_intent)
            owed = to_take_back(lot.credits, amount=charge.amount, taken_back=charge.taken_back)
            assert (lot.credits, lot.owed_back) == (PACKS[int(session.metadata["pack"])].tenths, owed)
        self.verify_total(lots, usage_and_balance)
        assert usage_and_balance.disputed == bool(self.open_disputes())
        account = self.world.again(self.account)
        self.verify_paid(account.plan_at(now))
        assert self.expected() == {one.id: (one.status, one.plan, one.paid) for one in account.subscriptions}
        assert account.plan_at(now) == in_force(account.subscriptions, "free", now)
        assert (month_at(account.subscriptions, now) is None) == (account.plan_at(now) == "free")

    def verify_paid(self, plan):
        """No plan is larger than one that an invoice was paid for whose time is not over for more than a week."""
        week = self.world.clock - GRACE_MS
        invoices = [self.cashier.invoice(one) for one in list(self.cashier.invoices_made)]
        paid = [PRICES.plan_of(line.price)[0] for one in invoices if one.paid and not one.refunded
                for line in one.lines if line.amount >= 0 and line.end > week]  # fmt: skip
        assert larger("free", *paid, plan) == larger("free", *paid)

    def verify_total(self, lots, usage_and_balance):
        """What came, less what is owed back, went, expired or was taken by hand, is what is there."""
        entries = list(self.world.ledger.entries(self.account.owner))
        by_hand = sum(one.credits for one in entries if one.reason == "mistake")
        came = sum(lot.credits - lot.owed_back for lot in lots.values())
        balance = usage_and_balance.balance
        there = balance.available + balance.held - balance.debt
        assert there == came - balance.spent - balance.expired - by_hand

    def expected(self):
        """Each subscription at Stripe, with the periods whose invoices are paid."""
        found = {}
        for snapshot in self.cashier.subscribed.values():
            invoices = [self.cashier.invoice(one.id) for one in self.cashier.invoices_made.values()
                        if one.subscription == snapshot.id and one.paid]  # fmt: skip
            paid = [Paid(one.id, PRICES.plan_of(line.price)[0], line.start, line.end, refunded=one.refunded,
                         given_back=line.amount < 0) for one in invoices for line in one.lines]  # fmt: skip
            paid.sort(key=lambda one: (one.end, one.start, one.invoice, one.plan, one.given_back))
            found[snapshot.id] = (snapshot.status, PRICES.plan_of(snapshot.price)[0], tuple(paid))
        return found


@pytest.fixture(scope="module")
def world(configured):
    return World(seed=SEED)


@pytest.mark.parametrize("group", range(GROUPS))
def test_every_life_of_a_payer_ends_in_the_same_truth(group, world):
    """Thousands of lives; the seed of one that fails is in the message."""
    deaths = 0
    for number in range(SEQUENCES // GROUPS):
        seed = f"{SEED}.{group}.{number}"
        life = Life(seed, world)
        try:
            life.live()
        except BaseException as problem:
            problem.add_note(f"seed {seed}")
            raise
        deaths += life.deaths
    assert deaths > SEQUENCES // GROUPS // 4
