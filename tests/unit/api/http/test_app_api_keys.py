"""What the gate lets an API key do, what it refuses, and that a key and cookies never mix."""

from dataclasses import dataclass
from typing import Any

import pytest

from enhancer import runtime
from enhancer.api.http.app import App, create_app, entrypoint
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.owners import Owner
from tests.support.events import CONTEXT, CSRF_TOKEN, Answer, Browser, http_event

PATH = "/api/thing"
SECRET = "ek_test_" + "Ab3_-" * 8 + "xyz"
FOREIGN = {"origin": "https://evil.example"}


@dataclass
class Thing:
    """A small app, and what its handler saw."""

    app: App
    seen: list[Any]

    def call(self, method="GET", *, secret=SECRET, headers=None, **more):
        """Send a request with a key, or with this header."""
        sent = {"authorization": f"Bearer {secret}"} if secret is not None else {}
        event = http_event(method, PATH, headers={**sent, **(headers or {})}, **more)
        return Answer(entrypoint(self.app)(event, CONTEXT))

    def browse(self, jar, method="GET", **more):
        """Send a request as a browser with these cookies."""
        browser = Browser(jar={"csrf_token": CSRF_TOKEN, **jar})
        return browser.send(entrypoint(self.app), method, PATH, **more)


def thing(*, scope="generate"):
    app, seen = create_app(rate="other", scope=scope), []

    def answer():
        seen.append(app.request_context.caller)
        return {"success": True, "data": {}}

    app.get(PATH)(answer)
    app.post(PATH)(answer)
    return Thing(app, seen)


def holder(world, *scopes, role="user", plan="pro", secret=SECRET, cap=None):
    """Somebody with a key."""
    owner = Owner("user", world.new_name())
    world.accounts.open(owner, plan=plan, role=role, email=None, now=world.clock)
    key = ApiKey(world.new_id("key"), "ci", scopes or ("read", "generate"), world.clock, secret[-4:], cap)
    runtime.api_keys().create(owner, key, secret)
    return owner, key


def session(world, owner, token="t" * 43):
    world.accounts.start_session(owner, token, now=world.clock)
    return {"session_id": token}


def is_refused(answer, status, code, **details):
    """Whether this is exactly that refusal."""
    error = answer.error
    assert (answer.status, error["code"], error.get("details", {})) == (status, code, details), answer.content
    return True


# ------------------------------------------------------------------------------------------ the header


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "  Bearer {}  "])
def test_a_key_is_taken_from_the_authorization_header(served, header):
    """The scheme's case and blanks do not matter (RFC 9110, 11.1)."""
    owner, key = holder(served)
    found = thing()
    assert found.call(secret=None, headers={"authorization": header.format(SECRET)}).status == 200
    assert (found.seen[0].owner, found.seen[0].key.id, found.seen[0].guest) == (owner, key.id, None)


@pytest.mark.parametrize(
    "header",
    [
        "", " ", "Bearer", "Bearer ", SECRET, f"Bearer{SECRET}", f"Basic {SECRET}", f"Token {SECRET}",
        f"Bearer {SECRET} {SECRET}", f"Bearer {SECRET},{SECRET}", f"Bearer {SECRET}, Bearer {SECRET}",
        f"Bearer {SECRET}=", f'Bearer "{SECRET}"', f"Bearer {SECRET.upper()}", f"Bearer {SECRET[8:]}",
        f"Bearer ek_live_{SECRET[8:]}", f"Bearer {SECRET}\u00e9", "Bearer ek_test_", "Bearer ek_test_" + "a" * 5000,
        "Bearer null", "Bearer undefined", "Basic dXNlcjpwYXNz",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_anything_else_in_the_header_is_401(served, header, method):
    """Never a guest, never the session next to it: whoever sends a key means a key."""
    owner, _ = holder(served)
    found = thing()
    cookies = {**session(served, owner), "csrf_token": CSRF_TOKEN}
    answer = found.call(method, secret=None, headers={"authorization": header}, cookies=cookies)
    assert is_refused(answer, 401, "invalid_api_key")
    assert found.seen == []


@pytest.mark.parametrize(
    "header", [{"x-api-key": SECRET}, {"authorization": f"Token {SECRET}"}, {"authorization": SECRET}]
)
@pytest.mark.parametrize(("language", "hint"), [("en", "Send it as"), ("de", "Er gehört in")])
def test_a_key_in_the_wrong_place_is_told_the_right_one(served, header, language, hint):
    """401 with the header to use, instead of an answer for a guest; cookies beside it count for nothing."""
    owner, _ = holder(served)
    found = thing()
    answer = found.call(
        "POST", secret=None, headers={**header, "accept-language": language}, cookies=session(served, owner)
    )
    assert is_refused(answer, 401, "invalid_api_key")
    assert f"{hint} " in answer.error["message"]
    assert "Authorization: Bearer ek_" in answer.error["message"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert found.seen == []


def test_no_character_of_a_key_may_change(served):
    """A sample of changes at every place."""
    holder(served)
    found = thing()
    for place, original in enumerate(SECRET):
        other = "A" if original != "A" else "B"
        changed = SECRET[:place] + other + SECRET[place + 1 :]
        assert is_refused(found.call(secret=changed), 401, "invalid_api_key"), place


def test_no_part_of_a_key_is_enough(served):
    """Cut at every length, from either end."""
    holder(served)
    found = thing()
    for length in range(len(SECRET)):
        assert is_refused(found.call(secret=SECRET[:length]), 401, "invalid_api_key"), length
        assert is_refused(found.call(secret=SECRET[length + 1 :]), 401, "invalid_api_key"), length


def test_a_malformed_an_unknown_and_a_revoked_key_are_told_alike(served):
    """Byte for byte: nobody learns that a key was ever good."""
    owner, key = holder(served)
    runtime.api_keys().revoke(owner, key.id)
    found = thing()
    answers = {found.call(secret=secret).content for secret in (SECRET, "ek_test_" + "u" * 43, "rubbish")}
    assert len(answers) == 1
    assert b"invalid_api_key" in answers.pop()


def test_the_key_of_a_deleted_account_is_401(served):
    """Also in the moment before its own record is gone."""
    owner, _ = holder(served)
    runtime.owner_records().mark_deleted(served.accounts.get(owner), now=served.clock)
    assert is_refused(thing().call(), 401, "invalid_api_key")


@pytest.mark.parametrize(
    "query",
    [
        f"key={SECRET}", f"api_key={SECRET}&x=1", f"x=1&access_token={SECRET}", f"key=a%2C{SECRET}",
        "token=ek_live_anything", f"key=Bearer%20{SECRET}",
    ],
)  # fmt: skip
def test_a_key_in_the_url_is_refused_even_with_another_in_the_header(served, query):
    """URLs are kept in logs and histories; whoever sends one there is told at once."""
    holder(served)
    found = thing()
    assert is_refused(found.call(query=query), 400, "api_key_in_url", header="Authorization")
    assert is_refused(found.call(query=query, secret=None), 400, "api_key_in_url", header="Authorization")
    assert found.seen == []


# ------------------------------------------------------------------------------------------ cookies


@pytest.mark.parametrize("headers", [{}, FOREIGN, {"origin": "null"}, {"referer": "https://evil.example/"}])
def test_a_key_needs_neither_origin_nor_token(served, headers):
    """There is no browser that could be tricked; a foreign page has no key to send."""
    holder(served)
    assert thing().call("POST", headers=headers).status == 200


def test_a_session_with_a_foreign_origin_is_403(served):
    """The same call with cookies."""
    owner, _ = holder(served)
    found = thing()
    answer = found.browse(session(served, owner), "POST", headers=FOREIGN)
    assert is_refused(answer, 403, "origin_not_allowed", header="Origin")
    assert found.seen == []


def test_a_session_without_the_token_is_403(served):
    """Our own origin is not enough."""
    owner, _ = holder(served)
    answer = thing().browse(session(served, owner), "POST", headers={"x-csrf-token": ""})
    assert (answer.status, answer.error["code"]) == (403, "csrf_token_invalid")


def test_cookies_next_to_a_key_are_not_looked_at(served):
    """The key's owner is the caller, not the session's, and no guest comes along."""
    owner, _ = holder(served)
    other, _ = holder(served, secret="ek_test_" + "o" * 43)
    found = thing()
    guest = found.browse({})
    cookies = {**session(served, other), "guest_id": guest.cookies["guest_id"].split("=")[1].split(";")[0]}
    assert found.call(cookies=cookies).status == 200
    assert (found.seen[-1].owner, found.seen[-1].guest) == (owner, None)


def test_an_answer_to_a_key_sets_no_cookies(served):
    """A program keeps none."""
    holder(served)
    assert thing().call().cookies == {}


# ------------------------------------------------------------------------------------------ scopes


@pytest.mark.parametrize("scope", ["read", "billing"])
def test_changing_something_needs_its_scope(served, scope):
    """The refusal names the scope that is missing; nothing runs."""
    holder(served, scope)
    found = thing()
    assert is_refused(found.call("POST"), 403, "scope_missing", scope="generate")
    assert found.seen == []


@pytest.mark.parametrize("scope", ["generate", "billing"])
def test_reading_needs_its_scope(served, scope):
    """Whoever may only order may not look."""
    holder(served, scope)
    found = thing()
    assert is_refused(found.call(), 403, "scope_missing", scope="read")
    assert found.seen == []


def test_an_app_for_browsers_lets_no_key_change_anything(served):
    """Not even one with every scope."""
    holder(served, "read", "generate", "billing")
    found = thing(scope=None)
    assert is_refused(found.call("POST"), 403, "scope_missing", scope="session")
    assert found.seen == []


def test_a_refused_scope_uses_budget(served):
    """Trying what one may not is counted like everything."""
    holder(served, "read", plan="free")
    found = thing()
    assert found.call("POST").headers["RateLimit"].startswith('"other";r=59')
    assert found.call("GET").headers["RateLimit"].startswith('"other";r=58')


def test_an_administrators_key_is_no_administrator(served):
    """The role stays with the browser."""
    owner, _ = holder(served, "read", "generate", "billing", role="admin")
    found = thing()
    found.call()
    found.browse(session(served, owner))
    assert [caller.role for caller in found.seen] == ["user", "admin"]


# ------------------------------------------------------------------------------------------ limits


def test_keys_and_browser_of_an_account_share_one_budget(served):
    """Twenty keys buy nothing; neither does another address."""
    owner, _ = holder(served, plan="free")
    second = "ek_test_" + "2" * 43
    key = ApiKey(served.new_id("key"), "2", ("read",), served.clock, "2222")
    runtime.api_keys().create(owner, key, second)
    found = thing()
    answers = [
        found.call(ip="192.0.2.1"),
        found.call(secret=second, ip="198.51.100.9"),
        found.browse(session(served, owner)),
    ]
    left = [answer.headers["RateLimit"].partition("r=")[2].partition(";")[0] for answer in answers]
    assert left == ["59", "58", "57"]


def test_two_accounts_behind_one_address_have_a_budget_each(served):
    """Nobody pays for the neighbour."""
    holder(served, plan="free")
    holder(served, plan="free", secret="ek_test_" + "o" * 43)
    found = thing()
    first, second = found.call(), found.call(secret="ek_test_" + "o" * 43)
    assert first.headers["RateLimit"] == second.headers["RateLimit"]


@pytest.mark.parametrize("by", ["key", "browser"])
def test_a_blocked_account_is_refused(served, by):
    """By the very next request, whatever it comes with."""
    owner, _ = holder(served)
    found, jar = thing(), session(served, owner)
    audit = {"id": "act", "action": "block", "actor": "boss", "reason": "spam", "value": True}
    served.accounts.change(owner, "blocked", True, audit=audit, now=served.clock)
    answer = found.call() if by == "key" else found.browse(jar)
    assert is_refused(answer, 403, "owner_blocked")
    assert found.seen == []


# ------------------------------------------------------------------------------------------ results


@pytest.fixture
def result(served):
    """Somebody's result, its path, and their key with these scopes."""

    def make(*scopes):
        owner, _ = holder(served, *scopes)
        key = f"ai-enhancer/results/user/{owner.id}/{served.new_name()}.png"
        served.artifacts.put(key, b"picture", "image/png")
        return owner, f"/r2-ai/{key}"

    return make


def fetch(apps, path, **more):
    return Answer(apps.results(http_event("GET", path, **more), CONTEXT))


def test_a_result_is_served_to_its_owners_key(apps, served, result):
    """With the scope to read."""
    _, path = result("read")
    assert fetch(apps, path, headers={"authorization": f"Bearer {SECRET}"}).content == b"picture"


def test_a_result_needs_the_scope_to_read(apps, served, result):
    """A key that may only order sees no pictures."""
    _, path = result("generate")
    answer = fetch(apps, path, headers={"authorization": f"Bearer {SECRET}"})
    assert is_refused(answer, 403, "scope_missing", scope="read")


def test_a_blocked_accounts_results_are_not_served_to_it(apps, served, result):
    """Neither by key nor by browser."""
    owner, path = result("read")
    audit = {"id": "act", "action": "block", "actor": "boss", "reason": "spam", "value": True}
    served.accounts.change(owner, "blocked", True, audit=audit, now=served.clock)
    by_key = fetch(apps, path, headers={"authorization": f"Bearer {SECRET}"})
    by_browser = fetch(apps, path, cookies=session(served, owner))
    assert is_refused(by_key, 403, "owner_blocked")
    assert is_refused(by_browser, 403, "owner_blocked")
