"""What dealing with Stripe needs, in one frozen object; and the exception for what only the operator can decide."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.accounts import Accounts
    from enhancer.adapters.dynamodb.books import Books
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.adapters.dynamodb.stripe_links import StripeLinks
    from enhancer.adapters.stripe.gateway import Payments
    from enhancer.domain.stripe_prices import Prices

Reason = Literal[
    "livemode", "unknown_price", "unknown_pack", "unknown_customer", "unknown_payment", "amount_mismatch",
    "other_owner", "account_gone", "object_gone", "malformed", "two_subscriptions", "money_given_back",
]  # fmt: skip


class Parked(Exception):
    """What Stripe says cannot be right, such as an unknown price; nothing was changed, and the operator must look.

    ``about`` is the id of the Stripe object.
    """

    def __init__(self, reason: Reason, about: str) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.about = about


@dataclass(frozen=True, slots=True)
class BillingDeps:
    """What dealing with Stripe needs.

    ``live``: whether real money moves here. ``promotion_codes``: whether buyers may use them. ``now`` is the time in
    epoch ms, ``new_id`` an id that sorts by time, given its prefix. ``park`` hands what cannot be right to the
    operator, with the type of event or call it came up in.
    """

    payments: Payments
    links: StripeLinks
    accounts: Accounts
    ledger: Ledger
    books: Books
    prices: Prices
    live: bool
    promotion_codes: bool
    now: Callable[[], int]
    new_id: Callable[[str], str]
    park: Callable[[Parked, str], None]
