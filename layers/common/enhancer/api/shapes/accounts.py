"""Shapes of requests and answers about accounts, API keys and what administrators do."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from enhancer.api.shapes.usage import CreditsView
from enhancer.api.shapes.wire import Asked, ReturnTo, Wire
from enhancer.domain.accounts import Account
from enhancer.domain.api_keys import ApiKey, Scope
from enhancer.domain.ledger import GIFT_CREDITS_MAX, Entry, UsageAndBalance
from enhancer.domain.plans import PLANS
from enhancer.domain.pricing import credits

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300)]
UserId = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{10,64}$")]


class MeView(Wire):
    """Who is signed in in this browser; a guest has neither name nor e-mail."""

    signed_in: bool
    owner_type: Literal["guest", "user"]
    id: str
    plan: str
    role: str
    name: str = ""
    email: str = ""
    sign_ins: list[str]


class LinkRequest(Asked):
    """Where to come back to."""

    return_to: ReturnTo | None = None


class LoginView(Wire):
    """The account that is now signed in."""

    user_id: str
    plan: str
    role: str


class KeyRequest(Asked):
    """A new API key. ``monthlyCredits``: what it may use in a month; no limit of its own when left out."""

    name: Name
    scopes: list[Scope] = Field(["read", "generate"], min_length=1, max_length=3)
    monthly_credits: int | None = Field(None, ge=1, le=1_000_000)


class KeyView(Wire):
    """An API key. ``hint`` are its last characters; times in epoch ms; amounts in credits."""

    id: str
    name: str
    scopes: list[str]
    hint: str
    created_at: int
    last_used_at: int | None
    monthly_credits: float | None
    used_this_month: float

    @classmethod
    def of(cls, key: ApiKey, used: int) -> KeyView:
        """Return the view of a key that used so many tenths this month."""
        return cls(
            id=key.id,
            name=key.name,
            scopes=list(key.scopes),
            hint=key.hint,
            created_at=key.created_at,
            last_used_at=key.last_used,
            monthly_credits=None if key.cap is None else credits(key.cap),
            used_this_month=credits(used),
        )


class NewKeyView(KeyView):
    """A key just made. ``secret`` is shown this once and stored nowhere."""

    secret: str


class KeysView(Wire):
    """The keys of an account, newest first."""

    keys: list[KeyView]


class ExportView(Wire):
    """A copy that is being made; ask again."""

    status: Literal["running"] = "running"


class GoneView(Wire):
    """Confirms a deletion."""

    deleted: Literal[True] = True


class DoneView(Wire):
    """It is done; ``repeated``: it had been done before, under the same Idempotency-Key."""

    done: Literal[True] = True
    repeated: bool = False


class CreditsRequest(Asked):
    """Credits to give or take, whole ones, and why."""

    user_id: UserId
    amount: int = Field(strict=True, ge=1, le=GIFT_CREDITS_MAX)
    reason: Reason


class PlanRequest(Asked):
    """Another plan for a user, and why."""

    user_id: UserId
    plan: str = Field(max_length=40, json_schema_extra={"enum": [*PLANS]})
    reason: Reason


class BlockRequest(Asked):
    """Block a user or let them in again, and why."""

    user_id: UserId
    blocked: bool
    reason: Reason


class EntryView(Wire):
    """A movement of credits. ``at`` in epoch ms; ``credits`` of the balance, ``plan`` of the month."""

    id: str
    kind: str
    at: int
    credits: float
    plan: float
    job_id: str | None
    reason: str | None
    actor: str | None

    @classmethod
    def of(cls, entry: Entry) -> EntryView:
        """Return the view of an entry."""
        return cls(
            id=entry.id,
            kind=entry.kind,
            at=entry.at,
            credits=credits(entry.credits),
            plan=credits(entry.plan),
            job_id=entry.job_id,
            reason=entry.reason,
            actor=entry.actor,
        )


class HistoryView(Wire):
    """Entries of an owner, newest first, and what administrators did to the account."""

    entries: list[EntryView]
    next_cursor: str | None
    actions: list[dict[str, Any]]


class OwnerView(Wire):
    """A user as administrators see it. ``difference`` other than 0 means that totals and entries disagree."""

    user_id: str
    email: str
    name: str
    plan: str
    role: str
    blocked: bool
    created_at: int
    sign_ins: list[str]
    credits: CreditsView
    difference: float

    @classmethod
    def of(cls, account: Account, state: UsageAndBalance, now: int) -> OwnerView:
        """Return the view of an account and its standing."""
        return cls(
            user_id=account.owner.id,
            email=account.email,
            name=account.name,
            plan=account.plan_at(now),
            role=account.role,
            blocked=account.blocked,
            created_at=account.created_at,
            sign_ins=sign_ins(account),
            credits=CreditsView.of(state, ()),
            difference=credits(state.balance.difference),
        )


class OwnersView(Wire):
    """Who was found; several users may have one address."""

    owners: list[OwnerView]


def sign_ins(account: Account) -> list[str]:
    """Return the providers an account can sign in with."""
    return sorted({name.partition("#")[0] for name in account.identities})
