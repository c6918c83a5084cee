"""Signing in with Google (OpenID Connect) or GitHub (OAuth 2): where to send a browser, and who came back.

The authorization code with PKCE S256 (RFC 7636), ``state`` and, at Google, ``nonce``. Whoever calls keeps the three
bound to the browser and single-use; this adapter sends them, and checks what the provider can prove.
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
"""Where the providers live. Others are for stand-ins on loopback, the only places that may speak http."""
NAME_CHARACTERS_MAX = 200

_EMAIL = re.compile(r"[!-?A-~]{1,64}@[!-?A-~]{1,189}")
"""Visible ASCII around one @, 254 characters at most. Other letters are left out on purpose: some of them turn into
ASCII in lower case (the Kelvin sign into k), and somebody else's address must never come of it."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Who signed in. ``subject``: the provider's own id of the person, which never changes, 1 to 255 ASCII characters.

    ``email``: verified by the provider, lower-cased ASCII; ``name``: as the person spells it, may be empty.
    """

    provider: Provider
    subject: str
    email: str
    name: str


class SignIn(ABC):
    """One provider. Keep the object: it remembers what the provider publishes about itself."""

    @abstractmethod
    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser goes to sign in.

        ``verifier``: 43 to 128 unreserved characters; only its SHA-256 leaves us. Raises `SignInUnavailable`, and
        `ValueError` for an empty ``state`` or ``nonce`` or another verifier, which would switch a protection off.
        """

    @abstractmethod
    def profile(self, *, code: str, redirect_uri: str, verifier: str, nonce: str, now: int) -> Profile:
        """Return who the provider says came back with ``code``, within 12 s; ``now`` in epoch milliseconds.

        Raises `SignInFailed` (code, token, email_unverified, denied, provider) and `SignInUnavailable`. The
        provider's tokens are forgotten on return.
        """


def usable(email: Any) -> str | None:
    """Return an e-mail address in lower case, None for what is none, or none that we can keep apart from others."""
    return email.lower() if isinstance(email, str) and _EMAIL.fullmatch(email) else None


def profile_of(provider: Provider, *, subject: str, email: Any, name: Any) -> Profile:
    """Return a profile of checked parts; raise `SignInFailed` (email_unverified) without a usable address."""
    address = usable(email)
    if address is None:
        raise SignInFailed(reason="email_unverified")
    text = name if isinstance(name, str) else ""
    shown = "".join(character if character.isprintable() else " " for character in text)
    return Profile(provider, subject, address, " ".join(shown.split())[:NAME_CHARACTERS_MAX])
