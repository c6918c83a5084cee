"""The Google stand-in's id_tokens verify against its keys, and each bad kind has exactly one thing wrong with it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import RSAKey

from local.standins.signin_flow import s256
from local.standins.signin_tokens import KINDS
from local.standins.started import StandIn

REDIRECT = "http://127.0.0.1:8787/api/auth/google/callback"
VERIFIER = "v" * 43


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn("google", [], log=tmp_path_factory.mktemp("google") / "log") as started:
        yield started


@pytest.fixture
def google(server: StandIn) -> StandIn:
    server.reset()
    return server


def tokens(google: StandIn, user: str = "ada@example.com", **changed: str) -> dict[str, Any]:
    """Sign in and exchange the code."""
    asked = {
        "client_id": "local-google",
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid email profile",
        "state": "s",
        "nonce": "n-1",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
        "login_hint": user,
        "auto": "1",
    } | changed
    url = f"{google.url}/o/oauth2/v2/auth"
    back = requests.get(url, params=asked, allow_redirects=False, timeout=60).headers["Location"]
    body = {
        "client_id": "local-google",
        "client_secret": "google-secret",
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT,
        "code": parse_qs(urlsplit(back).query)["code"][0],
        "code_verifier": VERIFIER,
    }
    answer = requests.post(f"{google.url}/token", data=body, timeout=60)
    assert answer.status_code == 200
    return dict(answer.json())


def keys(google: StandIn) -> dict[str, Any]:
    """The key set by id."""
    found = requests.get(f"{google.url}/jwks", timeout=60).json()["keys"]
    return {key["kid"]: key for key in found}


def part(token: str, number: int) -> dict[str, Any]:
    """Header (0) or claims (1), unverified."""
    text = token.split(".")[number]
    return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))


def problems(google: StandIn, token: str) -> list[str]:
    """Everything that a careful application finds wrong with a token."""
    header, claims, now = part(token, 0), part(token, 1), time.time()
    listed = keys(google).get(header["kid"])
    found = []
    if header["alg"] != "RS256":
        found.append(f"alg {header['alg']}")
    elif listed is None:
        found.append("kid")
    else:
        try:
            jwt.decode(token, RSAKey.import_key(listed), algorithms=["RS256"])
        except BadSignatureError:
            found.append("signature")
    wrong = {
        "iss": claims["iss"] != google.url,
        "aud": (claims["aud"], claims["azp"]) != ("local-google", "local-google"),
        "exp": claims["exp"] < now,
        "iat": claims["iat"] > now + 60,
        "nonce": claims.get("nonce") != "n-1",
        "email": not claims.get("email"),
        "unverified": claims.get("email_verified") is False,
    }
    return found + [name for name, is_wrong in wrong.items() if is_wrong]


def test_a_token_says_who_for_whom_by_whom_and_until_when(google: StandIn) -> None:
    """All the claims, an hour of life, the nonce as it was sent, and the hash of the access token beside it."""
    answer = tokens(google)
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", 3599)
    assert answer["scope"].split()[0] == "openid"
    claims = part(answer["id_token"], 1)
    issued_at, expires_at = claims.pop("iat"), claims.pop("exp")
    assert (expires_at - issued_at, abs(issued_at - time.time()) < 10) == (3600, True)
    digest = hashlib.sha256(answer["access_token"].encode()).digest()[:16]
    assert claims == {
        "iss": google.url,
        "azp": "local-google",
        "aud": "local-google",
        "sub": "110000000000000000001",
        "email": "ada@example.com",
        "email_verified": True,
        "name": "Ada Lovelace",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "nonce": "n-1",
    }
    assert problems(google, answer["id_token"]) == []


def test_the_key_set_holds_public_keys_only(google: StandIn) -> None:
    """RS256, for signatures, with an id, and nothing that could sign."""
    (key,) = keys(google).values()
    assert set(key) == {"kty", "kid", "use", "alg", "n", "e"}
    assert (key["kty"], key["use"], key["alg"]) == ("RSA", "sig", "RS256")


def test_scopes_and_nonce_decide_what_a_token_holds(google: StandIn) -> None:
    """No e-mail and no name unless asked for, and no nonce where none was sent."""
    claims = part(tokens(google, scope="openid", nonce="")["id_token"], 1)
    assert set(claims) == {"iss", "azp", "aud", "sub", "at_hash", "iat", "exp"}


def test_mallory_comes_with_an_unverified_address(google: StandIn) -> None:
    """Without any script."""
    assert problems(google, tokens(google, "mallory")["id_token"]) == ["unverified"]


def test_a_new_key_signs_while_the_old_one_stays_listed(google: StandIn) -> None:
    """Tokens of before and after both verify, the newest key first; a reset brings the first key back."""
    before = tokens(google)["id_token"]
    first = list(keys(google))
    kids = google.control("rotate")["kids"]
    after = tokens(google)["id_token"]
    assert (list(keys(google)), kids[1:]) == (kids, first)
    assert [part(before, 0)["kid"], part(after, 0)["kid"]] == [first[0], kids[0]]
    assert (problems(google, before), problems(google, after)) == ([], [])
    google.reset()
    assert list(keys(google)) == first


def test_a_dropped_key_verifies_nothing_any_more(google: StandIn) -> None:
    """Only the new one is listed, and only its tokens are good."""
    before = tokens(google)["id_token"]
    kids = google.control("rotate", drop=True)["kids"]
    assert list(keys(google)) == kids
    assert problems(google, before) == ["kid"]
    assert problems(google, tokens(google)["id_token"]) == []


EXPECTED = {
    "expired": ["exp"],
    "future_iat": ["iat"],
    "wrong_nonce": ["nonce"],
    "no_nonce": ["nonce"],
    "wrong_audience": ["aud"],
    "wrong_issuer": ["iss"],
    "alg_none": ["alg none"],
    "hs256_with_public_key": ["alg HS256"],
    "unknown_kid": ["kid"],
    "kid_path": ["kid"],
    "bad_signature": ["signature"],
    "unverified_email": ["unverified"],
    "no_email": ["email"],
}


def test_no_kind_of_bad_token_is_forgotten() -> None:
    """The table of this file is complete."""
    assert set(EXPECTED) == KINDS


@pytest.mark.parametrize("kind", sorted(EXPECTED))
def test_a_bad_token_has_exactly_one_thing_wrong_and_comes_once(google: StandIn, kind: str) -> None:
    """So a test that passes because of another mistake cannot happen."""
    google.script("token", "id_token", kind=kind)
    assert problems(google, tokens(google)["id_token"]) == EXPECTED[kind]
    assert problems(google, tokens(google)["id_token"]) == []


def test_the_forged_signatures_would_deceive_a_careless_application(google: StandIn) -> None:
    """None is empty; HS256 is a true HMAC with the public key; the path is in the header."""
    for kind in ("alg_none", "hs256_with_public_key", "kid_path"):
        google.script("token", "id_token", kind=kind)
    none, hs256, path = (tokens(google)["id_token"] for _ in range(3))
    assert none.endswith(".")
    pem = RSAKey.import_key(keys(google)[part(hs256, 0)["kid"]]).as_pem(private=False)
    signed, _, signature = hs256.rpartition(".")
    digest = hmac.digest(pem, signed.encode(), "sha256")
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == signature
    assert part(path, 0)["kid"] == "../../etc/passwd"


@pytest.mark.parametrize(
    ("kind", "expected"), [("unverified_email", ("ada@example.com", False)), ("no_email", (None, None))]
)
def test_userinfo_agrees_with_a_token_about_the_address(
    google: StandIn, kind: str, expected: tuple[Any, Any]
) -> None:
    """An application that asks there learns the same."""
    google.script("token", "id_token", kind=kind)
    headers = {"Authorization": f"Bearer {tokens(google)['access_token']}"}
    told = requests.get(f"{google.url}/userinfo", headers=headers, timeout=60).json()
    assert (told.get("email"), told.get("email_verified")) == expected
