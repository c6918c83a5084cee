"""Signing in and the account page, in a real browser; Google and GitHub are played by stand-ins with own pages."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

import pytest
import requests

from tests.e2e.browser import Open, photo
from tests.e2e.conftest import Store
from tests.e2e.page_account import NAMES, account, choose_person, make_key, sign_in
from tests.e2e.page_jobs import focused
from tests.e2e.people import door_fixture, identities  # noqa: F401

pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("door")]


def who(page):
    """Who the API says this browser is."""
    return page.request.get("/api/auth/me").json()["data"]


# ------------------------------------------------------------------------------------------ in


@pytest.mark.parametrize("provider", ["google", "github"])
def test_signing_in_leads_back_to_where_it_began_and_the_account_page_says_who_it_is(visit: Open, provider):
    """Through the card in the head and the provider's own page; name, address, plan and way in are shown."""
    page = sign_in(visit("/en/jobs").page, "ada", provider)
    assert page.url.endswith("/en/jobs")
    assert "Ada Lovelace" in page.inner_text("#me")
    assert page.is_hidden("#who")
    page.click("#me")
    page.wait_for_selector("main[data-state=user]")
    profile = page.inner_text("#profile")
    for text in ("Ada Lovelace", "ada@example.com", "Starter", NAMES[provider]):
        assert text in profile
    other = next(name for key, name in NAMES.items() if key != provider)
    assert f"Also sign in with {other}" in profile
    page.wait_for_selector("#gauges:has-text('0 of 3 used')")


def test_result_made_as_guest_is_still_shown_after_signing_in(visit: Open):
    """My photos lists it, with its picture, for the user in the same browser."""
    seen = visit()
    page = seen.choose(photo(tint=700))
    seen.enhance()
    page.goto("/en/jobs")
    page.wait_for_selector("#finished-cards .card")
    sign_in(page)
    page.wait_for_selector("#finished-cards .tile.seen")
    assert page.locator("#finished-cards .card").count() == 1


@pytest.mark.parametrize("count", [1, 2])
def test_photos_that_were_chosen_and_not_enhanced_are_there_again_after_signing_in(visit: Open, count):
    """They stay in this browser meanwhile, with what should change in them."""
    seen = visit()
    if count == 1:
        page = seen.choose(photo(tint=710), "garden.jpg")
    else:
        page = seen.choose_several({"garden.jpg": photo(tint=711), "pond.jpg": photo(tint=712)})
    page.click("#kinds [data-value=edit]")
    page.fill("#prompt", "remove the fence")
    sign_in(page)
    page.wait_for_selector("main[data-state=ready]")
    page.wait_for_selector("#meta-name:not(:empty)")
    assert page.inner_text("#meta-name") == ("garden.jpg" if count == 1 else "2 photos")
    page.wait_for_function("() => document.getElementById('prompt').value === 'remove the fence'")
    page.reload()
    page.wait_for_selector("#usage-frames i", state="attached")
    assert page.get_attribute("main", "data-state") == "empty"


def test_another_language_keeps_the_photo_that_was_chosen(visit: Open):
    """Changing the language is no way to lose what was chosen."""
    page = visit().choose(photo(tint=715), "garden.jpg")
    page.click(".langs [lang=de]")
    page.wait_for_selector("html[lang=de] main[data-state=ready]")
    assert page.inner_text("#meta-name") == "garden.jpg"


def test_photo_that_cannot_be_kept_is_said_before_it_is_lost(visit: Open):
    """Without a store in the browser the first press says so, the second goes."""
    seen = visit()
    seen.page.evaluate("() => Object.defineProperty(window, 'indexedDB', {value: undefined})")
    page = seen.choose(photo(tint=717))
    page.click("#who summary")
    page.click("#who [data-sign-in=google]")
    page.wait_for_selector("#who [data-note]:text('Choose them again')")
    page.click("#who [data-sign-in=google]")
    choose_person(page, "ada")
    page.wait_for_selector("#me:not([hidden])")


def test_signing_in_waits_for_a_photo_that_is_being_enhanced(visit: Open):
    """Leaving would break the run off, so it is said instead."""
    seen = visit()
    seen.page.route("**/api/ai-image/generate", lambda route: None)
    page = seen.choose(photo(tint=716))
    page.click("#enhance")
    page.wait_for_selector("main[data-state=running]")
    page.click("#who summary")
    page.click("#who [data-sign-in=google]")
    page.wait_for_selector("#who [data-note]:not(:empty)")
    assert "when it is done" in page.inner_text("#who")
    assert page.get_attribute("main", "data-state") == "running"


def test_guest_whose_day_is_used_up_is_offered_to_sign_in(visit: Open):
    """An account has photos of its own, so that is the way on."""
    page = visit().page
    usage = page.request.get("/api/ai-image/usage").json()
    usage["data"]["usage"] |= {"used": 3, "remaining": 0}
    page.route("**/api/ai-image/usage", lambda route: route.fulfill(json=usage))
    page.reload()
    page.click("#notice-empty .ways >> text=Sign in")
    assert page.is_visible("#who .usage-card")
    assert focused(page, "dataset.signIn === 'google'")


def test_everything_about_keys_is_done_with_the_keyboard_alone(visit: Open):
    """Sign in, make a key, put its secret away and revoke it, each step where the focus already is or comes next."""
    page = visit("/de/account", reduced_motion="reduce").page
    page.focus("#main")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    choose_person(page, "ada")
    page.wait_for_selector("#keys-none:not([hidden])")
    page.focus("#keys-title")
    for key in ("Tab", "Enter"):
        page.keyboard.press(key)
    page.keyboard.type("Laden")
    page.keyboard.press("Enter")
    page.wait_for_selector("#secret:not([hidden])")
    assert focused(page, "id === 'secret-title'")
    for _ in range(5):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.is_hidden("#secret")
    assert focused(page, "id === 'keys-title'")
    for key in ("Tab", "Tab", "Enter"):
        page.keyboard.press(key)
    assert "Programme mit diesem Schlüssel" in page.inner_text(".keyrow")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("#keys-none:not([hidden])")
    assert focused(page, "id === 'keys-title'")


# ------------------------------------------------------------------------------------------ not in


@pytest.mark.parametrize(
    ("provider", "person", "fault", "said"),
    [
        ("google", "cancel", {}, "You cancelled it"),
        ("google", "mallory", {}, "not verified"),
        ("github", "ada", {"route": "authorize", "fault": "replayed_code"}, "used or had expired"),
        ("google", "ada", {"route": "authorize", "fault": "wrong_state"}, "began in another browser"),
        ("github", "ada", {"route": "token", "fault": "status", "status": 401}, "not possible right now"),
    ],
)
def test_failed_sign_in_says_why_and_a_second_try_leads_back(
    visit: Open, door, provider, person, fault, said
):
    """A plain sentence for each reason, the ways in right below it, and then the page where it began."""
    page = visit("/en/jobs").page
    if fault:
        door.script(provider, **fault)
    page.click("#who summary")
    page.click(f"#who [data-sign-in={provider}]")
    page.click(".cancel" if person == "cancel" else f"button[value={person}]")
    page.wait_for_selector("main[data-state=guest] #notice .notice")
    assert said in page.inner_text("#notice")
    assert said in page.text_content("#alert")
    assert "signIn" not in page.url
    page.click("#guest [data-sign-in=google]")
    choose_person(page, "grace")
    page.wait_for_selector("#me:not([hidden])")
    assert page.url.endswith("/en/jobs")


def test_failed_sign_in_is_told_in_the_language_that_was_read(visit: Open):
    """A German page stays German, whatever the browser prefers."""
    page = visit("/de/").page
    page.click("#who summary")
    page.click("#who [data-sign-in=github]")
    page.click(".cancel")
    page.wait_for_selector("html[lang=de] #notice .notice")
    assert page.inner_text("#notice strong") == "Du hast dich nicht angemeldet"


@pytest.mark.parametrize("query", ["signIn=<b>x</b>&reason=<i>", "signIn=sign_in_failed&reason=__proto__"])
def test_address_somebody_made_up_shows_only_our_own_words(visit: Open, query):
    """Nothing of the address is shown, and what is unknown has a text as well."""
    page = visit(f"/en/account?{query}").page
    page.wait_for_selector("#notice .notice")
    said = page.inner_text("#notice").split("\n")
    assert (said[0], said[-1]) == ("Signing in did not work", "Nothing has changed. Please try again.")


def test_second_way_in_is_added_and_said_unless_it_is_somebody_elses(visit: Open):
    """Linking shows both providers; an identity that is taken is refused with the reason, signed in as before."""
    other = visit()
    sign_in(other.page, "grace", "github")
    page = account(sign_in(visit().page, "ada", "google"))
    page.click("[data-link=github]")
    choose_person(page, "grace")
    page.wait_for_selector("main[data-state=user] #sign-ins li")
    page.wait_for_selector("#notice [data-code=identity_taken]")
    page.click("[data-link=github]")
    choose_person(page, "ada")
    page.wait_for_selector("#notice .notice")
    assert "sign in with GitHub as well" in page.inner_text("#notice")
    assert who(page)["signIns"] == ["github", "google"]
    assert page.locator("[data-link]").count() == 0


# ------------------------------------------------------------------------------------------ out


@pytest.mark.parametrize(("button", "there"), [("#sign-out", True), ("#sign-out-all", False)])
def test_signing_out_ends_the_session_and_the_page_is_a_guests(visit: Open, button, there):
    """Here always, on other devices when asked for; nothing of the account stays on the page."""
    seen, elsewhere = visit(), visit()
    other = sign_in(elsewhere.page)
    page = account(sign_in(seen.page))
    make_key(page, "left behind")
    elsewhere.settle()
    seen.settle().click(button)
    page.wait_for_selector("main[data-state=guest]")
    page.wait_for_selector("#who:not([hidden])")
    assert who(page)["signedIn"] is False
    assert who(other)["signedIn"] is there
    assert "signed out" in page.inner_text("#notice")
    for secret in ("ek_test_", "left behind", "Lovelace", "ada@"):
        assert secret not in page.content()


def test_session_that_ended_elsewhere_is_noticed_when_the_page_is_looked_at_again(visit: Open):
    """Signed out in another tab, this one becomes a guest's as well."""
    seen = visit("", plan="free")
    page = account(seen.page)
    other = page.context.new_page()
    account(other)
    seen.settle()
    other.click("#sign-out")
    other.wait_for_selector("main[data-state=guest]")
    page.clock.install()
    page.clock.fast_forward(5000)  # it asks at most every five seconds
    page.evaluate("() => dispatchEvent(new Event('focus'))")
    page.wait_for_selector("main[data-state=guest]")
    assert page.is_visible("#who")


def test_deleting_the_account_takes_the_word_and_ends_with_a_goodbye(visit: Open, store: Store):
    """What goes and what stays is said first; afterwards nobody is signed in and the identity is free."""
    seen = visit()
    page = account(sign_in(seen.page, "hedy", "github"))
    page.click("#end-open")
    assert "What stays" in page.inner_text("#end-form")
    page.fill("#end-word", "delet")
    page.keyboard.press("Enter")
    assert page.inner_text("#end-why") == "Please type DELETE."
    page.fill("#end-word", "delete")
    seen.settle().click("#end-delete")
    page.wait_for_selector("main[data-state=gone]")
    assert page.inner_text("#gone-title").startswith("Goodbye, ")
    assert focused(page, "id === 'gone-title'")
    assert who(page)["signedIn"] is False
    assert identities(store.table) == {}
    page.wait_for_selector("#who:not([hidden])")


# ------------------------------------------------------------------------------------------ keys and data


def test_key_is_made_shown_once_used_and_revoked(visit: Open, stack):
    """The secret and a line to paste are shown this once; the key works until it is revoked."""
    page = account(visit("", plan="free").page)
    secret = make_key(page, "shop import", cap="50")
    assert re.fullmatch(r"ek_test_[\w-]{43}", secret)
    page.click("#curl-copy")
    line = page.evaluate("() => navigator.clipboard.readText()")
    assert line.startswith(f'curl -H "Authorization: Bearer {secret}" -F image=@photo.jpg')
    assert line.endswith(f"{stack.url}/api/ai-image/generate")
    page.click("#secret-done")
    assert secret not in page.content()
    headers = {"Authorization": f"Bearer {secret}"}
    files = {"image": ("photo.jpg", photo(tint=720))}
    made = requests.post(
        f"{stack.url}/api/ai-image/generate", headers=headers, files=files, data={"scale": "2"}, timeout=60
    )
    assert made.status_code == 200
    row = account(page).locator(".keyrow")
    for text in ("shop import", f"…{secret[-4:]}", "Enhance", "Read", "Last used", "1 of 50 credits"):
        assert text in row.inner_text()
    assert secret not in page.content()
    row.locator("[data-act=ask]").click()
    assert focused(page, "dataset.act === 'no'")
    row.locator("[data-act=yes]").click()
    page.wait_for_selector("#keys-none:not([hidden])")
    refused = requests.get(f"{stack.url}/api/ai-image/usage", headers=headers, timeout=60)
    assert refused.json()["error"]["code"] == "invalid_api_key"


def test_key_that_lacks_something_is_not_sent_and_the_first_gap_is_focused(visit: Open):
    """Name, something it may do and a sensible limit are asked for in place, in words."""
    seen = visit("", plan="pro")
    page = account(seen.page)
    asked = []
    page.on("request", lambda sent: asked.append(sent.url) if sent.method == "POST" else None)
    page.click("#key-new")
    for box in page.locator("#key-scopes input").all():
        box.uncheck()
    page.fill("#key-cap", "many")
    page.click("#key-make")
    assert focused(page, "id === 'key-name'")
    for name in ("key-name", "key-scopes", "key-cap"):
        assert page.inner_text(f"#{name}-why")
    page.keyboard.press("Escape")
    assert focused(page, "id === 'key-new'")
    assert asked == []


def test_who_is_blocked_is_told_so_and_may_still_sign_out(visit: Open):
    """Without a usage to show, the page says why, and everything that leads away works."""
    seen = visit()
    seen.expected = ("403",)
    page = sign_in(seen.page)
    error = {"type": "forbidden", "code": "owner_blocked", "message": "x", "details": {}}
    refusal = {"success": False, "error": error, "requestId": "r"}
    page.route("**/api/ai-image/usage", lambda route: route.fulfill(status=403, json=refusal))
    account(page)
    page.wait_for_selector("#notice [data-code=owner_blocked]")
    assert "Ada Lovelace" in page.inner_text("#me")
    seen.settle().click("#sign-out")
    page.wait_for_selector("main[data-state=guest]")


def test_too_many_keys_are_refused_in_words(visit: Open):
    """The API's refusal is shown in the page's own text, and the form keeps what was written."""
    seen = visit("", plan="pro")
    seen.expected = ("409",)
    page = account(seen.page)
    error = {"type": "conflict", "code": "too_many_keys", "message": "x", "details": {"limit": 20}}
    refusal = {"success": False, "error": error, "requestId": "r"}
    page.route(
        "**/api/auth/keys",
        lambda route: (
            route.fulfill(status=409, json=refusal) if route.request.method == "POST" else route.continue_()
        ),
    )
    page.click("#key-new")
    page.fill("#key-name", "one more")
    page.click("#key-make")
    page.wait_for_selector("#keys-notice [data-code=too_many_keys]")
    assert "up to 20" in page.inner_text("#keys-notice")
    assert page.input_value("#key-name") == "one more"


def test_export_downloads_a_zip_with_everything(visit: Open):
    """What was made is in it, and nobody has to wait for little."""
    seen = visit(plan="free")
    page = seen.choose(photo(tint=730))
    seen.enhance()
    account(page)
    with page.expect_download() as started:
        page.click("#export")
    assert started.value.suggested_filename.endswith(".zip")
    with zipfile.ZipFile(Path(started.value.path())) as packed:
        names = packed.namelist()
    assert "profile.json" in names
    assert sum(name.startswith("artifacts/") for name in names) == 2


def test_large_export_says_that_it_is_being_made_and_comes_when_it_is_ready(visit: Open):
    """While the API answers 202 there is a sign of life; the link it gives then is followed by the browser."""
    seen = visit("", plan="pro")
    page = account(seen.page)
    packed, asked = io.BytesIO(), []
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("profile.json", "{}")

    def answer(route):
        asked.append(route.request.url)
        if len(asked) == 1:
            running = {"success": True, "data": {"status": "running"}}
            return route.fulfill(status=202, json=running, headers={"Retry-After": "1"})
        kind = {"Content-Disposition": 'attachment; filename="image-enhancer-export.zip"'}
        return route.fulfill(body=packed.getvalue(), content_type="application/zip", headers=kind)

    page.route("**/api/account/export", answer)
    with page.expect_download() as started:
        page.click("#export")
        page.wait_for_selector("#packing-text:text('in the background')")
    assert zipfile.is_zipfile(Path(started.value.path()))
    page.wait_for_selector("#packing", state="hidden")
