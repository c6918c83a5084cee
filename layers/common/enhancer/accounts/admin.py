"""What administrators do: credits, plans, blocking. Each needs a reason, and each is kept with its actor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from enhancer.domain.errors import CreditsTooFew, IdempotencyMismatch, NotFound
from enhancer.domain.ledger import BalanceChanged
from enhancer.domain.owners import Owner
from enhancer.domain.plans import plan_named
from enhancer.domain.pricing import credits, tenths

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.accounts import Accounts
    from enhancer.adapters.dynamodb.ledger import Ledger
    from enhancer.domain.accounts import Account


def find(user_id: str, *, accounts: Accounts) -> Account:
    """Return a user's account; raise `NotFound`."""
    account = accounts.get(Owner("user", user_id))
    if account is None:
        raise NotFound
    return account


def grant(
    account: Account,
    amount: int,
    *,
    reason: str,
    actor: Account,
    once: str,
    entry_id: str,
    now: int,
    ledger: Ledger,
) -> bool:
    """Give ``amount`` credits; return False when ``once`` was used before.

    ``once``: the idempotency key, or a random id when no Idempotency-Key was sent.

    Raises `IdempotencyMismatch` when it was used for something else.
    """
    done = ledger.grant(
        account.owner,
        tenths(amount),
        source=f"admin#{once}",
        reason=reason,
        actor=actor.owner.id,
        entry_id=entry_id,
        now=now,
    )
    return done or _repeated(account, once, ("grant", tenths(amount)), ledger)


def deduct(
    account: Account,
    amount: int,
    *,
    reason: str,
    actor: Account,
    once: str,
    entry_id: str,
    now: int,
    ledger: Ledger,
) -> bool:
    """Take ``amount`` available credits away, all or none; raise `CreditsTooFew`. ``once`` as in `grant`."""
    try:
        done = ledger.deduct(
            account.owner,
            tenths(amount),
            source=f"admin#{once}",
            reason=reason,
            actor=actor.owner.id,
            entry_id=entry_id,
            now=now,
        )
    except BalanceChanged:
        available = ledger.usage_and_balance(account.owner, now=now).balance.available
        raise CreditsTooFew(available=credits(available)) from None
    return done or _repeated(account, once, ("clawback", tenths(amount)), ledger)


def set_plan(
    account: Account, plan: str, *, reason: str, actor: Account, entry_id: str, now: int, accounts: Accounts
) -> None:
    """Give a user another plan from now on."""
    name = plan_named(plan).name
    audit = {"id": entry_id, "action": "plan", "actor": actor.owner.id, "reason": reason, "value": name}
    accounts.change(account.owner, "plan", name, audit=audit, now=now)


def set_blocked(
    account: Account,
    *,
    blocked: bool,
    reason: str,
    actor: Account,
    entry_id: str,
    now: int,
    accounts: Accounts,
) -> None:
    """Block a user, or let them in again; in effect from their next request."""
    action = "block" if blocked else "unblock"
    audit = {"id": entry_id, "action": action, "actor": actor.owner.id, "reason": reason, "value": blocked}
    accounts.change(account.owner, "blocked", blocked, audit=audit, now=now)


def _repeated(account: Account, once: str, asked: tuple[str, int], ledger: Ledger) -> bool:
    """Return False for a repeat; raise `IdempotencyMismatch` when the key stood for another movement."""
    if ledger.came_from(account.owner, f"admin#{once}") not in (asked, None):
        raise IdempotencyMismatch(header="Idempotency-Key")
    return False
