"""Signing in with Google and GitHub on the deployed stack, the providers played by stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import hashed
from tests.e2e.conftest import Store
from tests.e2e.people import (
    Door,
    Provider,
    door_fixture,  # noqa: F401
    identities,
    me,
    refused,
)
from tests.support.client import Client, picture
from tests.support.cookies import parsed

ADA, GRACE = "google#110000000000000000001", "google#110000000000000000002"
ADA_AT_GITHUB = "github#1001"
Browser = Callable[[], Client]


# ------------------------------------------------------------------------------------------ it works


@pytest.mark.parametrize(("provider", "identity"), [("google", ADA), ("github", ADA_AT_GITHUB)])
def test_signing_in_opens_an_account_and_leads_back(
    door: Door, fresh_client: Browser, store: Store, provider: Provider, identity: str
) -> None:
    """Name, verified address and the free plan; the browser is back on the path it came from."""
    browser = fresh_client()
    answer = door.sign_in(browser, provider=provider, query="?returnTo=/de/account%3Ftab=keys")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/de/account?tab=keys")
    found = me(browser)
    assert (found["name"], found["email"], found["plan"], found["role"], found["signIns"]) == (
        "Ada Lovelace",
        "ada@example.com",
        "free",
        "user",
        [provider],
    )
    assert identities(store.table) == {identity: found["id"]}


def test_the_session_is_a_cookie_out_of_reach_of_scripts_and_stored_only_as_a_hash(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """HttpOnly, SameSite=Lax, thirty days, 256 bits; the table knows its hash."""
    browser = fresh_client()
    cookie = door.sign_in(browser).headers["Set-Cookie"]
    token = browser.http.cookies["session_id"]
    flags = ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax"]
    assert ("session_id", token, flags) in [parsed(one) for one in cookie.split(", ")]
    assert len(token) == 43
    assert store.table.get(keys.session(hashed(token)))
    assert store.table.get(keys.session(token)) is None


def test_what_was_made_as_guest_stays_reachable_after_signing_in(door: Door, fresh_client: Browser) -> None:
    """The guest's job is listed, its result is served, and the new user's own day is untouched."""
    browser = fresh_client()
    made = browser.generate(picture(seed=901)).json()["data"]
    door.sign_in(browser)
    listed = browser.get("/api/ai-image/jobs").json()["data"]["jobs"]
    assert [job["id"] for job in listed] == [made["jobId"]]
    assert browser.get(made["imageUrl"]).status_code == 200
    assert browser.usage()["usage"]["used"] == 0


def test_a_job_begun_as_guest_is_still_the_browsers_after_signing_in(
    door: Door, fresh_client: Browser
) -> None:
    """It is shown and can be canceled; as the guest's, so it takes no place among the user's jobs."""
    browser = fresh_client()
    upload = browser.upload(picture(1800, 1400, seed=3, noise=True, file_format="JPEG"))
    started = browser.start({"uploadKey": upload}).json()["data"]
    door.sign_in(browser)
    assert browser.job(started["id"])["id"] == started["id"]
    assert browser.cancel(started["id"]).json()["data"]["status"] == "canceled"


def test_what_was_made_as_guest_is_not_reachable_for_the_same_user_elsewhere(
    door: Door, fresh_client: Browser
) -> None:
    """It belongs to the browser's guest, not to the account."""
    first, second = fresh_client(), fresh_client()
    made = first.generate(picture(seed=902)).json()["data"]
    door.sign_in(first)
    door.sign_in(second)
    assert me(first)["id"] == me(second)["id"]
    assert second.get(made["imageUrl"]).status_code == 403


def test_signing_in_again_is_the_same_user(door: Door, fresh_client: Browser) -> None:
    """One identity, one user, from whatever browser."""
    first, second = fresh_client(), fresh_client()
    door.sign_in(first)
    door.sign_in(second)
    assert me(first)["id"] == me(second)["id"]


def test_eight_first_sign_ins_at_once_open_one_account(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """Whoever loses the race joins the winner's account."""
    browsers = [fresh_client() for _ in range(8)]
    ways = [door.consent(door.login(browser, "google"), "grace") for browser in browsers]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pair: door.back(*pair), zip(browsers, ways, strict=True)))
    assert [answer.status_code for answer in answers] == [302] * 8
    (user,) = {me(browser)["id"] for browser in browsers}
    assert identities(store.table) == {GRACE: user}


def test_signing_in_anew_ends_the_browsers_old_session(door: Door, fresh_client: Browser) -> None:
    """Whoever copied the old cookie is out."""
    browser = fresh_client()
    door.sign_in(browser)
    copied = browser.copy()
    assert me(copied)["signedIn"] is True
    door.sign_in(browser)
    assert me(copied)["signedIn"] is False
    assert me(browser)["signedIn"] is True


def test_signing_out_removes_cookie_and_session(door: Door, fresh_client: Browser, store: Store) -> None:
    """The cookie expires at once, and a kept copy of it opens nothing."""
    browser = fresh_client()
    door.sign_in(browser)
    copied, token = browser.copy(), browser.http.cookies["session_id"]
    answer = browser.post("/api/auth/logout")
    flags = ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"]
    assert parsed(answer.headers["Set-Cookie"]) == ("session_id", "", flags)
    assert "session_id" not in browser.http.cookies
    assert store.table.get(keys.session(hashed(token))) is None
    assert me(copied)["signedIn"] is False


def test_signing_out_here_leaves_the_other_browser_signed_in(door: Door, fresh_client: Browser) -> None:
    """One session at a time."""
    here, there = fresh_client(), fresh_client()
    door.sign_in(here)
    door.sign_in(there)
    here.post("/api/auth/logout")
    assert me(there)["signedIn"] is True


def test_signing_out_everywhere_ends_the_other_browsers_session(door: Door, fresh_client: Browser) -> None:
    """And signing in again works at once."""
    here, there = fresh_client(), fresh_client()
    door.sign_in(here)
    door.sign_in(there)
    assert here.post("/api/auth/logout?everywhere=1").status_code == 200
    assert me(there)["signedIn"] is False
    door.sign_in(there)
    assert me(there)["signedIn"] is True


# ------------------------------------------------------------------------------------------ linking


def test_a_second_provider_can_be_added_and_signs_the_same_user_in(door: Door, fresh_client: Browser) -> None:
    """From a signed-in browser only, whatever address the second one has."""
    browser, other = fresh_client(), fresh_client()
    door.sign_in(browser, "ada", "google")
    door.link(browser, "hedy", "github")
    assert me(browser)["signIns"] == ["github", "google"]
    door.sign_in(other, "hedy", "github")
    assert me(other)["id"] == me(browser)["id"]


def test_an_identity_of_somebody_else_cannot_be_added(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """409, and both stay who they were."""
    browser, other = fresh_client(), fresh_client()
    door.sign_in(browser, "ada", "google")
    door.sign_in(other, "grace", "github")
    before = identities(store.table)
    assert refused(door.link(browser, "grace", "github"), 409, "identity_taken")
    assert me(browser)["signIns"] == ["google"]
    assert identities(store.table) == before


def test_the_same_address_at_another_provider_is_another_user(door: Door, fresh_client: Browser) -> None:
    """Accounts are never joined by e-mail."""
    browser, other = fresh_client(), fresh_client()
    door.sign_in(browser, "ada", "google")
    door.sign_in(other, "ada", "github")
    assert me(browser)["email"] == me(other)["email"]
    assert me(browser)["id"] != me(other)["id"]


def test_a_link_that_comes_back_after_signing_out_adds_nothing(
    door: Door, fresh_client: Browser, store: Store
) -> None:
    """Whoever asked for it must still be there."""
    browser = fresh_client()
    door.sign_in(browser, "ada", "google")
    back = door.consent(door.begin_link(browser, "github"), "hedy")
    browser.post("/api/auth/logout")
    assert refused(door.back(browser, back), 401, "sign_in_failed")
    assert list(identities(store.table)) == [ADA]
