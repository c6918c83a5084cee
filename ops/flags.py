"""`make flags`: show, change and roll back the operator's flags of a stack, without a deployment.

::

    make flags ENV=production
    make flags ENV=production DO=set SET="phase=I1" REASON="first customers"
    make flags ENV=production DO=set SET="guests.on=true off+=replicate planCaps.free.imagesPerDay=1" REASON="…"
    make flags ENV=production DO=set SET="invited+=ada@example.com spendCapUsd=null" REASON="…" DRY=1
    make flags ENV=production DO=history LIMIT=5
    make flags ENV=production DO=rollback REASON="too many errors"

A value is JSON (``true``, ``50``, ``null``) or text; ``off`` and ``invited`` are lists with commas, and ``+=`` and
``-=`` add to them and take from them. ``DRY=1`` shows what would change, also of a rollback. That brings back the
version before what is in force, or VERSION. Whoever the shell's AWS credentials belong to is kept as the actor.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from enhancer.adapters.dynamodb.flags import FlagStore
from enhancer.adapters.dynamodb.spend import Spend
from enhancer.api.shapes.error_texts import message
from enhancer.domain.errors import EnhancerError, FlagsChanged
from enhancer.domain.flags import Flags
from enhancer.domain.flags_document import (
    ALWAYS_ON,
    FIELDS,
    MICROS_PER_USD,
    SWITCHES,
    changed,
    differences,
    document_of,
)
from enhancer.domain.models import CATALOGUE
from enhancer.domain.periods import day_of
from enhancer.operations import flags as operator_flags
from enhancer.operations.flags import REASON_MIN
from ops.command import BadCommand, ended
from ops.shown import printable
from ops.stack import Stack, stack_of

DEEDS = ("show", "set", "history", "rollback")
LISTS = ("off", "invited")
PARTS = {"guests": "guests.on=true", "planCaps": "planCaps.free.imagesPerDay=1"}
"""Flags that are made of parts, with an example of one."""
_ASSIGNMENT = re.compile(r"([A-Za-z0-9.]+)(\+=|-=|=)(.*)", re.DOTALL)
_FELT = "Every function goes by it within 60 seconds."


def main(
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    stack_named: Callable[[str], Stack] = stack_of,
    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> int:
    """Do what the command line says; return the exit code, 1 when nothing was done."""
    options = _parsed(arguments, environ)
    return ended(lambda: _do(options, stack_named, now))


def _do(options: argparse.Namespace, stack_named: Callable[[str], Stack], now: Callable[[], int]) -> None:
    """Do what was asked for; raise `BadCommand` in place of an error of the product."""
    _check(options)
    stack = stack_named(options.env)
    store = FlagStore(stack.table(), defaults=defaults_of(stack))
    try:
        match options.do:
            case "show":
                show(stack, store, now())
            case "history":
                tell_history(store, options.limit)
            case "set" | "rollback":
                change(stack, store, options, now())
    except FlagsChanged as problem:
        said = message(problem.code, problem.details, "en").partition(".")[0]
        way = f"look with `make flags ENV={options.env}` and repeat."
        raise BadCommand(f"{said}. Nothing was changed: {way}") from None
    except EnhancerError as problem:
        way = " DO=history shows what there is." if options.do == "rollback" else ""
        raise BadCommand(
            f"{message(problem.code, problem.details, 'en')} Nothing was changed.{way}"
        ) from None


def _check(options: argparse.Namespace) -> None:
    """Raise `BadCommand` for a deed that does not exist, and for words that the deed would not heed.

    What comes from the environment, argparse does not check: a misspelt deed would do nothing, and say nothing.
    """
    if options.do not in DEEDS:
        raise BadCommand(f"DO is one of {', '.join(DEEDS)}. Nothing was changed.")
    if options.set and options.do != "set":
        raise BadCommand("SET is for DO=set: add it. Nothing was changed.")
    if options.limit < 1:
        raise BadCommand("LIMIT is 1 or more.")
    if options.do in ("set", "rollback") and not options.dry and len(options.reason) < REASON_MIN:
        raise BadCommand(
            f'Say why, in {REASON_MIN} characters or more: REASON="launch I1". It is kept with the change.'
        )


def show(stack: Stack, store: FlagStore, now: int) -> None:
    """Print the flags in force, their version, and what the providers cost today."""
    seen = store.seen()
    print(f"Flags of {stack.name} ({stack.place}), version {seen.flags.version}")
    if seen.unreadable:
        fields = ", ".join(str(one.get("field")) for one in seen.unreadable.fields)
        print(
            f"! The record in the table is ignored ({seen.unreadable.reason}: {fields}): these are the newest that can"
            " be read. Functions that start now let in who pays, without providers. DO=set or DO=rollback repairs it."
        )
    for name, value in document_of(seen.flags).items():
        print(f"  {name:14} {_shown(value)}")
    cap = seen.flags.spend_cap
    limit = float(stack.parameters.get("SpendCapUsd", "20")) if cap is None else cap / MICROS_PER_USD
    spent = Spend(stack.table()).total(day_of(now)) / MICROS_PER_USD
    print(f"Providers cost {spent:.2f} of {limit:.2f} USD today.")


def change(stack: Stack, store: FlagStore, options: argparse.Namespace, now: int) -> None:
    """Change or roll back, and print what is different now."""
    seen, actor = store.seen(), stack.caller()
    if options.do == "set":
        what = change_of(options.set, seen.flags)
        if options.dry:
            return _tell(
                seen.flags, changed(seen.flags, what, defaults=store.defaults), "Nothing was changed (DRY)."
            )
        before, after = operator_flags.change(
            what, reason=options.reason, actor=actor, now=now, flags=store, expected=seen.flags.version
        )
    else:
        if options.dry:
            found, _ = operator_flags.brought_back(options.version, seen, flags=store)
            return _tell(seen.flags, found, "Nothing was changed (DRY).")
        before, after = operator_flags.roll_back(
            options.version, reason=options.reason, actor=actor, now=now, flags=store
        )
    _tell(before, after, f"Version {after.version} of {stack.name}, by {actor}. {_FELT}")
    return None


def tell_history(store: FlagStore, limit: int) -> None:
    """Print the newest versions: number, time, who, why, and what was different from the one before."""
    found, _ = operator_flags.history(limit=limit + 1, before=None, flags=store)
    for place, entry in enumerate(found[:limit]):
        at = datetime.fromtimestamp(entry.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        back = "" if entry.restores is None else f" (version {entry.restores} again)"
        print(
            f"{'-' if entry.version is None else entry.version:>5}  {at} UTC  "
            f"{printable(entry.actor)}{back}: {printable(entry.reason)}"
        )
        older = found[place + 1].document if place + 1 < len(found) else {}
        for name in entry.document:
            if older and entry.document[name] != older.get(name):
                print(f"         {name}: {_shown(older.get(name))} -> {_shown(entry.document[name])}")
    if not found:
        print("Nobody has changed anything yet.")


def change_of(text: str, flags: Flags) -> dict[str, Any]:
    """Return the change that assignments such as ``phase=I1 off+=replicate`` mean; raise `BadCommand`."""
    what: dict[str, Any] = {}
    try:
        words = shlex.split(text)
    except ValueError:
        raise BadCommand(f"{text!r} has a quotation mark too many or too few.") from None
    for word in words:
        parts = _ASSIGNMENT.fullmatch(word)
        if not parts:
            raise BadCommand(
                f"{word!r} is no assignment; write field=value, such as phase=I1 or off+=replicate."
            )
        name, sign, value = parts.groups()
        _check_assignment(name, sign, value)
        *places, last = name.split(".")
        target = what
        for place in places:
            target = target.setdefault(place, {})
            if not isinstance(target, dict):
                raise BadCommand(f"{name} is set twice.")
        if name in LISTS and isinstance(what.get(name, []), list):
            old: list[str] = what[name] if name in what else document_of(flags)[name]
            target[last] = _list(sign, value, old)
            if name == "off":
                _check_switches(target[last], old)
        else:
            target[last] = _value(value)
    if not what:
        raise BadCommand('Say what to set: DO=set SET="phase=I1" REASON="…".')
    return what


def _check_assignment(name: str, sign: str, value: str) -> None:
    """Raise `BadCommand` for what is no flag, no list, or only the name of parts."""
    if name.partition(".")[0] not in FIELDS:
        raise BadCommand(f"There is no flag {name}; there are {', '.join(FIELDS)}. Nothing was changed.")
    if sign != "=" and name not in LISTS:
        raise BadCommand(f"{name} is no list; {sign} is for {' and '.join(LISTS)}.")
    if name in PARTS and not isinstance(_value(value), dict | None):
        raise BadCommand(f"{name} has parts: write {PARTS[name]}. Nothing was changed.")


def _check_switches(names: Sequence[str], old: Sequence[str]) -> None:
    """Raise `BadCommand` with what there is to switch off where a name is none of it."""
    if unknown := [one for one in names if one not in {*SWITCHES, *ALWAYS_ON, *old}]:
        there = {name for one in CATALOGUE for name in (one.provider, one.alias)} & SWITCHES
        raise BadCommand(
            f"{', '.join(unknown)} is no provider and no model; off takes {', '.join(sorted(there))}."
            " Nothing was changed."
        )


def defaults_of(stack: Stack) -> Flags:
    """Return what holds in a stack where nobody has set anything, from its parameters, as the functions see it."""
    found = stack.parameters
    cta = found.get("EnableCreditsCta", "")
    return Flags(
        phase=found.get("LaunchPhase", "open"),  # type: ignore[arg-type] # the template allows phases only
        plan_gating=found.get("EnhancerPlanGating", "1") == "1",
        credits_cta=cta == "1" if cta else stack.environment != "production",
    )


def _parsed(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    def said(name: str, otherwise: str = "") -> str:
        return environ.get(name, "").strip() or otherwise

    parser = argparse.ArgumentParser(prog="make flags", description=__doc__.partition("\n")[0])
    parser.add_argument("--env", default=said("ENV", "local"), help="local, or a section of samconfig.toml")
    parser.add_argument("--do", default=said("DO", "show"), choices=DEEDS)
    parser.add_argument("--set", default=said("SET"), help="assignments, with spaces between")
    parser.add_argument("--reason", default=said("REASON"), help="why; kept with every change")
    parser.add_argument("--version", type=int, default=said("VERSION") or None, help="to roll back to")
    parser.add_argument("--limit", type=int, default=said("LIMIT", "10"), help="of the history")
    parser.add_argument("--dry", action="store_true", default=said("DRY") not in ("", "0"))
    return parser.parse_args(arguments)


def _list(sign: str, value: str, old: list[str]) -> list[str]:
    given = [part.strip() for part in value.split(",") if part.strip()]
    match sign:
        case "+=":
            return [*old, *given]
        case "-=":
            return [one for one in old if one not in given]
        case _:
            return given


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _shown(value: Any) -> str:
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _tell(before: Flags, after: Flags, end: str) -> None:
    for name, old, new in differences(before, after):
        print(f"  {name}: {_shown(old)} -> {_shown(new)}")
    if not differences(before, after):
        print("  No field is different.")
    print(end)


if __name__ == "__main__":
    sys.exit(main())
