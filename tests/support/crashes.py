"""A process that dies: before or after any call to the outside, and then for good until revived."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any

CALLS = (
    "get", "get_many", "put", "update", "delete", "delete_if", "take", "transact", "under", "overdue", "everywhere",
)  # fmt: skip
"""Those of a table."""


class Died(BaseException):
    """The process is gone: nothing catches this, and no clean-up gets through to the table."""


class Mortal:
    """Passes the named calls on to ``real`` until its hour has come; whatever is bound to it dies with it."""

    def __init__(self, real: Any, names: Collection[str] = CALLS, fate: Fate | None = None) -> None:
        self._real = real
        self._names = names
        self.fate = fate or Fate()

    def bind(self, other: Any, *names: str) -> Mortal:
        """Let these calls of something else end with this one."""
        return Mortal(other, names, self.fate)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return partial(self.fate.meet, found) if name in self._names else found


class Fate:
    """When a process dies, counted in calls."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._after = False
        self._dead = False
        self.calls = 0

    def doom(self, calls: int, *, after: bool) -> None:
        """Die at the call after this many more; ``after``: its effect happens, its answer is lost."""
        self._left, self._after = calls, after

    def revive(self) -> None:
        """A new process."""
        self._left, self._dead = None, False

    def meet(self, call: Any, *arguments: Any, **named: Any) -> Any:
        """Make this call, or die at it."""
        if self._dead:
            raise Died
        self.calls += 1
        if self._left is None or self._left > 0:
            self._left = None if self._left is None else self._left - 1
            return call(*arguments, **named)
        self._dead = True
        if self._after:
            call(*arguments, **named)
        raise Died
