"""What must not sign anybody in: states, codes and tokens that are not what they seem, and open redirects."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import SIGN_IN_SECONDS, hashed
from tests.e2e.conftest import Store
from tests.e2e.people import (
    ASKED_BY_PERSON,
    Door,
    Provider,
    door_fixture,  # noqa: F401
    me,
    refused,
    stays_outside,
)
from tests.support.client import Client

Browser = Callable[[], Client]


# ------------------------------------------------------------------------------------------ state


def test_a_callback_without_a_state_is_refused(door: Door, fresh_client: Browser, store: Store) -> None:
    """Whatever code it brings."""
    browser = fresh_client()
    door.login(browser, "google")
    assert refused(door.back(browser, "/api/auth/google/callback?code=4%2F0Aabc"), 401, "sign_in_failed")
    assert stays_outside(browser, store)


def test_another_browsers_state_is_refused_and_still_good_in_its_own(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """A link that somebody was sent signs them in as nobody."""
    victim, attacker = fresh_client(), fresh_client()
    back = door.consent(door.login(attacker, "google"), "ada")
    door.login(victim, "google")
    assert refused(door.back(victim, back), 401, "sign_in_failed")
    assert stays_outside(victim, store)
    assert door.back(attacker, back).status_code == 302


def test_a_state_without_the_browsers_cookie_is_refused(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """The state alone, seen in a log or a history, is worth nothing."""
    browser, bare = fresh_client(), fresh_client()
    back = door.consent(door.login(browser, "google"), "ada")
    assert refused(door.back(bare, back), 401, "sign_in_failed")
    assert stays_outside(bare, store)


def test_a_state_works_once(door: Door, fresh_client: Browser, store: Store) -> None:
    """The same address again, in the same browser, starts no second session."""
    browser = fresh_client()
    back = door.consent(door.login(browser, "google"), "ada")
    assert door.back(browser, back).status_code == 302
    token = browser.http.cookies["session_id"]
    assert refused(door.back(browser, back), 401, "sign_in_failed")
    assert browser.http.cookies["session_id"] == token


def test_a_state_of_one_provider_is_refused_at_the_other(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """No mixing up of providers."""
    browser = fresh_client()
    back = door.consent(door.login(browser, "google"), "ada")
    assert refused(door.back(browser, back.replace("google", "github", 1)), 401, "sign_in_failed")
    assert stays_outside(browser, store)


def test_an_expired_state_is_refused(door: Door, fresh_client: Browser, store: Store) -> None:
    """Ten minutes, checked by us and not left to the table's deletion."""
    browser = fresh_client()
    back = door.consent(door.login(browser, "google"), "ada")
    place = keys.sign_in(hashed(parse_qs(urlsplit(back).query)["state"][0]))
    values = {":late": SIGN_IN_SECONDS}
    store.table.update(place, "SET expires = expires - :late", values=values)
    assert refused(door.back(browser, back), 401, "sign_in_failed")
    assert stays_outside(browser, store)


@pytest.mark.parametrize("provider", ["google", "github"])
def test_a_code_asked_for_with_another_challenge_is_refused(
    door: Door, fresh_client: Browser, store: Store, provider: Provider
) -> None:
    """PKCE: a stolen code does not fit our verifier, as the provider notices."""
    browser = fresh_client()
    url = door.login(browser, provider)
    challenge = parse_qs(urlsplit(url).query)["code_challenge"][0]
    back = door.consent(url.replace(challenge, challenge[::-1]), "ada")
    assert refused(door.back(browser, back), 401, "sign_in_failed")
    assert stays_outside(browser, store)


# ------------------------------------------------------------------------------------- provider's answers


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("wrong_nonce", "token"),
        ("no_nonce", "token"),
        ("alg_none", "token"),
        ("hs256_with_public_key", "token"),
        ("expired", "token"),
        ("wrong_audience", "token"),
        ("wrong_issuer", "token"),
        ("unknown_kid", "token"),
        ("kid_path", "token"),
        ("bad_signature", "token"),
        ("unverified_email", "email_unverified"),
        ("no_email", "email_unverified"),
    ],
)
def test_a_spoiled_id_token_signs_nobody_in(
    door: Door, fresh_client: Browser, store: Store, kind: str, reason: str
) -> None:
    """No session, no account, and the reason is a word of ours."""
    browser = fresh_client()
    back = door.consent(door.login(browser, "google"), "ada")
    door.script("google", "token", "id_token", kind=kind)
    answer = door.back(browser, back)
    assert refused(answer, 401, "sign_in_failed")
    assert answer.json()["error"]["details"] == {"reason": reason}
    assert stays_outside(browser, store)


@pytest.mark.parametrize(("provider", "who"), [("google", "mallory"), ("github", "nora")])
def test_nobody_signs_in_with_an_unverified_address(
    door: Door, fresh_client: Browser, store: Store, provider: Provider, who: str
) -> None:
    """At Google by the token, at GitHub by the list of addresses."""
    browser = fresh_client()
    answer = door.sign_in(browser, who, provider)
    assert refused(answer, 401, "sign_in_failed")
    assert answer.json()["error"]["details"] == {"reason": "email_unverified"}
    assert stays_outside(browser, store)


def test_an_unverified_claim_to_somebodys_address_gets_the_verified_one(
    door: Door, fresh_client: Browser
) -> None:
    """Mallory shows Ada's address at GitHub; here she is known by her own."""
    browser = fresh_client()
    door.sign_in(browser, "mallory", "github")
    assert me(browser)["email"] == "mallory@example.com"


@pytest.mark.parametrize("provider", ["google", "github"])
def test_saying_no_at_the_provider_signs_nobody_in(
    door: Door, fresh_client: Browser, store: Store, provider: Provider
) -> None:
    """The reason is "denied"."""
    browser = fresh_client()
    url = door.login(browser, provider)
    door.script(provider, "authorize", "denied")
    answer = door.back(browser, door.consent(url, "ada"))
    assert refused(answer, 401, "sign_in_failed")
    assert answer.json()["error"]["details"] == {"reason": "denied"}
    assert stays_outside(browser, store)


@pytest.mark.parametrize("provider", ["google", "github"])
def test_a_provider_that_is_down_is_503_and_signs_nobody_in(
    door: Door, fresh_client: Browser, store: Store, provider: Provider
) -> None:
    """It is not the person's fault, and said so."""
    browser = fresh_client()
    back = door.consent(door.login(browser, provider), "ada")
    door.script(provider, "token", "status", status=503)
    assert refused(door.back(browser, back), 503, "sign_in_unavailable")
    assert stays_outside(browser, store)


# ------------------------------------------------------------------------------------- what people see


def test_a_person_is_sent_to_the_page_with_the_reason(door: Door, fresh_client: Browser) -> None:
    """A browser that asks for HTML gets no JSON, and no secret in the address."""
    browser = fresh_client()
    back = door.consent(door.login(browser, "google"), "mallory")
    answer = door.back(browser, back, **ASKED_BY_PERSON, **{"Accept-Language": "de"})
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/de/account?signIn=sign_in_failed&reason=email_unverified"
    assert "session_id" not in browser.http.cookies


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "evil.example",
        "%252f%252fevil.example",
        "/%2f%2fevil.example",
        "/%252fevil.example",
        "/%5cevil.example",
        "/%255cevil.example",
        "/x%0d%0aSet-Cookie:a=b",
        "/x%250d%250aSet-Cookie:a=b",
        "/api/auth/logout",
        "/%61pi/auth/logout",
        "/x/../api/account/export",
        "/%252e%252e/api/account/export",
    ],
)
def test_no_other_place_is_led_to_after_signing_in(door: Door, fresh_client: Browser, path: str) -> None:
    """Refused before the provider is asked."""
    browser = fresh_client()
    answer = browser.get(f"/api/auth/google/login?returnTo={path}")
    assert refused(answer, 400, "return_to_invalid")
    assert "Location" not in answer.headers
