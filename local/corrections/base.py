"""What every correction needs: a loud end when the part it changes has moved."""

from __future__ import annotations

import importlib.metadata
from typing import Any

MINISTACK_VERSION = "1.5.33"

Json = dict[str, Any]
Module = Any  # one of the emulator's, whose private names no type checker knows


class CorrectionError(RuntimeError):
    """A correction no longer fits the installed emulator."""


def require(condition: object, what: str) -> None:
    """Stop at start-up rather than run half corrected."""
    if not condition:
        raise CorrectionError(f"ministack {MINISTACK_VERSION} does not look as expected: {what}")


def check_version() -> None:
    """Refuse any other release, because private names are changed below."""
    found = importlib.metadata.version("ministack")
    require(found == MINISTACK_VERSION, f"found version {found}")
