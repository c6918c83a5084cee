"""Every request we send to Stripe; answers are objects of `enhancer.domain.payments`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from enhancer.adapters.stripe import parse as read
from enhancer.adapters.stripe.client import RETRIES, TIMEOUT, Api, Call, known
from enhancer.adapters.stripe.parse import Json
from enhancer.domain.errors import StripeUnavailable
from enhancer.domain.payments import Charge, Checkout, CheckoutOrder, Event, Invoice, NoSuchPayment, Snapshot
from enhancer.telemetry import logger

LIVE = ("sk_live_", "rk_live_")
"""Prefixes of keys that move real money (docs.stripe.com/keys)."""
T = TypeVar("T")


class Payments:
    """One account at Stripe.

    Every method raises `StripeNotConfigured` without a key; `StripeUnavailable` if Stripe does not answer, refuses, or
    answers something else; `CheckoutUnderWay` if another request holds the same object or idempotency key; and
    `NoSuchPayment` for an id that Stripe does not know. Iterators request their pages while they are read.

    ``secret_key(True)`` reads the key again after one was refused. ``timeout``: seconds to connect, and to wait for the
    next bytes; ``retries``: how often a call that got no answer, a 409 or a 5xx is repeated under the same key.
    """

    def __init__(
        self,
        secret_key: Callable[[bool], str],
        base_url: str,
        *,
        timeout: tuple[float, float] = TIMEOUT,
        retries: int = RETRIES,
    ) -> None:
        self._api = Api(secret_key, base_url, timeout=timeout, retries=retries)

    def is_live(self) -> bool:
        """Return whether the key is one of live mode, which moves real money."""
        return self._api.key().startswith(LIVE)

    def create_customer(self, *, owner_id: str, email: str, idempotency_key: str) -> str:
        """Return the id of a new customer; raises `IdempotencyMismatch` for another one under the same key."""
        form: Json = {"metadata": {"owner": owner_id}} | ({"email": email} if email else {})
        options = {"idempotency_key": idempotency_key}
        return self._one(lambda client: client.customers.create(form, options), _id)

    def open(self, order: CheckoutOrder, *, idempotency_key: str) -> Checkout:
        """Return a new checkout session, to be paid on a page of Stripe within a day.

        Session and payment intent or subscription carry the order's metadata and, as ``order``, its id. Raises
        `IdempotencyMismatch` for another order under the same key, `NoSuchPayment` where the customer is gone.
        """
        metadata = {"order": order.id} | order.metadata
        data = "payment_intent_data" if order.mode == "payment" else "subscription_data"
        form: Json = {
            "mode": order.mode,
            "line_items": [{"price": order.price, "quantity": 1}],
            "customer": order.customer,
            "client_reference_id": order.owner_id,
            "success_url": order.success_url,
            "cancel_url": order.cancel_url,
            "locale": order.locale,
            "metadata": metadata,
            data: {"metadata": metadata},
        }
        if order.promotion_codes:
            form["allow_promotion_codes"] = True
        options = {"idempotency_key": idempotency_key}
        return self._one(lambda client: client.checkout.sessions.create(form, options), read.checkout)

    def checkout(self, session_id: str) -> Checkout:
        """Return a checkout session as it is now."""
        wanted = known(session_id)
        return self._one(lambda client: client.checkout.sessions.retrieve(wanted), read.checkout)

    def expire(self, session_id: str) -> None:
        """Expire a session, so that it cannot be paid; one that is complete or expired stays as it is."""
        wanted = known(session_id)
        try:
            self._api.request(lambda client: client.checkout.sessions.expire(wanted))
        except StripeUnavailable as refused:
            if not refused.answered or self.checkout(wanted).status == "open":
                raise

    def open_checkouts(self, customer: str) -> list[Checkout]:
        """Return the sessions that a customer could still pay, newest first."""
        form = {"customer": customer, "status": "open"}
        return list(self._each(_sessions, form, read.checkout))

    def checkout_of(self, payment_intent: str) -> Checkout | None:
        """Return the session that a payment belongs to; None for a payment of a subscription or of no session."""
        try:
            return next(self._each(_sessions, {"payment_intent": payment_intent}, read.checkout), None)
        except NoSuchPayment:
            return None

    def completed_checkouts(self, *, since_ms: int) -> Iterator[Checkout]:
        """Yield the completed sessions, paid or not, created since ``since_ms`` (epoch ms), newest first."""
        form = {"status": "complete", "created": {"gte": since_ms // 1000}}
        return self._each(_sessions, form, read.checkout)

    def snapshot(self, subscription_id: str) -> Snapshot:
        """Return a subscription as it is now."""
        wanted = known(subscription_id)
        return self._one(lambda client: client.subscriptions.retrieve(wanted), read.snapshot)

    def subscriptions(self, *, customer: str | None = None) -> Iterator[Snapshot]:
        """Yield all subscriptions, or those of a customer, ended ones too, newest first."""
        form = {"status": "all"} | ({"customer": customer} if customer else {})
        return self._each(lambda client: client.subscriptions.list, form, read.snapshot)

    def cancel_at_period_end(self, subscription_id: str) -> Snapshot:
        """Let a subscription end with its paid period, and return it; one that has ended stays as it is.

        A change that was scheduled, such as a downgrade, is dropped first: Stripe lets nobody cancel beside a schedule.
        """
        wanted, form = known(subscription_id), {"cancel_at_period_end": True}
        self._unschedule(wanted)
        try:
            return self._one(lambda client: client.subscriptions.update(wanted, form), read.snapshot)
        except StripeUnavailable as refused:
            if not refused.answered:
                raise
            found = self.snapshot(wanted)
            if found.status not in read.OVER:
                raise
            return found

    def cancel_now(self, subscription_id: str) -> None:
        """End a subscription at once, without a refund; one that has ended stays as it is."""
        wanted = known(subscription_id)
        self._unschedule(wanted)
        try:
            self._api.request(lambda client: client.subscriptions.cancel(wanted))
        except NoSuchPayment:  # also Stripe's answer for one that has ended
            if self.snapshot(wanted).status not in read.OVER:
                raise

    def _unschedule(self, subscription_id: str) -> None:
        """Release a subscription from the schedule that manages it, if there is one; safe to repeat."""
        schedule = self._one(lambda client: client.subscriptions.retrieve(subscription_id), _schedule)
        if schedule is None:
            return
        try:
            self._api.request(lambda client: client.subscription_schedules.release(schedule))
        except StripeUnavailable as refused:  # it may have been released or have ended by now
            held = self._one(lambda client: client.subscriptions.retrieve(subscription_id), _schedule)
            if not refused.answered or held is not None:
                raise

    def invoices(self, subscription_id: str) -> Iterator[Invoice]:
        """Yield the paid invoices of a subscription, newest first."""
        form = {"subscription": known(subscription_id), "status": "paid", "expand": ["data.payments"]}
        return self._each(lambda client: client.invoices.list, form, self._invoice)

    def give_back(self, charge_id: str) -> bool:
        """Give back what is left of a charge; return False where all of it has gone back or is disputed.

        Safe to repeat, at the same time too: Stripe refuses to give back more than there is.
        """
        before = self.charge(charge_id)
        if before.taken_back >= before.amount:
            return False
        form = {"charge": before.id, "reason": "requested_by_customer"}
        try:
            self._api.request(lambda client: client.refunds.create(form))
        except StripeUnavailable as refused:
            after = self.charge(charge_id)
            if not refused.answered or after.taken_back < after.amount:
                raise
            return False
        return True

    def invoice(self, invoice_id: str) -> Invoice:
        """Return an invoice with all its lines; sends up to two more requests for each of its payments."""
        wanted, form = known(invoice_id), {"expand": ["payments"]}
        return self._one(lambda client: client.invoices.retrieve(wanted, form), self._invoice)

    def invoice_of(self, payment_intent: str) -> Invoice | None:
        """Return the invoice that a payment paid, None if there is none."""
        form = {"payment": {"type": "payment_intent", "payment_intent": payment_intent}}
        try:
            found = next(self._each(lambda client: client.invoice_payments.list, form, _invoice_id), None)
        except NoSuchPayment:
            return None
        return None if found is None else self.invoice(found)

    def charge(self, charge_id: str) -> Charge:
        """Return a charge as it is now, with its disputes."""
        wanted = known(charge_id)
        return self._one(lambda client: client.charges.retrieve(wanted), self._charge)

    def charge_of(self, payment_intent: str) -> Charge | None:
        """Return the successful charge of a payment, None while there is none."""
        wanted, form = known(payment_intent), {"expand": ["latest_charge"]}

        def charged(found: Json) -> Charge | None:
            latest = found["latest_charge"]
            return self._charge(latest) if latest and latest["status"] == "succeeded" else None

        return self._one(lambda client: client.payment_intents.retrieve(wanted, form), charged)

    def portal(self, customer: str, *, return_url: str, locale: str = "auto") -> str:
        """Return the URL of the customer portal, valid for minutes: plan, card and invoices of a customer."""
        form = {"customer": customer, "return_url": return_url, "locale": locale}
        return self._one(lambda client: client.billing_portal.sessions.create(form), _url)

    def events(self, *, since_ms: int, types: Sequence[str]) -> Iterator[Event]:
        """Yield the events of at most 20 types since ``since_ms`` (epoch ms), newest first; Stripe keeps 30 days."""
        form = {"types": list(types), "created": {"gte": since_ms // 1000}}
        return self._each(lambda client: client.events.list, form, read.event)

    def _invoice(self, found: Json) -> Invoice:
        lines = found["lines"]["data"]
        if found["lines"][
            "has_more"
        ]:  # the line of the subscription is the last one, behind those of changed plans
            wanted = found["id"]
            lines = list(self._api.list_all(lambda client: _lines_of(client, wanted), {}))
        payments = [one["payment"] for one in found["payments"]["data"] if one["amount_paid"]]
        return read.invoice(found, lines, [self._charge_by(one) for one in payments])

    def _charge_by(self, payment: Json) -> Charge | None:
        """Return the charge of an invoice's payment, None for a payment outside Stripe."""
        if payment["type"] == "payment_intent":
            return self.charge_of(read.id_of(payment["payment_intent"]) or "")
        return self.charge(read.id_of(payment["charge"]) or "") if payment["type"] == "charge" else None

    def _charge(self, found: Json) -> Charge:
        form = {"charge": found["id"]}
        disputes = self._api.list_all(lambda client: client.disputes.list, form) if found["disputed"] else ()
        return read.charge(found, list(disputes))

    def _one(self, call: Call, make: Callable[[Json], T]) -> T:
        return _made(self._api.request(call), make)

    def _each(self, listing: Call, form: Json, make: Callable[[Json], T]) -> Iterator[T]:
        return (_made(found, make) for found in self._api.list_all(listing, form))


def _made(found: Json, make: Callable[[Json], T]) -> T:
    """Return ``make(found)``; raise `StripeUnavailable` for an answer of another shape."""
    try:
        return make(found)
    except (LookupError, TypeError, ValueError, AttributeError) as problem:
        logger.error("stripe answers in another shape", extra={"problem": type(problem).__name__})
        raise StripeUnavailable from None


def _sessions(client: Any) -> Any:
    return client.checkout.sessions.list


def _lines_of(client: Any, invoice_id: str) -> Callable[[Json], Any]:
    return lambda form: client.invoices.line_items.list(invoice_id, form)


def _id(found: Json) -> str:
    return str(found["id"])


def _url(found: Json) -> str:
    return str(found["url"])


def _invoice_id(found: Json) -> str:
    return read.id_of(found["invoice"]) or ""


def _schedule(found: Json) -> str | None:
    return read.id_of(found["schedule"])
