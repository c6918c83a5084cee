"""Who owns things: a guest (a browser) or a user (an account)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OwnerType = Literal["guest", "user"]


@dataclass(frozen=True, slots=True)
class Owner:
    """The one identity that jobs, quotas, credits and artifacts hang on."""

    type: OwnerType
    id: str
