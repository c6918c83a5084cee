"""Verify ID tokens (OpenID Connect Core 1.0, 3.1.3.7), signed with RS256 only; read the keys for it (RFC 7517)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jwt import JWTClaimsRegistry, decode

from enhancer.domain.errors import SignInFailed

ALGORITHM = "RS256"
KEY_BITS_MIN = 2048
LEEWAY_SECONDS = 60
SUBJECT_CHARACTERS_MAX = 255


class UnknownKey(Exception):
    """The token names a key that is not among the given ones, which may be too old."""


def keys_of(document: Any) -> dict[str, RSAKey]:
    """Return the public RSA signature keys in a JWK set (RFC 7517, 5), by key id; every other key is left out."""
    listed = document.get("keys") if isinstance(document, dict) else None
    entries = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    keys: dict[str, RSAKey] = {}
    for entry in entries:
        kid = entry.get("kid")
        fits = entry.get("kty") == "RSA" and entry.get("use") in ("sig", None)
        if not fits or entry.get("alg") not in (ALGORITHM, None) or not isinstance(kid, str):
            continue
        try:
            key = RSAKey.import_key({"kty": "RSA", "n": entry["n"], "e": entry["e"]})
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if key.raw_value.key_size >= KEY_BITS_MIN:
            keys[kid] = key
    return keys


def claims_of(
    token: str, keys: Mapping[str, RSAKey], *, issuers: list[str], audience: str, nonce: str, now: int
) -> dict[str, Any]:
    """Return the claims of an ID token whose signature and claims are all valid; ``now`` in epoch milliseconds.

    Raises `UnknownKey`, and `SignInFailed` (token) for everything else, without telling what was wrong.
    """

    def key_for(signed: jws.CompactSignature) -> RSAKey:
        kid = signed.headers().get("kid")
        if not isinstance(kid, str):
            raise JoseError
        if kid not in keys:
            raise UnknownKey
        return keys[kid]

    registry = JWTClaimsRegistry(
        now=now // 1000,
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "values": issuers},
        aud={"essential": True, "value": audience},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True},
    )
    try:
        # the algorithm is checked before a key is chosen, so "none" or HS256 with a public key as its secret fail
        claims = decode(token, key_for, algorithms=[ALGORITHM]).claims  # type: ignore[arg-type]
        registry.validate(claims)
    except (JoseError, ValueError, TypeError, RecursionError):
        raise SignInFailed(reason="token") from None
    if not (
        _is_authorized_party(claims, audience) and _same(claims["nonce"], nonce) and _subject(claims["sub"])
    ):
        raise SignInFailed(reason="token")
    return claims


def _is_authorized_party(claims: Mapping[str, Any], audience: str) -> bool:
    """Return whether ``azp`` is our client id; a token with several audiences must have it."""
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    return bool(claims.get("azp", None if several else audience) == audience)


def _same(found: Any, nonce: str) -> bool:
    expected = nonce.encode(errors="surrogatepass")
    return (
        bool(expected)
        and isinstance(found, str)
        and hmac.compare_digest(found.encode(errors="surrogatepass"), expected)
    )


def _subject(found: str) -> bool:
    return 0 < len(found) <= SUBJECT_CHARACTERS_MAX and found.isascii() and found.isprintable()
