"""The operator's flags, set past the API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from enhancer.adapters.dynamodb.flags import FlagStore
from enhancer.domain.flags import Flags


def set_flags(table: Any, **fields: Any) -> Flags:
    """Let these flags be in force, everything else as without any; functions that run feel it when they look again."""
    store = FlagStore(table)
    return store.write(replace(Flags(), **fields), store.seen(), actor="tests", reason="tests", now=0)
