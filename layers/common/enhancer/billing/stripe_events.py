"""What the cashier says, applied exactly once, in whatever order it comes.

An event only says where to look: the object is read again at the cashier, and what follows from it is written in one
transaction with the event's once-key. Whoever writes has read what it changes *before* asking, and writes only if
nobody else did since; so the last writer asked last, and the end is the same for every order of events.

What cannot be right (an unknown price, another amount, a stranger) changes nothing and is parked for the operator.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal

from enhancer.billing.deps import Desk, Parked
from enhancer.domain.credits import CURRENCY, PACKS, Pack, to_take_back
from enhancer.domain.errors import CheckoutUnderWay, InternalError, NotFound
from enhancer.domain.ledger import Heard, Movement, NewsMoved
from enhancer.domain.payments import NoSuchPayment
from enhancer.domain.subscriptions import OPEN, Paid, Subscription, among, seen, with_paid
from enhancer.telemetry import count

if TYPE_CHECKING:
    from enhancer.domain.accounts import Account
    from enhancer.domain.owners import Owner
    from enhancer.domain.payments import Checkout, Event, Invoice, Snapshot

CASHIER = "stripe"
"""The actor of what follows from a payment."""
TRIES = 8
SESSIONS = ("completed", "async_payment_succeeded", "async_payment_failed", "expired")
INVOICES = ("paid", "payment_succeeded", "payment_failed")
MONEY_BACK = ("charge.refunded", "refund.failed", "charge.dispute.created", "charge.dispute.closed")

Outcome = Literal["applied", "nothing", "repeated", "ignored", "parked"]


def receive(event: Event, *, desk: Desk) -> Outcome:
    """Apply an event; parked ones change nothing. Whatever it raises means that it must come again.

    What passes by itself, a lock at the cashier or an account that goes away meanwhile, is raised as `InternalError`.
    """
    try:
        return _apply(event, desk)
    except Heard:
        return "repeated"
    except (CheckoutUnderWay, NotFound) as passing:
        raise InternalError from passing
    except NoSuchPayment:
        desk.park(Parked("object_gone", _text(event, "id") or event.id), event.type)
    except Parked as parked:
        desk.park(parked, event.type)
    return "parked"


def credit(checkout: Checkout, *, desk: Desk, event: str | None = None) -> bool:
    """Grant the credits of a paid pack, once; return whether they came now. Raises `Parked`, `Heard`."""
    pack = _pack_of(checkout, desk)
    owner = _owner_of(checkout.customer, checkout.id, desk)
    if checkout.metadata.get("owner") != owner.id:
        raise Parked("other_owner", checkout.id)
    if checkout.status != "complete" or not checkout.paid:
        return False
    if desk.accounts.get(owner) is None:
        if desk.ledger.came_from(owner, source_of(checkout)):
            return False  # it was granted while there was somebody
        raise Parked("account_gone", checkout.id)
    movement = Movement(desk.new_id("ent"), desk.now(), f"pack_{pack.credits}", CASHIER, ref=checkout.id)
    return desk.ledger.arrive(
        owner,
        pack.tenths,
        kind="purchase",
        source=source_of(checkout),
        movement=movement,
        bought_at=checkout.created,
        event=event,
    )


def follow(
    customer: str | None,
    subscription_id: str,
    *,
    desk: Desk,
    invoice_id: str | None = None,
    dispute: str | None = None,
    event: str | None = None,
) -> bool:
    """Bring a subscription up to date; return whether anything was new. Raises `Parked`, `Heard`, `InternalError`.

    ``invoice_id``: one to look at again; ``dispute``: one of its payments that was opened or decided.
    """
    owner = _owner_of(customer, subscription_id, desk)
    for _ in range(TRIES):
        account, snapshot = desk.accounts.get(owner), desk.payments.snapshot(subscription_id)
        if snapshot.customer != customer:
            raise Parked("unknown_customer", subscription_id)
        if account is None:
            if snapshot.status in OPEN:
                raise Parked("account_gone", subscription_id)
            return False  # it ended with the account
        changed, taken_back = _changed(account, snapshot, invoice_id, desk)
        found = among(account.subscriptions, changed)
        if found == account.subscriptions and dispute is None:
            desk.customers.note(account.owner, event, now=desk.now())
            return False
        try:
            desk.customers.save(
                account.owner,
                found,
                seen=account.billing_version,
                now=desk.now(),
                dispute=(dispute, dispute in taken_back) if dispute else None,
                event=event,
            )
        except NewsMoved:
            continue
        if found != account.subscriptions:
            count("SubscriptionChanges")
        _look_for_two(found, desk)
        return True
    raise InternalError  # somebody else is at it all the time: it comes again


def source_of(checkout: Checkout) -> str:
    """Return what the credits of a checkout are keyed by."""
    return f"checkout#{checkout.id}"


# -------------------------------------------------------------------------------------------- events


def _apply(event: Event, desk: Desk) -> Outcome:
    if event.livemode != desk.live:
        raise Parked("livemode", event.id)
    kind, _, what = event.type.rpartition(".")
    customer = _text(event, "customer")
    owner = desk.customers.owner_of(customer)
    if owner and desk.customers.was_heard(owner, event.id):
        return "repeated"
    done = False
    if kind == "checkout.session" and what in SESSIONS:
        done = _checkout(_name(event, "id"), desk, event.id)
    elif kind == "customer.subscription" and what in ("created", "updated", "deleted"):
        done = follow(customer, _name(event, "id"), desk=desk, event=event.id)
    elif kind == "invoice" and what in INVOICES:
        done = _invoice(_name(event, "id"), desk, event.id)
    elif event.type in MONEY_BACK:
        done = _money_back(event, desk)
    else:
        return "ignored"
    return "applied" if done else "nothing"


def _checkout(session_id: str, desk: Desk, event: str) -> bool:
    checkout = desk.payments.checkout(session_id)
    if checkout.livemode != desk.live:
        raise Parked("livemode", checkout.id)
    if checkout.mode == "payment":
        return credit(checkout, desk=desk, event=event)
    if checkout.subscription is None:
        return False
    return follow(checkout.customer, checkout.subscription, desk=desk, event=event)


def _invoice(invoice_id: str, desk: Desk, event: str) -> bool:
    invoice = desk.payments.invoice(invoice_id)
    if invoice.subscription is None:
        return False
    return follow(invoice.customer, invoice.subscription, desk=desk, invoice_id=invoice.id, event=event)


def _money_back(event: Event, desk: Desk) -> bool:
    """A charge was refunded or disputed: what it bought goes back, credits or the paid period.

    A refund that fails is told as that refund's event alone; its charge then says what is still taken back.
    """
    is_dispute = event.type.startswith("charge.dispute.")
    charge_id = _name(event, "id" if event.type == "charge.refunded" else "charge")
    dispute = _name(event, "id") if is_dispute else None
    charge = desk.payments.charge(charge_id)
    if charge.livemode != desk.live:
        raise Parked("livemode", charge.id)
    paid_by = charge.payment_intent
    checkout = desk.payments.checkout_of(paid_by) if paid_by else None
    if checkout and checkout.mode == "payment":
        return _take_back(checkout, charge_id, dispute, desk, event.id)
    invoice = desk.payments.invoice_of(paid_by) if paid_by else None
    if invoice is None or invoice.subscription is None:
        raise Parked("unknown_payment", charge_id)
    return follow(
        invoice.customer,
        invoice.subscription,
        desk=desk,
        invoice_id=invoice.id,
        dispute=dispute,
        event=event.id,
    )


def _take_back(checkout: Checkout, charge_id: str, dispute: str | None, desk: Desk, event: str) -> bool:
    credit(checkout, desk=desk)  # the news of its payment may still be on the way
    owner = _owner_of(checkout.customer, checkout.id, desk)
    for _ in range(TRIES):
        seen_lot = desk.ledger.lot(owner, source_of(checkout))
        if seen_lot is None:
            desk.customers.note(owner, event, now=desk.now())
            return False
        charge = desk.payments.charge(charge_id)
        owed = to_take_back(seen_lot.lot.credits, amount=charge.amount, taken_back=charge.taken_back)
        try:
            desk.ledger.take_back(
                owner,
                seen_lot,
                owed_back=owed,
                movement=Movement(
                    desk.new_id("ent"),
                    desk.now(),
                    _why(owed - seen_lot.lot.owed_back, dispute),
                    CASHIER,
                    ref=checkout.id,
                ),
                dispute=(dispute, dispute in charge.disputes) if dispute else None,
                event=event,
            )
        except NewsMoved:
            continue
        return owed != seen_lot.lot.owed_back
    raise InternalError


def _why(more: int, dispute: str | None) -> str:
    if more >= 0:
        return "dispute" if dispute else "refund"
    return "dispute_won" if dispute else "refund_failed"


# ---------------------------------------------------------------------------------------- what it means


def _pack_of(checkout: Checkout, desk: Desk) -> Pack:
    """Return what was bought; raise `Parked` where it or its amount is not what we sell."""
    if checkout.livemode != desk.live:
        raise Parked("livemode", checkout.id)
    name = checkout.metadata.get("pack", "")
    pack = PACKS.get(int(name)) if name.isascii() and name.isdigit() and len(name) < 9 else None
    if pack is None:
        raise Parked("unknown_pack", checkout.id)
    if (checkout.amount, checkout.currency) != (pack.cents, CURRENCY):
        raise Parked("amount_mismatch", checkout.id)
    return pack


def _owner_of(customer: str | None, about: str, desk: Desk) -> Owner:
    owner = desk.customers.owner_of(customer)
    if owner is None:
        raise Parked("unknown_customer", about)
    return owner


def _changed(
    account: Account, snapshot: Snapshot, invoice_id: str | None, desk: Desk
) -> tuple[Subscription, set[str]]:
    """Return the subscription as it is now with all it paid for, and the open disputes of the invoice asked about.

    Of a price that is in no table nothing is believed but how the subscription stands; the plan stays.
    """
    if snapshot.livemode != desk.live:
        raise Parked("livemode", snapshot.id)
    known = next((one for one in account.subscriptions if one.id == snapshot.id), None)
    sold = desk.prices.plan_of(snapshot.price)
    if sold is None:
        if known is None:
            raise Parked("unknown_price", snapshot.id)
        desk.park(Parked("unknown_price", snapshot.id), snapshot.price)
        sold = known.plan, known.interval
    changed = seen(known, snapshot, *sold)
    disputes: set[str] = set()
    looked_at = {one.invoice for one in changed.paid}
    for wanted in dict.fromkeys([invoice_id, snapshot.latest_invoice]):
        if wanted and (wanted == invoice_id or wanted not in looked_at):
            invoice = desk.payments.invoice(wanted)
            changed = with_paid(changed, invoice.id, _paid_by(invoice, desk))
            disputes |= set(invoice.disputes)
    return changed, disputes


def _paid_by(invoice: Invoice, desk: Desk) -> Iterable[Paid]:
    """Return the periods that an invoice paid for; money given back for unused time is no period."""
    if not invoice.paid:
        return []
    found = []
    for line in invoice.lines:
        sold = desk.prices.plan_of(line.price) if line.price and line.amount >= 0 else None
        if sold:
            found.append(Paid(invoice.id, sold[0], line.start, line.end, refunded=invoice.refunded))
        elif line.price and line.amount >= 0:
            desk.park(Parked("unknown_price", invoice.id), line.price)
    return found


def _look_for_two(subscriptions: Iterable[Subscription], desk: Desk) -> None:
    """Two that are paid at once are a mistake that only people can undo."""
    running = [one for one in subscriptions if one.is_open and one.paid]
    if len(running) > 1:
        desk.park(Parked("two_subscriptions", running[-1].id), running[0].id)


def _text(event: Event, field: str) -> str | None:
    value = event.object.get(field)
    return value if isinstance(value, str) else None


def _name(event: Event, field: str) -> str:
    value = _text(event, field)
    if not value:
        raise Parked("malformed", event.id)
    return value
