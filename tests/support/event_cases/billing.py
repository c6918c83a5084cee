"""Cases about billing: requests of somebody who is not signed in, and Stripe's webhook."""

from __future__ import annotations

import json

from tests.support.aws import STRIPE_SECRETS
from tests.support.callbacks import RECORDED_AT, stripe_signed
from tests.support.event_cases.builder import Cases

BILLING, ROUTE = "/api/billing", "ANY /api/billing/{proxy+}"


def signed_out(add: Cases) -> None:
    """Buying, canceling and the statement need an account; the price list is for everybody."""

    def get(name: str, status: int, path: str, **more: str) -> None:
        add.http(name, status, "GET", f"{BILLING}/{path}", route=ROUTE, **more)

    def post(name: str, status: int, path: str, body: object, **more: str) -> None:
        add.json(name, status, f"{BILLING}/{path}", body, route=ROUTE, **more)

    get("billing.prices", 200, "prices")
    post("billing.credits", 401, "credits", {"pack": 500, "returnTo": "/en/account"})
    post("billing.credits-unknown-pack", 401, "credits", {"pack": 250})
    post("billing.credits-no-pack", 401, "credits", {})
    post("billing.credits-half-a-pack", 401, "credits", {"pack": 0.5})
    post("billing.credits-own-price", 401, "credits", {"pack": 500, "price": "price_cheap"})
    post("billing.credits-missing-csrf", 403, "credits", {"pack": 500}, drop="x-csrf-token")
    post("billing.session", 401, "session", {"plan": "pro", "interval": "monthly"})
    post("billing.session-weekly", 401, "session", {"plan": "pro", "interval": "weekly"})
    post("billing.cancel", 401, "cancel", {})
    post("billing.portal", 401, "portal", {})
    get("billing.subscription", 401, "subscription")
    get("billing.ledger", 401, "ledger", query="limit=20")
    get("billing.ledger-too-many", 401, "ledger", query="limit=101")
    get("billing.sync", 401, "sync", query="session_id=cs_test_1")
    html = {"accept": "text/html", "accept-language": "de"}
    add.http("billing.sync-for-a-person", 302, "GET", f"{BILLING}/sync", route=ROUTE, headers=html)
    get("billing.credits-get", 405, "credits")
    get("billing.unknown", 404, "nowhere")


def stripe_webhook(add: Cases) -> None:
    """Events about a customer we do not know; the ``recorded`` ones are good at `RECORDED_AT`."""
    path = f"{BILLING}/stripe-webhook"
    event = {
        "id": "evt_recorded",
        "object": "event",
        "type": "customer.subscription.updated",
        "created": RECORDED_AT,
        "livemode": False,
        "data": {"object": {"id": "sub_1", "object": "subscription", "customer": "cus_nobody"}},
    }
    body = json.dumps(event)
    good = stripe_signed(body.encode(), STRIPE_SECRETS["webhookSecret"], at=RECORDED_AT)
    old = stripe_signed(body.encode(), STRIPE_SECRETS["webhookSecretPrevious"], at=RECORDED_AT)
    foreign = stripe_signed(body.encode(), "whsec_foreign", at=RECORDED_AT)

    def call(name: str, status: int, headers: dict[str, str], sent: str | bytes = body) -> None:
        shown = {"content-type": "application/json; charset=utf-8", **headers}
        add.http(name, status, "POST", path, headers=shown, body=sent)

    call("stripe_webhook.recorded", 400, good)
    call("stripe_webhook.recorded-base64", 400, good, body.encode())
    call("stripe_webhook.recorded-previous-secret", 400, old)
    call("stripe_webhook.recorded-foreign-secret", 400, foreign)
    call("stripe_webhook.recorded-other-body", 400, good, body.replace("sub_1", "sub_2"))
    call("stripe_webhook.unsigned", 400, {})
    add.http("stripe_webhook.get", 405, "GET", path)
