"""A scripted Stripe in memory: answers like `adapters.stripe.gateway.Payments`, lets everything happen to a payment.

Every happening appends the events that Stripe would send to `events_told`. Nothing is delivered by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from enhancer.adapters.stripe.parse import OPEN_DISPUTES, OVER, TAKES_NOTHING
from enhancer.domain.credits import CURRENCY
from enhancer.domain.errors import IdempotencyMismatch, StripeError
from enhancer.domain.payments import (
    Charge,
    Checkout,
    CheckoutOrder,
    Event,
    Invoice,
    Line,
    NoSuchPayment,
    Snapshot,
)
from enhancer.domain.stripe_prices import Prices

PRICES = Prices(
    credits={f"{size}": f"price_pack_{size}" for size in (100, 500, 1000, 1500)},
    monthly={plan: f"price_{plan}_monthly" for plan in ("pro", "premium", "team", "enterprise")},
    annual={plan: f"price_{plan}_annual" for plan in ("pro", "premium", "team", "enterprise")},
)
CENTS = {"100": 1000, "500": 4000, "1000": 7000, "1500": 9500}
DOLLARS = {"pro": 12, "premium": 28, "team": 49, "enterprise": 99}
PRORATIONS = ("create_prorations", "none", "always_invoice")
"""What a change of plan does about the period that has begun (docs.stripe.com/billing/subscriptions/prorations)."""
KEPT_MS = 86_400_000
"""How long an answer is repeated under its idempotency key, an error too."""


@dataclass
class Dispute:
    """A dispute about a charge."""

    id: str
    charge: str
    amount: int
    status: str = "needs_response"


@dataclass
class Cashier:
    """A scripted Stripe.

    ``now``: epoch ms. ``problem``: raised by every call while it is set. ``calls``: the names of the calls made.

    ``meanwhile``: happens once, between the next question and its answer: the answer is as old as the question.
    """

    now: Callable[[], int]
    live: bool = False
    problem: StripeError | None = None
    meanwhile: Callable[[], object] | None = None
    calls: list[str] = field(default_factory=list)
    events_told: list[Event] = field(default_factory=list)
    sessions: dict[str, Checkout] = field(default_factory=dict)
    subscribed: dict[str, Snapshot] = field(default_factory=dict)
    invoices_made: dict[str, Invoice] = field(default_factory=dict)
    charges: dict[str, Charge] = field(default_factory=dict)
    paid_by: dict[str, str] = field(default_factory=dict)
    pending: dict[str, list[Line]] = field(default_factory=dict)
    scheduled: dict[str, str] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    refunds: dict[str, int] = field(default_factory=dict)
    kept: dict[str, tuple[Any, str | StripeError]] = field(default_factory=dict)
    kept_at: dict[str, int] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)
    prices_of: dict[str, str] = field(default_factory=dict)
    orders: dict[str, CheckoutOrder] = field(default_factory=dict)
    discounts: dict[str, int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    # ------------------------------------------------------------------------------ what is asked

    def is_live(self) -> bool:
        """Whether real money moves."""
        return self.live

    def create_customer(self, *, owner_id: str, email: str, idempotency_key: str) -> str:
        """A customer; the same under the same key."""
        made = self._once("create_customer", idempotency_key, (owner_id, email), lambda: self._id("cus"))
        self.customers[made] = owner_id
        return made

    def open(self, order: CheckoutOrder, *, idempotency_key: str) -> Checkout:
        """A checkout session; the same under the same key."""
        if order.customer not in self.customers:
            self._ask("open")
            raise NoSuchPayment(order.customer)
        return self.sessions[self._once("open", idempotency_key, order, lambda: self._opened(order))]

    def checkout(self, session_id: str) -> Checkout:
        """A session as it is."""
        return self._found("checkout", self.sessions, session_id)

    def expire(self, session_id: str) -> None:
        """Nobody pays it any more."""
        if self._found("expire", self.sessions, session_id).status == "open":
            self.sessions[session_id] = replace(self.sessions[session_id], status="expired", url=None)
            self._tell("checkout.session.expired", session_id, self.sessions[session_id].customer)

    def open_checkouts(self, customer: str) -> list[Checkout]:
        """What could still be paid, newest first."""
        self._ask("open_checkouts")
        newest_first = reversed(self.sessions.values())
        return [one for one in newest_first if (one.customer, one.status) == (customer, "open")]

    def checkout_of(self, payment_intent: str) -> Checkout | None:
        """The session of a payment."""
        self._ask("checkout_of")
        found = [one for one in self.sessions.values() if one.payment_intent == payment_intent]
        return found[0] if found else None

    def completed_checkouts(self, *, since_ms: int) -> Iterator[Checkout]:
        """What was completed."""
        self._ask("completed_checkouts")
        complete = [one for one in self.sessions.values() if one.status == "complete"]
        return iter([one for one in complete if one.created >= since_ms])

    def snapshot(self, subscription_id: str) -> Snapshot:
        """A subscription as it is."""
        return self._found("snapshot", self.subscribed, subscription_id)

    def subscriptions(self, *, customer: str | None = None) -> Iterator[Snapshot]:
        """All of them, or a customer's."""
        self._ask("subscriptions")
        return iter([one for one in self.subscribed.values() if customer in (None, one.customer)][::-1])

    def cancel_at_period_end(self, subscription_id: str) -> Snapshot:
        """It ends with its period; what was scheduled is dropped."""
        found = self._found("cancel_at_period_end", self.subscribed, subscription_id)
        self.scheduled.pop(found.id, None)
        if found.status not in OVER:
            self._change(found.id, cancel_at=found.period_end)
        return self.subscribed[found.id]

    def cancel_now(self, subscription_id: str) -> None:
        """It ends."""
        self._found("cancel_now", self.subscribed, subscription_id)
        self.end(subscription_id)

    def invoice(self, invoice_id: str) -> Invoice:
        """An invoice as it is."""
        answer = self._invoice(invoice_id) if invoice_id in self.invoices_made else None
        self._found("invoice", self.invoices_made, invoice_id)
        assert answer
        return answer

    def _invoice(self, invoice_id: str) -> Invoice:
        found = self.invoices_made[invoice_id]
        charges = [self._charge(one) for one, paid in self.paid_by.items() if paid == invoice_id]
        return replace(
            found,
            refunded=bool(charges) and all(one.taken_back >= one.amount for one in charges),
            charges=tuple(one.id for one in charges),
            disputes=tuple(name for one in charges for name in one.disputes),
        )

    def invoices(self, subscription_id: str) -> Iterator[Invoice]:
        """The paid ones of a subscription, newest first."""
        self._ask("invoices")
        found = [
            one.id
            for one in self.invoices_made.values()
            if (one.subscription, one.paid) == (subscription_id, True)
        ]
        return iter([self._invoice(one) for one in found[::-1]])

    def give_back(self, charge_id: str) -> bool:
        """What is left of a charge goes back, once."""
        found = self._found("give_back", self.charges, charge_id)
        charge = self._charge(found.id)
        if charge.taken_back >= charge.amount:
            return False
        self.refund(charge_id)
        return True

    def invoice_of(self, payment_intent: str) -> Invoice | None:
        """The invoice of a payment."""
        paid = self.paid_by.get(f"ch_{payment_intent}")
        return self.invoice(paid) if paid in self.invoices_made else None

    def charge(self, charge_id: str) -> Charge:
        """A charge as it is."""
        answer = self._charge(charge_id) if charge_id in self.charges else None
        self._found("charge", self.charges, charge_id)
        assert answer
        return answer

    def charge_of(self, payment_intent: str) -> Charge | None:
        """The charge of a payment."""
        return self._charge(f"ch_{payment_intent}") if f"ch_{payment_intent}" in self.charges else None

    def portal(self, customer: str, *, return_url: str, locale: str = "auto") -> str:
        """Where things are managed."""
        self._ask("portal")
        if customer not in self.customers:
            raise NoSuchPayment(customer)
        return f"https://portal.example/{customer}?{return_url}&{locale}"

    def events(self, *, since_ms: int, types: Sequence[str]) -> Iterator[Event]:
        """What was told."""
        self._ask("events")
        found = [one for one in self.events_told if one.type in types and one.created >= since_ms]
        return iter(found[::-1])

    # ------------------------------------------------------------------------------ what happens

    def pay(self, session_id: str, *, later: bool = False, discount: int = 0) -> Checkout:
        """The customer presses the button: pays, or promises to; ``discount``: cents off by a promotion code."""
        found = self.sessions[session_id]
        assert found.status == "open", found.status
        assert not discount or self.orders[session_id].promotion_codes, "there is no field for a code"
        self.discounts[session_id] = discount
        intent = self._id("pi") if found.mode == "payment" and discount < found.amount else None
        self.sessions[session_id] = replace(
            found, status="complete", paid=not later, payment_intent=intent, url=None
        )
        if found.mode == "subscription":
            self._subscribe(session_id)
        elif intent and not later:
            self._charged(intent, found.amount - discount, found.customer, session_id)
        self._tell("checkout.session.completed", session_id, found.customer)
        return self.sessions[session_id]

    def settle(self, session_id: str) -> None:
        """What was promised arrives."""
        found = self.sessions[session_id] = replace(self.sessions[session_id], paid=True)
        amount = found.amount - self.discounts[session_id]
        self._charged(found.payment_intent or "", amount, found.customer, session_id)
        self._tell("checkout.session.async_payment_succeeded", session_id, found.customer)

    def fail(self, session_id: str) -> None:
        """What was promised never arrives."""
        self._tell("checkout.session.async_payment_failed", session_id, self.sessions[session_id].customer)

    def refund(self, charge_id: str, amount: int | None = None) -> None:
        """Money goes back, all of it unless told."""
        charge = self.charges[charge_id]
        back = self.refunds.get(charge_id, 0)
        self.refunds[charge_id] = min(charge.amount, back + (amount or charge.amount))
        self._tell("charge.refunded", charge_id, charge.customer, payment_intent=charge.payment_intent)

    def fail_refund(self, charge_id: str) -> None:
        """The refund comes back; Stripe tells that of the refund, not of the charge."""
        self.refunds[charge_id] = 0
        self._tell("refund.failed", self._id("re"), None, charge=charge_id)

    def dispute(self, charge_id: str) -> str:
        """The customer's bank takes the money back."""
        charge = self.charges[charge_id]
        found = Dispute(self._id("dp"), charge_id, charge.amount)
        self.disputes[found.id] = found
        self._told_of(found, "created")
        return found.id

    def close_dispute(self, dispute_id: str, status: str) -> None:
        """It is decided: won, lost, prevented, or an inquiry that was closed."""
        self.change_dispute(dispute_id, status, told="closed")

    def change_dispute(self, dispute_id: str, status: str, *, told: str = "updated") -> None:
        """It goes on: an inquiry becomes a dispute, evidence is looked at, an appeal begins."""
        self.disputes[dispute_id].status = status
        self._told_of(self.disputes[dispute_id], told)

    def renew(self, subscription_id: str) -> None:
        """The next period begins and is paid."""
        found = self._next_period(subscription_id)
        self._pay_invoice(found.latest_invoice or "")
        self._change(subscription_id, status="active")

    def fail_renewal(self, subscription_id: str) -> None:
        """The next period begins and is not paid."""
        found = self.subscribed[subscription_id]
        if self.invoices_made[found.latest_invoice or ""].paid:
            found = self._next_period(subscription_id)
        self._tell("invoice.payment_failed", found.latest_invoice or "", found.customer)
        self._change(subscription_id, status="past_due")

    def recover(self, subscription_id: str) -> None:
        """The open invoice is paid after all."""
        found = self.subscribed[subscription_id]
        self._pay_invoice(found.latest_invoice or "")
        self._change(subscription_id, status="active")

    def switch(
        self, subscription_id: str, price: str, proration: str = "create_prorations", *, pays: bool = True
    ) -> None:
        """Another price from now on; another interval begins, and is billed, at once.

        ``proration``: whether the rest of the period is given back and billed anew with the next invoice, not at all,
        or at once. ``pays``: whether an invoice that is due at once can be collected.
        """
        assert proration in PRORATIONS
        self.scheduled.pop(subscription_id, None)
        old = self.subscribed[subscription_id]
        restarts = interval_of(old.price) != interval_of(price)
        end = later(self._moment(), months_of(price)) if restarts else old.period_end
        start = self._moment() if restarts else old.period_start
        new = self.subscribed[old.id] = replace(old, price=price, period_start=start, period_end=end)
        lines = [] if proration == "none" else [self._rest(old, -1)]
        if restarts:
            lines.append(Line(price, cents_of(price), start, end, proration=False))
        elif lines:
            lines.append(self._rest(new, 1))
        if lines and (restarts or proration == "always_invoice"):
            self._invoiced(new, "subscription_update", lines)
            self._collect(old.id, pays=pays)
        elif lines:
            self.pending.setdefault(old.id, []).extend(lines)
        self._change(old.id)

    def schedule(self, subscription_id: str, price: str) -> None:
        """Another price with the next period, as the portal does for a smaller plan; until then nothing changes."""
        self.scheduled[subscription_id] = price
        self._change(subscription_id)

    def resume(self, subscription_id: str) -> None:
        """It goes on after all."""
        self._change(subscription_id, cancel_at=None)

    def end(self, subscription_id: str) -> None:
        """It is over."""
        found = self.subscribed[subscription_id]
        if found.status not in OVER:
            self.subscribed[subscription_id] = replace(found, status="canceled")
            self._tell("customer.subscription.deleted", subscription_id, found.customer)

    def charge_of_invoice(self, invoice_id: str) -> str:
        """The charge that paid it."""
        return next(charge for charge, paid in self.paid_by.items() if paid == invoice_id)

    def told(self, kind: str) -> Event:
        """The last event of a type."""
        return [one for one in self.events_told if one.type == kind][-1]

    # ---------------------------------------------------------------------------------- internals

    def _opened(self, order: CheckoutOrder) -> str:
        is_pack = order.mode == "payment"
        name = order.metadata.get("pack", "")
        session_id = self._id("cs")
        self.sessions[session_id] = Checkout(
            id=session_id,
            mode=order.mode,
            status="open",
            paid=False,
            livemode=self.live,
            amount=CENTS.get(name, 0) if is_pack else cents_of(order.price),
            currency=CURRENCY,
            customer=order.customer,
            payment_intent=None,
            subscription=None,
            metadata={"order": order.id, **order.metadata},
            created=self._moment(),
            url=f"https://checkout.example/{session_id}",
        )
        self.prices_of[session_id], self.orders[session_id] = order.price, order
        return session_id

    def _subscribe(self, session_id: str) -> None:
        session, price = self.sessions[session_id], self.prices_of[session_id]
        end = later(self._moment(), months_of(price))
        found = Snapshot(
            id=self._id("sub"),
            customer=session.customer or "",
            status="active",
            price=price,
            period_start=self._moment(),
            period_end=end,
            cancel_at=None,
            latest_invoice=None,
            livemode=self.live,
            created=self._moment(),
        )
        self.subscribed[found.id] = found
        self.sessions[session_id] = replace(session, subscription=found.id)
        self._invoiced(found, "subscription_create", [self._period(found)])
        self._tell("customer.subscription.created", found.id, found.customer)
        self._pay_invoice(self.subscribed[found.id].latest_invoice or "")

    def _next_period(self, subscription_id: str) -> Snapshot:
        found = self.subscribed[subscription_id]
        price = self.scheduled.pop(found.id, found.price)
        start = found.period_end
        found = replace(found, price=price, period_start=start, period_end=later(start, months_of(price)))
        self.subscribed[found.id] = found
        self._invoiced(found, "subscription_cycle", [*self.pending.pop(found.id, []), self._period(found)])
        self._tell("customer.subscription.updated", found.id, found.customer)
        return self.subscribed[found.id]

    def _period(self, found: Snapshot) -> Line:
        return Line(found.price, cents_of(found.price), found.period_start, found.period_end, proration=False)

    def _rest(self, found: Snapshot, sign: int) -> Line:
        """The rest of the period, as a line of a proration."""
        part = (found.period_end - self._moment()) / (found.period_end - found.period_start)
        amount = sign * round(cents_of(found.price) * max(part, 0))
        return Line(found.price, amount, self._moment(), found.period_end, proration=True)

    def _collect(self, subscription_id: str, *, pays: bool) -> None:
        """An invoice that is due at once is paid, or not; what comes to less than nothing is paid by that."""
        found = self.subscribed[subscription_id]
        invoice = self.invoices_made[found.latest_invoice or ""]
        if pays or sum(line.amount for line in invoice.lines) <= 0:
            self._pay_invoice(invoice.id)
        else:
            self._tell("invoice.payment_failed", invoice.id, found.customer)
            self._change(subscription_id, status="past_due")

    def _invoiced(self, found: Snapshot, reason: str, lines: Sequence[Line]) -> None:
        invoice_id = self._id("in")
        self.invoices_made[invoice_id] = Invoice(
            id=invoice_id,
            customer=found.customer,
            subscription=found.id,
            paid=False,
            refunded=False,
            reason=reason,
            created=self._moment(),
            lines=tuple(lines),
            livemode=self.live,
        )
        self.subscribed[found.id] = replace(found, latest_invoice=invoice_id)

    def _pay_invoice(self, invoice_id: str) -> None:
        found = self.invoices_made[invoice_id]
        self.invoices_made[invoice_id] = replace(found, paid=True, paid_at=self._moment())
        total = sum(line.amount for line in found.lines)
        if total > 0:
            self._charged(self._id("pi"), total, found.customer, invoice_id)
        self._tell("invoice.paid", invoice_id, found.customer)
        self._tell("invoice.payment_succeeded", invoice_id, found.customer)

    def _charged(self, intent: str, amount: int, customer: str | None, what: str) -> None:
        charge_id = f"ch_{intent}"
        self.charges[charge_id] = Charge(charge_id, intent, customer, amount, 0, (), livemode=self.live)
        self.paid_by[charge_id] = what

    def _charge(self, charge_id: str) -> Charge:
        charge = self.charges[charge_id]
        about = [one for one in self.disputes.values() if one.charge == charge_id]
        disputed = sum(one.amount for one in about if one.status not in TAKES_NOTHING)
        return replace(
            charge,
            taken_back=min(charge.amount, self.refunds.get(charge_id, 0) + disputed),
            disputes=tuple(one.id for one in about if one.status in OPEN_DISPUTES),
        )

    def _change(self, subscription_id: str, **fields: Any) -> None:
        found = self.subscribed[subscription_id] = replace(self.subscribed[subscription_id], **fields)
        self._tell("customer.subscription.updated", found.id, found.customer)

    def _told_of(self, dispute: Dispute, what: str) -> None:
        charge = self.charges[dispute.charge]
        more = {"charge": dispute.charge, "payment_intent": charge.payment_intent}
        self._tell(f"charge.dispute.{what}", dispute.id, None, **more)

    def _tell(self, kind: str, about: str, customer: str | None, **more: Any) -> None:
        told = {"id": about, "customer": customer, **more}
        self.events_told.append(Event(self._id("evt"), kind, self._moment(), self.live, told))

    def _ask(self, name: str) -> None:
        self.calls.append(name)
        if self.problem:
            raise self.problem
        if self.meanwhile:
            happens, self.meanwhile = self.meanwhile, None
            happens()

    def _found(self, name: str, where: dict[str, Any], wanted: str) -> Any:
        found = where.get(wanted)
        self._ask(name)
        if found is None:
            raise NoSuchPayment(wanted)
        return found

    def _once(self, name: str, key: str, asked: Any, make: Callable[[], str]) -> str:
        """The first answer under a key, which is repeated for a day, whatever it was."""
        if self._moment() - self.kept_at.get(key, self._moment()) >= KEPT_MS:
            self.kept.pop(key, None)
        try:
            self._ask(name)
        except StripeError as problem:
            if key not in self.kept and getattr(problem, "answered", False):
                self.kept[key], self.kept_at[key] = (asked, problem), self._moment()
            raise
        if key not in self.kept:
            self.kept[key], self.kept_at[key] = (asked, make()), self._moment()
        before, answer = self.kept[key]
        if before != asked:
            raise IdempotencyMismatch(header="Idempotency-Key")
        if isinstance(answer, StripeError):
            raise answer
        return answer

    def _moment(self) -> int:
        """The time as Stripe tells it: whole seconds."""
        return self.now() // 1000 * 1000

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{next(self.numbers)}"


def interval_of(price: str) -> str:
    """Monthly or annual, as its id says."""
    return price.rpartition("_")[2]


def months_of(price: str) -> int:
    """How long a period of a price is."""
    return 12 if interval_of(price) == "annual" else 1


def cents_of(price: str) -> int:
    """What a period of a plan's price costs; one that we do not sell is free."""
    month = DOLLARS.get(price.split("_")[1], 0) * 100
    return month * 10 if interval_of(price) == "annual" else month


def later(moment: int, months: int) -> int:
    """The same time so many months later, or the last day of a shorter month."""
    at = datetime.fromtimestamp(moment / 1000, UTC)
    years, month = divmod(at.month - 1 + months, 12)
    for day in range(at.day, 0, -1):
        try:
            return round(at.replace(year=at.year + years, month=month + 1, day=day).timestamp() * 1000)
        except ValueError:
            continue
    raise AssertionError
