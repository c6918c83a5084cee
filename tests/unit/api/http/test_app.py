"""The frame around every handler: order of the checks, budgets, envelope, headers, cookies."""

import hashlib
from typing import Annotated

import pytest
from aws_lambda_powertools.event_handler.openapi.params import Body

from enhancer import runtime
from enhancer.api.http.app import admits, create_app, entrypoint
from enhancer.domain import errors
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from tests.support.cookies import attributes
from tests.support.events import CONTEXT, CSRF_TOKEN, Answer, Browser, http_event, unsafe

SECURITY = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
PATH = "/api/thing"
OTHER = PLANS["guest"].other_per_minute


@pytest.fixture
def thing(served):
    """A small app: GET and POST of one path; what they raise is in ``problem``."""
    app = create_app(rate="other")
    script = {"problem": None, "calls": 0}

    def answer():
        script["calls"] += 1
        if script["problem"]:
            raise script["problem"]
        return {"success": True, "data": {}}

    app.get(PATH)(answer)
    app.post(PATH)(answer)
    return entrypoint(app), script, Browser(ip=f"203.0.113.{served.random.randrange(250)}")


def fresh_network(world):
    return f"2001:db8:{world.random.randrange(65536):x}:{world.random.randrange(65536):x}::1"


def left(handler, ip):
    """How many calls a network has left, without using one up: the refused path has no budget."""
    answer = Answer(handler(http_event("GET", PATH, ip=ip), CONTEXT))
    return int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0]) + 1


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {}])
def test_a_foreign_origin_is_refused_first_and_uses_no_budget(thing, served, headers):
    """Neither a token nor the limit is looked at, and nothing is looked up."""
    handler, script, _ = thing
    ip = fresh_network(served)
    for _ in range(40):
        answer = Answer(handler(http_event("POST", PATH, headers=headers, ip=ip), CONTEXT))
        assert (answer.status, answer.error["code"]) == (403, "origin_not_allowed")
    assert left(handler, ip) == OTHER
    assert script["calls"] == 1


def test_a_wrong_token_is_refused_second_and_uses_no_budget(thing, served):
    """Also beyond the limit it stays a 403."""
    handler, script, _ = thing
    ip = fresh_network(served)
    headers = unsafe({"x-csrf-token": "wrong"})
    for _ in range(40):
        event = http_event("POST", PATH, headers=headers, cookies={"csrf_token": CSRF_TOKEN}, ip=ip)
        answer = Answer(handler(event, CONTEXT))
        assert (answer.status, answer.error["code"]) == (403, "csrf_token_invalid")
        assert "RateLimit" not in answer.headers
    assert left(handler, ip) == OTHER
    assert script["calls"] == 1


def test_a_bad_request_uses_budget(thing, served):
    """A 400 counts like a 200: guessing is limited."""
    handler, script, _ = thing
    ip = fresh_network(served)
    script["problem"] = errors.ImageMissing(field="image")
    browser = Browser(ip=ip)
    assert [browser.send(handler, "POST", PATH).status for _ in range(10)] == [400] * 10
    script["problem"] = None
    assert left(handler, ip) == OTHER - 10


def test_the_limit_is_refused_before_the_handler_with_all_its_fields(thing, served):
    """The first call beyond those of a minute: 429, the exact wait, the limit's fields, and no work."""
    handler, script, _ = thing
    browser = Browser(ip=fresh_network(served))
    assert [browser.send(handler, "POST", PATH).status for _ in range(OTHER)] == [200] * OTHER
    refused = browser.send(handler, "POST", PATH)
    assert (refused.status, refused.error["type"], refused.error["code"]) == (
        429,
        "rate_limit",
        "rate_limited",
    )
    assert refused.json["retryAfter"] == 1
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit-Policy"] == '"other";q=60;w=60'
    assert refused.headers["RateLimit"] == '"other";r=0;t=1'
    assert script["calls"] == OTHER
    served.clock += 999
    assert browser.send(handler, "POST", PATH).status == 429
    served.clock += 1
    assert browser.send(handler, "POST", PATH).status == 200


def test_a_new_cookie_is_no_new_budget(thing, served):
    """Guests are counted by network: a browser that drops its cookies is the same caller."""
    handler, _, _ = thing
    ip = fresh_network(served)
    statuses = [Browser(ip=ip).send(handler, "GET", PATH).status for _ in range(OTHER + 1)]
    assert statuses == [200] * OTHER + [429]


def test_an_allowed_call_tells_what_is_left(thing, served):
    """Limit fields are on every answer."""
    handler, _, _ = thing
    answer = Browser(ip=fresh_network(served)).send(handler, "GET", PATH)
    assert answer.headers["RateLimit-Policy"] == '"other";q=60;w=60'
    assert answer.headers["RateLimit"] == '"other";r=59;t=1'


@pytest.mark.parametrize(
    "path",
    [
        "/api/other", "/api/thin", "/", "/api/thing/more", "//api/thing", "/api", "/api/", "/api/thing\n",
        "/api/thing\x00", "/api/thing\u2028", "/api/thing\ud800",
    ],
)  # fmt: skip
def test_an_unknown_path_is_404_in_the_envelope(thing, path):
    """Whatever the verb, without looking anybody up."""
    handler, _, browser = thing
    for method in ("GET", "POST", "OPTIONS"):
        answer = browser.send(handler, method, path)
        assert (answer.status, answer.error["type"], answer.error["code"]) == (404, "not_found", "not_found")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_slash_too_many_is_a_redirect_for_who_reads(thing, method):
    """Kept query and all, before anybody is looked up; also where another function has the path without it."""
    handler, script, browser = thing
    for path, there in [
        ("/api/thing/", "/api/thing"),
        ("/api/thing//", "/api/thing"),
        ("/api/ü/", "/api/%C3%BC"),
    ]:
        answer = browser.send(handler, method, path, query="a=1&b=%2F")
        assert (answer.status, answer.headers["Location"]) == (308, f"{there}?a=1&b=%2F")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert script["calls"] == 0


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_slash_too_many_is_404_for_who_changes_something(thing, method):
    """A body is not sent twice."""
    handler, _, browser = thing
    answer = browser.send(handler, method, "/api/thing/")
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["//evil.example/", "//evil.example//", "/\\evil.example/", "/evil/", "/api/../../evil/"]
)
def test_no_slash_too_many_leads_to_another_site(thing, path):
    """Only paths of the API are redirected, and they stay paths."""
    handler, _, browser = thing
    answer = browser.send(handler, "GET", path)
    assert answer.status == 404 or answer.headers["Location"].startswith("/api/")


def test_an_unknown_query_parameter_is_refused_after_budget_and_caller(thing, served):
    """Like an unknown field of a form; it is a 400 as any other, and counts like one."""
    handler, script, _ = thing
    ip = fresh_network(served)
    whole = left(handler, fresh_network(served))
    answer = Browser(ip=ip).send(handler, "GET", PATH, query="zoom=2&zoom=3&page=1")
    assert (answer.status, answer.error["code"]) == (400, "invalid_fields")
    assert answer.error["details"]["fields"] == [
        {"field": "zoom", "problem": "extra_forbidden"},
        {"field": "page", "problem": "extra_forbidden"},
    ]
    assert answer.error["message"] == "This request is not valid: zoom is unknown, page is unknown."
    assert script["calls"] == 1
    assert left(handler, ip) == whole - 1


def test_whom_an_app_does_not_serve_is_told_before_the_body_is_read(served):
    """401 and 403 before 400: what is wrong with a request is nobody's business who may not make it."""
    for whom, code in (("admins", "admin_only"), ("users", None)):
        app = create_app(admits=whom, scope=None)

        @app.post(PATH)
        def take(body: Annotated[dict[str, int], Body()]) -> dict[str, int]:
            return body

        @app.post("/api/open")
        @admits("everybody")
        def take_from_all(body: Annotated[dict[str, int], Body()]) -> dict[str, int]:
            return body

        handler, guest = entrypoint(app), Browser(ip=fresh_network(served))
        bad = {"body": "[broken", "headers": {"content-type": "application/json"}}
        assert guest.send(handler, "POST", PATH, **bad).error["code"] == "sign_in_required"
        assert guest.send(handler, "POST", "/api/open", **bad).error["code"] == "invalid_fields"
        owner = Owner("user", served.new_name())
        served.accounts.open(owner, plan="pro", role="user", email=None, now=served.clock)
        guest.jar["session_id"] = token = served.new_name()
        served.accounts.start_session(owner, token, now=served.clock)
        assert guest.send(handler, "POST", PATH, **bad).error["code"] == (code or "invalid_fields")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
def test_another_verb_is_405_with_all_that_are_allowed(thing, method):
    """Told before origin and token, so that every client gets the same answer."""
    handler, _, _ = thing
    answer = Answer(handler(http_event(method, PATH), CONTEXT))
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, POST"
    assert answer.error["details"] == {"allow": ["GET", "POST"]}


@pytest.mark.parametrize(
    ("problem", "status"),
    [(None, 200), (errors.NotFound(), 404), (errors.NotTheOwner(), 403), (RuntimeError("boom"), 500)],
)
def test_every_answer_has_the_security_headers(thing, problem, status):
    """Good, refused or broken: the same headers, the request's id and the time it took."""
    handler, script, browser = thing
    script["problem"] = problem
    answer = browser.send(handler, "GET", PATH)
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
    assert answer.headers["X-Request-Id"] == "request-1"
    assert "total;dur=" in answer.headers["Server-Timing"]
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/none", 404), ("PUT", PATH, 405), ("POST", PATH, 403)]
)
def test_refusals_of_the_gate_have_the_security_headers_too(thing, method, path, status):
    """Also where no handler ran."""
    handler, _, _ = thing
    answer = Answer(handler(http_event(method, path), CONTEXT))
    assert answer.status == status
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
    assert answer.json["requestId"] == "request-1"


SECRETS = "secret: table photos at 10.0.0.1, key AKIA0000, user a@example.com"


@pytest.mark.parametrize(
    "problem", [RuntimeError(SECRETS), KeyError(SECRETS), ValueError(SECRETS), errors.InternalError()]
)
def test_a_500_shows_nothing_of_its_cause(thing, logs, problem):
    """The caller gets a generic text and the request's id; the cause is in the log."""
    handler, script, browser = thing
    script["problem"] = problem
    answer = browser.send(handler, "GET", PATH)
    assert answer.status == 500
    assert answer.json == {
        "success": False,
        "error": {
            "type": "server_error",
            "code": "internal_error",
            "message": "Something went wrong on our side. Please try again; the same picture is never charged twice.",
        },
        "requestId": "request-1",
    }
    assert SECRETS not in str(answer.raw)
    assert logs.lines[-1]["status"] == 500


def test_a_crash_before_the_handler_is_a_500_too(thing, monkeypatch, logs):
    """The table away during the gate: refused, nothing done, nothing shown."""
    handler, script, browser = thing

    def away():
        raise ConnectionError(SECRETS)

    monkeypatch.setattr(runtime, "rates", away)
    answer = browser.send(handler, "GET", PATH)
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert script["calls"] == 0
    assert SECRETS not in str(answer.raw)
    assert [line["message"] for line in logs.lines] == ["unhandled", "request"]


@pytest.mark.parametrize(
    ("language", "message"), [("de-DE,de", "Hier gibt es nichts."), ("en", "There is nothing here.")]
)
def test_messages_follow_the_language_and_codes_do_not(thing, language, message):
    """People read their language, programs read the code."""
    handler, script, browser = thing
    script["problem"] = errors.NotFound()
    answer = browser.send(handler, "GET", PATH, headers={"accept-language": language})
    assert (answer.error["message"], answer.error["code"]) == (message, "not_found")


def test_a_new_browser_gets_both_cookies(thing, served):
    """A signed guest out of reach of scripts, and a token that our page can read."""
    handler, _, _ = thing
    answer = Answer(handler(http_event("GET", PATH, ip=fresh_network(served)), CONTEXT))
    assert set(answer.cookies) == {"guest_id", "csrf_token"}
    flags = ["Max-Age=15552000", "Path=/", "SameSite=Lax"]
    assert attributes(answer.cookies["guest_id"]) == ["HttpOnly", *flags]
    assert attributes(answer.cookies["csrf_token"]) == flags


def test_cookies_are_secure_where_there_is_https(thing, served, setting):
    """Everywhere but on a developer's own machine."""
    setting(APP_ORIGIN="https://enhance.example")
    handler, _, _ = thing
    answer = Answer(handler(http_event("GET", PATH, ip=fresh_network(served)), CONTEXT))
    flags = ["Max-Age=15552000", "Path=/", "SameSite=Lax", "Secure"]
    assert attributes(answer.cookies["guest_id"]) == ["HttpOnly", *flags]
    assert attributes(answer.cookies["csrf_token"]) == flags


def test_a_known_browser_gets_no_cookies(thing):
    """What it has is good."""
    handler, _, browser = thing
    browser.send(handler, "GET", PATH)
    assert browser.send(handler, "GET", PATH).cookies == {}


def test_a_further_origin_may_be_allowed(thing, setting):
    """A page of another of our addresses, listed in the settings."""
    setting(ALLOWED_ORIGINS="https://also.example")
    handler, _, browser = thing
    assert browser.send(handler, "POST", PATH, headers={"origin": "https://also.example"}).status == 200
    assert browser.send(handler, "POST", PATH, headers={"origin": "https://also.example.evil"}).status == 403


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_who_comes_around_the_cdn_finds_nothing(thing, served, setting, method):
    """Before any budget is used: the firewall and its limits would be for nothing if there were another door."""
    secret = "5" * 64
    setting(EDGE_SECRET_SHA256=hashlib.sha256(secret.encode()).hexdigest())
    handler, _, _ = thing
    ip = fresh_network(served)
    assert Answer(handler(http_event(method, PATH, ip=ip), CONTEXT)).status == 404
    answer = Answer(handler(http_event("GET", PATH, ip=ip, headers={"x-edge-secret": secret}), CONTEXT))
    assert answer.status == 200
    assert f"r={OTHER - 1};" in answer.headers["RateLimit"]


def test_the_log_line_of_a_request_names_the_release(thing, setting, logs):
    """By it a gradual deployment tells the answers of the new one from those of the old."""
    setting(RELEASE="26112904567d588ef")
    handler, _, browser = thing
    browser.send(handler, "GET", PATH)
    (line,) = [one for one in logs.lines if one["message"] == "request"]
    assert (line["release"], line["status"]) == ("26112904567d588ef", 200)


def test_an_app_without_limit_and_csrf_serves_anybody(served):
    """Pages need no caller: no cookie is set, no budget used, no token asked for."""
    app = create_app(rate=None, csrf=False)
    app.post(PATH)(lambda: {"success": True})
    answer = Answer(entrypoint(app)(http_event("POST", PATH), CONTEXT))
    assert (answer.status, answer.cookies) == (200, {})
    assert "RateLimit" not in answer.headers


def test_the_clock_is_read_once_for_a_request(thing, served, monkeypatch):
    """Who is calling, the rate limit and the route see one time; no request spans two days."""
    handler, _, browser = thing
    read: list[int] = []
    monkeypatch.setattr(runtime, "now", lambda: read.append(served.clock) or served.clock)
    browser.send(handler, "GET", PATH)
    assert len(read) == 1
