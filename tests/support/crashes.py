"""A DynamoDB client that dies with its process: before or after any call, and then for good until revived."""

from __future__ import annotations

from functools import partial
from typing import Any

CALLS = (
    "get_item", "batch_get_item", "put_item", "update_item", "delete_item", "transact_write_items", "get_paginator",
)  # fmt: skip


class Died(BaseException):
    """The process is gone: nothing catches this, and no clean-up gets through to the table."""


class MortalClient:
    """Passes calls on to ``real`` until its hour has come."""

    def __init__(self, real: Any) -> None:
        self._real = real
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

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        return partial(self._call, found) if name in CALLS else found

    def _call(self, call: Any, *arguments: Any, **named: Any) -> Any:
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
