"""Users, the browsers they are signed in with, and sign-ins under way."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.owners import Owner
from enhancer.domain.periods import Month, calendar_month
from enhancer.domain.subscriptions import Subscription, in_force, month_at

SESSION_SECONDS = 30 * 86_400
"""How long a browser stays signed in."""
SIGN_IN_SECONDS = 600
"""How long somebody may take at the provider."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user. ``identities`` are ``<provider>#<subject>``; sessions begun at or before ``signed_out_at`` are over.

    ``plan`` is what they have without a subscription; ``customer`` who they are to the cashier, empty for who never
    bought anything; ``billing_version`` counts the changes of ``subscriptions``.
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
        """Return the plan in force."""
        return in_force(self.subscriptions, self.plan, now)

    def month_at(self, now: int) -> Month:
        """Return the month whose allowance counts: a paid one, else the calendar's."""
        return month_at(self.subscriptions, now) or calendar_month(now)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in."""

    owner: Owner
    started_at: int


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in under way. ``linking``: the user whose account gets the identity; None for a plain sign-in."""

    provider: str
    return_to: str
    linking: str | None
