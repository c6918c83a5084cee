"""The Stripe stand-in as a process of its own, the adapter in front of it, and a customer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import requests

from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.payments import Checkout, CheckoutOrder
from local.standins.started import StandIn

KEY = "sk_test_local"
SUCCESS = "http://127.0.0.1:8787/api/billing/sync?session_id={CHECKOUT_SESSION_ID}"
PACK = CheckoutOrder(
    id="ord_1",
    mode="payment",
    price="price_pack_500",
    customer="",
    owner_id="user_1",
    success_url=SUCCESS,
    cancel_url="http://127.0.0.1:8787/pricing",
    metadata={"owner": "user_1", "credits": "5000"},
)
PLAN = replace(PACK, id="ord_2", mode="subscription", price="price_pro_monthly", metadata={"owner": "user_1"})


class Cashier:
    """The Stripe stand-in, our adapter in front of it, and a customer."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self.payments = self.adapter()
        self.keys = 0
        self.customer = self.payments.create_customer(
            owner_id="user_1", email="ada@example.com", idempotency_key="customer:user_1"
        )

    def adapter(self, *, keys: list[str] | None = None, **options: Any) -> Payments:
        """An adapter; each key is good for one question, the last one for all further ones."""
        found = keys or [KEY]
        return Payments(
            lambda fresh: found.pop(0) if len(found) > 1 else found[0], self.stand_in.url, **options
        )

    def opened(
        self, order: CheckoutOrder = PACK, payments: Payments | None = None, **change: Any
    ) -> Checkout:
        """A new session."""
        self.keys += 1
        wanted = replace(order, **{"customer": self.customer} | change)
        return (payments or self.payments).open(wanted, idempotency_key=f"checkout:{self.keys}")

    def paid(self, order: CheckoutOrder = PACK) -> Checkout:
        """A session that is paid."""
        session = self.opened(order)
        self.do("pay", session=session.id)
        return self.payments.checkout(session.id)

    def subscribed(self) -> str:
        """The id of a subscription that is paid."""
        return str(self.paid(PLAN).subscription)

    def do(self, order: str, **parameters: Any) -> dict[str, Any]:
        """What a customer, a bank or the dashboard does."""
        return dict(self.stand_in.control(order, **parameters)["object"])

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """What the stand-in has of a kind, oldest first."""
        return list(requests.get(f"{self.stand_in.url}/_ctl/objects/{kind}", timeout=5).json()["objects"])

    def asked(self, end: str) -> list[dict[str, Any]]:
        """The requests whose path ends so."""
        return [call for call in self.stand_in.log() if call["path"].endswith(end)]
