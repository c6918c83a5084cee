"""Buying at the deployed stack: people who buy, and the stand-in for Stripe that takes their money and tells us."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.stripe_links import StripeLinks
from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.accounts import Account
from enhancer.domain.ledger import Balance
from enhancer.domain.owners import Owner
from enhancer.domain.payments import CheckoutOrder
from enhancer.runtime import new_id, new_name, now
from local.providers import STRIPE_HOOK, STRIPE_KEY
from tests.e2e.deployed import Deployed
from tests.e2e.people import Member, member
from tests.support.client import Client, picture

COMPLETED = "checkout.session.completed"
CREATED, UPDATED = "customer.subscription.created", "customer.subscription.updated"
DRAINED_SECONDS = 60
ALONE = ("secret", "timestamp_offset", "header", "raw", "body_change")
"""What a delivery of one event can be told, too."""


@dataclass(frozen=True)
class Told:
    """What an event was answered with."""

    status: int
    outcome: str
    code: str


class Shop:
    """The stand-in for Stripe, from its control channel, and what we parked of what it said."""

    def __init__(self, deployed: Deployed) -> None:
        stack = deployed.stack
        self.deployed = deployed
        self.url = stack.providers.stripe_url
        self.hook = f"{stack.url}{STRIPE_HOOK}"
        self.payments = Payments(lambda _: STRIPE_KEY, self.url)
        self.customers = StripeLinks(deployed.store.table)
        self._queue, self._sqs = stack.physical_id("BillingDeadLetters"), stack.client("sqs")
        self._letters: list[dict[str, Any]] = []
        self._numbers = itertools.count()
        self.line = requests.Session()
        self.line.trust_env = False

    # ---------------------------------------------------------------------------------------- orders

    def control(self, what: str, **order: Any) -> dict[str, Any]:
        """Give the stand-in an order."""
        answer = self.line.post(f"{self.url}/_ctl/{what}", json=order, timeout=120)
        assert answer.status_code == 200, f"{what}: {answer.text}"
        return dict(answer.json())

    def script(self, route: str, fault: str, **more: Any) -> None:
        """Let it play a fault."""
        self.control("script", route=route, fault=fault, **more)

    def reset(self) -> None:
        """As on the first day."""
        self.control("reset")

    def silence(self) -> None:
        """Tell nothing by itself any more."""
        self.control("webhook", url="")

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """All that it has of a kind, oldest first."""
        return list(self.line.get(f"{self.url}/_ctl/objects/{kind}", timeout=30).json()["objects"])

    def object(self, kind: str, wanted: str) -> dict[str, Any]:
        """One of them."""
        return next(one for one in self.objects(kind) if one["id"] == wanted)

    # ---------------------------------------------------------------------------------------- events

    def do(self, what: str, **order: Any) -> dict[str, str]:
        """Let something happen, and be told of it; return its events: type -> id."""
        caused = self.control(what, **order)["events"]
        self.told()
        return {one["type"]: one["id"] for one in caused}

    def told(self) -> None:
        """Wait until all was told; what a busy machine did not answer in time is told again, as Stripe does."""
        self.control("drain", seconds=DRAINED_SECONDS)
        attempts = self.line.get(f"{self.url}/_ctl/deliveries", timeout=30).json()["deliveries"]
        answered = {one["event"] for one in attempts if one["status"]}
        unheard = dict.fromkeys(one["event"] for one in attempts if one["event"] not in answered)
        if unheard:
            self.deliver(*unheard)

    def deliver(self, *events: str, **how: Any) -> list[Told]:
        """Send events again, now, and again what is not answered in time; return what they were answered with."""
        sent = self.control("deliver", events=events, url=self.hook, **how)["deliveries"]
        alone = {name: value for name, value in how.items() if name in ALONE}
        return [_told(one) if one["status"] else self._answered(one["event"], alone) for one in sent]

    def _answered(self, event: str, how: dict[str, Any]) -> Told:
        def again() -> Told | None:
            (one,) = self.control("deliver", event=event, url=self.hook, **how)["deliveries"]
            return _told(one) if one["status"] else None

        return self.deployed.until(again, f"an answer to {event}")

    def event(self, kind: str, about: str | dict[str, Any]) -> str:
        """Record an event that nobody is told of yet; return its id."""
        return str(self.control("event", type=kind, object=about, deliver=False)["event"]["id"])

    def letters(self, about: str) -> list[str]:
        """Why something was parked, from the queue of dead letters."""
        while True:
            found = self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10)
            messages = found.get("Messages", [])
            if not messages:
                return [one["reason"] for one in self._letters if one["about"] == about]
            for message in messages:
                self._letters.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])

    # ---------------------------------------------------------------------------------------- buyers

    def account(self, plan: str = "free") -> tuple[Owner, str]:
        """Somebody who is a customer already, made past our API; return also who they are at Stripe."""
        owner = Owner("user", new_name())
        self.deployed.store.accounts.open(owner, plan=plan, role="user", email=None, now=now())
        customer = self.payments.create_customer(owner_id=owner.id, email="", idempotency_key=owner.id)
        assert self.customers.enroll(owner, customer) == customer
        return owner, customer

    def session(self, owner: Owner, customer: str, price: str, **metadata: str) -> str:
        """A checkout session as we open them, made past our API."""
        order = CheckoutOrder(
            id=f"ord_test_{next(self._numbers)}",
            mode="payment" if "pack" in metadata else "subscription",
            price=price,
            customer=customer,
            owner_id=owner.id,
            success_url=f"{self.deployed.stack.url}/api/billing/sync?session_id={{CHECKOUT_SESSION_ID}}",
            cancel_url=self.deployed.stack.url,
            metadata={**metadata, "owner": owner.id, "returnTo": "/en/account"},
        )
        return self.payments.open(order, idempotency_key=new_id("key")).id

    def closing(self) -> dict[str, Any]:
        """What the deployed daily closing says it did."""
        name = self.deployed.stack.physical_id("QuotaReset")
        reply = self.deployed.functions.invoke(FunctionName=name, Payload=b"{}")
        report: dict[str, Any] = json.loads(reply["Payload"].read())
        assert "FunctionError" not in reply, report
        return report


@dataclass(frozen=True)
class Buyer:
    """Somebody signed in who buys."""

    shop: Shop
    who: Member

    @property
    def client(self) -> Client:
        """Their browser."""
        return self.who.client

    @property
    def owner(self) -> Owner:
        """Their partition."""
        return self.who.owner

    @property
    def account(self) -> Account:
        """Their account as stored."""
        found = self.shop.deployed.store.accounts.get(self.owner)
        assert found
        return found

    @property
    def balance(self) -> Balance:
        """Their totals, which add up, and which their entries say too."""
        return self.shop.deployed.balance(self.owner)

    @property
    def entries(self) -> dict[str, int]:
        """How many entries of each kind they have."""
        return dict(self.shop.deployed.kinds(self.owner))

    # ---------------------------------------------------------------------------------------- buying

    def orders(self, what: str, *, key: str | None = None, **body: Any) -> requests.Response:
        """POST to billing."""
        headers = {"Idempotency-Key": key} if key else None
        return self.client.post(f"/api/billing/{what}", json=body, headers=headers)

    def opens(self, what: str, **body: Any) -> str:
        """Open a checkout; return its session."""
        return session_of(self.orders(what, **body))

    def buys(self, pack: int = 100) -> str:
        """Buy credits, and have them; return the session."""
        session = self.opens("credits", pack=pack)
        self.shop.do("pay", session=session)
        return session

    def subscribes(self, plan: str = "pro", interval: str = "monthly") -> str:
        """Subscribe, and have the plan; return the subscription."""
        session = self.opens("session", plan=plan, interval=interval)
        self.shop.do("pay", session=session)
        return str(self.shop.object("checkout.session", session)["subscription"])

    def returns(self, session: str, **headers: str) -> requests.Response:
        """Come back from a checkout."""
        return self.client.get(f"/api/billing/sync?session_id={session}", headers=headers)

    def intent(self, session: str) -> str:
        """The payment of a session."""
        return str(self.shop.object("checkout.session", session)["payment_intent"])

    # ------------------------------------------------------------------------------------------- use

    @property
    def subscription(self) -> dict[str, Any]:
        """What the API says of the subscription."""
        answer = self.client.get("/api/billing/subscription")
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    def runs(self, seed: int, **fields: str) -> requests.Response:
        """Enhance a tiny picture."""
        return self.client.generate(picture(seed=seed), **fields)

    def uses_up(self, *, left: int = 0) -> None:
        """Let so much of the plan's month be left (tenths), as if the rest had been spent."""
        account = self.account
        month, quota = account.month_at(now()).name, self.client.usage()["monthlyUsage"]["limit"]
        used = quota * 10 - left
        self.shop.deployed.store.table.put({**keys.usage(self.owner, month), "used": used})


def session_of(answer: requests.Response) -> str:
    """The checkout session that an answer leads to."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["url"] == body["data"]["url"]
    return urlsplit(body["url"]).path.rsplit("/", 1)[-1]


def types(wanted: Sequence[str], caused: dict[str, str]) -> list[str]:
    """The events of these types, in this order."""
    return [caused[kind] for kind in wanted]


def _told(attempt: dict[str, Any]) -> Told:
    status = attempt["status"] or 0
    answer = json.loads(attempt["body"]) if status in (200, 400) else {}
    return Told(status, answer.get("data", {}).get("outcome", ""), answer.get("error", {}).get("code", ""))


@pytest.fixture(scope="module", name="whole_shop")
def whole_shop_fixture(deployed: Deployed) -> Iterator[Shop]:
    """The stand-in, and a first event that starts the function which hears it."""
    opened = Shop(deployed)
    opened.reset()
    first = opened.event("ping", {"id": "nothing", "object": "nothing"})
    deployed.until(lambda: opened.deliver(first)[0].status == 200, "the first event")
    yield opened
    opened.reset()


@pytest.fixture(name="shop")
def shop_fixture(whole_shop: Shop) -> Iterator[Shop]:
    """The stand-in as on the first day."""
    whole_shop.reset()
    yield whole_shop
    whole_shop.control("drain", seconds=DRAINED_SECONDS)


@pytest.fixture(name="buyer")
def buyer_fixture(shop: Shop, newcomer: Callable[..., Buyer]) -> Buyer:
    """Somebody on the free plan."""
    return newcomer()


@pytest.fixture(name="newcomer")
def newcomer_fixture(shop: Shop, fresh_client: Callable[[], Client]) -> Callable[..., Buyer]:
    """More of them, with the plan that is asked for."""

    def make(plan: str = "free") -> Buyer:
        return Buyer(shop, member(fresh_client, plan))

    return make
