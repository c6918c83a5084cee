"""Three ways to take money: the cashier in memory, the stand-in over sockets, and Stripe itself in test mode.

Each has our adapter's calls as ``payments``, and lets the same things happen: somebody pays, disputes, changes a plan.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from enhancer.adapters.stripe.client import TIMEOUT
from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.errors import StripeUnavailable
from enhancer.domain.payments import Checkout, CheckoutOrder
from local.standins.started import StandIn
from tests.support.cashier import CENTS, Cashier, cents_of, interval_of
from tests.support.stripe_account import KEY, PACK, PLAN

T = TypeVar("T")
PATIENCE_SECONDS = 60
STRIPE = "https://api.stripe.com"


class Till(Protocol):
    """What can be asked, and what can happen. Plans and packs are named by the price ids of the stand-in."""

    payments: Any

    def price(self, name: str) -> str:
        """The id of a price."""
        ...

    def buys(self, customer: str, *, disputed: bool = False) -> str:
        """Somebody buys 500 credits, and has their bank dispute it; return the charge."""
        ...

    def subscribes(self, customer: str, price: str, *, disputed: bool = False) -> str:
        """Somebody pays for a plan; return the subscription."""
        ...

    def lose(self, dispute: str) -> None:
        """A dispute is lost."""
        ...

    def switch(self, subscription: str, price: str, proration: str) -> None:
        """The plan is changed at once."""
        ...

    def schedule(self, subscription: str, price: str) -> None:
        """The plan is changed with the next period."""
        ...

    def refuse(self) -> Callable[[], None] | None:
        """Refuse from now on, with an error of ours; return what ends that, None where it cannot be played."""
        ...


def fresh(name: str = "key") -> str:
    """A name that was never used."""
    return f"{name}_{uuid.uuid4().hex}"


def customer_of(till: Till) -> str:
    """A new customer."""
    owner = fresh("user")
    made: str = till.payments.create_customer(
        owner_id=owner, email="ada@example.com", idempotency_key=f"customer:{owner}"
    )
    return made


def order_of(till: Till, customer: str, price: str = "price_pack_500", **more: Any) -> CheckoutOrder:
    """An order of a pack, or of a plan."""
    like = PACK if "pack" in price else PLAN
    return replace(like, id=fresh("ord"), customer=customer, price=till.price(price), **more)


def opened(till: Till, customer: str, price: str = "price_pack_500", **more: Any) -> Checkout:
    """A session that is not paid."""
    found: Checkout = till.payments.open(order_of(till, customer, price, **more), idempotency_key=fresh())
    return found


class InMemory:
    """The scripted cashier of the unit tests."""

    def __init__(self) -> None:
        self.payments = self.cashier = Cashier(lambda: int(time.time() * 1000))

    def price(self, name: str) -> str:
        return name

    def buys(self, customer: str, *, disputed: bool = False) -> str:
        metadata = {"pack": "500"}
        paid = self.cashier.pay(opened(self, customer, metadata=metadata).id)
        charge = f"ch_{paid.payment_intent}"
        return self._disputed(charge) if disputed else charge

    def subscribes(self, customer: str, price: str, *, disputed: bool = False) -> str:
        found = str(self.cashier.pay(opened(self, customer, price).id).subscription)
        if disputed:
            self._disputed(self.cashier.charge_of_invoice(str(self.cashier.snapshot(found).latest_invoice)))
        return found

    def lose(self, dispute: str) -> None:
        self.cashier.close_dispute(dispute, "lost")

    def switch(self, subscription: str, price: str, proration: str) -> None:
        self.cashier.switch(subscription, price, proration)

    def schedule(self, subscription: str, price: str) -> None:
        self.cashier.schedule(subscription, price)

    def refuse(self) -> Callable[[], None]:
        self.cashier.problem = StripeUnavailable(answered=True)
        return lambda: setattr(self.cashier, "problem", None)

    def _disputed(self, charge: str) -> str:
        self.cashier.dispute(charge)
        return charge


class OverSockets:
    """Our adapter in front of the stand-in."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.payments = Payments(lambda _: KEY, stand_in.url, retries=0)

    def price(self, name: str) -> str:
        return name

    def buys(self, customer: str, *, disputed: bool = False) -> str:
        intent = self._paid(opened(self, customer))["payment_intent"]
        if disputed:
            self.stand_in.control("dispute", payment_intent=intent)
        charge = self.payments.charge_of(intent)
        assert charge
        return charge.id

    def subscribes(self, customer: str, price: str, *, disputed: bool = False) -> str:
        found = str(self._paid(opened(self, customer, price))["subscription"])
        if disputed:
            (charge,) = self.payments.invoice(str(self.payments.snapshot(found).latest_invoice)).charges
            self.stand_in.control("dispute", charge=charge)
        return found

    def lose(self, dispute: str) -> None:
        self.stand_in.control("close_dispute", dispute=dispute, status="lost")

    def switch(self, subscription: str, price: str, proration: str) -> None:
        self.stand_in.control("switch", subscription=subscription, price=price, proration_behavior=proration)

    def schedule(self, subscription: str, price: str) -> None:
        self.stand_in.control("schedule", subscription=subscription, price=price)

    def refuse(self) -> Callable[[], None]:
        self.stand_in.script("any", "stripe_error", status=500)
        return lambda: None  # it refuses once

    def _paid(self, session: Checkout) -> dict[str, Any]:
        return dict(self.stand_in.control("pay", session=session.id)["object"])


class InTestMode:
    """Our adapter in front of Stripe. Nobody presses buttons there, so payments are made by its API and test cards."""

    def __init__(self, key: str) -> None:
        import stripe

        assert key.startswith(("sk_test_", "rk_test_")), "real money is not for tests"
        self.payments = Payments(lambda _: key, STRIPE, retries=0)
        self.api = stripe.StripeClient(key, http_client=stripe.RequestsClient(timeout=TIMEOUT)).v1
        self._prices: dict[str, str] = {}

    def price(self, name: str) -> str:
        if name not in self._prices:
            form: dict[str, Any] = {"currency": "usd", "product_data": {"name": f"contract {name}"}}
            if "pack" in name:
                form["unit_amount"] = CENTS[name.rpartition("_")[2]]
            else:
                interval = {"annual": "year", "monthly": "month"}[interval_of(name)]
                form |= {"unit_amount": cents_of(name), "recurring": {"interval": interval}}
            self._prices[name] = self.api.prices.create(form).id  # type: ignore[arg-type]
        return self._prices[name]

    def buys(self, customer: str, *, disputed: bool = False) -> str:
        paid = self.api.payment_intents.create(
            {"amount": CENTS["500"], "currency": "usd", "customer": customer, "confirm": True,
             "payment_method": _card(disputed=disputed),
             "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}}
        )  # fmt: skip
        charge = str(paid.latest_charge)
        if disputed:
            self._until(lambda: self.payments.charge(charge).disputes)
        return charge

    def subscribes(self, customer: str, price: str, *, disputed: bool = False) -> str:
        card = self.api.payment_methods.attach(_card(disputed=disputed), {"customer": customer}).id
        items: Any = [{"price": self.price(price)}]
        found = self.api.subscriptions.create(
            {"customer": customer, "default_payment_method": card, "items": items}
        )
        if disputed:
            latest = str(self.payments.snapshot(found.id).latest_invoice)
            self._until(lambda: self.payments.invoice(latest).disputes)
        return found.id

    def lose(self, dispute: str) -> None:
        self.api.disputes.close(dispute)

    def switch(self, subscription: str, price: str, proration: Any) -> None:
        item = self.api.subscription_items.list({"subscription": subscription}).data[0].id
        items: Any = [{"id": item, "price": self.price(price)}]
        self.api.subscriptions.update(subscription, {"items": items, "proration_behavior": proration})

    def schedule(self, subscription: str, price: str) -> None:
        made = self.api.subscription_schedules.create({"from_subscription": subscription})
        now = made.phases[0]
        phases: Any = [
            {
                "items": [{"price": str(now["items"][0].price)}],
                "start_date": now.start_date,
                "end_date": now.end_date,
            },
            {"items": [{"price": self.price(price)}]},
        ]
        self.api.subscription_schedules.update(made.id, {"phases": phases})

    def refuse(self) -> None:
        return None

    @staticmethod
    def _until(look: Callable[[], T]) -> T:
        end = time.monotonic() + PATIENCE_SECONDS
        while not (found := look()):
            assert time.monotonic() < end, "Stripe's test card did nothing"
            time.sleep(1)
        return found


def _card(*, disputed: bool) -> str:
    """A card of docs.stripe.com/testing, good, or one whose owner disputes every payment."""
    return "pm_card_createDispute" if disputed else "pm_card_visa"
