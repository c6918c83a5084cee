"""Subscriptions: which plan was paid for, from when until when. Times in epoch ms.

Stored of a subscription are its latest snapshot from Stripe and every period that was paid for. Plan and month follow
from these alone, so the order in which events arrive does not matter:

- Only paid periods give a plan; a trial is a paid period with a price of 0.
- A larger plan counts at once, a smaller one when the paid period is over.
- After the last paid period the plan stays for `GRACE_MS` while the subscription is `LIVE`, without a new month: that
  begins with the next payment.
- A period whose payment was refunded or is disputed gives no plan any more.
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
"""How long a plan stays after its last paid period while the next one is not paid."""
LIVE = ("trialing", "active", "past_due")
"""Stripe's statuses in which a subscription can give a plan (https://docs.stripe.com/api/subscriptions/object)."""
OPEN = (*LIVE, "incomplete", "unpaid", "paused")
"""Statuses in which a subscription can still be canceled; a second one cannot be bought before."""
SHORTEST_MONTH_MS = 7 * DAY_MS
"""A rest of a paid period after its last whole month that is shorter than this belongs to that month."""
PAID_KEPT = 30
"""How many paid periods of a subscription are stored, the latest ones."""
ENDED_KEPT = 5
"""How many ended subscriptions of an account are stored, the newest ones."""
_SIZES = list(PLANS)


@dataclass(frozen=True, slots=True)
class Paid:
    """A period of a plan that an invoice paid for; ``refunded``: that payment was refunded or is disputed."""

    invoice: str
    plan: str
    start: int
    end: int
    refunded: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it is stored.

    ``status``: Stripe's. ``plan`` and ``interval``: what is subscribed to now; `plan_at` returns the plan in force.
    ``period_end``: the end of Stripe's current period. ``cancel_at`` and ``unpaid_since``: as in `Snapshot`.
    """

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
        """Whether there is still something to cancel."""
        return self.status in OPEN

    def plan_at(self, now: int) -> str | None:
        """Return the plan that this subscription gives at ``now``, None when it gives none."""
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
        """When the plan ends if no further period is paid."""
        return self.paid_until + GRACE_MS

    def late_until(self, now: int) -> int | None:
        """Return when the plan ends or gets smaller if the late payment is not made; None when none is late."""
        if not self.plan_at(now):
            return None
        if now >= self.paid_until:
            return self.grace_until
        return self.unpaid_since + GRACE_MS if self.unpaid_since is not None and self._counts(now) else None

    def _counts(self, now: int) -> bool:
        """Whether the subscribed plan counts before it is paid: not once its payment has been late for `GRACE_MS`."""
        return self.unpaid_since is None or now < self.unpaid_since + GRACE_MS


def larger(*plans: str) -> str:
    """Return the largest of these plans."""
    return max(plans, key=_SIZES.index)


def in_force(subscriptions: Iterable[Subscription], base: str, now: int) -> str:
    """Return the plan in force of an account: the largest of ``base``, its plan without subscriptions, and theirs."""
    return larger(base, *(plan for one in subscriptions if (plan := one.plan_at(now))))


def month_at(subscriptions: Iterable[Subscription], now: int) -> Month | None:
    """Return the paid month that plan credits are counted in; None, hence the calendar month, without one."""
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
    """Return the subscription with a new snapshot from Stripe; the paid periods of ``known`` stay."""
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
    """Return the subscription with these paid periods in place of those known of the invoice."""
    others = [one for one in subscription.paid if one.invoice != invoice]
    kept = sorted([*others, *paid], key=lambda one: (one.end, one.start, one.invoice, one.plan))
    return replace(subscription, paid=tuple(kept[-PAID_KEPT:]))


def among(subscriptions: Iterable[Subscription], changed: Subscription) -> tuple[Subscription, ...]:
    """Return the account's subscriptions with ``changed`` in place; of ended ones only the newest (`ENDED_KEPT`)."""
    found = sorted([one for one in subscriptions if one.id != changed.id] + [changed], key=_age)
    ended = [one for one in found if not one.is_open]
    dropped = {one.id for one in ended[:-ENDED_KEPT]}
    return tuple(one for one in found if one.id not in dropped)


def current(subscriptions: Iterable[Subscription], now: int) -> Subscription | None:
    """Return the subscription to show: one that gives a plan, else an open one, else any; of several the newest."""
    found = sorted(subscriptions, key=lambda one: (one.plan_at(now) is not None, one.is_open, _age(one)))
    return found[-1] if found else None


def following(subscriptions: Iterable[Subscription], base: str, now: int) -> str | None:
    """Return the smaller plan that follows the one in force as things stand, None when that one goes on."""
    found = list(subscriptions)
    plan = in_force(found, base, now)
    going_on = (one.plan for one in found if one.status in LIVE and one.cancel_at is None)
    after = larger(base, *going_on)
    return after if after != plan and larger(after, plan) == plan else None


def _age(subscription: Subscription) -> tuple[int, str]:
    return subscription.created, subscription.id


def _months(paid: Iterable[Paid]) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the months of paid periods, in order and without overlap; a paid year has twelve."""
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
