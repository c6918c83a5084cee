"""Who owns things: a guest (a browser) or a user (an account)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OwnerType = Literal["guest", "user"]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom jobs, quotas, credits and artifacts belong to. ``id`` is unique among owners of the same type."""

    type: OwnerType
    id: str
