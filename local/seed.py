"""Demo accounts: one per plan and an administrator, each with 100 credits and an API key that is always the same."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from enhancer.adapters.dynamodb.accounts import Accounts, hashed
from enhancer.adapters.dynamodb.allowances import Allowances
from enhancer.adapters.dynamodb.api_keys import ApiKeys
from enhancer.adapters.dynamodb.ledger import Ledger
from enhancer.adapters.dynamodb.table import Table
from enhancer.domain.api_keys import SCOPES, ApiKey
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from enhancer.runtime import new_id, now
from functions.debug_login.app import user_id_for_development

CREDITS_TENTHS = 1000
ADMIN = "admin@example.com"


@dataclass(frozen=True)
class Seeded:
    """A demo account with its API key, as `make run` prints it."""

    email: str
    plan: str
    role: str
    key: str


def seed(table: Table) -> list[Seeded]:
    """Create the demo accounts that do not exist yet and return all of them; safe to repeat."""
    wanted = [(f"{plan}@example.com", plan, "user") for plan in PLANS if plan != "guest"]
    return [_opened(table, *one) for one in [*wanted, (ADMIN, "enterprise", "admin")]]


def _accounts(table: Table) -> Accounts:
    return Accounts(
        table, Allowances(table, signing_keys=list)
    )  # no identity signs in here, so nothing is hashed


def _opened(table: Table, email: str, plan: str, role: str) -> Seeded:
    owner, accounts, keys = Owner("user", user_id_for_development(email)), _accounts(table), ApiKeys(table)
    secret = "ek_test_" + urlsafe_b64encode(
        hashlib.sha256(f"local {email}".encode()).digest()
    ).decode().rstrip("=")
    if accounts.get(owner) is None:
        accounts.open(owner, plan=plan, role=role, email=email, now=now())
        Ledger(table).grant(
            owner,
            CREDITS_TENTHS,
            source="admin#seed",
            reason="to try the product with",
            actor="local",
            entry_id=new_id("ent"),
            now=now(),
        )
    if keys.holder(secret, now=now()) is None:
        key = ApiKey(f"key_{hashed(email)[:20]}", "seeded", SCOPES, now(), secret[-4:])
        keys.create(owner, key, secret)
    return Seeded(email, plan, role, secret)
