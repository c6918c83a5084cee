"""Invoices of the Stripe stand-in: created for a subscription, paid or failed."""

from __future__ import annotations

from dataclasses import dataclass

from local.standins import stripe_objects as objects
from local.standins.control import Json
from local.standins.stripe_events import Events
from local.standins.stripe_payments import Payments
from local.standins.stripe_store import Store

RETRY_S = 3 * 86400  # when Stripe tries again to collect


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice: an item at a price, from ``start`` on if not for its whole period."""

    item: Json
    text: str
    amount: int
    proration: bool = False
    start: int | None = None


class Invoices:
    """The invoices of subscriptions."""

    def __init__(self, store: Store, events: Events, payments: Payments, base: str) -> None:
        self._store = store
        self._events = events
        self._payments = payments
        self._base = base
        store.hidden["invoice", "payments"] = lambda invoice: self._payments_of(invoice["id"])

    def make(self, subscription: Json, lines: list[Line], reason: str, *, discount: int = 0) -> Json:
        """Create an open invoice, with a started payment unless there is nothing to pay."""
        store, now = self._store, self._store.now()
        who = store.get("customer", subscription["customer"])
        total = max(0, sum(line.amount for line in lines) - discount)
        invoice = objects.invoice(
            store.new_id("invoice"),
            now,
            of=subscription,
            who=who,
            total=total,
            reason=reason,
            base=self._base,
        )
        who["next_invoice_sequence"] += 1
        shown = [self._line(invoice, subscription, line) for line in lines]
        url = f"/v1/invoices/{invoice['id']}/lines"
        invoice["lines"] = {
            "object": "list",
            "data": shown,
            "has_more": False,
            "total_count": len(shown),
            "url": url,
        }
        subscription["latest_invoice"] = invoice["id"]
        store.add(invoice)
        if total:
            intent = self._payments.begin(
                amount=total,
                currency=invoice["currency"],
                customer=who["id"],
                metadata={},
                description="Subscription creation"
                if reason == "subscription_create"
                else "Subscription update",
            )
            store.add(
                objects.invoice_payment(store.new_id("invoice_payment"), now, of=invoice, intent=intent["id"])
            )
        return invoice

    def pay(self, invoice: Json) -> None:
        """Let the payment of an open invoice succeed."""
        now, who = self._store.now(), self._who(invoice)
        for payment in self._store.all("invoice_payment", invoice=invoice["id"]):
            self._payments.succeed(self._intent(payment), who)
            payment |= {"status": "paid", "amount_paid": payment["amount_requested"]}
            payment["status_transitions"]["paid_at"] = now
        due = invoice["amount_due"]
        invoice |= {
            "status": "paid", "amount_paid": due, "amount_remaining": 0, "attempted": True,
            "attempt_count": invoice["attempt_count"] + 1, "next_payment_attempt": None, "auto_advance": False,
        }  # fmt: skip
        invoice["status_transitions"]["paid_at"] = now
        self._events.tell("invoice.paid", invoice)
        self._events.tell("invoice.payment_succeeded", invoice)

    def wait(self, invoice: Json) -> None:
        """Let the payment be pending (delayed payment method)."""
        for payment in self._store.all("invoice_payment", invoice=invoice["id"]):
            self._payments.wait(self._intent(payment), self._who(invoice))

    def fail(self, invoice: Json, *, final: bool = False, action_required: bool = False) -> None:
        """Let the payment fail; it is retried unless this was the last attempt."""
        for payment in self._store.all("invoice_payment", invoice=invoice["id"]):
            self._payments.fail(self._intent(payment), self._who(invoice))
        invoice |= {
            "attempted": True,
            "attempt_count": invoice["attempt_count"] + 1,
            "next_payment_attempt": None if final else self._store.now() + RETRY_S,
        }
        if action_required:
            self._events.tell("invoice.payment_action_required", invoice)
        self._events.tell("invoice.payment_failed", invoice)

    def _line(self, invoice: Json, subscription: Json, line: Line) -> Json:
        made = objects.invoice_line(
            self._store.new_id("line_item"),
            line.item,
            invoice=invoice["id"],
            text=line.text,
            amount=line.amount,
            start=line.start,
            proration=line.proration,
        )
        made["metadata"] = dict(subscription["metadata"])
        return made

    def _intent(self, payment: Json) -> Json:
        return self._store.get("payment_intent", payment["payment"]["payment_intent"])

    def _who(self, invoice: Json) -> Json:
        return {"email": invoice["customer_email"], "name": invoice["customer_name"]}

    def _payments_of(self, invoice_id: str) -> Json:
        found = self._store.all("invoice_payment", invoice=invoice_id)
        url = f"/v1/invoice_payments?invoice={invoice_id}"
        return {"object": "list", "data": found, "has_more": False, "url": url}
