"""The account of the Stripe stand-in outlives its process: saved as JSON, restored, nothing that happened is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import stripe

from local.standins.started import StandIn
from tests.integration.test_standin_stripe_webhooks import COMPLETED, FIRST, PACK, Receiver, receiver

__all__ = ["receiver"]


def api_of(stand_in: StandIn) -> Any:
    """Stripe's own client, talking to the stand-in."""
    http = stripe.RequestsClient(timeout=60)
    return stripe.StripeClient("sk_test_local", base_addresses={"api": stand_in.url}, http_client=http).v1


def started(receiver: Receiver, folder: Path, state: Path | None = None) -> StandIn:
    """A stand-in that tells the receiver, begun anew or from saved state."""
    options = ["--webhook-url", receiver.url, "--webhook-secret", FIRST]
    return StandIn("stripe", [*options, *(["--state", str(state)] if state else [])], log=folder / "log")


def test_a_restored_account_goes_on_where_it_was(receiver: Receiver, tmp_path: Path) -> None:
    """Customers and paid sessions are known, a key still gives its first answer, and the time stays moved on.

    What was told just before is told once more, and what could not be told is told at once; but not before the
    product says that it is there.
    """
    state = tmp_path / "state.json"
    with started(receiver, tmp_path) as first:
        first.advance(86_400)
        api = api_of(first)
        customer = api.customers.create({"email": "a@example.com"}, {"idempotency_key": "once"})
        paid = api.checkout.sessions.create({**PACK, "customer": customer.id})
        first.control("pay", session=paid.id)
        first.control("drain")
        receiver.statuses[:] = [500] * 20
        untold = api.checkout.sessions.create({**PACK, "customer": customer.id})
        first.control("pay", session=untold.id)
        first.control("drain")
        document = first.state()
    state.write_text(json.dumps(document))
    receiver.taken.clear()
    receiver.statuses.clear()
    with started(receiver, tmp_path, state) as again:
        api = api_of(again)
        assert api.customers.retrieve(customer.id).email == "a@example.com"
        assert api.checkout.sessions.retrieve(paid.id).payment_status == "paid"
        assert api.customers.create({"email": "a@example.com"}, {"idempotency_key": "once"}).id == customer.id
        assert api.customers.create({}).created >= document["now"] - 1
        assert receiver.events == []
        again.control("start")
        again.control("drain")
        told = [event["data"]["object"]["id"] for event in receiver.events if event["type"] == COMPLETED]
        assert sorted(told) == sorted([paid.id, untold.id])
        assert again.state()["waiting"] == []
