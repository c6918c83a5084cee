"""Signing in with Google or GitHub (OAuth 2 with PKCE): to the provider and back, once, in one browser.

The state is single-use and bound to the browser's cookie, so a leaked URL cannot sign anybody in. Code verifier and
nonce are derived from two secrets: one in the cookie, one (the state) in the URL; the table stores a hash of each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from enhancer.domain.accounts import PendingSignIn
from enhancer.domain.errors import OwnerBlocked, SignInFailed
from enhancer.domain.keyed_hashes import keyed_hash
from enhancer.domain.paths import safe_path

if TYPE_CHECKING:
    from enhancer.adapters.dynamodb.accounts import Accounts
    from enhancer.adapters.signin.base import Profile, SignIn
    from enhancer.domain.accounts import Account

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SignInFlow:
    """What both halves of a sign-in at one provider need. ``redirect_uri``: where it sends the browser back."""

    provider: str
    redirect_uri: str
    sign_in: SignIn
    accounts: Accounts


def begin(
    flow: SignInFlow, *, state: str, browser: str, return_to: str | None, linking: Account | None, now: int
) -> str:
    """Return the provider's URL to send the browser to. ``state`` and ``browser`` are 256 random bits each."""
    pending = PendingSignIn(flow.provider, safe_path(return_to), linking.owner.id if linking else None)
    flow.accounts.begin_sign_in(state, browser, pending, now=now)
    return flow.sign_in.authorize_url(
        redirect_uri=flow.redirect_uri,
        state=state,
        nonce=_derived("nonce", browser, state),
        verifier=_derived("verifier", browser, state),
    )


def complete(
    flow: SignInFlow,
    query: Mapping[str, str],
    *,
    browser: str | None,
    caller: Account | None,
    old_token: str | None,
    new_token: str,
    new_user: str,
    admin_email: str,
    now: int,
) -> tuple[Account, str]:
    """Return who is signed in now, by the session ``new_token``, and the path to go to.

    Raises `SignInFailed` for a state that is missing, foreign, replayed or too old, for a refusal at the provider and
    for whatever does not verify; `IdentityTaken` when linking what belongs to somebody else.
    """
    state = query.get("state", "")
    if not is_secret(browser) or not is_secret(state):
        raise SignInFailed(reason="state")
    assert browser  # noqa: S101 - just checked
    pending = flow.accounts.take_sign_in(state, browser, flow.provider, now=now)
    if pending is None:
        raise SignInFailed(reason="state")
    if query.get("error") or not query.get("code"):
        raise SignInFailed(reason="denied" if query.get("error") == "access_denied" else "provider")
    profile = flow.sign_in.profile(
        code=query["code"],
        redirect_uri=flow.redirect_uri,
        verifier=_derived("verifier", browser, state),
        nonce=_derived("nonce", browser, state),
        now=now,
    )
    account = _account(flow, profile, pending, caller, new_user, admin_email, now)
    if old_token:
        flow.accounts.end_session(old_token)
    flow.accounts.start_session(account.owner, new_token, now=now)
    return account, pending.return_to


def is_secret(text: str | None) -> bool:
    """Return whether this could be one of our 256-bit secrets."""
    return bool(text) and _SECRET.fullmatch(text or "") is not None


def _account(
    flow: SignInFlow,
    profile: Profile,
    pending: PendingSignIn,
    caller: Account | None,
    new_user: str,
    admin_email: str,
    now: int,
) -> Account:
    """Return the account of a verified identity; when linking, that of the user who asked and is still signed in."""
    if pending.linking:
        if caller is None or caller.owner.id != pending.linking:
            raise SignInFailed(reason="state")
        flow.accounts.link(caller.owner, profile, now=now)
        return caller
    role = "admin" if admin_email and profile.email == admin_email.lower() else "user"
    account = flow.accounts.sign_in(profile, new_user=new_user, role=role, now=now)
    if account.blocked:
        raise OwnerBlocked
    return account


def _derived(purpose: str, browser: str, state: str) -> str:
    return keyed_hash(purpose, state, browser.encode())
