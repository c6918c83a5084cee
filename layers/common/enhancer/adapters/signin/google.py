"""Sign-in with Google (OpenID Connect): endpoints and keys are those it publishes, cached for an hour.

See https://developers.google.com/identity/openid-connect/openid-connect.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from enhancer.adapters.signin.base import URLS, Profile, SignIn, profile_of
from enhancer.adapters.signin.client import Client, Unusable, sign_in_client, trusted
from enhancer.adapters.signin.id_tokens import UnknownKey, claims_of, keys_of
from enhancer.domain.errors import SignInFailed
from enhancer.domain.paths import is_loopback

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

SCOPE = "openid email profile"
FRESH_SECONDS = 3600
FORCED_SECONDS = 60
"""Shortest time between two fetches of the keys because a token names an unknown one."""


@dataclass(frozen=True, slots=True)
class _Endpoints:
    """The endpoints in Google's discovery document."""

    authorization: str
    token: str
    keys: str


class Google(SignIn):
    """Sign-in with Google, or with a stand-in whose ``issuer`` is on loopback.

    ``credentials`` returns client id and secret; ``clock`` returns monotonic seconds.
    """

    def __init__(
        self, *, credentials: Callable[[], tuple[str, str]], issuer: str, clock: Callable[[], float]
    ) -> None:
        self._credentials, self._issuer, self._clock = credentials, issuer, clock
        self._local = is_loopback(issuer)
        self._issuers = [issuer]
        if issuer == URLS["google_issuer"]:
            self._issuers.append(issuer.removeprefix("https://"))  # Google documents both
        self._places: tuple[float, _Endpoints] | None = None
        self._keys: tuple[float, dict[str, RSAKey]] | None = None
        self._forced = float("-inf")

    def authorize_url(self, *, redirect_uri: str, state: str, nonce: str, verifier: str) -> str:
        """Return the URL to sign in at; see `SignIn`."""
        if not nonce:
            raise ValueError("a sign-in with Google needs a nonce")
        with self._client(redirect_uri) as client:
            place = self._discovered(client).authorization
            return client.start(place, state=state, verifier=verifier, nonce=nonce)

    def profile(self, *, code: str, redirect_uri: str, verifier: str, nonce: str, now: int) -> Profile:
        """Return who signed in, from the ID token; see `SignIn`."""
        with self._client(redirect_uri) as client:
            places = self._discovered(client)
            token = client.exchange(places.token, code=code, verifier=verifier).get("id_token")
            if not isinstance(token, str):
                raise Unusable("shape")
            claims = self._claims(client, places, token, nonce=nonce, now=now)
        if claims.get("email_verified") is not True:
            raise SignInFailed(reason="email_unverified")
        return profile_of("google", subject=claims["sub"], email=claims.get("email"), name=claims.get("name"))

    def _client(self, redirect_uri: str) -> AbstractContextManager[Client]:
        return sign_in_client(
            "google", self._credentials, scope=SCOPE, redirect_uri=redirect_uri, local=self._local
        )

    def _claims(
        self, client: Client, places: _Endpoints, token: str, *, nonce: str, now: int
    ) -> dict[str, Any]:
        """Return the verified claims of a token; for an unknown key, fetch the keys again and verify once more."""
        verify = partial(
            claims_of, token, issuers=self._issuers, audience=client.client_id, nonce=nonce, now=now
        )
        try:
            return verify(self._cached_keys(client, places))
        except UnknownKey:
            fetched = self._refetched_keys(client, places)
        try:
            return verify(fetched)
        except UnknownKey:
            raise SignInFailed(reason="token") from None

    def _discovered(self, client: Client) -> _Endpoints:
        """Return Google's endpoints, at most `FRESH_SECONDS` old (OpenID Connect Discovery 1.0, 4.3)."""
        if self._places and self._clock() - self._places[0] < FRESH_SECONDS:
            return self._places[1]
        status, found = client.get_json(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if status != 200 or not isinstance(found, dict) or found.get("issuer") != self._issuer:
            raise Unusable("discovery")
        named = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        safe = [name for name in named if isinstance(name, str) and trusted(name, local=self._local)]
        if len(safe) < len(named):
            raise Unusable("place")
        places = _Endpoints(*safe)
        self._places = (self._clock(), places)
        return places

    def _cached_keys(self, client: Client, places: _Endpoints) -> dict[str, RSAKey]:
        """Return Google's keys, at most `FRESH_SECONDS` old."""
        if self._keys and self._clock() - self._keys[0] < FRESH_SECONDS:
            return self._keys[1]
        return self._fetch_keys(client, places)

    def _refetched_keys(self, client: Client, places: _Endpoints) -> dict[str, RSAKey]:
        """Return keys fetched because of an unknown key id; {} if that was done less than `FORCED_SECONDS` ago."""
        if self._clock() - self._forced < FORCED_SECONDS:
            return {}
        self._forced = self._clock()
        return self._fetch_keys(client, places)

    def _fetch_keys(self, client: Client, places: _Endpoints) -> dict[str, RSAKey]:
        """Fetch Google's keys and cache them."""
        status, document = client.get_json(places.keys)
        keys = keys_of(document)
        if status != 200 or not keys:
            raise Unusable("keys")
        self._keys = (self._clock(), keys)
        return keys
