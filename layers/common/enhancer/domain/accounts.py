"""Users, the sessions of their browsers, and sign-ins that were begun."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.owners import Owner
from enhancer.domain.periods import Month, calendar_month
from enhancer.domain.subscriptions import Subscription, in_force, month_at

SESSION_SECONDS = 30 * 86_400
"""A session ends after this long: 30 days."""
SIGN_IN_SECONDS = 600
"""A sign-in must come back from Google or GitHub within this time."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user's account. Times in epoch ms.

    ``plan``: the plan without a subscription; `plan_at` returns the one in force. ``role``: ``user`` or ``admin``.
    ``identities``: ``<provider>#<subject>`` of each Google or GitHub account that signs this user in.
    ``signed_out_at``: sessions that began then or earlier are over. ``customer``: Stripe's customer id, empty for a
    user who never opened a checkout. ``billing_version``: the number of changes of ``subscriptions``, for optimistic
    locking.
    """

    owner: Owner
    plan: str
    role: str
    email: str = ""
    name: str = ""
    blocked: bool = False
    signed_out_at: int = 0
    created_at: int = 0
    identities: tuple[str, ...] = ()
    customer: str = ""
    subscriptions: tuple[Subscription, ...] = ()
    billing_version: int = 0

    def plan_at(self, now: int) -> str:
        """Return the name of the plan in force at ``now`` (epoch ms): the largest of base plan and subscriptions."""
        return in_force(self.subscriptions, self.plan, now)

    def month_at(self, now: int) -> Month:
        """Return the month that the plan's credits are counted in: the paid one, else the calendar month."""
        return month_at(self.subscriptions, now) or calendar_month(now)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in as ``owner`` since ``started_at`` (epoch ms)."""

    owner: Owner
    started_at: int


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """A sign-in that was begun and has not come back from the provider.

    ``provider``: ``google`` or ``github``. ``return_to``: the path of our page to open afterwards. ``linking``: id of
    the signed-in user whose account gets the identity; None for a plain sign-in.
    """

    provider: str
    return_to: str
    linking: str | None
