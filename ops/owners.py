"""``make owner``: look up a user, move credits, set a plan, block, by the shell's AWS credentials.

::

    make owner ENV=production WHO=ada@example.com                                      # or WHO=<user id>
    make owner ENV=production WHO=… DO=history
    make owner ENV=production WHO=… DO=grant AMOUNT=50 REASON="ticket 4711" TICKET=4711   # or DO=deduct
    make owner ENV=production WHO=… DO=plan PLAN=pro REASON="…"
    make owner ENV=production WHO=… DO=block REASON="…"                                # or DO=unblock

The same use cases as the administrator's page: all or nothing, in the ledger, with reason and actor (the ARN of the
credentials). TICKET makes a grant or deduction happen once however often it is repeated.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from enhancer import runtime
from enhancer.accounts import admin
from enhancer.adapters.dynamodb.accounts import Accounts
from enhancer.adapters.dynamodb.allowances import Allowances
from enhancer.adapters.dynamodb.ledger import Ledger
from enhancer.api.shapes.error_texts import message
from enhancer.domain.accounts import Account
from enhancer.domain.errors import EnhancerError, NotFound
from enhancer.domain.ledger import GIFT_CREDITS_MAX
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from enhancer.domain.pricing import credits
from enhancer.operations.flags import REASON_MAX, REASON_MIN
from ops.command import BadCommand, ended
from ops.shown import printable
from ops.stack import Stack, stack_of

DEEDS = ("show", "history", "grant", "deduct", "plan", "block", "unblock")
HISTORY = 20


def main(
    arguments: Sequence[str] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    stack_named: Callable[[str], Stack] = stack_of,
    now: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> int:
    """Do what the command line says; return the exit code, 1 when nothing was done."""
    asked = _parsed(arguments, environ)
    return ended(lambda: _do(asked, stack_named, now))


def _do(asked: argparse.Namespace, stack_named: Callable[[str], Stack], now: Callable[[], int]) -> None:
    """Do what was asked for; raise `BadCommand` in place of an error of the product."""
    _check(asked)
    stack = stack_named(asked.env)
    table = stack.table()
    accounts, ledger = Accounts(table, Allowances(table, list)), Ledger(table)
    try:
        account = find(asked.who, accounts)
        if asked.do not in ("show", "history"):
            print(change(account, asked, stack.caller(), now(), accounts, ledger))
            account = find(account.owner.id, accounts)
        show(account, ledger, now(), entries=HISTORY if asked.do == "history" else 0)
    except EnhancerError as problem:
        raise BadCommand(f"{message(problem.code, problem.details, 'en')} Nothing was changed.") from None


def _check(asked: argparse.Namespace) -> None:
    """Raise `BadCommand` for a deed that does not exist: what comes from the environment, argparse does not check."""
    if asked.do not in DEEDS:
        raise BadCommand(f"DO is one of {', '.join(DEEDS)}.")
    if asked.do in ("show", "history") and (asked.amount or asked.plan):
        raise BadCommand(
            "AMOUNT and PLAN change something: add DO=grant, deduct or plan. Nothing was changed."
        )
    if asked.plan and asked.do not in ("plan", "show", "history"):
        raise BadCommand("PLAN is for DO=plan. Nothing was changed.")


def find(who: str, accounts: Accounts) -> Account:
    """Return the one account of an e-mail address or user id; raise `BadCommand` for none and for several."""
    if not who:
        raise BadCommand("Say who: WHO=ada@example.com, or a user id.")
    if "@" not in who:
        try:
            return admin.find(who, accounts=accounts)
        except NotFound:
            raise BadCommand(
                f"There is no account {who}: check the spelling and ENV, or say WHO=<e-mail address>."
            ) from None
    found = accounts.by_email(who.strip().lower())
    if len(found) != 1:
        ids = ", ".join(one.owner.id for one in found)
        raise BadCommand(
            f"{who} is the address of {ids}; say WHO=<user id>."
            if found
            else f"Nobody has signed in with {who}: check the spelling and ENV, or say WHO=<user id>."
        )
    return found[0]


def change(
    account: Account, asked: argparse.Namespace, actor: str, now: int, accounts: Accounts, ledger: Ledger
) -> str:
    """Do one thing to an account; return what was done. Raises `BadCommand` where something is missing."""
    if not REASON_MIN <= len(asked.reason) <= REASON_MAX:
        raise BadCommand(
            f'Say why, in {REASON_MIN} to {REASON_MAX} characters: REASON="ticket 4711". It is kept with the change.'
        )
    who = Account(Owner("user", actor), "free", "admin")
    act = runtime.new_id("act")
    match asked.do:
        case "grant" | "deduct":
            if not 1 <= asked.amount <= GIFT_CREDITS_MAX:
                raise BadCommand(
                    f"Say how many whole credits, {GIFT_CREDITS_MAX} at most: AMOUNT=50. Nothing was changed."
                )
            move = admin.grant if asked.do == "grant" else admin.deduct
            once = asked.ticket or runtime.new_name()
            entry = runtime.new_id("ent")
            done = move(
                account, asked.amount, reason=asked.reason, actor=who, once=once, entry_id=entry, now=now, ledger=ledger
            )  # fmt: skip
            return f"{asked.do} {asked.amount} credits{'' if done else ': done before under this TICKET'}"
        case "plan":
            if asked.plan not in PLANS:
                raise BadCommand(f"PLAN is one of {', '.join(PLANS)}.")
            admin.set_plan(
                account, asked.plan, reason=asked.reason, actor=who, entry_id=act, now=now, accounts=accounts
            )
            return f"plan {asked.plan}, from the next request"
        case _:
            blocked = asked.do == "block"
            admin.set_blocked(
                account, blocked=blocked, reason=asked.reason, actor=who, entry_id=act, now=now, accounts=accounts
            )  # fmt: skip
            return f"{asked.do}ed, from the next request"


def show(account: Account, ledger: Ledger, now: int, *, entries: int) -> None:
    """Print the account, its totals and their difference, and its newest ``entries``."""
    seen = ledger.usage_and_balance(account.owner, now=now, month=account.month_at(now))
    balance = seen.balance
    state = " blocked" if account.blocked else ""
    print(f"{account.owner.id}  plan {account.plan_at(now)}  role {account.role}{state}")
    print(f"  today {seen.day_used} images, this month {credits(seen.month_used)} credits of the plan")
    totals = {name: credits(getattr(balance, name)) for name in balance.__slots__}
    print("  " + "  ".join(f"{name} {value}" for name, value in totals.items()))
    print(f"  difference {credits(balance.difference)}")
    if entries:
        for entry in ledger.page(account.owner, limit=entries, after=None)[0]:
            at = datetime.fromtimestamp(entry.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
            about = printable(entry.reason or entry.job_id or "")
            moved = f"{credits(entry.credits):6} credits, {credits(entry.plan):6} of the plan"
            print(f"  {at}  {entry.kind:9} {moved}  {about}")


def _parsed(arguments: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    def said(name: str, otherwise: str = "") -> str:
        return environ.get(name, "").strip() or otherwise

    parser = argparse.ArgumentParser(prog="make owner", description=__doc__.partition("\n")[0])
    parser.add_argument("--env", default=said("ENV", "local"), help="local, or a section of samconfig.toml")
    parser.add_argument("--who", default=said("WHO"), help="e-mail address or user id")
    parser.add_argument("--do", default=said("DO", "show"), choices=DEEDS)
    parser.add_argument("--amount", type=int, default=said("AMOUNT", "0"), help="whole credits")
    parser.add_argument("--plan", default=said("PLAN"))
    parser.add_argument("--reason", default=said("REASON"), help="why; kept with every change")
    parser.add_argument("--ticket", default=said("TICKET"), help="makes a repeat harmless")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
