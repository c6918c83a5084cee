"""Users, the browsers they are signed in with, and sign-ins under way."""

from __future__ import annotations

from dataclasses import dataclass

from enhancer.domain.owners import Owner

SESSION_SECONDS = 30 * 86_400
"""How long a browser stays signed in."""
SIGN_IN_SECONDS = 600
"""How long somebody may take at the provider."""


@dataclass(frozen=True, slots=True)
class Account:
    """A user. ``identities`` are ``<provider>#<subject>``; sessions begun at or before ``signed_out_at`` are over."""

    owner: Owner
    plan: str
    role: str
    email: str = ""
    name: str = ""
    blocked: bool = False
    signed_out_at: int = 0
    created_at: int = 0
    identities: tuple[str, ...] = ()


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
