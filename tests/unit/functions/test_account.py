"""Signing in, keys, the copy and the end of an account, through the handlers that are deployed."""

import io
import json
import zipfile
from types import SimpleNamespace

import pytest

from enhancer import runtime
from enhancer.accounts import owner_data
from enhancer.adapters.dynamodb import keys
from enhancer.adapters.signin.base import Profile
from enhancer.domain.api_keys import KEYS_MAX, ApiKey
from enhancer.domain.errors import SignInFailed, SignInUnavailable
from enhancer.domain.owners import Owner
from enhancer.jobs import results
from tests.support.aws import ORIGIN
from tests.support.cookies import attributes, parsed
from tests.support.events import CONTEXT, Answer, Browser, http_event
from tests.support.images import png

LOGIN, CALLBACK, KEYS = "/api/auth/google/login", "/api/auth/google/callback", "/api/auth/keys"
ADA = Profile("google", "1", "ada@example.com", "Ada")
PERSON = {"accept": "text/html", "accept-language": "de"}


@pytest.fixture
def provider(served, monkeypatch):
    """Google, giving ``answer`` or raising it; the browser is sent to ``provider.example``."""
    script = SimpleNamespace(answer=ADA, start=None, state=None)

    def authorize_url(*, redirect_uri, state, nonce, verifier):
        if script.start:
            raise script.start
        assert redirect_uri.endswith(CALLBACK)
        script.state = state
        return f"https://provider.example/?state={state}"

    def profile(**_):
        if isinstance(script.answer, Exception):
            raise script.answer
        return script.answer

    adapter = SimpleNamespace(authorize_url=authorize_url, profile=profile)
    monkeypatch.setattr(runtime, "sign_in", lambda _: adapter)
    return script


def sign_in(apps, provider, browser=None, **more):
    """All of it; return the browser and the answer to its end."""
    browser = browser or Browser()
    assert browser.send(apps.sign_in, "GET", LOGIN, query=more.pop("query", "")).status == 302
    query = f"state={provider.state}&code=code"
    return browser, browser.send(apps.sign_in, "GET", CALLBACK, query=query, **more)


def member(apps, plan="pro", **more):
    """A browser with this plan, and its user."""
    browser = Browser(ip="198.51.100.20")
    found = browser.post_json(apps.debug_login, "/api/debug-login", {"plan": plan, **more})
    return browser, Owner("user", found.data["userId"])


def refusal(answer):
    return answer.status, answer.error["code"]


# ------------------------------------------------------------------------------------------ sign-in


def test_a_sign_in_is_bound_to_the_browser_by_a_cookie_of_ten_minutes(apps, provider):
    """Out of reach of scripts; what is in the URL is another secret."""
    answer = Browser().send(apps.sign_in, "GET", LOGIN)
    cookie = answer.cookies["signin"]
    assert attributes(cookie) == ["HttpOnly", "Max-Age=600", "Path=/", "SameSite=Lax"]
    assert cookie.partition("=")[2].partition(";")[0] not in answer.headers["Location"]
    assert answer.headers["Cache-Control"] == "no-store"


def test_two_tabs_of_a_browser_can_both_finish(apps, provider):
    """The second sign-in keeps the first one's cookie."""
    browser = Browser()
    browser.send(apps.sign_in, "GET", LOGIN)
    first = provider.state
    browser.send(apps.sign_in, "GET", LOGIN)
    for state in (first, provider.state):
        answer = browser.send(apps.sign_in, "GET", CALLBACK, query=f"state={state}&code=code")
        assert (answer.status, answer.headers["Location"]) == (302, "/")


def test_cookies_are_bound_to_the_host_over_https(apps, provider, setting):
    """Names that no subdomain can set, and never sent in the clear."""
    setting(APP_ORIGIN="https://enhance.example")
    browser, answer = sign_in(apps, provider)
    assert "; Secure" in answer.cookies["__Host-session"]
    assert set(browser.jar) >= {"__Host-session", "__Host-signin"}
    assert browser.send(apps.sign_in, "GET", "/api/auth/me").data["email"] == "ada@example.com"


@pytest.mark.parametrize("path", ["/api/auth/facebook/login", "/api/auth/x/callback"])
def test_another_provider_is_404(apps, provider, path):
    """Only those that are set up."""
    assert refusal(Browser().send(apps.sign_in, "GET", path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (SignInFailed(reason="email_unverified"), "signIn=sign_in_failed&reason=email_unverified"),
        (SignInUnavailable(provider="google"), "signIn=sign_in_unavailable&reason="),
    ],
)
def test_a_person_sees_the_page_with_the_reason(apps, provider, problem, shown):
    """In their language, without a session, and without anything secret in the address."""
    provider.answer = problem
    _, answer = sign_in(apps, provider, headers=PERSON)
    assert (answer.status, answer.headers["Location"]) == (302, f"/de/account?{shown}")
    assert "session_id" not in answer.cookies


def test_a_program_sees_the_problem(apps, provider):
    """Whoever does not ask for HTML gets the envelope."""
    provider.answer = SignInFailed(reason="denied")
    _, answer = sign_in(apps, provider)
    assert refusal(answer) == (401, "sign_in_failed")
    assert answer.error["details"] == {"reason": "denied"}


def test_a_provider_that_is_down_sends_a_person_back_to_the_page(apps, provider):
    """Also before the way out was found."""
    provider.start = SignInUnavailable(provider="google")
    answer = Browser().send(apps.sign_in, "GET", LOGIN, headers=PERSON)
    assert (answer.status, answer.headers["Location"]) == (
        302,
        "/de/account?signIn=sign_in_unavailable&reason=",
    )


def test_a_provider_that_is_down_is_503_to_a_program(apps, provider):
    """With the problem in the envelope."""
    provider.start = SignInUnavailable(provider="google")
    assert refusal(Browser().send(apps.sign_in, "GET", LOGIN)) == (503, "sign_in_unavailable")


def test_a_state_that_never_was_sends_a_person_to_the_page(apps, provider):
    """A link somebody was sent ends in a sentence, not in JSON."""
    answer = Browser().send(apps.sign_in, "GET", CALLBACK, query="state=x&code=y", headers=PERSON)
    assert answer.headers["Location"] == "/de/account?signIn=sign_in_failed&reason=state"


def test_who_is_blocked_gets_no_session(apps, provider, served):
    """The page says why."""
    browser, _ = sign_in(apps, provider)
    user = browser.send(apps.sign_in, "GET", "/api/auth/me").data["id"]
    audit = {"id": "act", "action": "block", "actor": "boss", "reason": "spam", "value": True}
    served.accounts.change(Owner("user", user), "blocked", True, audit=audit, now=served.clock)
    fresh, answer = sign_in(apps, provider, headers=PERSON)
    assert answer.headers["Location"] == "/de/account?signIn=owner_blocked&reason="
    assert "session_id" not in fresh.jar


@pytest.fixture
def blocked(apps, served):
    """A browser that was signed in when its user was blocked."""
    browser, owner = member(apps)
    audit = {"id": "act", "action": "block", "actor": "boss", "reason": "spam", "value": True}
    served.accounts.change(owner, "blocked", True, audit=audit, now=served.clock)
    return browser


def test_who_is_blocked_gets_no_key(apps, blocked):
    """Nothing new can be opened."""
    answer = blocked.post_json(apps.account, KEYS, {"name": "another"})
    assert refusal(answer) == (403, "owner_blocked")


def test_who_is_blocked_may_take_their_data_along(apps, blocked):
    """It is theirs all the same."""
    assert blocked.send(apps.account, "GET", "/api/account/export").status == 200


def test_who_is_blocked_may_delete_their_account(apps, blocked):
    """And is a guest afterwards."""
    assert blocked.send(apps.account, "DELETE", "/api/account").status == 200
    assert blocked.send(apps.sign_in, "GET", "/api/auth/me").data["signedIn"] is False


def test_who_is_blocked_may_sign_out(apps, blocked):
    """The session ends."""
    assert blocked.post_json(apps.sign_in, "/api/auth/logout", {}).status == 200


def test_a_guest_is_told_that_nobody_is_signed_in(apps, served):
    """Neither name nor address, and no plan but the guest's."""
    found = Browser().send(apps.sign_in, "GET", "/api/auth/me").data
    assert {name: found[name] for name in ("signedIn", "ownerType", "plan", "email", "signIns")} == {
        "signedIn": False, "ownerType": "guest", "plan": "guest", "email": "", "signIns": [],
    }  # fmt: skip


def test_signing_out_everywhere_needs_somebody(apps, served):
    """A guest is nobody."""
    answer = Browser().send(apps.sign_in, "POST", "/api/auth/logout", query="everywhere=1")
    assert refusal(answer) == (401, "sign_in_required")


def test_no_log_line_says_who_signed_in_or_with_what(apps, provider, logs):
    """No address, name, state, token, cookie or key."""
    browser, _ = sign_in(apps, provider)
    key = browser.post_json(apps.account, KEYS, {"name": "MARKER-name"}).data
    browser.send(
        apps.usage, "GET", "/api/ai-image/usage", headers={"authorization": f"Bearer {key['secret']}"}
    )
    browser.send(apps.account, "GET", "/api/account/export")
    browser.send(apps.account, "DELETE", "/api/account")
    private = [ADA.email, "MARKER", provider.state, key["secret"], *filter(None, browser.jar.values())]
    assert len(logs.lines) >= 6
    for text in private:
        assert text not in logs.text, text


# ------------------------------------------------------------------------------------------ keys


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": "   "}, {"name": "x" * 61}, {"name": None}, {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["admin"]}, {"name": "x", "scopes": ["read"] * 4}, {"name": "x", "scopes": "read"},
        {"name": "x", "monthlyCredits": 0}, {"name": "x", "monthlyCredits": -1}, {"name": "x", "monthlyCredits": 0.5},
        {"name": "x", "monthlyCredits": 1_000_001}, {"name": "x", "userId": "somebody"}, [], "x",
    ],
)  # fmt: skip
def test_a_key_that_cannot_be_is_400(apps, served, body):
    """Nothing is stored."""
    browser, owner = member(apps)
    assert refusal(browser.post_json(apps.account, KEYS, body)) == (400, "invalid_fields")
    assert runtime.api_keys().all(owner) == []


@pytest.mark.parametrize(
    ("environment", "prefix"),
    [("development", "ek_test_"), ("staging", "ek_test_"), ("production", "ek_live_")],
)
def test_a_key_says_what_it_opens(apps, served, setting, environment, prefix):
    """One found somewhere tells whether anything of value is behind it."""
    browser, _ = member(apps)
    setting(ENVIRONMENT=environment)
    secret = browser.post_json(apps.account, KEYS, {"name": "ci"}).data["secret"]
    assert secret.startswith(prefix)
    assert len(secret) == len(prefix) + 43


def test_the_twenty_first_key_is_refused(apps, served):
    """With the number of keys an account may have."""
    browser, owner = member(apps)
    for number in range(KEYS_MAX):
        key = ApiKey(f"key_{number}", "ci", ("read",), served.clock, "xxxx")
        runtime.api_keys().create(owner, key, f"ek_test_{number}")
    answer = browser.post_json(apps.account, KEYS, {"name": "one more"})
    assert refusal(answer) == (409, "too_many_keys")
    assert answer.error["details"] == {"limit": 20}


def test_twenty_keys_an_hour_are_made_and_no_more(apps, served):
    """Also when each is revoked at once."""
    browser, _ = member(apps)
    for _ in range(20):
        made = browser.post_json(apps.account, KEYS, {"name": "ci"}).data
        assert browser.send(apps.account, "DELETE", f"{KEYS}/{made['id']}").status == 200
    assert refusal(browser.post_json(apps.account, KEYS, {"name": "ci"})) == (429, "rate_limited")


# ------------------------------------------------------------------------------------------ copy and end


@pytest.fixture
def invoked(monkeypatch):
    """What was asked of other functions."""
    calls = []
    client = SimpleNamespace(invoke=lambda **call: calls.append(call))
    monkeypatch.setattr(runtime, "lambda_client", lambda _: client)
    return calls


def test_a_small_copy_comes_at_once(apps, served, invoked):
    """A zip to keep, and nothing in the background."""
    browser, _ = member(apps)
    browser.post_form(apps.generate, "/api/ai-image/generate", image=png())
    answer = browser.send(apps.account, "GET", "/api/account/export")
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Cache-Control"]) == (
        200, "application/zip", "no-store",
    )  # fmt: skip
    assert answer.headers["Content-Disposition"] == 'attachment; filename="image-enhancer-export.zip"'
    assert len(zipfile.ZipFile(io.BytesIO(answer.content)).namelist()) == 10
    assert invoked == []


@pytest.mark.parametrize("limit", [(owner_data, "INLINE_BYTES_MAX"), (results, "BODY_BYTES_MAX")])
def test_a_large_copy_is_made_once_in_the_background_and_then_linked_to(
    apps, served, invoked, monkeypatch, limit
):
    """By its pictures or by the zip; 202 until it is there, however often one asks; then 302 to the owner's file."""
    monkeypatch.setattr(*limit, 10)
    browser, owner = member(apps)
    browser.post_form(apps.generate, "/api/ai-image/generate", image=png())
    for _ in range(3):
        answer = browser.send(apps.account, "GET", "/api/account/export")
        assert (answer.status, answer.headers["Retry-After"], answer.data) == (
            202,
            "5",
            {"status": "running"},
        )
    (call,) = invoked
    assert call["InvocationType"] == "Event"
    assert json.loads(call["Payload"]) == {"userId": owner.id, "askedAt": served.clock}
    apps.export(json.loads(call["Payload"]), CONTEXT)
    answer = browser.send(apps.account, "GET", "/api/account/export")
    assert answer.status == 302
    key = runtime.owner_records().export(owner, now=served.clock).key
    assert f"/{key}?" in answer.headers["Location"]
    assert key.startswith(f"ai-enhancer/exports/user/{owner.id}/")
    assert len(zipfile.ZipFile(io.BytesIO(served.artifacts.get(key))).namelist()) == 10


def test_no_copy_is_made_of_who_is_gone(apps, served):
    """The account was deleted while its copy waited."""
    apps.export({"userId": "0" * 26, "askedAt": served.clock}, CONTEXT)
    assert served.table.get(keys.export(Owner("user", "0" * 26))) is None


def test_deleting_the_account_signs_the_browser_out(apps, served):
    """The cookie is removed, and the next request is a guest's."""
    browser, owner = member(apps)
    answer = browser.send(apps.account, "DELETE", "/api/account")
    assert (answer.status, answer.data) == (200, {"deleted": True})
    flags = ["HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax"]
    assert parsed(answer.cookies["session_id"]) == ("session_id", "", flags)
    assert browser.send(apps.sign_in, "GET", "/api/auth/me").data["signedIn"] is False
    assert served.accounts.get(owner) is None


def test_deleting_the_account_again_is_401(apps, served):
    """With a copy of the old cookie, too."""
    browser, _ = member(apps)
    copied = Browser(jar=dict(browser.jar))
    browser.send(apps.account, "DELETE", "/api/account")
    assert refusal(copied.send(apps.account, "DELETE", "/api/account")) == (401, "sign_in_required")


FOR_BROWSERS = [
    ("account", "GET", KEYS, None),
    ("account", "POST", KEYS, {"name": "x"}),
    ("account", "DELETE", f"{KEYS}/key_x", None),
    ("account", "GET", "/api/account/export", None),
    ("account", "DELETE", "/api/account", None),
]


@pytest.mark.parametrize(("function", "method", "path", "body"), FOR_BROWSERS)
def test_a_guest_has_no_account_to_look_after(apps, served, function, method, path, body):
    """401, and nothing happens."""
    browser = Browser()
    call = {"body": json.dumps(body), "headers": {"content-type": "application/json"}} if body else {}
    answer = browser.send(getattr(apps, function), method, path, **call)
    assert refusal(answer) == (401, "sign_in_required")


@pytest.mark.parametrize(("function", "method", "path", "body"), FOR_BROWSERS)
def test_no_key_looks_after_an_account(apps, served, function, method, path, body):
    """Not even one with every scope: a stolen key makes no keys, copies nothing, ends nothing."""
    _, owner = member(apps)
    key = ApiKey("key_x", "ci", ("read", "generate", "billing"), served.clock, "xxxx")
    runtime.api_keys().create(owner, key, "ek_test_x")
    headers = {"authorization": "Bearer ek_test_x", "content-type": "application/json"}
    event = http_event(method, path, headers=headers, body=json.dumps(body) if body else None)
    answer = Answer(getattr(apps, function)(event, CONTEXT))
    assert refusal(answer) == (403, "scope_missing")
    assert answer.error["details"] == {"scope": "session"}
    assert [found.id for found in runtime.api_keys().all(owner)] == ["key_x"]


@pytest.mark.parametrize(
    ("function", "method", "path", "body"), [row for row in FOR_BROWSERS if row[1] != "GET"]
)
def test_a_foreign_page_changes_nothing_in_an_account(apps, served, function, method, path, body):
    """Origin and token, for every call that changes something."""
    browser, owner = member(apps)
    jar = dict(browser.jar)
    for headers in (
        {"origin": "https://evil.example", "x-csrf-token": jar["csrf_token"]},
        {"origin": ORIGIN},
    ):
        event = http_event(
            method, path, headers=headers, cookies=jar, body=json.dumps(body) if body else None
        )
        assert Answer(getattr(apps, function)(event, CONTEXT)).status == 403
    assert served.accounts.get(owner)
    assert runtime.api_keys().all(owner) == []
