"""Daily at 00:05 UTC: expire credits, reconcile with Stripe, audit every ledger.

Quotas need no reset: the period is in the key. A run that is late, repeated or missed changes no quota.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enhancer.billing import stripe_events
from enhancer.billing.deps import BillingDeps, Parked
from enhancer.domain.credits import WARNED_DAYS, expiring
from enhancer.domain.errors import CashierError, StripeNotConfigured
from enhancer.domain.ledger import Balance, Movement, StaleVersion, add_up
from enhancer.domain.payments import NoSuchPayment
from enhancer.domain.periods import DAY_MS
from enhancer.domain.pricing import credits
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.domain.owners import Owner

CLOSER = "quota_reset"
"""The actor in ledger entries that are made here."""
LOOK_BACK_MS = 5 * DAY_MS
"""How far back Stripe is asked for payments and events: it repeats a webhook for three days, and some time on top."""
READS = 5
"""How often an owner's ledger is read before giving up, while it changes under the reader."""


@dataclass(slots=True)
class Closed:
    """What a run did, counted; amounts in credits. The report and its log line have these names.

    ``warned``: owners told that credits expire. ``found``: checkouts that were paid and had not been granted.
    ``followed``: subscriptions that had changed at Stripe. ``heard``: refunds and disputes whose event was missed.
    ``parked``: what people must look at. ``paid_off``: debt. ``checked``: owners whose ledger was added up.
    ``differences``: owners whose totals differ from the sum of their entries, and by how much; it must be empty.
    ``broken``: owners or Stripe's objects whose turn failed.
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
        """Work on one owner or object of Stripe; an error is logged and counted, and the others go on."""
        try:
            yield
        except Exception:  # noqa: BLE001 - counted and logged; the next run tries again
            self.broken += 1
            logger.exception("closing failed", extra={"about": name})


def close(*, deps: BillingDeps, notify: Callable[..., None]) -> Closed:
    """Expire credits, warn, reconcile with Stripe, pay off debt, add up every ledger. Safe to repeat.

    ``notify`` is called with the kind of notice, the owner and its fields.
    """
    closed = Closed()
    _expire(deps, closed)
    _warn(deps, notify, closed)
    _reconcile(deps, closed)
    for owner in deps.links.everybody():
        with closed.on(owner.id):
            _check(owner, deps, closed)
    return closed


def _expire(deps: BillingDeps, closed: Closed) -> None:
    for owner in deps.ledger.due(before=deps.now() + 1):
        with closed.on(owner.id):
            movement = Movement(deps.new_id("ent"), deps.now(), "expired", CLOSER)
            closed.expired += credits(deps.ledger.expire(owner, movement=movement))


def _warn(deps: BillingDeps, notify: Callable[..., None], closed: Closed) -> None:
    now = deps.now()
    soon = now + WARNED_DAYS * DAY_MS
    for owner in deps.ledger.due(before=soon):
        with closed.on(owner.id):
            lots = deps.ledger.lots(owner)
            available = deps.ledger.usage_and_balance(owner, now=now).balance.available
            left = {one.at: one.credits for one in expiring(available, lots, now) if one.at < soon}
            for lot in lots:
                if lot.expires_at in left and deps.ledger.warn_once(owner, lot):
                    amount = credits(left.pop(lot.expires_at))
                    notify("credits_expiring", owner, credits=amount, expiresAt=lot.expires_at)
                    closed.warned += 1


def _reconcile(deps: BillingDeps, closed: Closed) -> None:
    """Apply what Stripe knows and no webhook told us: paid packs, subscriptions, refunds and disputes."""
    since = deps.now() - LOOK_BACK_MS
    try:
        for checkout in deps.payments.completed_checkouts(since_ms=since):
            with closed.on(checkout.id), _parking(deps, closed):
                if checkout.mode == "payment" and stripe_events.grant_pack(checkout, deps=deps):
                    closed.found.append(checkout.id)
        for snapshot in deps.payments.subscriptions():
            with closed.on(snapshot.id), _parking(deps, closed):
                closed.followed += stripe_events.sync_subscription(snapshot.customer, snapshot.id, deps=deps)
        for event in deps.payments.events(since_ms=since, types=stripe_events.MONEY_BACK):
            with closed.on(event.id):
                closed.heard += stripe_events.apply_event(event, deps=deps) == "applied"
    except StripeNotConfigured:
        logger.info("no key for Stripe, nothing to reconcile with")
    except CashierError:
        closed.broken += 1
        logger.exception("closing without Stripe")


@contextmanager
def _parking(deps: BillingDeps, closed: Closed) -> Iterator[None]:
    try:
        yield
    except Parked as parked:
        closed.parked += 1
        deps.park(parked, CLOSER)
    except NoSuchPayment:
        closed.parked += 1


def _check(owner: Owner, deps: BillingDeps, closed: Closed) -> None:
    movement = Movement(deps.new_id("ent"), deps.now(), "debt", CLOSER)
    closed.paid_off += credits(deps.ledger.pay_off(owner, movement=movement))
    difference = difference_of(owner, deps)
    closed.checked += 1
    if difference:
        closed.differences[owner.id] = credits(difference)
        logger.error("books do not add up", extra={"owner": owner.id, "difference": credits(difference)})


def difference_of(owner: Owner, deps: BillingDeps) -> int:
    """Return by how much an owner's totals differ from the sum of their entries, in tenths; it must be 0.

    Raises `StaleVersion` when they changed during each of `READS` readings, so that nothing can be said.
    """
    for _ in range(READS):
        before = deps.ledger.usage_and_balance(owner, now=deps.now()).balance
        told = add_up(deps.ledger.entries(owner))
        if deps.ledger.usage_and_balance(owner, now=deps.now()).balance == before:
            return abs(before.difference) + _apart(before, told)
    raise StaleVersion


def _apart(one: Balance, other: Balance) -> int:
    return sum(abs(getattr(one, name) - getattr(other, name)) for name in Balance.__slots__)
