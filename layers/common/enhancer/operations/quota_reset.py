"""Closing a day of money: what expires, what was paid and not granted, whether the books add up.

Nothing here makes the next period possible: a run that is late, repeated or missed changes no quota.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enhancer.billing import stripe_events
from enhancer.billing.deps import Desk, Parked
from enhancer.domain.credits import WARNED_DAYS, expiring
from enhancer.domain.errors import CashierError, StripeNotConfigured
from enhancer.domain.ledger import Balance, Movement, NewsMoved, add_up
from enhancer.domain.payments import NoSuchPayment
from enhancer.domain.periods import DAY_MS
from enhancer.domain.pricing import credits
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.domain.owners import Owner

CLOSER = "quota_reset"
"""The actor of what follows from the calendar."""
LOOK_BACK_MS = 5 * DAY_MS
"""The cashier repeats events for three days; what was paid is looked for a little longer."""
READS = 5


@dataclass(slots=True)
class Closed:
    """What a closing did, counted; amounts in credits. ``found``: checkouts that were paid and had not been granted.

    ``differences``: owners whose books do not add up, and by how much; empty, or something is wrong.
    """

    expired: float = 0
    warned: int = 0
    found: list[str] = field(default_factory=list)
    followed: int = 0
    heard: int = 0
    parked: int = 0
    paid_off: float = 0
    checked: int = 0
    differences: dict[str, float] = field(default_factory=dict)
    broken: int = 0

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Work on one owner or object; what is wrong with it must not keep the others from being closed."""
        try:
            yield
        except Exception:  # noqa: BLE001 - counted and logged; the next closing tries again
            self.broken += 1
            logger.exception("closing failed", extra={"about": name})


def close(*, desk: Desk, notify: Callable[..., None]) -> Closed:
    """Expire, warn, reconcile with the cashier, pay off debt, re-add every ledger. Safe to repeat.

    ``notify`` is called with the kind of notice, the owner and its fields.
    """
    closed = Closed()
    _expire(desk, closed)
    _warn(desk, notify, closed)
    _reconcile(desk, closed)
    for owner in desk.customers.everybody():
        with closed.on(owner.id):
            _check(owner, desk, closed)
    return closed


def _expire(desk: Desk, closed: Closed) -> None:
    for owner in desk.ledger.due(before=desk.now() + 1):
        with closed.on(owner.id):
            movement = Movement(desk.new_id("ent"), desk.now(), "expired", CLOSER)
            closed.expired += credits(desk.ledger.expire(owner, movement=movement))


def _warn(desk: Desk, notify: Callable[..., None], closed: Closed) -> None:
    now = desk.now()
    soon = now + WARNED_DAYS * DAY_MS
    for owner in desk.ledger.due(before=soon):
        with closed.on(owner.id):
            lots = desk.ledger.lots(owner)
            available = desk.ledger.standing(owner, now=now).balance.available
            left = {one.at: one.credits for one in expiring(available, lots, now) if one.at < soon}
            for lot in lots:
                if lot.expires_at in left and desk.ledger.warn_once(owner, lot):
                    amount = credits(left.pop(lot.expires_at))
                    notify("credits_expiring", owner, credits=amount, expiresAt=lot.expires_at)
                    closed.warned += 1


def _reconcile(desk: Desk, closed: Closed) -> None:
    """Ask the cashier what we did not hear: paid packs, subscriptions, money given back."""
    since = desk.now() - LOOK_BACK_MS
    try:
        for checkout in desk.payments.completed_checkouts(since_ms=since):
            with closed.on(checkout.id), _parking(desk, closed):
                if checkout.mode == "payment" and stripe_events.credit(checkout, desk=desk):
                    closed.found.append(checkout.id)
        for snapshot in desk.payments.subscriptions():
            with closed.on(snapshot.id), _parking(desk, closed):
                closed.followed += stripe_events.follow(snapshot.customer, snapshot.id, desk=desk)
        for event in desk.payments.events(since_ms=since, types=stripe_events.MONEY_BACK):
            with closed.on(event.id):
                closed.heard += stripe_events.receive(event, desk=desk) == "applied"
    except StripeNotConfigured:
        logger.info("no cashier to reconcile with")
    except CashierError:
        closed.broken += 1
        logger.exception("closing without the cashier")


@contextmanager
def _parking(desk: Desk, closed: Closed) -> Iterator[None]:
    try:
        yield
    except Parked as parked:
        closed.parked += 1
        desk.park(parked, CLOSER)
    except NoSuchPayment:
        closed.parked += 1


def _check(owner: Owner, desk: Desk, closed: Closed) -> None:
    movement = Movement(desk.new_id("ent"), desk.now(), "debt", CLOSER)
    closed.paid_off += credits(desk.ledger.pay_off(owner, movement=movement))
    difference = difference_of(owner, desk)
    closed.checked += 1
    if difference:
        closed.differences[owner.id] = credits(difference)
        logger.error("books do not add up", extra={"owner": owner.id, "difference": credits(difference)})


def difference_of(owner: Owner, desk: Desk) -> int:
    """Return by how much an owner's totals and the sum of their entries differ (tenths): 0, or the books are wrong.

    Raises `NewsMoved` when something moved each time they were read: nobody knows then.
    """
    for _ in range(READS):
        before = desk.ledger.standing(owner, now=desk.now()).balance
        told = add_up(desk.ledger.entries(owner))
        if desk.ledger.standing(owner, now=desk.now()).balance == before:
            return abs(before.difference) + _apart(before, told)
    raise NewsMoved


def _apart(one: Balance, other: Balance) -> int:
    return sum(abs(getattr(one, name) - getattr(other, name)) for name in Balance.__slots__)
