"""What API keys look like and may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Scope = Literal["read", "generate", "billing"]
SCOPES: tuple[Scope, ...] = ("read", "generate", "billing")
KEYS_MAX = 20
"""API keys of one account."""
PREFIXES = ("ek_live_", "ek_test_")
KEY_CHARACTERS_MAX = 80


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as its owner sees it; the secret itself is shown once and stored nowhere.

    ``cap``: credits it may use in a month, in tenths; None for no limit of its own. ``hint``: its last characters.
    Times in epoch ms.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_at: int
    hint: str
    cap: int | None = None
    last_used: int | None = None


def prefix_for(environment: str) -> str:
    """Return how keys begin here: a key found somewhere tells whether it opens anything of value."""
    return PREFIXES[0] if environment == "production" else PREFIXES[1]


def looks_like_key(text: str) -> bool:
    """Return whether this is meant to be an API key."""
    return text.startswith(PREFIXES)


def holds_key(text: str) -> bool:
    """Return whether there is an API key somewhere in a text."""
    return any(prefix in text for prefix in PREFIXES)
