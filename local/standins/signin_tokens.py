"""The signing keys of the Google stand-in, and its id_tokens, valid and invalid ones."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping

from joserfc import jwt
from joserfc.jwk import KeyParameters, RSAKey

from local.standins.control import Json, Names
from local.standins.signin_flow import base64url

LIFETIME_S = 3600
KEY_BITS = 2048
CLAIMS: Mapping[str, Callable[[Json], Json]] = {
    "expired": lambda claims: moved(claims, -2 * LIFETIME_S),
    "future_iat": lambda claims: moved(claims, LIFETIME_S),
    "wrong_nonce": lambda claims: claims | {"nonce": "a-nonce-of-somebody-else"},
    "no_nonce": lambda claims: {name: value for name, value in claims.items() if name != "nonce"},
    "wrong_audience": lambda claims: claims | {"aud": "another-client", "azp": "another-client"},
    "wrong_issuer": lambda claims: claims | {"iss": "https://issuer.example.com"},
    "unverified_email": lambda claims: claims | {"email_verified": False},
    "no_email": lambda claims: {name: claims[name] for name in claims if not name.startswith("email")},
}
SIGNATURES = frozenset({"alg_none", "hs256_with_public_key", "unknown_kid", "bad_signature", "kid_path"})
KINDS = SIGNATURES | set(CLAIMS)


class Keys:
    """The keys of the key set; the newest one signs."""

    def __init__(self) -> None:
        self._names = Names(None)
        self._first = self._new()
        self._listed = [self._first]
        self._stranger: RSAKey | None = None
        self._lock = threading.Lock()

    def jwks(self) -> Json:
        """Return the public keys (JWK set), newest first."""
        return {"keys": [key.as_dict(private=False) for key in reversed(self._listed)]}

    def kids(self) -> list[str]:
        """Return the key ids in the key set, newest first."""
        return [str(key.kid) for key in reversed(self._listed)]

    def rotate(self, *, drop: bool) -> None:
        """Sign with a new key from now on; older ones stay in the set unless they are dropped."""
        fresh = self._new()
        with self._lock:
            self._listed = [fresh] if drop else [*self._listed, fresh]

    def reset(self) -> None:
        """Return to the first key."""
        with self._lock:
            self._listed = [self._first]

    def id_token(self, claims: Json, kind: str) -> str:
        """Return signed claims, with claims or signature spoilt as a kind of fault says."""
        if kind in CLAIMS:
            claims = CLAIMS[kind](claims)
        key = self._listed[-1]
        header = {"alg": "RS256", "kid": str(key.kid), "typ": "JWT"}
        match kind:
            case "alg_none":
                return compact(header | {"alg": "none"}, claims, lambda _: b"")
            case "hs256_with_public_key":
                pem = key.as_pem(private=False)
                return compact(
                    header | {"alg": "HS256"}, claims, lambda data: hmac.digest(pem, data, "sha256")
                )
            case "unknown_kid":
                return jwt.encode(header | {"kid": self._names.next(40)}, claims, self._of_nobody())
            case "bad_signature":
                return jwt.encode(header, claims, self._of_nobody())
            case "kid_path":
                return jwt.encode(header | {"kid": "../../etc/passwd"}, claims, key)
            case _:
                return jwt.encode(header, claims, key)

    def _of_nobody(self) -> RSAKey:
        """Return a key that is never in the key set."""
        with self._lock:
            self._stranger = self._stranger or self._new()
            return self._stranger

    def _new(self) -> RSAKey:
        parameters: KeyParameters = {"kid": self._names.next(40), "use": "sig", "alg": "RS256"}
        return RSAKey.generate_key(KEY_BITS, parameters)


def compact(header: Json, claims: Json, sign: Callable[[bytes], bytes]) -> str:
    """Return a token with any header, signed by the given function: what no library would make."""
    signed = ".".join(base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url(sign(signed.encode()))}"


def moved(claims: Json, seconds: int) -> Json:
    """Return the claims with their times moved."""
    return claims | {"iat": claims["iat"] + seconds, "exp": claims["exp"] + seconds}


def at_hash(access_token: str) -> str:
    """Return the ``at_hash`` of an access token (OpenID Connect Core 1.0, 3.1.3.6)."""
    return base64url(hashlib.sha256(access_token.encode()).digest()[:16])
