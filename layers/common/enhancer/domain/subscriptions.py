"""Subscriptions: which plan was paid for, from when until when. Times in epoch ms.

Stored of a subscription are its latest snapshot from Stripe and every period that was paid for. Plan and month follow
from these alone, so the order in which events arrive does not matter:

- Only paid periods give a plan, whatever is subscribed to; a trial is a paid period with a price of 0. So a larger plan
  counts as soon as an invoice for it is paid, a smaller one when the paid period is over.
- Time that an invoice gives the money back for is not paid any more from then on.
- After the last paid period its plan, or the smaller one that is subscribed to by then, stays for `GRACE_MS` while the
  subscription is `LIVE`, without a new month: that begins with the next payment.
- A period whose payment was refunded or is disputed gives no plan any more.
- Months follow the paid periods. One that begins inside another, because the interval was switched or a second
  subscription was bought, adds nothing before that one ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import attrgetter

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
    """A period of a plan that an invoice paid for, or gives the money back for (``given_back``).

    ``refunded``: the payment of that invoice was refunded or is disputed.
    """

    invoice: str
    plan: str
    start: int
    end: int
    refunded: bool = False
    given_back: bool = False

    @property
    def is_paid(self) -> bool:
        """Whether it was paid for, and that payment stands."""
        return not self.refunded and not self.given_back

    def takes_back(self, paid: Paid) -> bool:
        """Whether this gives back the money of ``paid`` from its own start on.

        An exchange gives back one period and pays another from the same moment on, which may be one of the same plan.
        """
        began = paid.start < self.start or (paid.start == self.start and paid.invoice != self.invoice)
        return paid.plan == self.plan and began and self.start < paid.end


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as it is stored.

    ``status``: Stripe's. ``plan`` and ``interval``: what is subscribed to now; `plan_at` returns the plan in force.
    ``period_end``: the end of Stripe's current period. ``cancel_at``: as in `Snapshot`.
    """

    id: str
    status: str
    plan: str
    interval: Interval
    period_end: int
    created: int
    cancel_at: int | None = None
    paid: tuple[Paid, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether there is still something to cancel."""
        return self.status in OPEN

    def plan_at(self, now: int) -> str | None:
        """Return the plan that this subscription gives at ``now``, None when it gives none."""
        if self.status not in LIVE or (self.cancel_at is not None and now >= self.cancel_at):
            return None
        standing = self.standing
        paid = [one.plan for one in standing if one.start <= now < one.end]
        if paid:
            return larger(*paid)
        refunded = any(one.refunded and one.start <= now < one.end for one in self.paid)
        if refunded or not standing or not self.paid_until <= now < self.grace_until:
            return None
        last = larger(*(one.plan for one in standing if one.end == self.paid_until))
        return last if larger(last, self.plan) == self.plan else self.plan

    @property
    def standing(self) -> tuple[Paid, ...]:
        """The paid periods, each only as long as its money was not given back."""
        found = [one for one in self.paid if one.is_paid]
        credits = (one for one in self.paid if one.given_back and not one.refunded)
        for credit in sorted(credits, key=attrgetter("start", "end", "invoice")):
            cut = [one for one in found if credit.takes_back(one)]
            if cut:
                latest = max(cut, key=attrgetter("start", "end", "invoice"))
                found[found.index(latest)] = replace(latest, end=credit.start)
        return tuple(found)

    @property
    def paid_until(self) -> int:
        """When the last paid period ends; 0 when there was none."""
        return max((one.end for one in self.standing), default=0)

    @property
    def grace_until(self) -> int:
        """When the plan ends if no further period is paid."""
        return self.paid_until + GRACE_MS

    def late_until(self, now: int) -> int | None:
        """Return when the plan ends if the late payment is not made; None when none is late."""
        return self.grace_until if self.plan_at(now) and now >= self.paid_until else None


def larger(*plans: str) -> str:
    """Return the largest of these plans."""
    return max(plans, key=_SIZES.index)


def in_force(subscriptions: Iterable[Subscription], base: str, now: int) -> str:
    """Return the plan in force of an account: the largest of ``base``, its plan without subscriptions, and theirs."""
    return larger(base, *(plan for one in subscriptions if (plan := one.plan_at(now))))


def month_at(subscriptions: Iterable[Subscription], now: int) -> Month | None:
    """Return the paid month that plan credits are counted in; None, hence the calendar month, without one."""
    giving = [one for one in subscriptions if one.plan_at(now)]
    until = max((one.paid_until for one in giving), default=0)
    found = None
    for start, end in _months(paid for one in giving for paid in one.paid if paid.is_paid):
        if start <= now and start < until:  # none begins in grace, or in time that was given back
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
        paid=known.paid if known else (),
    )


def with_paid(subscription: Subscription, invoice: str, paid: Iterable[Paid]) -> Subscription:
    """Return the subscription with these paid periods in place of those known of the invoice."""
    others = [one for one in subscription.paid if one.invoice != invoice]
    kept = sorted([*others, *paid], key=attrgetter("end", "start", "invoice", "plan", "given_back"))
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
