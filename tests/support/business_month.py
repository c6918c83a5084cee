"""A simulated month of business: owners of all kinds, every provider, Stripe's stand-in in this process, a fake clock.

Real use cases on a table in memory: checkouts, webhooks (some days late), runs, failures, an outage, refunds,
disputes, the daily runs (one of them a day late) and the reports. What an observer saw meanwhile is kept: totals and
lots of every owner at each midnight, and what each prediction cost.
"""

from __future__ import annotations

from argparse import Namespace
from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from typing import Any

import stripe

from enhancer.adapters.stripe.books import StripeBooks
from enhancer.adapters.stripe.gateway import Payments
from enhancer.adapters.stripe.parse import event as read_event
from enhancer.billing import stripe_events
from enhancer.domain.callers import Caller
from enhancer.domain.closings import bounds, days_between
from enhancer.domain.errors import EnhancerError, ProviderUnavailable
from enhancer.domain.jobs import Job
from enhancer.domain.owners import Owner
from enhancer.domain.periods import DAY_MS, day_of
from enhancer.domain.plans import PLANS
from enhancer.jobs.submit import EnhanceOrder
from enhancer.operations import cost_report, quota_reset
from enhancer.operations.cost_report import Done, ReportDeps
from local.standins import stripe_objects
from local.standins.stripe import Stripe, default_catalogue, stripe_app
from local.standins.stripe_events import DELIVERED
from local.standins.stripe_store import public
from tests.support.cashier import PRICES
from tests.support.images import png
from tests.support.world import World, at

KEY = "sk_test_local"
HOUR_MS = 3_600_000
ORDERS = (
    ("local", {}), ("local", {"scale": 4}), ("real-esrgan", {}), ("gfpgan", {}), ("sd15", {}), ("flux-klein", {}),
)  # fmt: skip
NANO = ("nano-banana", {"prompt": "a calm sea"})
DEAR_ORDERS = (NANO, NANO, NANO, ("topaz", {}), ("local", {}))
"""Of buyers: with these the plan's credits are soon used up."""
COSTS = {"embedded": 41, "replicate": 900, "workers_ai": 346}


class Till:
    """Stripe's stand-in in this process, on a clock of ours."""

    def __init__(self, world: World) -> None:
        options = Namespace(
            key=KEY, seed="month", webhook_url="", webhook_secret="whsec_x", second_secret=None, events="*",
            base=None, port=0, catalogue=default_catalogue(),
        )  # fmt: skip
        self.account = Stripe(options)
        self.account.control.clock.now = lambda: world.clock / 1000  # type: ignore[method-assign]
        self.browser = stripe_app(self.account, 0).test_client()

    def connected(self, adapter: Any) -> Any:
        """An adapter whose requests come here, without a socket."""
        client = stripe.StripeClient(KEY, http_client=_InProcess(self.browser), max_network_retries=0)
        adapter._api._client = KEY, client.v1
        return adapter

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Everything of a kind, oldest first."""
        return list(reversed(self.account.store.all(kind)))

    def add_move(self, *, category: str, amount: int, currency: str = "usd") -> None:
        """Something else that moves the balance, such as a payout."""
        store = self.account.store
        store.add(
            stripe_objects.balance_transaction(
                store.new_id("balance_transaction"), store.now(), of={"id": "", "currency": currency},
                kind=category, category=category, amount=amount, fee=0,
            )
            | {"source": None}
        )  # fmt: skip

    def charge(self, amount: int, currency: str) -> None:
        """A payment that belongs to no pack and no invoice."""
        payments = self.account.actions._payments
        intent = payments.begin(
            amount=amount, currency=currency, customer=None, metadata={}, description=None
        )
        payments.succeed(intent)


class _InProcess(stripe.HTTPClient):
    """Stripe's client speaks to a Flask application."""

    name = "in-process"

    def __init__(self, browser: Any) -> None:
        super().__init__()
        self._browser = browser

    def request(self, method: str, url: str, headers: Any, post_data: Any = None) -> tuple[Any, int, Any]:
        """One request."""
        path = url.removeprefix("https://api.stripe.com")
        found = self._browser.open(path, method=method.upper(), headers=dict(headers), data=post_data)
        return found.get_data(as_text=True), found.status_code, dict(found.headers)

    def close(self) -> None:
        """Nothing is open."""


class FakeCounts:
    """CloudWatch: what it has, by day and our name; nothing else is known."""

    def __init__(self) -> None:
        self.known: dict[str, dict[str, int]] = defaultdict(dict)

    def of_day(self, day: str, wanted: Any) -> dict[str, int | None]:
        """Sums of a day."""
        return {name: self.known[day].get(name) for name in wanted}


class BusinessMonth:
    """The month and what was seen of it."""

    def __init__(
        self, month: str = "2026-11", *, owners: int = 500, late_reset: int = 17, outage: int = 12
    ) -> None:
        self.world = World(seed=11)
        self.first = f"{month}-01"
        self.world.clock = at(f"{self.first} 00:00:00")
        self.till = Till(self.world)
        self.payments: Payments = self.till.connected(Payments(lambda _: KEY, "https://api.stripe.com"))
        self.books: StripeBooks = self.till.connected(StripeBooks(lambda _: KEY, "https://api.stripe.com"))
        self.counts = FakeCounts()
        self.late_reset, self.outage = late_reset, outage
        self.chance = self.world.random
        self.waiting: list[tuple[int, dict[str, Any]]] = []
        self.sent = 0
        self.costs: dict[str, Counter[str]] = defaultdict(Counter)
        self.credits: dict[str, Counter[str]] = defaultdict(Counter)
        self.midnights: dict[str, dict[str, Any]] = {}
        self.published: list[tuple[str, dict[str, Any], str]] = []
        self.made: list[Done] = []
        for name, predictor in self.world.job_deps.predictors.items():
            predictor.cost = COSTS[name]  # type: ignore[attr-defined]
        self.guests = [self.world.caller("guest") for _ in range(owners // 2)]
        self.people = [self.world.person() for _ in range(owners - len(self.guests))]
        self.buyers, self.subscribers = self.people[:14], self.people[14:23]

    # ---------------------------------------------------------------------------------- what it needs

    @property
    def deps(self) -> Any:
        """Of billing, with the stand-in as Stripe."""
        return replace(self.world.billing_deps, payments=self.payments, prices=PRICES)

    @property
    def report_deps(self) -> ReportDeps:
        """Of the report."""
        return ReportDeps(
            books=self.world.books, spend=self.world.spend, stripe=self.books, counts=self.counts,  # type: ignore[arg-type]
            artifacts=self.world.artifacts, sold=PRICES.plan_of, budget=50_000_000, now=self.world.now,
            link=lambda name: f"https://app.example/{name}",
            publish=lambda *told: self.published.append(told),
        )  # fmt: skip

    # ---------------------------------------------------------------------------------------- the days

    def live(self, until: str) -> None:
        """Every day of the month; each is closed and reported on in the night after it."""
        for number, day in enumerate(days_between(self.first, until), 1):
            start, _ = bounds(day)
            self.night(number, start)
            self.day(number, start)
            self.world.clock = start + DAY_MS - 1
            self.look(day)
        self.world.clock = bounds(until)[1]
        self.night(0, self.world.clock)

    def night(self, number: int, start: int) -> None:
        """00:05 and 00:30: the daily runs."""
        self.world.clock = start + 300_000
        if number != self.late_reset:
            closed = quota_reset.close(deps=self.deps, notify=self.world.notify)
            assert (closed.differences, closed.broken) == ({}, 0)
        self.world.clock = start + 1_800_000
        wanted = cost_report.asked_for({}, now=self.world.clock)
        self.made.append(cost_report.make(wanted, render=lambda _: {}, deps=self.report_deps, again=True))

    def day(self, number: int, start: int) -> None:
        """What customers do, hour by hour, and what Stripe sends about it."""
        for hour in range(8, 24, 3):
            self.world.clock = start + hour * HOUR_MS + self.chance.randrange(HOUR_MS)
            self.shop(number, hour)
            self.deliver()
            for _ in range(4):
                self.world.clock += self.chance.randrange(60_000)
                self.run(number)
        known = dict.fromkeys(cost_report.WANTED, number % 7) | {
            "requests": 1000 + number,
            "refused.429": number,
        }
        self.counts.known[day_of(start)] = {name: n for name, n in known.items() if name != "jobs.canceled"}

    def shop(self, number: int, hour: int) -> None:
        """Purchases, subscriptions and renewals, and what goes wrong with money."""
        if hour == 8:
            self.buy(self.chance.choice(self.buyers), self.chance.choice((100, 500, 500, 1000)))
            if number <= len(self.subscribers):
                plan, interval = (("pro", "monthly"), ("premium", "annual"), ("team", "monthly"))[number % 3]
                self.subscribe(self.subscribers[number - 1], plan, interval)
        if hour == 11:
            self.money_trouble(number)
        if hour == 14 and number in (20, 28):
            found = self.till.all("subscription")[number % 5]
            self.till.account.subscriptions.renew(found)
        if hour == 17 and number in (9, 21):
            self.till.charge(4999, "eur")
            self.till.charge(7300, "jpy")
            self.till.add_move(category="payout", amount=-5000)
            self.till.add_move(category="fee", amount=-200)

    def money_trouble(self, number: int) -> None:
        """Refunds, one that fails, disputes lost and won."""
        payments = self.till.account.actions._payments
        charges = [one for one in self.till.all("charge") if one["currency"] == "usd" and not one["disputed"]]
        packs = [one for one in charges if one["metadata"].get("pack") and not one["amount_refunded"]]
        plans = [one for one in charges if not one["metadata"].get("pack") and not one["amount_refunded"]]
        if number in (7, 15):
            payments.refund({"charge": packs[0]["id"], "amount": str(packs[0]["amount"] // 2)})
        if number == 10:
            payments.refund({"charge": plans[0]["id"]})
        if number == 14:
            payments.fail_refund(payments.refund({"charge": packs[0]["id"]}))
        if number in (11, 16):
            payments.dispute({"charge": packs[-1]["id"]})
        if number in (19, 26):
            open_ones = [one for one in self.till.all("dispute") if one["status"] == "needs_response"]
            payments.close_dispute(open_ones[0], "won" if number == 19 else "lost")

    def buy(self, account: Any, size: int) -> None:
        """A pack, now and then with a promotion code."""
        with suppress(EnhancerError):
            from enhancer.billing import checkout

            url = checkout.buy(
                self.world.visitor(account), size, deps=replace(self.deps, promotion_codes=True)
            )
            session = self.till.account.store.get("checkout.session", url.rpartition("/")[2])
            if self.chance.random() < 0.2:
                self.till.account.checkout.discount(session, 333)
            self.till.account.checkout.pay(session)

    def subscribe(self, account: Any, plan: str, interval: Any) -> None:
        """A plan."""
        from enhancer.billing import checkout

        url = checkout.subscribe(self.world.visitor(account), plan, interval, deps=self.deps)
        self.till.account.checkout.pay(
            self.till.account.store.get("checkout.session", url.rpartition("/")[2])
        )

    def deliver(self) -> None:
        """Stripe's events: most at once, every ninth two days late."""
        events = [one for one in self.till.all("event") if one["type"] in DELIVERED]
        for place, event in enumerate(events[self.sent :], self.sent):
            late = 2 * DAY_MS if place % 9 == 4 else 0
            self.waiting.append((self.world.clock + late, public(event)))
        self.sent = len(events)
        due = [event for when, event in self.waiting if when <= self.world.clock]
        self.waiting = [(when, event) for when, event in self.waiting if when > self.world.clock]
        for event in due:
            stripe_events.apply_event(read_event(event), deps=self.deps)

    def run(self, number: int) -> None:
        """Somebody enhances a picture: a guest, or a user of any plan; sometimes the same picture again."""
        caller = self.caller()
        is_buyer = caller.owner in {one.owner for one in self.buyers}
        alias, more = self.chance.choice(DEAR_ORDERS if is_buyer else ORDERS)
        if number == self.outage:
            for predictor in (self.world.replicate, self.world.workers_ai):
                predictor.script = [ProviderUnavailable(provider="replicate") for _ in range(8)]
        before = day_of(self.world.clock)
        kind = "async" if self.chance.random() < 0.3 and not caller.is_guest else "sync"
        picture = png(shade=self.chance.randrange(200))
        job: Job | None = None
        with suppress(EnhancerError):
            order = EnhanceOrder(model=alias, **more)
            if kind == "async":
                job = self.world.execute(self.world.batch(caller, [picture, png(shade=201)], order))
            else:
                submitted = self.world.submit(caller, order, photo=self.world.photo(picture))
                job = submitted.job
                self.world.finish(submitted)
        for predictor in (self.world.replicate, self.world.workers_ai):
            predictor.script = []
        if job:
            for item in self.world.stored(job).items:
                self.costs[before]["micros"] += item.cost
                self.credits[before]["credits"] += item.charged.credits
                self.credits[before]["plan"] += item.charged.plan

    def caller(self) -> Caller:
        """Buyers and subscribers come more often."""
        draw = self.chance.random()
        if draw < 0.25:
            return self.chance.choice(self.guests)
        group = self.buyers if draw < 0.65 else self.subscribers if draw < 0.85 else self.people
        account = self.world.again(self.chance.choice(group))
        plan = PLANS[account.plan_at(self.world.clock)]
        return replace(self.world.caller("free"), owner=account.owner, plan=plan, account=account)

    def look(self, day: str) -> None:
        """What is there at midnight: totals and lots of everybody."""
        totals: Counter[str] = Counter()
        lots: dict[Owner, list[dict[str, Any]]] = defaultdict(list)
        left: Counter[str] = Counter()
        for record in self.world.records():
            if record["sk"] == "ACCOUNT":
                for name in ("available", "held", "debt"):
                    totals[name] += record.get(name, 0)
                left[record["pk"]] = record.get("available", 0) + record.get("held", 0)
            if record["sk"].startswith("LOT#"):
                lots[record["pk"]].append(record)
        worth = 0
        for pk, found in lots.items():
            unspent = left[pk]
            for lot in sorted(found, key=lambda one: (-one["expires_at"], one["source"])):
                part = min(unspent, lot["credits"] - lot["clawed_back"])
                unspent -= part
                worth += round(lot.get("paid", 0) * part / lot["credits"] + 1e-9)
        self.midnights[day] = {"totals": dict(totals), "worth": worth}
