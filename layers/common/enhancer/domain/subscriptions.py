"""Subscriptions: which plan was paid for, from when until when. Pure, and the same in whatever order news arrive.

What is kept of a subscription is its latest snapshot and every period that was paid for. Plan and month follow from
these facts alone:

- Only paid periods give a plan; a trial is a paid period of nothing.
- A larger plan counts at once, a smaller one when the paid period is over.
- After the last paid period the plan stays for `GRACE_MS` as long as the subscription lives, its month does not: the
  next one begins with the next payment.
- A period whose money was given back gives no plan any more.
- Months follow the paid periods. One that begins inside another, because the interval was switched or a second
  subscription was bought, adds nothing before that one ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from enhancer.domain.payments import Interval, Snapshot
from enhancer.domain.periods import DAY_MS, Month, day_of, months_later
from enhancer.domain.plans import PLANS

GRACE_MS = 7 * DAY_MS
"""How long a plan outlives its last paid period while the next one is not paid."""
LIVE = ("trialing", "active", "past_due")
OPEN = (*LIVE, "incomplete", "unpaid", "paused")
"""Statuses in which there is still something to cancel; a second subscription must wait for its end."""
SHORTEST_MONTH_MS = 7 * DAY_MS
"""What is left of a paid period after its last whole month belongs to that month if it is shorter than this."""
PAID_KEPT = 30
ENDED_KEPT = 5
_SIZES = list(PLANS)


@dataclass(frozen=True, slots=True)
class Paid:
    """A period that an invoice paid for. ``refunded``: its money was given back."""

    invoice: str
    plan: str
    start: int
    end: int
    refunded: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as we know it. ``plan`` and ``interval`` are what is subscribed to now, not what is in force."""

    id: str
    status: str
    plan: str
    interval: Interval
    period_end: int
    created: int
    cancel_at: int | None = None
    unpaid_since: int | None = None
    paid: tuple[Paid, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it goes on by itself, or could."""
        return self.status in OPEN

    def plan_at(self, now: int) -> str | None:
        """Return the plan in force, None when this subscription gives none."""
        if self.status not in LIVE or (self.cancel_at is not None and now >= self.cancel_at):
            return None
        covering = [one for one in self.paid if one.start <= now < one.end]
        paid = [one.plan for one in covering if not one.refunded]
        if paid:
            given_back = {one.plan for one in covering if one.refunded}
            return larger(*paid, *([self.plan] if self._counts(now) and self.plan not in given_back else []))
        if covering or not self.paid_until or now < self.first_paid:
            return None
        return self.plan if now < self.grace_until else None

    @property
    def first_paid(self) -> int:
        """When the first paid period began; 0 when there was none."""
        return min((one.start for one in self.paid if not one.refunded), default=0)

    @property
    def paid_until(self) -> int:
        """When the last paid period ends; 0 when there was none."""
        return max((one.end for one in self.paid if not one.refunded), default=0)

    @property
    def grace_until(self) -> int:
        """When the plan ends if nothing more is paid."""
        return self.paid_until + GRACE_MS

    def late_until(self, now: int) -> int | None:
        """Return when the plan gets smaller if what waits for its payment is not paid; None when nothing is late."""
        if not self.plan_at(now):
            return None
        if now >= self.paid_until:
            return self.grace_until
        return self.unpaid_since + GRACE_MS if self.unpaid_since is not None and self._counts(now) else None

    def _counts(self, now: int) -> bool:
        """Whether what is subscribed to counts already: not when its payment has failed for too long."""
        return self.unpaid_since is None or now < self.unpaid_since + GRACE_MS


def larger(*plans: str) -> str:
    """Return the largest plan."""
    return max(plans, key=_SIZES.index)


def in_force(subscriptions: Iterable[Subscription], base: str, now: int) -> str:
    """Return the plan of somebody with these subscriptions, who has ``base`` without them."""
    return larger(base, *(plan for one in subscriptions if (plan := one.plan_at(now))))


def month_at(subscriptions: Iterable[Subscription], now: int) -> Month | None:
    """Return the month whose allowance counts now, None when no subscription is in force: then it is the calendar's."""
    giving = [one for one in subscriptions if one.plan_at(now)]
    found = None
    for start, end in _months(paid for one in giving for paid in one.paid if not paid.refunded):
        if start <= now:
            found = start, end
    if found is None:
        return None
    start, end = found
    resets = end if now < end else max(one.grace_until for one in giving)
    return Month(f"{day_of(start)}/{day_of(end)}", resets)


def seen(known: Subscription | None, snapshot: Snapshot, plan: str, interval: Interval) -> Subscription:
    """Return a subscription with this snapshot; what was paid for stays."""
    return Subscription(
        id=snapshot.id,
        status=snapshot.status,
        plan=plan,
        interval=interval,
        period_end=snapshot.period_end,
        created=snapshot.created,
        cancel_at=snapshot.cancel_at,
        unpaid_since=snapshot.unpaid_since,
        paid=known.paid if known else (),
    )


def with_paid(subscription: Subscription, invoice: str, paid: Iterable[Paid]) -> Subscription:
    """Return it with what this invoice paid for, instead of what was known of that invoice."""
    others = [one for one in subscription.paid if one.invoice != invoice]
    kept = sorted([*others, *paid], key=lambda one: (one.end, one.start, one.invoice, one.plan))
    return replace(subscription, paid=tuple(kept[-PAID_KEPT:]))


def among(subscriptions: Iterable[Subscription], changed: Subscription) -> tuple[Subscription, ...]:
    """Return all of somebody's subscriptions with this one in place; of those that ended only the newest are kept."""
    found = sorted([one for one in subscriptions if one.id != changed.id] + [changed], key=_age)
    ended = [one for one in found if not one.is_open]
    dropped = {one.id for one in ended[:-ENDED_KEPT]}
    return tuple(one for one in found if one.id not in dropped)


def current(subscriptions: Iterable[Subscription], now: int) -> Subscription | None:
    """Return the one to show: the newest that is open, else the newest of all; None when there never was one."""
    found = sorted(subscriptions, key=lambda one: (one.plan_at(now) is not None, one.is_open, _age(one)))
    return found[-1] if found else None


def following(subscriptions: Iterable[Subscription], base: str, now: int) -> str | None:
    """Return the smaller plan that comes after the one in force, None when it goes on as it is."""
    found = list(subscriptions)
    plan = in_force(found, base, now)
    going_on = (one.plan for one in found if one.status in LIVE and one.cancel_at is None)
    after = larger(base, *going_on)
    return after if after != plan and larger(after, plan) == plan else None


def _age(subscription: Subscription) -> tuple[int, str]:
    return subscription.created, subscription.id


def _months(paid: Iterable[Paid]) -> Iterator[tuple[int, int]]:
    """Yield the months of paid periods in order, none overlapping another; a paid year has twelve."""
    covered = 0
    for one in sorted(paid, key=lambda one: (one.start, one.end)):
        base = start = max(one.start, covered)
        number = 0
        while start < one.end:
            number += 1
            end = months_later(base, number)
            if end > one.end - SHORTEST_MONTH_MS:
                end = one.end
            yield start, end
            start = covered = end
