"""Changing what the operator sets at run time: phases, switches, caps. The same for the API and the shell.

Each change needs a reason and is a version of its own, so that any of them can be rolled back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from enhancer.domain.errors import FlagsChanged, InvalidFields
from enhancer.domain.flags_document import changed, flags_of

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.flags import FlagStore, Seen
    from enhancer.domain.flags import Flags, FlagsVersion

HISTORY_MAX = 25
"""Versions on one page of the history; each holds the whole document, up to 500 addresses in it."""
REASON_MIN, REASON_MAX = 3, 300


def change(
    what: Mapping[str, Any],
    *,
    reason: str,
    actor: str,
    now: int,
    flags: FlagStore,
    expected: int | None = None,
) -> tuple[Flags, Flags]:
    """Change what ``what`` names of the flags' document; return the flags before and after.

    ``expected``: the version that the operator had before their eyes. Raises `InvalidFields` for a bad value, and
    `FlagsChanged` when another one is in force, or comes into force at the same moment.
    """
    seen = flags.seen()
    if expected is not None and expected != seen.flags.version:
        raise FlagsChanged(version=seen.flags.version, expected=expected)
    new = changed(seen.flags, what, defaults=flags.defaults)
    return seen.flags, flags.write(new, seen, actor=actor, reason=checked(reason), now=now)


def roll_back(
    version: int | None, *, reason: str, actor: str, now: int, flags: FlagStore
) -> tuple[Flags, Flags]:
    """Bring an earlier version back, as a new one; return the flags before and after.

    Without a ``version``: the one before what is in force. After a rollback that is a step further back, so that
    rolling back twice never rolls forward. Raises `InvalidFields` for a version that does not exist.
    """
    seen = flags.seen()
    new, restores = brought_back(version, seen, flags=flags)
    return seen.flags, flags.write(new, seen, actor=actor, reason=checked(reason), now=now, restores=restores)


def brought_back(version: int | None, seen: Seen, *, flags: FlagStore) -> tuple[Flags, int]:
    """Return the flags that a rollback brings back, and their version; as in `roll_back`, but changing nothing.

    Where the record in the table counts for nothing, that is the newest version that can be read; where a former
    release wrote it, without a version, that is the newest one.
    """
    if version is not None:
        wanted = version
    elif seen.unreadable:
        wanted = seen.flags.version
    elif seen.raw_version is None:
        wanted = next((one.version for one in flags.history() if one.version is not None), -1)
    else:
        wanted = _origin(seen.flags.version, flags) - 1
    entry = flags.entry(wanted) if wanted >= 0 else None
    if entry is None:
        raise InvalidFields(fields=[{"field": "version", "problem": "no_such_version"}])
    new = flags_of(entry.document, version=seen.flags.version, defaults=flags.defaults)
    return new, _origin(wanted, flags)


def history(*, limit: int, before: int | None, flags: FlagStore) -> tuple[list[FlagsVersion], int | None]:
    """Return a page of versions, newest first, and where the next page begins (None at the end)."""
    found: list[FlagsVersion] = []
    for entry in flags.history(before=before):
        if len(found) == limit:
            return found, found[-1].version
        found.append(entry)
    return found, None


def checked(reason: str) -> str:
    """Return a reason without blanks around it; raise `InvalidFields` for one that says nothing or too much."""
    text = reason.encode(errors="replace").decode().strip()  # a shell passes bytes on that are no text
    if len(text) < REASON_MIN:
        raise InvalidFields(
            fields=[{"field": "reason", "problem": "string_too_short", "min_length": REASON_MIN}]
        )
    if len(text) > REASON_MAX:
        raise InvalidFields(
            fields=[{"field": "reason", "problem": "string_too_long", "max_length": REASON_MAX}]
        )
    return text


def _origin(version: int, flags: FlagStore) -> int:
    """Return the version whose document this one has: itself, or what it brought back."""
    entry = flags.entry(version)
    return version if entry is None or entry.restores is None else entry.restores
