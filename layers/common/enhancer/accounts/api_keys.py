"""Making API keys: a name, scopes, a monthly cap, and a secret that is shown once."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from enhancer.domain.api_keys import ApiKey, Scope, prefix_for
from enhancer.domain.pricing import tenths

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.api_keys import ApiKeys
    from enhancer.domain.owners import Owner

HINT_CHARACTERS = 4


def create(
    owner: Owner,
    *,
    name: str,
    scopes: Collection[Scope],
    monthly_credits: int | None,
    environment: str,
    key_id: str,
    random: str,
    now: int,
    api_keys: ApiKeys,
) -> tuple[ApiKey, str]:
    """Store a new key and return it with its secret, ``random`` (256 bits) after the prefix of the environment.

    ``monthly_credits``: what it may use in a month, None for no limit of its own. Raises `TooManyKeys`.
    """
    secret = prefix_for(environment) + random
    key = ApiKey(
        id=key_id,
        name=name,
        scopes=tuple(dict.fromkeys(scopes)),
        created_at=now,
        hint=secret[-HINT_CHARACTERS:],
        cap=None if monthly_credits is None else tenths(monthly_credits),
    )
    api_keys.create(owner, key, secret)
    return key, secret
