"""Who is calling: a guest by signed cookie, a user by session or API key; and the network a guest comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import TYPE_CHECKING

from enhancer.domain.api_keys import KEY_CHARACTERS_MAX, looks_like_key
from enhancer.domain.callers import Caller
from enhancer.domain.errors import InvalidApiKey
from enhancer.domain.keyed_hashes import keyed_hash
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS, plan_named

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.accounts import Accounts
    from enhancer.adapters.dynamodb.api_keys import ApiKeys
    from enhancer.adapters.signing import Signer


def identify(
    *,
    guest_cookie: str | None,
    session_token: str | None,
    source_ip: str,
    signer: Signer,
    network_key: bytes,
    accounts: Accounts,
    new_name: Callable[[], str],
    now: int,
) -> Caller:
    """Return the caller. A forged, damaged or missing guest cookie means a fresh guest, never an error."""
    network = network_of(source_ip, network_key)
    guest = guest_of(guest_cookie, signer)
    session = accounts.session(session_token, now=now) if session_token else None
    account = accounts.get(session.owner) if session else None
    if session and account and session.started_at > account.signed_out_at:
        plan = plan_named(account.plan_at(now))
        return Caller(account.owner, plan, account.role, network, guest, account=account)
    if guest:
        return Caller(guest, PLANS["guest"], "guest", network, guest)
    fresh = Owner("guest", new_name())
    cookie = guest_cookie_for(fresh, signer)
    return Caller(fresh, PLANS["guest"], "guest", network, fresh, cookie)


def identify_key(secret: str, *, source_ip: str, network_key: bytes, api_keys: ApiKeys, now: int) -> Caller:
    """Return who an API key speaks for, never as an administrator; raise `InvalidApiKey`."""
    well_formed = looks_like_key(secret) and len(secret) <= KEY_CHARACTERS_MAX and secret.isascii()
    holder = api_keys.holder(secret, now=now) if well_formed else None
    if holder is None:
        raise InvalidApiKey
    account, network = holder.account, network_of(source_ip, network_key)
    plan = plan_named(account.plan_at(now))
    return Caller(account.owner, plan, "user", network, None, key=holder.key, account=account)


def guest_cookie_for(guest: Owner, signer: Signer) -> str:
    """Return the cookie value ``<id>.<signature>``; the id alone, seen in URLs, is not enough to forge it."""
    return signer.sign("guest", guest.id)


def guest_of(cookie: str | None, signer: Signer) -> Owner | None:
    """Return the guest of a cookie value, or None when its signature does not hold."""
    guest_id = signer.verified("guest", cookie or "")
    return Owner("guest", guest_id) if guest_id else None


def network_of(source_ip: str, key: bytes) -> str:
    """Return a keyed hash of the address (IPv6: of its /64), so that no address is stored."""
    address = ipaddress.ip_address(source_ip)
    if isinstance(address, ipaddress.IPv6Address):
        mapped = address.ipv4_mapped
        prefix = str(mapped or ipaddress.ip_network((address, 64), strict=False))
    else:
        prefix = str(address)
    return keyed_hash("network", prefix, key)
