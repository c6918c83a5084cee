"""Example events about money: what a guest asks for, and what Stripe tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.aws import STRIPE_SECRETS
from tests.support.callbacks import RECORDED_AT, stripe_signed

if TYPE_CHECKING:
    from tests.support.make_events import Cases

BILLING, ROUTE = "/api/billing", "ANY /api/billing/{proxy+}"


def customers(add: Cases) -> None:
    """Requests of somebody who is not signed in; the price list is for everybody."""

    def get(name: str, status: int, path: str, **more: str) -> None:
        add.http(f"billing.{name}", status, "GET", f"{BILLING}/{path}", route=ROUTE, **more)

    def post(name: str, status: int, path: str, body: object, **more: str) -> None:
        add.json(f"billing.{name}", status, f"{BILLING}/{path}", body, route=ROUTE, **more)

    get("prices", 200, "prices")
    post("credits", 401, "credits", {"pack": 500, "returnTo": "/en/account"})
    post("credits-unknown-pack", 401, "credits", {"pack": 250})
    post("credits-no-pack", 400, "credits", {})
    post("credits-half-a-pack", 400, "credits", {"pack": 0.5})
    post("credits-own-price", 400, "credits", {"pack": 500, "price": "price_cheap"})
    post("credits-missing-csrf", 403, "credits", {"pack": 500}, drop="x-csrf-token")
    post("session", 401, "session", {"plan": "pro", "interval": "monthly"})
    post("session-weekly", 400, "session", {"plan": "pro", "interval": "weekly"})
    post("cancel", 401, "cancel", {})
    post("portal", 401, "portal", {})
    get("subscription", 401, "subscription")
    get("ledger", 401, "ledger", query="limit=20")
    get("ledger-too-many", 400, "ledger", query="limit=101")
    get("sync", 401, "sync", query="session_id=cs_test_1")
    html = {"accept": "text/html", "accept-language": "de"}
    add.http("billing.sync-for-a-person", 302, "GET", f"{BILLING}/sync", route=ROUTE, headers=html)
    get("credits-get", 405, "credits")
    get("unknown", 404, "nowhere")


def cashier(add: Cases) -> None:
    """Events of Stripe about a customer who is nobody here. ``recorded`` ones are good at the time they were signed."""
    path = f"{BILLING}/stripe-webhook"
    told = {
        "id": "evt_recorded",
        "object": "event",
        "type": "customer.subscription.updated",
        "created": RECORDED_AT,
        "livemode": False,
        "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_nobody"}},
    }
    body = json.dumps(told)
    good = stripe_signed(body.encode(), STRIPE_SECRETS["webhookSecret"], at=RECORDED_AT)
    old = stripe_signed(body.encode(), STRIPE_SECRETS["webhookSecretPrevious"], at=RECORDED_AT)
    foreign = stripe_signed(body.encode(), "whsec_foreign", at=RECORDED_AT)

    def call(name: str, status: int, headers: dict[str, str], sent: str | bytes = body) -> None:
        shown = {"content-type": "application/json; charset=utf-8", **headers}
        add.http(f"stripe_webhook.{name}", status, "POST", path, headers=shown, body=sent)

    call("recorded", 400, good)
    call("recorded-base64", 400, good, body.encode())
    call("recorded-previous-secret", 400, old)
    call("recorded-foreign-secret", 400, foreign)
    call("recorded-other-body", 400, good, body.replace("sub_1", "sub_2"))
    call("unsigned", 400, {})
    add.http("stripe_webhook.get", 405, "GET", path)
