"""Objects of Stripe, reduced to what we use. Times in epoch ms, amounts in the currency's smallest unit (cents).

Source of names and statuses: https://docs.stripe.com/api.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Interval = Literal["monthly", "annual"]
"""How often a subscription is paid."""


class NoSuchPayment(Exception):
    """Stripe has no object with this id."""


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook event of Stripe.

    ``object``: the object it is about as it was then, as plain JSON. It may be outdated, so only ids are taken from it
    and the object itself is read from Stripe again. ``livemode``: real money, not Stripe's test mode.
    """

    id: str
    type: str
    created: int
    livemode: bool
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A Stripe checkout session to be opened.

    ``id``: ours; Stripe's idempotency key, so it is never used for two different orders. ``price``: Stripe's price id.
    ``customer``: Stripe's customer id. ``metadata``: written on the session and on what it creates (a payment intent or
    a subscription). ``promotion_codes``: the customer may type one in.
    """

    id: str
    mode: Literal["payment", "subscription"]
    price: str
    customer: str
    owner_id: str
    success_url: str
    cancel_url: str
    metadata: dict[str, str] = field(default_factory=dict)
    locale: str = "auto"
    promotion_codes: bool = False


@dataclass(frozen=True, slots=True)
class Checkout:
    """A Stripe checkout session.

    ``status``: ``open``, ``complete`` or ``expired``. ``paid``: the payment arrived, or none was needed. ``amount``:
    before discounts and taxes. ``url``: where the customer pays, while it is open. ``net_amount``: after discounts and
    before taxes; None where that is not known.
    """

    id: str
    mode: str
    status: str
    paid: bool
    livemode: bool
    amount: int
    currency: str
    customer: str | None
    payment_intent: str | None
    subscription: str | None
    metadata: dict[str, str]
    created: int
    url: str | None = None
    net_amount: int | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A Stripe subscription as it is now.

    ``status``: Stripe's word, such as ``active`` or ``past_due``. ``price``: Stripe's price id. ``period_start`` and
    ``period_end``: its current period. ``cancel_at``: when it is set to end, whoever asked for that; None when it goes
    on.
    """

    id: str
    customer: str
    status: str
    price: str
    period_start: int
    period_end: int
    cancel_at: int | None
    latest_invoice: str | None
    livemode: bool
    created: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice: a price, for the time from ``start`` to ``end``.

    ``amount``: negative where money is given back. ``proration``: it corrects a period that had begun already.
    """

    price: str
    amount: int
    start: int
    end: int
    proration: bool


@dataclass(frozen=True, slots=True)
class Invoice:
    """A Stripe invoice.

    ``paid``: also when nothing was due. ``refunded``: all that was paid was refunded or is disputed. ``reason``:
    Stripe's ``billing_reason``, such as ``subscription_create``, ``subscription_cycle`` or ``subscription_update``.
    ``paid_at``: None until it is paid. ``charges``: ids of the charges that paid it. ``disputes``: ids of the open
    disputes about them.
    """

    id: str
    customer: str
    subscription: str | None
    paid: bool
    refunded: bool
    reason: str
    created: int
    lines: tuple[Line, ...]
    livemode: bool
    paid_at: int | None = None
    charges: tuple[str, ...] = ()
    disputes: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """What its lines come to, before discounts; less than nothing: it gives back more than it bills."""
        return sum(line.amount for line in self.lines)


@dataclass(frozen=True, slots=True)
class Charge:
    """A Stripe charge: one payment.

    ``taken_back``: what was refunded or is disputed, at most ``amount``; disputes that are open or lost count,
    inquiries do not. ``disputes``: ids of those that are open.
    """

    id: str
    payment_intent: str | None
    customer: str | None
    amount: int
    taken_back: int
    disputes: tuple[str, ...]
    livemode: bool
