"""Applies Stripe events exactly once, in any order.

An event only says where to look: the object is read again at Stripe, and what follows from it is written in one
transaction with the event's once-key. A writer reads the version of what it will change *before* it asks Stripe, and
its write fails if somebody else wrote since; so a stale read can never overwrite a newer one, whatever order events
arrive in.

What cannot be right (an unknown price, another amount, a stranger) changes nothing and is parked for the operator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from enhancer.billing import deletion
from enhancer.billing.deps import BillingDeps, Parked
from enhancer.domain.credits import CURRENCY, PACKS, Pack, to_take_back
from enhancer.domain.errors import CheckoutUnderWay, InternalError, NotFound
from enhancer.domain.ledger import AlreadyApplied, Movement, StaleVersion
from enhancer.domain.payments import NoSuchPayment
from enhancer.domain.subscriptions import Paid, Subscription, among, seen, with_paid
from enhancer.telemetry import count

if TYPE_CHECKING:
    from enhancer.domain.accounts import Account
    from enhancer.domain.owners import Owner
    from enhancer.domain.payments import Checkout, Event, Invoice, Snapshot

STRIPE_ACTOR = "stripe"
"""The actor of ledger entries that follow from a payment."""
TRIES = 8
"""Attempts on a version conflict; after that `InternalError` is raised, and Stripe sends the event again."""
SESSIONS = ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
INVOICES = ("paid", "payment_succeeded", "payment_failed")
MONEY_BACK = (
    "charge.refunded", "refund.failed", "charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed",
    "charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated",
)  # fmt: skip

Outcome = Literal["applied", "nothing", "repeated", "ignored", "parked"]


def apply_event(event: Event, *, deps: BillingDeps) -> Outcome:
    """Apply an event and say what came of it. Whatever it raises means that Stripe must send it again.

    Passing conditions (the object is locked at Stripe, the account is just being deleted) become `InternalError`, so
    that Stripe sends the event again.
    """
    try:
        return _apply(event, deps)
    except AlreadyApplied:
        return "repeated"
    except (CheckoutUnderWay, NotFound) as passing:
        raise InternalError from passing
    except NoSuchPayment:
        deps.park(Parked("object_gone", _text(event, "id") or event.id), event.type)
    except Parked as parked:
        deps.park(parked, event.type)
    return "parked"


def grant_pack(checkout: Checkout, *, deps: BillingDeps, event: str | None = None) -> bool:
    """Grant the credits of a paid pack, once; return whether they came now. Raises `Parked`, `AlreadyApplied`.

    What was paid after the account was deleted goes back.
    """
    pack = _pack_of(checkout, deps)
    owner = _owner_of(checkout.customer, checkout.id, deps)
    if checkout.metadata.get("owner") != owner.id:
        raise Parked("other_owner", checkout.id)
    if checkout.status != "complete" or not checkout.paid:
        return False
    if deps.accounts.get(owner) is None:
        if not deps.ledger.came_from(owner, source_of(checkout)):  # else granted while the account was there
            deletion.return_pack(checkout, deps=deps)
        return False
    movement = Movement(deps.new_id("ent"), deps.now(), f"pack_{pack.credits}", STRIPE_ACTOR, ref=checkout.id)
    return deps.ledger.arrive(
        owner,
        pack.tenths,
        kind="purchase",
        source=source_of(checkout),
        movement=movement,
        bought_at=checkout.created,
        paid=(checkout.amount if checkout.net_amount is None else checkout.net_amount, checkout.currency),
        event=event,
    )


def sync_subscription(
    customer: str | None,
    subscription_id: str,
    *,
    deps: BillingDeps,
    invoice_id: str | None = None,
    dispute: str | None = None,
    event: str | None = None,
) -> bool:
    """Bring a subscription up to date with Stripe; return whether anything was new.

    Raises `Parked`, `AlreadyApplied`, `InternalError`.

    ``invoice_id``: one to look at again; ``dispute``: id of a dispute about one of its payments, which was opened or
    decided.
    """
    owner = _owner_of(customer, subscription_id, deps)
    for _ in range(TRIES):
        account, snapshot = deps.accounts.get(owner), deps.payments.snapshot(subscription_id)
        if snapshot.customer != customer:
            raise Parked("unknown_customer", subscription_id)
        if account is None:
            return deletion.return_subscription(owner, snapshot, deps=deps, invoice_id=invoice_id)
        changed, taken_back = _changed(account, snapshot, invoice_id, deps)
        found = among(account.subscriptions, changed)
        if found == account.subscriptions and dispute is None:
            deps.links.mark_applied(account.owner, event, now=deps.now())
            return False
        try:
            deps.links.save(
                account.owner,
                found,
                seen=account.billing_version,
                now=deps.now(),
                dispute=(dispute, dispute in taken_back) if dispute else None,
                event=event,
            )
        except StaleVersion:
            continue
        if found != account.subscriptions:
            count("SubscriptionChanges")
        _park_if_two(found, deps)
        return True
    raise InternalError  # others kept changing it: Stripe sends the event again


def source_of(checkout: Checkout) -> str:
    """Return the once-key's source of the credits that a checkout pays for."""
    return f"checkout#{checkout.id}"


# -------------------------------------------------------------------------------------------- events


def _apply(event: Event, deps: BillingDeps) -> Outcome:
    """Route an event by its type to what it changes: a pack, a subscription, money given back."""
    if event.livemode != deps.live:
        raise Parked("livemode", event.id)
    kind, _, what = event.type.rpartition(".")
    customer = _text(event, "customer")
    owner = deps.links.owner_of(customer)
    if owner and deps.links.was_applied(owner, event.id):
        return "repeated"
    done = False
    if kind == "checkout.session" and what in SESSIONS:
        done = _checkout(_name(event, "id"), deps, event.id)
    elif kind == "customer.subscription" and what in ("created", "updated", "deleted"):
        done = sync_subscription(customer, _name(event, "id"), deps=deps, event=event.id)
    elif kind == "invoice" and what in INVOICES:
        done = _invoice(_name(event, "id"), deps, event.id)
    elif event.type in MONEY_BACK:
        done = _money_back(event, deps)
    else:
        return "ignored"
    return "applied" if done else "nothing"


def _checkout(session_id: str, deps: BillingDeps, event: str) -> bool:
    """A checkout session changed: grant its pack, or bring its subscription up to date."""
    checkout = deps.payments.checkout(session_id)
    if checkout.livemode != deps.live:
        raise Parked("livemode", checkout.id)
    if checkout.mode == "payment":
        return grant_pack(checkout, deps=deps, event=event)
    if checkout.subscription is None:
        return False
    return sync_subscription(checkout.customer, checkout.subscription, deps=deps, event=event)


def _invoice(invoice_id: str, deps: BillingDeps, event: str) -> bool:
    """An invoice was paid or could not be: bring its subscription up to date."""
    invoice = deps.payments.invoice(invoice_id)
    if invoice.subscription is None:
        return False
    return sync_subscription(
        invoice.customer, invoice.subscription, deps=deps, invoice_id=invoice.id, event=event
    )


def _money_back(event: Event, deps: BillingDeps) -> bool:
    """A charge was refunded or disputed: take back the credits, or the paid period, that it bought.

    Of a refund that failed Stripe sends only the refund's event; the charge says what is still taken back.
    """
    is_dispute = event.type.startswith("charge.dispute.")
    charge_id = _name(event, "id" if event.type == "charge.refunded" else "charge")
    dispute = _name(event, "id") if is_dispute else None
    charge = deps.payments.charge(charge_id)
    if charge.livemode != deps.live:
        raise Parked("livemode", charge.id)
    owner = deps.links.owner_of(charge.customer)
    if owner and event.type == "refund.failed" and deps.accounts.get(owner) is None:
        raise Parked("account_gone", charge_id)  # nobody is left to take it; another try would fail, too
    paid_by = charge.payment_intent
    checkout = deps.payments.checkout_of(paid_by) if paid_by else None
    if checkout and checkout.mode == "payment":
        return _take_back(checkout, charge_id, dispute, deps, event.id)
    invoice = deps.payments.invoice_of(paid_by) if paid_by else None
    if invoice is None or invoice.subscription is None:
        raise Parked("unknown_payment", charge_id)
    return sync_subscription(
        invoice.customer,
        invoice.subscription,
        deps=deps,
        invoice_id=invoice.id,
        dispute=dispute,
        event=event.id,
    )


def _take_back(
    checkout: Checkout, charge_id: str, dispute: str | None, deps: BillingDeps, event: str
) -> bool:
    """Take back the share of a pack's credits whose price was refunded or is disputed.

    Restore them when the refund failed or the dispute was won. Returns whether anything changed.
    """
    grant_pack(checkout, deps=deps)  # the event of its payment may still be on the way
    owner = _owner_of(checkout.customer, checkout.id, deps)
    for _ in range(TRIES):
        seen_lot = deps.ledger.lot(owner, source_of(checkout))
        if seen_lot is None:
            deps.links.mark_applied(owner, event, now=deps.now())
            return False
        charge = deps.payments.charge(charge_id)
        owed = to_take_back(seen_lot.lot.credits, amount=charge.amount, taken_back=charge.taken_back)
        try:
            deps.ledger.take_back(
                owner,
                seen_lot,
                owed_back=owed,
                movement=Movement(
                    deps.new_id("ent"),
                    deps.now(),
                    _why(owed - seen_lot.lot.owed_back, dispute),
                    STRIPE_ACTOR,
                    ref=checkout.id,
                ),
                dispute=(dispute, dispute in charge.disputes) if dispute else None,
                event=event,
            )
        except StaleVersion:
            continue
        return owed != seen_lot.lot.owed_back
    raise InternalError


def _why(more: int, dispute: str | None) -> str:
    """Return the reason of the ledger entry: ``more`` credits (tenths) are taken back, fewer where negative."""
    if more >= 0:
        return "dispute" if dispute else "refund"
    return "dispute_won" if dispute else "refund_failed"


# ---------------------------------------------------------------------------------------- what it means


def _pack_of(checkout: Checkout, deps: BillingDeps) -> Pack:
    """Return what was bought; raise `Parked` where it or its amount is not what we sell."""
    if checkout.livemode != deps.live:
        raise Parked("livemode", checkout.id)
    name = checkout.metadata.get("pack", "")
    pack = PACKS.get(int(name)) if name.isascii() and name.isdigit() and len(name) < 9 else None
    if pack is None:
        raise Parked("unknown_pack", checkout.id)
    if (checkout.amount, checkout.currency) != (pack.cents, CURRENCY):
        raise Parked("amount_mismatch", checkout.id)
    return pack


def _owner_of(customer: str | None, about: str, deps: BillingDeps) -> Owner:
    """Return our owner of a Stripe customer; raise `Parked` if it is unknown."""
    owner = deps.links.owner_of(customer)
    if owner is None:
        raise Parked("unknown_customer", about)
    return owner


def _changed(
    account: Account, snapshot: Snapshot, invoice_id: str | None, deps: BillingDeps
) -> tuple[Subscription, set[str]]:
    """Return the subscription as it is now with all it paid for, and the open disputes of the invoice asked about.

    For a price that is in no price table only the subscription's status counts; the plan stays as it is.
    """
    if snapshot.livemode != deps.live:
        raise Parked("livemode", snapshot.id)
    known = next((one for one in account.subscriptions if one.id == snapshot.id), None)
    sold = deps.prices.plan_of(snapshot.price)
    if sold is None:
        if known is None:
            raise Parked("unknown_price", snapshot.id)
        deps.park(Parked("unknown_price", snapshot.id), snapshot.price)
        sold = known.plan, known.interval
    changed = seen(known, snapshot, *sold)
    disputes: set[str] = set()
    looked_at = {one.invoice for one in changed.paid}
    for wanted in dict.fromkeys([invoice_id, snapshot.latest_invoice]):
        if wanted and (wanted == invoice_id or wanted not in looked_at):
            invoice = deps.payments.invoice(wanted)
            paid = list(_paid_by(invoice, deps))
            changed = with_paid(changed, invoice.id, paid)
            if invoice.total < 0 and any(one.given_back for one in paid) and wanted not in looked_at:
                deps.park(Parked("money_given_back", invoice.id), snapshot.price)
            disputes |= set(invoice.disputes)
    return changed, disputes


def _paid_by(invoice: Invoice, deps: BillingDeps) -> Iterable[Paid]:
    """Return the periods that an invoice paid for, and those whose money it gives back."""
    if not invoice.paid:
        return []
    found = []
    for line in invoice.lines:
        sold = deps.prices.plan_of(line.price) if line.price else None
        if sold:
            paid = Paid(invoice.id, sold[0], line.start, line.end, refunded=invoice.refunded)
            found.append(replace(paid, given_back=line.amount < 0))
        elif line.price and line.amount >= 0:
            deps.park(Parked("unknown_price", invoice.id), line.price)
    return found


def _park_if_two(subscriptions: Iterable[Subscription], deps: BillingDeps) -> None:
    """Park two subscriptions that are paid at once: this must be resolved by the operator."""
    running = [one for one in subscriptions if one.is_open and one.paid]
    if len(running) > 1:
        deps.park(Parked("two_subscriptions", running[-1].id), running[0].id)


def _text(event: Event, field: str) -> str | None:
    value = event.object.get(field)
    return value if isinstance(value, str) else None


def _name(event: Event, field: str) -> str:
    value = _text(event, field)
    if not value:
        raise Parked("malformed", event.id)
    return value
