"""How the parts that the product stands on are: what a deep health check says about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "off", "timeout", "unreachable", "refused", "missing", "throttled", "not_ready", "unreadable", "failing"
]
"""Why a part is not fine, or is not asked at all (``off``). A class only: never a name, host, value or text of it."""


class PartFailed(Exception):
    """A part of the product is not fine, for this reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class PartOff(PartFailed):
    """A part is not set up or switched off here, which is fine."""

    def __init__(self) -> None:
        super().__init__("off")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check of one part found; ``ms``: how long it took, in milliseconds. ``reason``: None if it is fine."""

    name: str
    ms: int
    reason: Reason | None

    @property
    def ok(self) -> bool:
        """Whether the product can do without asking further: the part is fine, or it is off on purpose."""
        return self.reason in (None, "off")
