"""Buying credits, subscribing, cancelling, the customer portal, and the return from Stripe."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from enhancer.billing import stripe_events
from enhancer.billing.deps import BillingDeps, Parked
from enhancer.domain.digests import key_hash_of
from enhancer.domain.errors import (
    CheckoutUnderWay,
    IdempotencyMismatch,
    NoSubscription,
    NotFound,
    NothingBought,
    StripeUnavailable,
    SubscriptionExists,
)
from enhancer.domain.paths import safe_path
from enhancer.domain.payments import CheckoutOrder, Interval, NoSuchPayment

if TYPE_CHECKING:
    from enhancer.domain.accounts import Account
    from enhancer.domain.payments import Checkout

PORTAL = "/api/billing/portal"

State = Literal["paid", "pending", "failed"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who buys, in which language, and the path of the page that the browser goes to afterwards."""

    account: Account
    origin: str
    language: str
    return_to: str | None
    idempotency_key: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a checkout is for: one of Stripe's prices, paid once or by subscription.

    ``metadata``: the pack or plan, stored at Stripe.
    """

    mode: Literal["payment", "subscription"]
    price: str
    metadata: dict[str, str]


def buy(visitor: Visitor, size: int, *, deps: BillingDeps) -> str:
    """Return the URL on which a pack of ``size`` credits is paid.

    Raises `PackNotConfigured`, `StripeError`, `IdempotencyMismatch`.
    """
    pack, price = deps.prices.of_pack(size)
    return _opened(visitor, Wanted("payment", price, {"pack": f"{pack.credits}"}), deps)


def subscribe(visitor: Visitor, plan: str, interval: Interval, *, deps: BillingDeps) -> str:
    """Return the URL on which a subscription is paid. Raises `SubscriptionExists`.

    The user's earlier open subscription checkouts are expired.
    """
    price = deps.prices.of_plan(plan, interval)
    open_one = next((one for one in visitor.account.subscriptions if one.is_open), None)
    if open_one:
        raise SubscriptionExists(plan=open_one.plan, portal=PORTAL)
    url = _opened(visitor, Wanted("subscription", price, {"plan": plan, "interval": interval}), deps)
    account = deps.accounts.get(visitor.account.owner) or visitor.account
    sessions = [one for one in deps.payments.open_checkouts(account.customer) if one.mode == "subscription"]
    for older in sessions[1:]:  # newest first, also of those created in the same second
        deps.payments.expire(older.id)
    return url


def cancel(account: Account, *, deps: BillingDeps) -> Account:
    """Let the subscription end with its paid period; return the account as it is then. Raises `NoSubscription`."""
    running = [one for one in account.subscriptions if one.is_open]
    if not running:
        raise NoSubscription
    for one in running:
        if one.cancel_at is None:
            try:
                deps.payments.cancel_at_period_end(one.id)
                stripe_events.sync_subscription(account.customer, one.id, deps=deps)
            except NoSuchPayment:
                raise NoSubscription from None
            except Parked as parked:
                deps.park(parked, "cancel")
    return deps.accounts.get(account.owner) or account


def portal(visitor: Visitor, *, deps: BillingDeps) -> str:
    """Return the URL of Stripe's portal for card, invoices and subscription. Raises `NothingBought`."""
    if not visitor.account.customer:
        raise NothingBought
    path = safe_path(visitor.return_to, home=f"/{visitor.language}/account")
    try:
        return deps.payments.portal(
            visitor.account.customer, return_url=f"{visitor.origin}{path}", locale=visitor.language
        )
    except NoSuchPayment:  # deleted at Stripe, with all that was bought
        raise NothingBought from None


def sync(session_id: str, account: Account, *, home: str, deps: BillingDeps) -> tuple[str, State]:
    """Look a checkout up when the browser comes back; return the path to send it to, and how the payment stands.

    What was paid is granted here if Stripe's webhook has not come yet. A foreign session and a missing one are the same
    `NotFound`. A payment that is parked for the operator looks as if it were still pending.
    """
    try:
        checkout = deps.payments.checkout(session_id)
    except NoSuchPayment:
        raise NotFound from None
    mine = deps.links.owner_of(checkout.customer) == account.owner
    if not mine or checkout.metadata.get("owner") != account.owner.id:
        raise NotFound
    path = safe_path(checkout.metadata.get("returnTo"), home=home)
    return path, _state(checkout, deps)


def _state(checkout: Checkout, deps: BillingDeps) -> State:
    try:
        if checkout.mode == "payment":
            stripe_events.grant_pack(checkout, deps=deps)
        elif checkout.subscription:
            stripe_events.sync_subscription(checkout.customer, checkout.subscription, deps=deps)
    except Parked as parked:
        deps.park(parked, "sync")
        return "pending"
    if checkout.status == "expired":
        return "failed"
    return "paid" if checkout.paid and checkout.status == "complete" else "pending"


def _opened(visitor: Visitor, wanted: Wanted, deps: BillingDeps) -> str:
    """Open a checkout once per idempotency key; return its URL. Stripe's key is derived from the caller's."""
    account, now = visitor.account, deps.now()
    path = safe_path(visitor.return_to, home=f"/{visitor.language}/account")
    key_hash = key_hash_of(visitor.idempotency_key) or _hash(deps.new_id("once"))
    fingerprint = _hash(f"{wanted.mode} {wanted.price} {path}")
    place = deps.links.order(
        account.owner, key_hash, fingerprint=fingerprint, new_id=deps.new_id("ord"), now=now
    )
    if place.url:
        if deps.payments.checkout(place.session).status != "expired":
            return place.url
        deps.links.expire_checkout(account.owner, key_hash, turn=place.turn)
        place = replace(place, turn=place.turn + 1)
    order = CheckoutOrder(
        id=place.id,
        mode=wanted.mode,
        price=wanted.price,
        customer=account.customer or _enrolled(account, deps),
        owner_id=account.owner.id,
        success_url=f"{visitor.origin}/api/billing/sync?session_id={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{visitor.origin}{with_query(path, 'checkout=canceled')}",
        metadata={**wanted.metadata, "owner": account.owner.id, "returnTo": path},
        locale=visitor.language,
        promotion_codes=deps.promotion_codes,
    )
    try:
        checkout = _open(order, f"checkout:{place.id}:{place.turn}", account, deps)
    except StripeUnavailable as refused:
        if refused.answered:
            deps.links.expire_checkout(account.owner, key_hash, turn=place.turn)
        raise
    except IdempotencyMismatch:
        # The same order, told otherwise than before: the language, the customer or the codes changed.
        deps.links.expire_checkout(account.owner, key_hash, turn=place.turn)
        raise CheckoutUnderWay from None
    if not checkout.url:
        raise StripeUnavailable
    if deps.accounts.get(account.owner) is None:  # deleted meanwhile
        deps.payments.expire(checkout.id)
        raise NotFound
    deps.links.opened(account.owner, key_hash, checkout.id, checkout.url)
    return checkout.url


def _open(order: CheckoutOrder, key: str, account: Account, deps: BillingDeps) -> Checkout:
    """Open a checkout; for a new customer where the one we knew was deleted at Stripe."""
    try:
        return deps.payments.open(order, idempotency_key=key)
    except NoSuchPayment:
        customer = _enrolled(account, deps, instead_of=order.customer)
        return deps.payments.open(replace(order, customer=customer), idempotency_key=f"{key}:{customer}")


def with_query(path: str, query: str) -> str:
    """Return a path with ``query`` (``name=value``) added to its query string."""
    place, hash_sign, fragment = path.partition("#")
    return f"{place}{'&' if '?' in place else '?'}{query}{hash_sign}{fragment}"


def _enrolled(account: Account, deps: BillingDeps, *, instead_of: str = "") -> str:
    """Make the account a customer at Stripe and return its id; the same key gives the same one, however often.

    Stripe keeps its answer under the key for a day, an error too: after one the next try has another key.
    """
    turn = deps.links.enrolment_turn(account.owner)
    key = f"customer:{account.owner.id}:{_hash(account.email)[:16]}:{instead_of}:{turn}"
    try:
        customer = deps.payments.create_customer(
            owner_id=account.owner.id, email=account.email, idempotency_key=key
        )
    except StripeUnavailable as refused:
        if refused.answered:
            deps.links.next_enrolment(account.owner, turn=turn)
        raise
    return deps.links.enroll(account.owner, customer, instead_of=instead_of)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
