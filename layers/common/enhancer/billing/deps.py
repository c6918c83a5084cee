"""What dealing with Stripe needs, in one frozen object; and what cannot be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.accounts import Accounts
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.adapters.dynamodb.stripe_links import StripeLinks
    from enhancer.adapters.stripe.gateway import Payments
    from enhancer.domain.stripe_prices import Prices


Reason = Literal[
    "livemode", "unknown_price", "unknown_pack", "unknown_customer", "unknown_payment", "amount_mismatch",
    "other_owner", "account_gone", "object_gone", "malformed", "two_subscriptions",
]  # fmt: skip


class Parked(Exception):
    """This cannot be right, and nothing was changed: ``reason``, and the id of what it is about."""

    def __init__(self, reason: Reason, about: str) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.about = about


@dataclass(frozen=True, slots=True)
class BillingDeps:
    """What dealing with the cashier needs. ``park`` tells the operator; ``live``: whether real money moves here."""

    payments: Payments
    links: StripeLinks
    accounts: Accounts
    ledger: Ledger
    prices: Prices
    live: bool
    now: Callable[[], int]
    new_id: Callable[[str], str]
    park: Callable[[Parked, str], None]
