"""Accounts of users, their sessions and sign-in identities in the table."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.allowances import AllowanceMoved
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, Write, absent, known, retried
from enhancer.domain.accounts import SESSION_SECONDS, SIGN_IN_SECONDS, Account, PendingSignIn, Session
from enhancer.domain.errors import IdentityTaken, NotFound, OwnerBlocked
from enhancer.domain.owners import Owner
from enhancer.domain.subscriptions import Paid, Subscription

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.allowances import Allowances
    from enhancer.adapters.signin.base import Profile

AUDIT_FIELDS = ("id", "action", "actor", "reason", "at", "value")
"""What is recorded of an administrator's change of an account."""


class NewAccountRaced(Exception):
    """Another request has just created the account of this identity; nothing was written."""


class Accounts:
    """Accounts and sessions. Tokens are stored as SHA-256 only, so that nobody who reads the table can sign in."""

    def __init__(self, table: Table, allowances: Allowances) -> None:
        self._table = table
        self._allowances = allowances

    def open(self, owner: Owner, *, plan: str, role: str, email: str | None, now: int) -> Account:
        """Create the account, or change plan, role and address of the existing one; its credits stay as they are."""
        record = self._table.update(
            keys.account(owner),
            "SET #plan = :plan, #role = :role, email = :email, created_at = if_not_exists(created_at, :now)"
            " REMOVE deleted_at, gsi1pk, gsi1sk",  # an account that had been deleted must not be purged any more
            names={"#plan": "plan", "#role": "role"},
            values={":plan": plan, ":role": role, ":email": email or "", ":now": now},
        )
        if email:
            self._table.put(keys.email(hashed(email), owner.id))
        return _account(owner, record)

    def get(self, owner: Owner) -> Account | None:
        """Return the account, None where there is none."""
        return account_of(owner, self._table.get(keys.account(owner)))

    def by_email(self, email: str) -> list[Account]:
        """Return all accounts with this e-mail address: several may share one."""
        found = self._table.under(keys.email(hashed(email), "")["pk"])
        accounts = [self.get(Owner("user", record["sk"])) for record in found]
        return [account for account in accounts if account]

    # ----------------------------------------------------------------------------------------- sessions

    def start_session(self, owner: Owner, token: str, *, now: int) -> None:
        """Let ``token`` (256 random bits) stand for the user for `SESSION_SECONDS`; ``now`` is epoch ms."""
        record = {
            **keys.session(hashed(token)),
            "user": owner.id,
            "started_at": now,
            "expires": now // 1000 + SESSION_SECONDS,
        }
        self._table.put(record, condition=absent())

    def session(self, token: str, *, now: int) -> Session | None:
        """Return the session of a token; None when unknown or over (TTL deletes late, hence the check)."""
        record = self._table.get(keys.session(hashed(token)))
        if record is None or record["expires"] <= now // 1000:
            return None
        return Session(Owner("user", record["user"]), record.get("started_at", 0))

    def end_session(self, token: str) -> None:
        """End the session of a token."""
        self._table.delete(keys.session(hashed(token)))

    def end_all_sessions(self, owner: Owner, *, now: int) -> None:
        """End every session of a user that began until now; raise `NotFound` without an account."""
        self._change(owner, "SET signed_out_at = :now", {":now": now})

    # ------------------------------------------------------------------------------------------ sign-in

    def begin_sign_in(self, state: str, browser: str, pending: PendingSignIn, *, now: int) -> None:
        """Store a sign-in for `SIGN_IN_SECONDS` under its OAuth ``state``, bound to the browser with this secret."""
        record = {
            **keys.sign_in(hashed(state)),
            "browser": hashed(browser),
            "provider": pending.provider,
            "return_to": pending.return_to,
            "linking": pending.linking,
            "expires": now // 1000 + SIGN_IN_SECONDS,
        }
        self._table.put(record, condition=absent())

    def take_sign_in(self, state: str, browser: str, provider: str, *, now: int) -> PendingSignIn | None:
        """Return the sign-in of a ``state`` and remove it; None if it is unknown, used, late or another browser's."""
        record = self._table.take(
            keys.sign_in(hashed(state)),
            "browser = :browser AND provider = :provider AND expires > :now",
            {":browser": hashed(browser), ":provider": provider, ":now": now // 1000},
        )
        return PendingSignIn(provider, record["return_to"], record.get("linking")) if record else None

    @retried(AllowanceMoved)
    def sign_in(self, profile: Profile, *, new_user: str, role: str, now: int) -> Account:
        """Return the account of a verified identity, a new one if it has none. One user per identity.

        A new account has used of day and month what the identity's deleted one had.
        Raises `OwnerBlocked`, and `NotFound` for an identity whose account is gone.
        """
        identity = keys.identity(profile.provider, profile.subject)
        known = self._table.get(identity)
        if known is None:
            owner = Owner("user", new_user)
            try:
                self._table.transact(
                    [*self._opening(owner, profile, role, now), *self._used_before(owner, profile, now)]
                )
            except NewAccountRaced:
                known = self._table.get(identity)
            else:
                return Account(
                    owner,
                    "free",
                    role,
                    profile.email,
                    profile.name,
                    created_at=now,
                    identities=(_name(profile),),
                )
        if known is None:
            raise NotFound
        return self._returning(Owner("user", known["user"]), profile, role)

    @retried(AllowanceMoved)
    def link(self, owner: Owner, profile: Profile, *, now: int) -> None:
        """Let another identity sign this user in, who has then used of day and month at least what that one had.

        Raises `IdentityTaken` when it signs somebody else in, `NotFound` when the account is gone.
        """
        name = _name(profile)
        writes = [
            self._identity(owner, profile, IdentityTaken(provider=profile.provider)),
            Write(
                "Update",
                keys.account(owner),
                update="SET identities = list_append(if_not_exists(identities, :none), :one)",
                condition="attribute_exists(#plan)",
                names={"#plan": "plan"},
                values={":none": [], ":one": [name]},
                refusal=lambda _: NotFound(),
            ),
        ]
        account = self.get(owner)
        if account and name not in account.identities:
            self._table.transact([*writes, *self._used_before(owner, profile, now)])

    def _used_before(self, owner: Owner, profile: Profile, now: int) -> list[Write]:
        return self._allowances.taken_over(owner, profile.provider, profile.subject, now=now)

    # -------------------------------------------------------------------------------------------- admin

    def change(self, owner: Owner, field: str, value: object, *, audit: Record, now: int) -> None:
        """Set the field plan, role or blocked, and record who did it and why; raise `NotFound` without an account."""
        entry = {**{name: audit[name] for name in AUDIT_FIELDS if name in audit}, "at": now}
        writes = [
            Write(
                "Update",
                keys.account(owner),
                update="SET #field = :value",
                condition="attribute_exists(#plan)",
                names={"#field": field, "#plan": "plan"},
                values={":value": value},
                refusal=lambda _: NotFound(),
            ),
            Write("Put", keys.audit(owner, audit["id"]), entry, condition=absent()),
        ]
        self._table.transact(writes)

    def audit(self, owner: Owner) -> list[Record]:
        """Return what administrators changed of an account (`AUDIT_FIELDS`), newest first."""
        found = self._table.under(keys.account(owner)["pk"], "AUDIT#", newest_first=True)
        return [{name: record[name] for name in AUDIT_FIELDS if name in record} for record in found]

    # ---------------------------------------------------------------------------------------- internals

    def _opening(self, owner: Owner, profile: Profile, role: str, now: int) -> list[Write]:
        account: Record = {
            "plan": "free",
            "role": role,
            "email": profile.email,
            "name": profile.name,
            "identities": [_name(profile)],
            "created_at": now,
        }
        return [
            self._identity(owner, profile, NewAccountRaced()),
            Write("Put", keys.account(owner), account, condition=absent()),
            Write("Put", keys.email(hashed(profile.email), owner.id), {}),
        ]

    def _returning(self, owner: Owner, profile: Profile, role: str) -> Account:
        """Store address and name as the provider has them now; role ``admin`` is given here but never taken away."""
        raised = ", #role = :role" if role == "admin" else ""
        names = {"#name": "name", "#plan": "plan"} | ({"#role": "role"} if raised else {})
        values = {":email": profile.email, ":name": profile.name} | ({":role": role} if raised else {})
        before = self.get(owner)
        try:
            record = self._table.update(
                keys.account(owner),
                f"SET email = :email, #name = :name{raised}",
                names=names,
                values=values,
                condition="attribute_exists(#plan)",
            )
        except ConditionFailed as failed:
            raise (OwnerBlocked if failed.record.get("blocked") else NotFound) from None
        self._table.put(keys.email(hashed(profile.email), owner.id))
        if before and before.email not in ("", profile.email):
            self._table.delete(keys.email(hashed(before.email), owner.id))
        return _account(owner, record)

    def _change(self, owner: Owner, update: str, values: Record) -> None:
        try:
            self._table.update(
                keys.account(owner),
                update,
                values=values,
                names={"#plan": "plan"},
                condition="attribute_exists(#plan)",
            )
        except ConditionFailed:
            raise NotFound from None

    @staticmethod
    def _identity(owner: Owner, profile: Profile, taken: Exception) -> Write:
        return Write(
            "Put",
            keys.identity(profile.provider, profile.subject),
            {"user": owner.id},
            condition=absent(),
            refusal=lambda _: taken,
        )


def account_of(owner: Owner, record: Record | None) -> Account | None:
    """Return the account in a record; None where there is none, or it was deleted."""
    return _account(owner, record) if record and "plan" in record else None


def hashed(text: str) -> str:
    """Return the hex SHA-256 under which a token or an address is stored."""
    return hashlib.sha256(text.encode()).hexdigest()


def _name(profile: Profile) -> str:
    return f"{profile.provider}#{profile.subject}"


def _account(owner: Owner, record: Record) -> Account:
    return Account(
        owner=owner,
        plan=record["plan"],
        role=record.get("role", "user"),
        email=record.get("email", ""),
        name=record.get("name", ""),
        blocked=bool(record.get("blocked")),
        signed_out_at=record.get("signed_out_at", 0),
        created_at=record.get("created_at", 0),
        identities=tuple(record.get("identities", ())),
        customer=record.get("customer", ""),
        subscriptions=tuple(_subscription(one) for one in record.get("subscriptions", ())),
        billing_version=record.get("billing_version", 0),
    )


def _subscription(stored: Record) -> Subscription:
    return known(Subscription, stored, paid=tuple(known(Paid, one) for one in stored.get("paid", ())))
