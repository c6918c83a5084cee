"""Adding a way to sign in: only our own page may begin it, for who is signed in, in the same browser."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from enhancer import runtime
from enhancer.adapters.signin.base import Profile
from enhancer.domain.owners import Owner
from tests.support.events import CONTEXT, Answer, Browser, http_event

LINK, LOGIN, CALLBACK = "/api/auth/github/link", "/api/auth/github/login", "/api/auth/github/callback"
ROUNDS = 50


class Provider:
    """Signs everybody in as the attacker, without asking."""

    def authorize_url(self, *, redirect_uri, state, nonce, verifier):
        assert redirect_uri.endswith(CALLBACK)
        assert nonce
        assert verifier
        return f"https://github.example/authorize?state={state}"

    def profile(self, **_):
        return Profile("github", "666", "eve@example.com", "Eve")


@pytest.fixture
def provider(monkeypatch):
    """The sign-in of the function."""
    monkeypatch.setattr(runtime, "sign_in", lambda name: Provider())


@pytest.fixture
def victim(apps, served, provider):
    """Somebody signed in."""
    browser = Browser(ip="198.51.100.51")
    browser.post_json(apps.debug_login, "/api/debug-login", {"plan": "pro", "email": "ada@example.com"})
    return browser


def me(apps, browser):
    return browser.send(apps.sign_in, "GET", "/api/auth/me").data


def come_back(apps, browser, url):
    """What the provider does: it sends the browser back with the state."""
    state = dict(parse_qsl(urlsplit(url).query))["state"]
    return browser.send(apps.sign_in, "GET", CALLBACK, query=f"code=c&state={state}&iss=x")


def test_our_page_adds_a_way_to_sign_in(apps, served, victim):
    """The answer says where to go; what comes back belongs to who asked."""
    before = me(apps, victim)
    answer = victim.post_json(apps.sign_in, LINK, {"returnTo": "/en/account"})
    assert (answer.status, answer.json["url"]) == (200, answer.data["url"])
    assert come_back(apps, victim, answer.data["url"]).headers["Location"] == "/en/account"
    after = me(apps, victim)
    assert (after["id"], after["signIns"]) == (before["id"], ["github"])


@pytest.mark.parametrize(
    "query", ["link=1", "link=1&returnTo=/en/account", "link=true", "returnTo=/&link=1", ""]
)
def test_a_strange_page_that_opens_our_addresses_adds_nothing(apps, served, victim, query):
    """In fifty rounds: a top-level visit carries the session's cookie, and still links nothing to the victim."""
    before = me(apps, victim)["id"]
    for _ in range(ROUNDS):
        served.clock += 60_000
        headers = {"sec-fetch-site": "cross-site", "referer": "https://evil.example/", "accept": "text/html"}
        event = http_event("GET", LOGIN, query=query, headers=headers, cookies=victim.jar, ip=victim.ip)
        answer = Answer(apps.sign_in(event, CONTEXT))
        if "link" in query:
            assert (answer.status, answer.error["code"]) == (400, "invalid_fields")
            assert answer.cookies.keys().isdisjoint({"signin", "__Host-signin"})
            continue
        visitor = Browser(ip=victim.ip, jar=dict(victim.jar) | {"signin": cookie_of(answer)})
        come_back(apps, visitor, answer.headers["Location"])
        assert me(apps, visitor)["id"] != before  # a plain sign-in, as somebody else
    assert served.accounts.get(Owner("user", before)).identities == ()


def cookie_of(answer):
    return answer.cookies["signin"].partition("=")[2].partition(";")[0]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"origin": "https://evil.example"}, "origin_not_allowed"), ({"origin": "null"}, "origin_not_allowed"),
        ({"x-csrf-token": ""}, "csrf_token_invalid"), ({"x-csrf-token": "guess"}, "csrf_token_invalid"),
    ],
)  # fmt: skip
def test_a_post_from_elsewhere_is_refused(apps, served, victim, change, code):
    """By origin and by token, each alone."""
    answer = victim.post_json(apps.sign_in, LINK, {}, headers=change)
    assert (answer.status, answer.error["code"]) == (403, code)


def test_a_guest_has_nothing_to_add_to(apps, served, provider):
    """401, told before what the body says."""
    answer = Browser(ip="198.51.100.52").post_json(apps.sign_in, LINK, {"returnTo": "//evil.example"})
    assert (answer.status, answer.error["code"]) == (401, "sign_in_required")


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/api/auth/logout", "/..//evil", "/\\evil"]
)
def test_the_way_back_leads_to_our_page_only(apps, served, victim, back):
    """As for signing in."""
    answer = victim.post_json(apps.sign_in, LINK, {"returnTo": back})
    assert (answer.status, answer.error["code"]) == (400, "return_to_invalid")


def test_another_browser_that_comes_back_adds_nothing(apps, served, victim):
    """The address alone, stolen or sent to somebody, is good for nothing."""
    url = victim.post_json(apps.sign_in, LINK, {}).data["url"]
    thief = Browser(ip="198.51.100.53")
    thief.post_json(apps.debug_login, "/api/debug-login", {"plan": "free"})
    assert come_back(apps, thief, url).status == 401
    assert me(apps, thief)["signIns"] == me(apps, victim)["signIns"] == []
