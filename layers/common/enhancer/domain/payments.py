"""What the cashier (Stripe) says, in our words: times in epoch ms, amounts in the currency's smallest unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Interval = Literal["monthly", "annual"]


class NoSuchPayment(Exception):
    """The cashier knows no object of that id."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened at the cashier. ``object`` is as it was then, as plain JSON; nothing of it is believed."""

    id: str
    type: str
    created: int
    livemode: bool
    object: dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckoutOrder:
    """A checkout to be opened.

    ``id`` is ours and never used twice for different orders; ``metadata`` is written on the session and on what comes
    of it (payment intent or subscription).
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


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout session.

    ``paid``: the money is there, or none was asked for. ``amount`` is before discounts and taxes.
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A subscription as it is at this moment.

    ``cancel_at``: when it ends by itself, however that was asked for. ``unpaid_since``: since when its latest invoice
    waits for money, None when it does not.
    """

    id: str
    customer: str
    status: str
    price: str
    period_start: int
    period_end: int
    cancel_at: int | None
    unpaid_since: int | None
    latest_invoice: str | None
    livemode: bool
    created: int


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice: a price, from when until when. ``amount`` is negative where money is given back."""

    price: str
    amount: int
    start: int
    end: int
    proration: bool


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice. ``paid`` also when nothing was due; ``refunded`` when all that was paid was given back or disputed.

    ``reason``: ``subscription_create``, ``subscription_cycle``, ``subscription_update`` or something else.
    ``disputes``: ids of those that are open about its payments.
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
    disputes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Charge:
    """A payment. ``taken_back``: what was refunded or is disputed (open or lost, inquiries not), at most ``amount``.

    ``disputes``: ids of those that are open.
    """

    id: str
    payment_intent: str | None
    customer: str | None
    amount: int
    taken_back: int
    disputes: tuple[str, ...]
    livemode: bool
