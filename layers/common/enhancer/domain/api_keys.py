"""API keys: their form, their scopes, their limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["read", "generate", "billing"]
"""What a key may be allowed to do: read, enhance images, see and buy credits."""
SCOPES: tuple[Scope, ...] = ("read", "generate", "billing")
KEYS_MAX = 20
"""An account has at most so many API keys."""
PREFIXES = ("ek_live_", "ek_test_")
"""How keys begin: in production, and everywhere else."""
KEY_CHARACTERS_MAX = 80
"""A longer text is refused as a key without being looked up."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key as its owner sees it. The secret is shown once, when the key is made; only its hash is stored.

    ``hint``: the secret's last four characters. ``cap``: what may be charged through the key in a calendar month, in
    tenths of a credit; None for no limit of its own. Times in epoch ms.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: int
    hint: str
    cap: int | None = None
    last_used: int | None = None


def prefix_for(environment: str) -> str:
    """Return how keys of an environment begin, so that a leaked key tells whether it is one of production."""
    return PREFIXES[0] if environment == "production" else PREFIXES[1]


def looks_like_key(text: str) -> bool:
    """Return whether a text begins like an API key of any environment."""
    return text.startswith(PREFIXES)


def holds_key(text: str) -> bool:
    """Return whether a text contains the beginning of an API key."""
    return any(prefix in text for prefix in PREFIXES)
