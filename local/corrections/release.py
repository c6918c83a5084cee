"""The one release of ministack that the corrections fit, and the check that it is installed and looks as expected."""

from __future__ import annotations

import importlib.metadata
from typing import Any

MINISTACK_VERSION = "1.5.33"

Json = dict[str, Any]
Module = Any
"""A module of ministack, whose private names no type checker knows."""


class CorrectionError(RuntimeError):
    """A correction does not fit the installed ministack."""


def require(condition: object, what: str) -> None:
    """Raise `CorrectionError` unless ``condition`` holds, so that the emulator never runs half corrected."""
    if not condition:
        raise CorrectionError(f"ministack {MINISTACK_VERSION} does not look as expected: {what}")


def check_version() -> None:
    """Raise `CorrectionError` for any other release, because the corrections change private names."""
    found = importlib.metadata.version("ministack")
    require(found == MINISTACK_VERSION, f"found version {found}")
