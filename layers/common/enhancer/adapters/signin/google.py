"""Google: OpenID Connect. Its addresses and its keys are what it publishes, remembered for an hour."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from enhancer.adapters.signin.base import URLS, Profile, SignIn, profile_of
from enhancer.adapters.signin.client import Client, Unusable, talking_to, trusted
from enhancer.adapters.signin.id_tokens import UnknownKey, claims_of, keys_of
from enhancer.domain.errors import SignInFailed
from enhancer.domain.paths import is_loopback

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

SCOPE = "openid email profile"
FRESH_SECONDS = 3600
FORCED_SECONDS = 60
"""However many tokens name a key that we do not know, the keys are fetched for them no more often than this."""


@dataclass(frozen=True, slots=True)
class _Places:
    """The addresses in Google's discovery document."""

    authorization: str
    token: str
    keys: str


class Google(SignIn):
    """Sign in with Google, or with a stand-in whose ``issuer`` is on loopback."""

    def __init__(
        self, *, credentials: Callable[[], tuple[str, str]], issuer: str, clock: Callable[[], float]
    ) -> None:
        self._credentials, self._issuer, self._clock = credentials, issuer, clock
        self._local = is_loopback(issuer)
        self._issuers = [issuer]
        if issuer == URLS["google_issuer"]:
            self._issuers.append(issuer.removeprefix("https://"))  # both are documented
        self._places: tuple[float, _Places] | None = None
        self._keys: tuple[float, dict[str, RSAKey]] | None = None
        self._forced = float("-inf")

    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return where the browser goes; see `SignIn`."""
        if not nonce:
            raise ValueError("a sign-in with Google needs a nonce")
        with self._talking(redirect_uri) as client:
            place = self._discovered(client).authorization
            return client.start(place, state=state, verifier=verifier, nonce=nonce)

    def profile(self, *, code: str, redirect_uri: str, verifier: str, nonce: str, now: int) -> Profile:
        """Return who came back, as the ID token says; see `SignIn`."""
        with self._talking(redirect_uri) as client:
            places = self._discovered(client)
            token = client.exchange(places.token, code=code, verifier=verifier).get("id_token")
            if not isinstance(token, str):
                raise Unusable("shape")
            claims = self._claims(client, places, token, nonce=nonce, now=now)
        if claims.get("email_verified") is not True:
            raise SignInFailed(reason="email_unverified")
        return profile_of("google", subject=claims["sub"], email=claims.get("email"), name=claims.get("name"))

    def _talking(self, redirect_uri: str) -> AbstractContextManager[Client]:
        return talking_to(
            "google", self._credentials, scope=SCOPE, redirect_uri=redirect_uri, local=self._local
        )

    def _claims(self, client: Client, places: _Places, token: str, *, nonce: str, now: int) -> dict[str, Any]:
        """Verify a token; one that names an unknown key gets a second look after fetching the keys anew."""
        verify = partial(
            claims_of, token, issuers=self._issuers, audience=client.client_id, nonce=nonce, now=now
        )
        try:
            return verify(self._published(client, places))
        except UnknownKey:
            anew = self._published_anew(client, places)
        try:
            return verify(anew)
        except UnknownKey:
            raise SignInFailed(reason="token") from None

    def _discovered(self, client: Client) -> _Places:
        """Return Google's addresses, at most `FRESH_SECONDS` old (OpenID Connect Discovery 1.0, 4.3)."""
        if self._places and self._clock() - self._places[0] < FRESH_SECONDS:
            return self._places[1]
        status, found = client.look(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or not isinstance(found, dict) or found.get("issuer") != self._issuer:
            raise Unusable("discovery")
        named = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        safe = [name for name in named if isinstance(name, str) and trusted(name, local=self._local)]
        if len(safe) < len(named):
            raise Unusable("place")
        places = _Places(*safe)
        self._places = (self._clock(), places)
        return places

    def _published(self, client: Client, places: _Places) -> dict[str, RSAKey]:
        """Return Google's keys, at most `FRESH_SECONDS` old."""
        if self._keys and self._clock() - self._keys[0] < FRESH_SECONDS:
            return self._keys[1]
        return self._fetched(client, places)

    def _published_anew(self, client: Client, places: _Places) -> dict[str, RSAKey]:
        """Return keys fetched because of a key id that we do not know, or none where that was done just now."""
        if self._clock() - self._forced < FORCED_SECONDS:
            return {}
        self._forced = self._clock()
        return self._fetched(client, places)

    def _fetched(self, client: Client, places: _Places) -> dict[str, RSAKey]:
        status, document = client.look(places.keys)
        keys = keys_of(document)
        if status != 200 or not keys:
            raise Unusable("keys")
        self._keys = (self._clock(), keys)
        return keys
