"""Daily at 00:05 UTC: expire credits, reconcile with Stripe, audit every ledger, close the days that are over.

Usage is stored per period, so nothing is reset here despite the name. A run that is late, repeated or missed changes
no quota.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from enhancer.billing import stripe_events
from enhancer.billing.deps import BillingDeps, Parked
from enhancer.domain.closings import Closing
from enhancer.domain.credits import WARNED_DAYS, expiring
from enhancer.domain.errors import StripeError, StripeNotConfigured
from enhancer.domain.ledger import Balance, Entry, Movement, StaleVersion, add_up
from enhancer.domain.payments import NoSuchPayment
from enhancer.domain.periods import DAY_MS
from enhancer.domain.pricing import credits
from enhancer.telemetry import logger

if TYPE_CHECKING:
    from enhancer.domain.accounts import Account
    from enhancer.domain.owners import Owner

ACTOR = "quota_reset"
"""``actor`` of the ledger entries written by the daily run."""
LOOK_BACK_MS = 5 * DAY_MS
"""How far back Stripe is asked for payments and events: it repeats a webhook for three days, and some time on top."""
READS = 5
"""Attempts at a consistent read of an owner's ledger; after that `StaleVersion` is raised."""


@dataclass(slots=True)
class DailyReport:
    """What a daily run did, counted; amounts in credits. The stored report and its log line have these names.

    ``expired``: credits. ``warned``: owners told that credits expire. ``found``: ids of checkouts whose paid packs were
    granted late. ``followed``: subscriptions that had changed at Stripe. ``heard``: refunds and disputes that were
    applied late. ``parked``: what the operator must look at. ``paid_off``: debt that was paid off. ``checked``: owners
    whose ledger was added up. ``differences``: owners whose totals differ from the sum of their entries, and by how
    much; it must be empty. ``closed``: the days whose closing was stored. ``broken``: owners or objects of Stripe that
    raised an error.
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
    closed: list[str] = field(default_factory=list)
    broken: int = 0

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Work on one owner or object of Stripe; an error is logged and counted, and the others go on."""
        try:
            yield
        except Exception:  # noqa: BLE001 - counted and logged; the next run tries again
            self.broken += 1
            logger.exception("closing failed", extra={"about": name})


def close(
    *,
    deps: BillingDeps,
    notify: Callable[..., None],
    days: Sequence[str] | None = None,
    invited: frozenset[str] = frozenset(),
) -> DailyReport:
    """Expire credits, warn, reconcile with Stripe, pay off debt, add up every ledger, close days. Safe to repeat.

    ``notify`` is called with the kind of notice, the owner and its fields. ``days``: those to close; unless given, all
    that were missed. ``invited``: e-mail addresses of cohort C0. A closing is stored when every ledger was read, in one
    write: a run that crashes half-way stores none, and the next one makes up for it.
    """
    report = DailyReport()
    _expire(deps, report)
    _warn(deps, notify, report)
    _reconcile(deps, report)
    wanted = deps.books.missing_closings(now=deps.now()) if days is None else days
    closings = [Closing(day) for day in wanted]
    for owner in deps.links.everybody():
        broken = report.broken
        with report.on(owner.id):
            entries = _check(owner, deps, report)
            _add_to(closings, owner, entries, deps, invited)
        for closing in closings:
            closing.missing += report.broken - broken
    report.closed = [one.day for one in closings if deps.books.save_closing(one, now=deps.now())]
    return report


def _expire(deps: BillingDeps, report: DailyReport) -> None:
    for owner in deps.ledger.due(before=deps.now() + 1):
        with report.on(owner.id):
            movement = Movement(deps.new_id("ent"), deps.now(), "expired", ACTOR)
            report.expired += credits(deps.ledger.expire(owner, movement=movement))


def _warn(deps: BillingDeps, notify: Callable[..., None], report: DailyReport) -> None:
    now = deps.now()
    soon = now + WARNED_DAYS * DAY_MS
    for owner in deps.ledger.due(before=soon):
        with report.on(owner.id):
            lots = deps.ledger.lots(owner)
            available = deps.ledger.usage_and_balance(owner, now=now).balance.available
            left = {one.at: one.credits for one in expiring(available, lots, now) if one.at < soon}
            for lot in lots:
                if lot.expires_at in left and deps.ledger.warn_once(owner, lot):
                    amount = credits(left.pop(lot.expires_at))
                    notify("credits_expiring", owner, credits=amount, expiresAt=lot.expires_at)
                    report.warned += 1


def _reconcile(deps: BillingDeps, report: DailyReport) -> None:
    """Apply what happened at Stripe but reached us by no webhook: paid packs, subscriptions, refunds, disputes."""
    since = deps.now() - LOOK_BACK_MS
    try:
        for checkout in deps.payments.completed_checkouts(since_ms=since):
            with report.on(checkout.id), _parking(deps, report):
                if checkout.mode == "payment" and stripe_events.grant_pack(checkout, deps=deps):
                    report.found.append(checkout.id)
        for snapshot in deps.payments.subscriptions():
            with report.on(snapshot.id), _parking(deps, report):
                report.followed += stripe_events.sync_subscription(snapshot.customer, snapshot.id, deps=deps)
        for event in deps.payments.events(since_ms=since, types=stripe_events.MONEY_BACK):
            with report.on(event.id):
                report.heard += stripe_events.apply_event(event, deps=deps) == "applied"
    except StripeNotConfigured:
        logger.info("no key for Stripe, nothing to reconcile with")
    except StripeError:
        report.broken += 1
        logger.exception("closing without Stripe")


@contextmanager
def _parking(deps: BillingDeps, report: DailyReport) -> Iterator[None]:
    try:
        yield
    except Parked as parked:
        report.parked += 1
        deps.park(parked, ACTOR)
    except NoSuchPayment:
        report.parked += 1


def _check(owner: Owner, deps: BillingDeps, report: DailyReport) -> list[Entry]:
    """Pay off debt and add up the ledger of an owner; return its entries, oldest first."""
    movement = Movement(deps.new_id("ent"), deps.now(), "debt", ACTOR)
    report.paid_off += credits(deps.ledger.pay_off(owner, movement=movement))
    difference, entries = audited(owner, deps)
    report.checked += 1
    if difference:
        report.differences[owner.id] = credits(difference)
        logger.error("books do not add up", extra={"owner": owner.id, "difference": credits(difference)})
    return entries


def _add_to(
    closings: Sequence[Closing],
    owner: Owner,
    entries: Sequence[Entry],
    deps: BillingDeps,
    invited: frozenset[str],
) -> None:
    """Add an owner's ledger to the closings; lots and account are read only where there is something to add."""
    if not closings or not entries:
        return
    account = deps.accounts.get(owner) if owner.type == "user" else None
    lots = deps.ledger.lots(owner)
    known = bool(account and account.email.lower() in invited)
    for closing in closings:
        closing.add(entries, lots, plan_at=_plans(owner, account), invited=known)


def _plans(owner: Owner, account: Account | None) -> Callable[[int], str]:
    """Return what plan an owner had at a time; of a deleted account that is not known any more."""
    if account:
        return account.plan_at
    return lambda _: "guest" if owner.type == "guest" else "deleted"


def audited(owner: Owner, deps: BillingDeps) -> tuple[int, list[Entry]]:
    """Return by how much an owner's totals differ from the sum of their entries, in tenths, and the entries.

    The difference must be 0. Raises `StaleVersion` when they changed during each of `READS` readings, so that nothing
    can be said.
    """
    for _ in range(READS):
        before = deps.ledger.usage_and_balance(owner, now=deps.now()).balance
        entries = list(deps.ledger.entries(owner))
        if deps.ledger.usage_and_balance(owner, now=deps.now()).balance == before:
            return abs(before.difference) + _apart(before, add_up(entries)), entries
    raise StaleVersion


def _apart(one: Balance, other: Balance) -> int:
    return sum(abs(getattr(one, name) - getattr(other, name)) for name in Balance.__slots__)
