"""API keys in the table: stored and found by the SHA-256 of their secret."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import account_of, hashed
from enhancer.adapters.dynamodb.table import ConditionFailed, Record, Table, Write, absent, known
from enhancer.domain.accounts import Account
from enhancer.domain.api_keys import KEYS_MAX, ApiKey
from enhancer.domain.errors import NotFound, TooManyKeys
from enhancer.domain.owners import Owner
from enhancer.domain.periods import month_of

USED_MS = 60_000
"""``last_used`` is written at most once in this time (milliseconds)."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """An API key and the account that it belongs to."""

    account: Account
    key: ApiKey


class ApiKeys:
    """API keys of accounts. Nothing is cached, so the next request with a revoked key is refused."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def create(self, owner: Owner, key: ApiKey, secret: str) -> None:
        """Store a new key; raise `TooManyKeys` when the account has `KEYS_MAX`."""
        secret_hash = hashed(secret)
        counted = Write(
            "Update",
            keys.account(owner),
            update="SET key_count = if_not_exists(key_count, :zero) + :one",
            condition="attribute_exists(#plan) AND (attribute_not_exists(key_count) OR key_count < :max)",
            names={"#plan": "plan"},
            values={":zero": 0, ":one": 1, ":max": KEYS_MAX},
            refusal=lambda _: TooManyKeys(limit=KEYS_MAX),
        )
        stored = {**asdict(key), "hash": secret_hash}
        pointer = {"user": owner.id, "key": key.id}
        self._table.transact(
            [
                counted,
                Write("Put", keys.api_key(owner, key.id), stored, condition=absent()),
                Write("Put", keys.api_key_pointer(secret_hash), pointer, condition=absent()),
            ]
        )

    def all(self, owner: Owner) -> list[ApiKey]:
        """Return the keys of an account, newest first."""
        found = self._table.under(keys.account(owner)["pk"], "KEY#", newest_first=True)
        return [_key(record) for record in found]

    def used(self, owner: Owner, key_id: str, *, now: int) -> int:
        """Return what was charged or is held through a key in this calendar month, in tenths of a credit."""
        record = self._table.get(keys.key_usage(owner, key_id, month_of(now))) or {}
        used: int = record.get("used", 0)
        return used

    def holder(self, secret: str, *, now: int) -> KeyHolder | None:
        """Return key and account of a secret, None when there is no such key; updates ``last_used``."""
        pointer = self._table.get(keys.api_key_pointer(hashed(secret)))
        if pointer is None:
            return None
        owner = Owner("user", pointer["user"])
        place = keys.api_key(owner, pointer["key"])
        record, account_record = self._table.get_many([place, keys.account(owner)])
        account = account_of(owner, account_record)
        if record is None or account is None:
            return None
        key = _key(record)
        if key.last_used is None or key.last_used < now - USED_MS:
            self._note_use(place, now)
            key = replace(key, last_used=now)
        return KeyHolder(account, key)

    def revoke(self, owner: Owner, key_id: str) -> None:
        """Remove a key; raise `NotFound` where the owner has no such key."""
        record = self._table.get(keys.api_key(owner, key_id))
        if record is None:
            raise NotFound
        self._table.transact(
            [
                Write(
                    "Delete",
                    keys.api_key(owner, key_id),
                    condition="attribute_exists(pk)",
                    refusal=lambda _: NotFound(),
                ),
                Write("Delete", keys.api_key_pointer(record["hash"])),
                Write(
                    "Update",
                    keys.account(owner),
                    update="SET key_count = key_count - :one",
                    condition="key_count >= :one",
                    values={":one": 1},
                ),
            ]
        )

    def _note_use(self, place: keys.Key, now: int) -> None:
        try:
            self._table.update(
                place, "SET last_used = :now", values={":now": now}, condition="attribute_exists(pk)"
            )
        except ConditionFailed:
            return  # just revoked; the next request sees that


def _key(record: Record) -> ApiKey:
    return known(ApiKey, record, scopes=tuple(record["scopes"]))
