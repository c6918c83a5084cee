"""Users and their sessions in the table."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from enhancer.adapters import keys
from enhancer.adapters.table import Table, absent
from enhancer.domain.owners import Owner

SESSION_SECONDS = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Account:
    """A user as far as a request needs it."""

    owner: Owner
    plan: str
    role: str


class Accounts:
    """Accounts and sessions. Session tokens are stored hashed; whoever reads the table cannot sign in."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open(self, owner: Owner, *, plan: str, role: str, email: str | None, now: int) -> Account:
        """Create the account, or change plan and role of the existing one; credits stay as they are."""
        record = self._table.update(
            keys.account(owner),
            "SET #plan = :plan, #role = :role, email = :email, created_at = if_not_exists(created_at, :now)",
            names={"#plan": "plan", "#role": "role"},
            values={":plan": plan, ":role": role, ":email": email or "", ":now": now},
        )
        return Account(owner, record["plan"], record["role"])

    def get(self, owner: Owner) -> Account | None:
        """Return the account, or None."""
        record = self._table.get(keys.account(owner))
        return (
            Account(owner, record["plan"], record.get("role", "user"))
            if record and "plan" in record
            else None
        )

    def start_session(self, owner: Owner, token: str, *, now: int) -> None:
        """Let ``token`` (256 random bits) stand for the user for `SESSION_SECONDS`."""
        record = {**keys.session(_hash(token)), "user": owner.id, "expires": now // 1000 + SESSION_SECONDS}
        self._table.put(record, condition=absent())

    def session_owner(self, token: str, *, now: int) -> Owner | None:
        """Return whose session this is; None when unknown or over (TTL deletes late, so it is checked here)."""
        record = self._table.get(keys.session(_hash(token)))
        if record is None or record["expires"] <= now // 1000:
            return None
        return Owner("user", record["user"])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
