"""The interface of sign-in with Google (OpenID Connect) or GitHub (OAuth 2): the URL to sign in at, and who signed in.

The flow is the authorization code (RFC 6749, 4.1) with PKCE S256 (RFC 7636), ``state`` and, at Google, ``nonce``. The
caller binds these values to the browser and uses each once; this adapter sends them and verifies the answers.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from enhancer.domain.errors import SignInFailed

Provider = Literal["google", "github"]

URLS = {
    "google_issuer": "https://accounts.google.com",
    "github": "https://github.com",
    "github_api": "https://api.github.com",
}
"""The providers' real addresses. Only stand-ins have others, on loopback, the only place where http is allowed."""
NAME_CHARACTERS_MAX = 200

_EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}")
"""Visible ASCII around one @, 254 characters at most. Other letters are refused on purpose: some become ASCII in lower
case (the Kelvin sign becomes k), which would give somebody else's address."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Who signed in. ``subject``: the provider's id of the person, which never changes, 1 to 255 ASCII characters.

    ``email``: verified by the provider, lower-cased ASCII; ``name``: as the person spells it, may be empty.
    """

    provider: Provider
    subject: str
    email: str
    name: str


class SignIn(ABC):
    """Sign-in at one provider. Reuse the object: it caches the provider's addresses and keys."""

    @abstractmethod
    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the URL that the browser is sent to for signing in.

        ``verifier``: 43 to 128 unreserved characters, of which only the SHA-256 is sent. Raises `SignInUnavailable`,
        and `ValueError` for an empty ``state`` or ``nonce`` or another verifier, each of which would disable a check.
        """

    @abstractmethod
    def profile(self, *, code: str, redirect_uri: str, verifier: str, nonce: str, now: int) -> Profile:
        """Exchange ``code`` and return who signed in, within 12 s; ``now`` in epoch milliseconds.

        Raises `SignInFailed` (code, token, email_unverified, denied, provider) and `SignInUnavailable`. The
        provider's tokens are not kept.
        """


def usable(email: Any) -> str | None:
    """Return an e-mail address in lower case, None for anything else and for addresses that are not ASCII."""
    return email.lower() if isinstance(email, str) and _EMAIL.fullmatch(email) else None


def profile_of(provider: Provider, *, subject: str, email: Any, name: Any) -> Profile:
    """Return a profile with a checked e-mail and a printable name; raise `SignInFailed` (email_unverified)."""
    address = usable(email)
    if address is None:
        raise SignInFailed(reason="email_unverified")
    text = name if isinstance(name, str) else ""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return Profile(provider, subject, address, " ".join(shown.split())[:NAME_CHARACTERS_MAX])
