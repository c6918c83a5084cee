"""Payments of the Stripe stand-in: payment intents, charges, refunds and disputes."""

from __future__ import annotations

from local.standins import stripe_objects as objects
from local.standins.control import Json
from local.standins.stripe_balance import Balance
from local.standins.stripe_events import Events
from local.standins.stripe_http import Refused, integer, merged
from local.standins.stripe_store import Store

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
INQUIRIES = ("warning_needs_response", "warning_under_review", "warning_closed")
UNDECIDED = ("needs_response", "under_review", "appeal_needs_response", "appeal_under_review", *INQUIRIES[:2])
ENDS = ("won", "lost", "prevented", "warning_closed")


class Payments:
    """The payments of the account."""

    def __init__(self, store: Store, events: Events) -> None:
        self._store = store
        self._events = events
        self._balance = Balance(store)
        store.hidden["charge", "refunds"] = self._refunds

    def begin(
        self, *, amount: int, currency: str, customer: str | None, metadata: Json, description: str | None
    ) -> Json:
        """Create a payment intent."""
        store = self._store
        return store.add(
            objects.intent(
                store.new_id("payment_intent"),
                store.now(),
                amount=amount,
                currency=currency,
                customer=customer,
                metadata=metadata,
                description=description,
                payment_method=store.new_id("payment_method"),
            )
        )

    def succeed(self, intent: Json, who: Json | None = None) -> Json:
        """Let a payment succeed: make its charge, or settle the pending one."""
        charge = self._record_charge(intent, "succeeded", who)
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge["id"],
            "last_payment_error": None,
        }
        self._balance.paid(charge)
        self._events.tell("charge.succeeded", charge)
        self._events.tell("payment_intent.succeeded", intent)
        return charge

    def wait(self, intent: Json, who: Json | None = None) -> None:
        """Let a payment be pending (delayed payment method)."""
        intent |= {
            "status": "processing",
            "latest_charge": self._record_charge(intent, "pending", who)["id"],
        }

    def fail(self, intent: Json, who: Json | None = None) -> None:
        """Let a payment fail."""
        charge = self._record_charge(intent, "failed", who)
        problem = {
            "charge": charge["id"],
            "code": "card_declined",
            "decline_code": "generic_decline",
            "message": objects.DECLINED,
            "type": "card_error",
        }
        intent |= {
            "status": "requires_payment_method",
            "latest_charge": charge["id"],
            "last_payment_error": problem,
        }
        self._events.tell("charge.failed", charge)
        self._events.tell("payment_intent.payment_failed", intent)

    def refund(self, form: Json) -> Json:
        """Refund a payment or a part of it."""
        charge = self._charge_named(form)
        if not charge["paid"]:
            raise Refused(f"Charge {charge['id']} has not been paid.", param="charge")
        left = charge["amount"] - charge["amount_refunded"]
        if charge["refunded"]:
            raise Refused(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
        if charge["_open_dispute"] if "_open_dispute" in charge else charge["disputed"]:
            raise Refused(f"Charge {charge['id']} has been charged back.", code="charge_disputed")
        amount = integer(form, "amount", least=1) or left
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise Refused(message, param="amount")
        if form.get("reason") not in (None, *REASONS):
            raise Refused(f"Invalid reason: must be one of {', '.join(REASONS)}", param="reason")
        refund = self._store.add(
            objects.refund(
                self._store.new_id("refund"),
                self._store.now(),
                of=charge,
                amount=amount,
                reason=form.get("reason"),
                metadata=merged({}, form.get("metadata")),
            )
        )
        refunded = charge["amount_refunded"] + amount
        charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount"]}
        self._balance.refunded(refund)
        self._events.tell("refund.created", refund)
        self._events.tell("charge.refunded", charge)
        return refund

    def fail_refund(self, refund: Json) -> Json:
        """Let a refund fail because the customer's bank refused it."""
        if refund["status"] != "succeeded":
            raise Refused(f"Refund {refund['id']} is {refund['status']}.")
        charge = self._store.get("charge", refund["charge"])
        charge |= {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False}
        refund |= {"failure_reason": "lost_or_stolen_card"}
        self._balance.refund_failed(refund)
        self._events.update("refund.updated", refund, {"status": "failed"})
        self._events.tell("refund.failed", refund)
        return refund

    def dispute(self, form: Json) -> Json:
        """Open a dispute (chargeback), or an inquiry, which takes no money."""
        charge, status = self._charge_named(form), form.get("status", "needs_response")
        if charge["disputed"]:
            raise Refused(f"Charge {charge['id']} is disputed already.")
        if status not in UNDECIDED:
            raise Refused(f"status is one of {', '.join(UNDECIDED)}")
        amount = integer(form, "amount", least=1) or charge["amount"]
        dispute = self._store.add(
            objects.dispute(
                self._store.new_id("dispute"),
                self._store.now(),
                of=charge,
                amount=amount,
                reason=form.get("reason", "fraudulent"),
                status=status,
            )
        )
        charge |= {"disputed": True, "_open_dispute": status not in INQUIRIES}
        if status not in INQUIRIES:
            self._balance.withdrawn(dispute)
        self._events.tell("charge.dispute.created", dispute)
        if status not in INQUIRIES:
            self._events.tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def update_dispute(self, dispute: Json, status: str) -> Json:
        """Let a dispute go on: evidence is looked at, an inquiry becomes a dispute, an appeal begins."""
        if status not in UNDECIDED:
            raise Refused(f"status is one of {', '.join(UNDECIDED)}")
        before = dispute["status"]
        self._store.get("charge", dispute["charge"])["_open_dispute"] = status not in INQUIRIES
        withdrawn = before in (*INQUIRIES, "won") and status not in INQUIRIES
        if withdrawn:
            self._balance.withdrawn(dispute)
        self._events.update("charge.dispute.updated", dispute, {"status": status})
        if withdrawn:
            self._events.tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def close_dispute(self, dispute: Json, status: str) -> Json:
        """Close a dispute."""
        if status not in ENDS:
            raise Refused(f"status is one of {', '.join(ENDS)}")
        if dispute["status"] in ENDS:
            raise Refused(f"Dispute {dispute['id']} is {dispute['status']}.")
        if status == "won" and dispute["status"] not in INQUIRIES:
            self._balance.reinstated(dispute)
        dispute["status"] = status
        charge = self._store.get("charge", dispute["charge"])
        charge["_open_dispute"] = status in ("lost", "prevented")
        self._events.tell("charge.dispute.closed", dispute)
        if status == "won":
            self._events.tell("charge.dispute.funds_reinstated", dispute)
        return dispute

    def _charge_named(self, form: Json) -> Json:
        """Return the charge that a request names."""
        if form.get("charge"):
            return self._store.get("charge", form["charge"], "charge")
        if not form.get("payment_intent"):
            raise Refused("One of the following params should be provided: `payment_intent` or `charge`.")
        intent = self._store.get("payment_intent", form["payment_intent"], "payment_intent")
        if intent["status"] != "succeeded":
            message = "This PaymentIntent does not have a successful charge to refund."
            raise Refused(message, code="payment_intent_unexpected_state")
        return self._store.get("charge", intent["latest_charge"], "payment_intent")

    def _record_charge(self, intent: Json, status: str, who: Json | None) -> Json:
        """Return the pending charge, settled, or a new one."""
        pending = self._store.objects.get(str(intent["latest_charge"]))
        if pending and pending["status"] == "pending":
            made = objects.charge(
                pending["id"], pending["created"], of=intent, status=status, who=pending["billing_details"]
            )
            pending |= made
            return pending
        made = objects.charge(
            self._store.new_id("charge"), self._store.now(), of=intent, status=status, who=who
        )
        return self._store.add(made)

    def _refunds(self, charge: Json) -> Json:
        found = self._store.all("refund", charge=charge["id"])
        url = f"/v1/charges/{charge['id']}/refunds"
        return {"object": "list", "data": found, "has_more": False, "url": url}
