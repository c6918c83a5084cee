"""Who sent a request: a guest, a user, or an API key of theirs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from enhancer.domain.errors import InternalError
from enhancer.domain.owners import Owner
from enhancer.domain.periods import Month, calendar_month
from enhancer.domain.plans import PLANS, Plan

if TYPE_CHECKING:
    from enhancer.domain.accounts import Account
    from enhancer.domain.api_keys import ApiKey
    from enhancer.domain.cohorts import Access


@dataclass(frozen=True, slots=True)
class Caller:
    """The sender of a request, identified.

    ``guest`` is the browser's guest identity, also when a user is signed in: what was made as a guest stays
    reachable. ``new_guest_cookie`` is set when the browser had none that holds. ``key`` is the API key that was sent;
    with one there is no browser, hence no guest. ``account`` is None for a guest. ``plan`` and ``plans`` (all, by
    name) are within the operator's caps where ``access``, what the caller may start now, is known.
    """

    owner: Owner
    plan: Plan
    role: str
    network: str
    guest: Owner | None
    new_guest_cookie: str | None = None
    key: ApiKey | None = None
    account: Account | None = None
    plans: Mapping[str, Plan] = field(default_factory=lambda: PLANS)
    access: Access | None = None

    @property
    def owners(self) -> tuple[Owner, ...]:
        """Whose things are this caller's: their own, and for a user also those of the browser's guest."""
        return (self.owner,) if self.guest in (None, self.owner) else (self.owner, self.guest)

    @property
    def is_guest(self) -> bool:
        """True without a session and without an API key."""
        return self.owner.type == "guest"

    @property
    def guest_network(self) -> str | None:
        """The network whose cap counts for this caller; None for a user."""
        return self.network if self.is_guest else None

    @property
    def rate_subject(self) -> Owner | str:
        """Whose rate limit counts: a user's account, wherever they are; a guest's network, whatever their cookie."""
        return self.network if self.is_guest else self.owner

    def as_maker(self, owner: Owner) -> Caller:
        """Return this caller as the ``owner`` they made something as: themselves, or the guest they were."""
        if owner == self.owner:
            return self
        return replace(self, owner=owner, plan=self.plans["guest"], role="guest")

    def check_access(self) -> None:
        """Raise what keeps this caller from starting a run now; one about whom it is not known starts none."""
        if self.access is None:
            raise InternalError
        self.access.check()

    def month_at(self, now: int) -> Month:
        """Return the month that the plan's credits are counted in."""
        if self.account is None or self.is_guest:
            return calendar_month(now)
        return self.account.month_at(now)

    def owns(self, owner_type: str, owner_id: str) -> bool:
        """Return whether what belongs to that owner is this caller's."""
        return (owner_type, owner_id) in [(one.type, one.id) for one in self.owners]
