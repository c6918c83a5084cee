"""Read Stripe's objects into those of `enhancer.domain.payments`.

The input is JSON of the API version that the pinned client uses (docs.stripe.com/api). Every function raises
`LookupError`, `TypeError`, `ValueError` or `AttributeError` for anything that is not such an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from enhancer.domain.payments import Charge, Checkout, Event, Invoice, Line, Snapshot

Json = dict[str, Any]

PAID = ("paid", "no_payment_required")
"""Values of ``payment_status`` of a checkout session that owes nothing more."""
OVER = ("canceled", "incomplete_expired")
"""Statuses of a subscription that has ended for good."""
OPEN_DISPUTES = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review")
"""Statuses of a dispute that is not decided yet."""
TAKES_NOTHING = ("won", "warning_needs_response", "warning_under_review", "warning_closed")
"""Statuses of a dispute that has taken no money: won, or an inquiry. Others have, ``prevented`` ones by a refund."""


def ms(seconds: int) -> int:
    """Return Stripe's time, whole seconds since the epoch, in epoch ms."""
    return int(seconds) * 1000


def checkout(found: Json) -> Checkout:
    """Read a checkout session."""
    return Checkout(
        id=found["id"],
        mode=found["mode"],
        status=found["status"] or "",
        paid=found["payment_status"] in PAID,
        livemode=found["livemode"],
        amount=found["amount_subtotal"] or 0,
        currency=found["currency"] or "",
        customer=id_of(found.get("customer")),
        payment_intent=id_of(found.get("payment_intent")),
        subscription=id_of(found.get("subscription")),
        metadata=dict(found.get("metadata") or {}),
        created=ms(found["created"]),
        url=found.get("url"),
        net_amount=(found.get("amount_total") or 0) - _tax(found),
    )


def _tax(found: Json) -> int:
    return int((found.get("total_details") or {}).get("amount_tax") or 0)


def snapshot(found: Json) -> Snapshot:
    """Read a subscription; its price and period are those of its first item, the only one that ours have."""
    item = found["items"]["data"][0]
    end = ms(item["current_period_end"])
    cancel_at = ms(found["cancel_at"]) if found["cancel_at"] else None
    return Snapshot(
        id=found["id"],
        customer=id_of(found["customer"]) or "",
        status=found["status"],
        price=item["price"]["id"],
        period_start=ms(item["current_period_start"]),
        period_end=end,
        cancel_at=end if cancel_at is None and found["cancel_at_period_end"] else cancel_at,
        latest_invoice=id_of(found["latest_invoice"]),
        livemode=found["livemode"],
        created=ms(found["created"]),
    )


def line(found: Json) -> Line:
    """Read a line of an invoice; one without a price of its own has the price ``""``."""
    details = (found.get("pricing") or {}).get("price_details") or {}
    parent = found.get("parent") or {}
    about = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    return Line(
        price=id_of(details.get("price")) or "",
        amount=found["amount"],
        start=ms(found["period"]["start"]),
        end=ms(found["period"]["end"]),
        proration=bool(about.get("proration")),
    )


def invoice(found: Json, lines: list[Json], charges: Sequence[Charge | None]) -> Invoice:
    """Read an invoice; ``charges``: those that brought its money, None for one outside of Stripe."""
    details = (found.get("parent") or {}).get("subscription_details") or {}
    paid_at = found["status_transitions"]["paid_at"]
    return Invoice(
        id=found["id"],
        customer=id_of(found["customer"]) or "",
        subscription=id_of(details.get("subscription")),
        paid=found["status"] == "paid",
        refunded=bool(charges) and all(one and one.taken_back >= one.amount for one in charges),
        reason=found["billing_reason"] or "",
        created=ms(found["created"]),
        lines=tuple(line(one) for one in lines),
        livemode=found["livemode"],
        paid_at=None if paid_at is None else ms(paid_at),
        charges=tuple(one.id for one in charges if one),
        disputes=tuple(name for one in charges if one for name in one.disputes),
    )


def charge(found: Json, disputes: list[Json]) -> Charge:
    """Read a charge; ``taken_back`` is what refunds and disputes took, without inquiries and disputes we won."""
    disputed = sum(one["amount"] for one in disputes if one["status"] not in TAKES_NOTHING)
    return Charge(
        id=found["id"],
        payment_intent=id_of(found.get("payment_intent")),
        customer=id_of(found.get("customer")),
        amount=found["amount"],
        taken_back=min(found["amount"], found["amount_refunded"] + disputed),
        disputes=tuple(one["id"] for one in disputes if one["status"] in OPEN_DISPUTES),
        livemode=found["livemode"],
    )


def event(found: Json) -> Event:
    """Read an event; raise ValueError if one of its parts has the wrong type."""
    event_id, kind, livemode, about = found["id"], found["type"], found["livemode"], found["data"]["object"]
    if not (isinstance(event_id, str) and event_id and isinstance(kind, str) and kind):
        raise ValueError("an event has an id and a type")
    if type(found["created"]) is not int or not isinstance(livemode, bool) or not isinstance(about, dict):
        raise ValueError("an event has a time, a mode and an object")
    return Event(id=event_id, type=kind, created=ms(found["created"]), livemode=livemode, object=about)


def id_of(reference: Any) -> str | None:
    """Return the id of a referenced object, expanded or not; None without a reference."""
    if reference is None:
        return None
    return str(reference["id"] if isinstance(reference, dict) else reference)
