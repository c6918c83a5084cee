"""What Stripe has of an account that is deleted: nothing can be paid any more, and what is paid late goes back.

Each step looks at Stripe first and may be repeated, by a retry, by a second event at the same time, and after a crash.
Money goes back before a subscription ends, so that one that still runs says that the work is not finished.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from enhancer.billing.deps import BillingDeps, Parked
from enhancer.domain.errors import StripeNotConfigured
from enhancer.domain.payments import NoSuchPayment
from enhancer.domain.periods import DAY_MS
from enhancer.domain.subscriptions import OPEN

if TYPE_CHECKING:
    from enhancer.adapters.stripe.gateway import Payments
    from enhancer.domain.accounts import Account
    from enhancer.domain.owners import Owner
    from enhancer.domain.payments import Checkout, Snapshot

LATE_MS = 30 * DAY_MS
"""How long after the deletion a payment that was under way is looked for without an event; a bank debit takes days."""
CONTEXT = "account deletion"
"""What the operator's letter says about where it came from."""


def end_payments(account: Account, *, payments: Payments) -> None:
    """Expire the account's open checkouts and end its subscriptions at once, also those that no event told of yet.

    Raises `StripeError` while that cannot be done. Who never became a customer at Stripe is not looked up there.
    """
    running = [one.id for one in account.subscriptions if one.is_open]
    try:
        if account.customer:
            with suppress(NoSuchPayment):  # the customer was deleted at Stripe
                for checkout in payments.open_checkouts(account.customer):
                    payments.expire(checkout.id)
                found = payments.subscriptions(customer=account.customer)
                running += [one.id for one in found if one.status in OPEN]
        for subscription in dict.fromkeys(running):
            with suppress(NoSuchPayment):
                payments.cancel_now(subscription)
    except StripeNotConfigured:
        if running:
            raise  # else there is nothing here that Stripe could charge for


def return_pack(checkout: Checkout, *, deps: BillingDeps) -> None:
    """Give a pack's money back that was paid for a deleted account, and tell the operator."""
    charge = deps.payments.charge_of(checkout.payment_intent) if checkout.payment_intent else None
    if charge and deps.payments.give_back(charge.id):
        deps.park(Parked("account_gone", checkout.id), CONTEXT)


def return_subscription(
    owner: Owner, snapshot: Snapshot, *, deps: BillingDeps, invoice_id: str | None = None
) -> bool:
    """End a subscription of a deleted account and give back what was paid for it; return whether anything was done.

    One that still runs was paid after the deletion, so all of it goes back; of one that ended with the account only
    what arrived later. ``invoice_id``: one to look at, else the latest.
    """
    gone_at, is_open = deps.links.deleted_at(owner), snapshot.status in OPEN
    if is_open:
        invoices = list(deps.payments.invoices(snapshot.id))
    else:
        is_recent = deps.now() < gone_at + LATE_MS
        wanted = invoice_id or (snapshot.latest_invoice if is_recent else None)
        found = [deps.payments.invoice(wanted)] if wanted else []
        # Stripe counts in seconds
        invoices = [one for one in found if one.paid_at is not None and one.paid_at >= gone_at // 1000 * 1000]
    returned = [deps.payments.give_back(charge) for invoice in invoices for charge in invoice.charges]
    if is_open:
        deps.payments.cancel_now(snapshot.id)
    if is_open or any(returned):
        deps.park(Parked("account_gone", snapshot.id), CONTEXT)
        return True
    return False
