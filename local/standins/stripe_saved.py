"""The account of the Stripe stand-in between two runs: the product's records refer to customers and purchases in it."""

from __future__ import annotations

from typing import Protocol

from local.standins.control import Control, Json
from local.standins.stripe_events import Events, WebhookSender
from local.standins.stripe_http import Idempotency
from local.standins.stripe_store import Store

FORGOTTEN_S = 10.0
"""An event of so short a time before saving may have been taken by a product that then went back to before it."""


class Account(Protocol):
    """What is saved of the stand-in, which imports this module."""

    control: Control
    store: Store
    courier: WebhookSender
    idempotency: Idempotency
    events: Events


def saved(account: Account) -> Json:
    """Return the account as JSON: objects, deliveries still to be made, answers to idempotency keys, time."""
    clock = account.control.clock
    with clock.changed:
        return {
            "objects": list(account.store.objects.values()),
            "waiting": account.courier.waiting(),
            "answers": account.idempotency.answers(),
            "now": clock.now(),
            "ahead": clock.ahead_s,
        }


def restore(account: Account, document: Json) -> None:
    """Put a saved account in the place of a new one, and queue once more the events that the product may have lost."""
    clock, courier = account.control.clock, account.courier
    with clock.changed:
        clock.advance(document["ahead"])
        for found in document["objects"]:
            account.store.add(found)
        for delivery in document["waiting"]:
            courier.resume(account.store.get("event", delivery["event"]), **delivery["when"])
        waiting = {delivery["event"] for delivery in document["waiting"]}
        for event in reversed(account.store.all("event")):
            if event["created"] >= document["now"] - FORGOTTEN_S and event["id"] not in waiting:
                account.events.tell_again(event)
        account.idempotency.remember(document["answers"])
