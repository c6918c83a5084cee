"""Whatever is sent, on whatever route: an answer in the envelope, small, and never a 5xx."""

import json
import time

import pytest

from enhancer import runtime
from enhancer.api.http.app import PATH_PART_BYTES_MAX
from enhancer.api.http.failures import PROBLEMS_MAX
from enhancer.api.http.query import VALUE_MAX
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.owners import Owner
from tests.support import functions
from tests.support.events import CONTEXT, Answer, Browser, http_event, unsafe
from tests.unit.functions.test_every_function import ALLOW

ANSWER_BYTES_MAX = 8_000
NOT_SET_UP = ("sign_in_unavailable", "stripe_not_configured")
"""Where a deployment lacks the secrets of others, whatever is sent."""
POSTS = sorted(path for path, (_, allow) in ALLOW.items() if "POST" in allow)
GETS = sorted(
    path for path, (_, allow) in ALLOW.items() if "GET" in allow and path.startswith(("/api", "/r2-ai"))
)
NAMED = (
    "/api/ai-image/jobs/{}", "/api/ai-image/jobs/{}/cancel", "/api/ai-image/jobs/{}/retry", "/api/auth/keys/{}",
    "/api/auth/{}/login", "/api/auth/{}/callback", "/api/auth/{}/link", "/api/provider-webhook/replicate/{}",
    "/r2-ai/{}", "/r2-ai/ai-enhancer/results/user/{}/0123456789abcdefghjkmnpqrs.png",
    "/r2-ai/ai-enhancer/uploads/guest/abc/{}",
)  # fmt: skip
"""Paths with a part that the caller chooses."""
NAMES = ("a" * 2_000, "語" * 600, "x%2Fy", "..", "\x00", "a\r\nb", "\u2028", "\ud800", " ", "'\"<>", "*")
BODIES = {
    "lists in lists": b"[" * 100_000,
    "objects in objects": b'{"a":' * 100_000,
    "deep and whole": b'{"name":' + b"[" * 500 + b"]" * 500 + b"}",
    "5,000 digits": b'{"amount":' + b"1" * 5_000 + b"}",
    "NaN": b'{"amount": NaN}',
    "Infinity": b'{"amount": -Infinity}',
    "an endless fraction": b'{"amount": 1e999}',
    "250,000 unknown fields": b"{" + b",".join(b'"f%d":1' % n for n in range(250_000)) + b"}",
    "a field a megabyte long": b'{"' + b"n" * 1_000_000 + b'": 1}',
    "a text a megabyte long": b'{"name":"' + b"n" * 1_000_000 + b'","model":"' + b"m" * 1_000_000 + b'"}',
    "half a surrogate pair": b'{"name":"\\ud800", "\\udfff": 1}',
    "NUL": b'{"name":"\\u0000", "userId":"\\u0000", "model": "\\u0000"}',
    "0xFF": b"\xff",
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "no object": b'["name"]',
    "null": b"null",
    "nothing": b"",
    "a field twice": b'{"name": "a", "name": "b"}',
    "cut off": b'{"name": ',
    "true everywhere": b'{"name":true,"scopes":true,"plan":true,"amount":true,"items":true,"params":true,"off":true}',
    "lists everywhere": b'{"name":[],"scopes":[[]],"plan":[],"amount":[],"items":[[]],"params":[],"off":[[]]}',
}
TYPES = (
    "application/json",
    None,
    "",
    "Application/JSON; charset=UTF-8",
    "text/plain",
    "multipart/form-data; boundary=B",
)


@pytest.fixture
def boss(apps, served):
    """An administrator: every route is open, so that what was sent is looked at."""
    browser = Browser(ip="198.51.100.99")
    browser.post_json(apps.debug_login, "/api/debug-login", {"plan": "enterprise", "role": "admin"})
    served.clock += 3_600_000
    return browser


def is_told_well(answer):
    """Whether this is no fault of ours, in the envelope, and of bounded size."""
    assert answer.status < 500 or answer.error["code"] in NOT_SET_UP, answer.content[:500]
    assert len(answer.content) <= ANSWER_BYTES_MAX, answer.content[:500]
    if answer.status >= 400 and answer.content:
        assert answer.json["success"] is False
        assert set(answer.error) >= {"type", "code", "message"}
    return True


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("path", POSTS)
def test_no_body_makes_a_5xx_or_a_long_answer(apps, boss, path, body):
    """On every route that takes one, with every kind of statement about its type."""
    handler = getattr(apps, ALLOW[path][0])
    for kind in TYPES if len(BODIES[body]) < 10_000 else TYPES[:1]:
        headers = {} if kind is None else {"content-type": kind}
        assert is_told_well(boss.send(handler, "POST", path, body=BODIES[body], headers=headers)), kind


@pytest.mark.parametrize(
    ("body", "problem", "limit"),
    [
        ("lists in lists", "json_too_deep", 16), ("objects in objects", "json_too_deep", 16),
        ("deep and whole", "json_too_deep", 16), ("5,000 digits", "number_too_long", 32), ("NaN", "not_finite", None),
        ("Infinity", "not_finite", None), ("an endless fraction", "not_finite", None),
        ("250,000 unknown fields", "too_many_fields", 200), ("half a surrogate pair", "not UTF-8", None),
        ("0xFF", "not UTF-8", None), ("UTF-16", "not UTF-8", None), ("no object", "object expected", None),
        ("a field twice", "repeated", None), ("cut off", "json_invalid", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["application/json", ""])
def test_a_body_that_cannot_be_read_is_told_by_problem_and_limit(apps, boss, body, problem, limit, kind):
    """No parser's offset, and nothing that depends on the Content-Type's being there."""
    headers = {"content-type": kind}
    answer = boss.send(apps.usage, "POST", "/api/ai-image/quote", body=BODIES[body], headers=headers)
    found = {"field": "body", "problem": problem, **({"limit": limit} if limit else {})}
    assert (answer.status, answer.error["details"]) == (400, {"fields": [found]})
    assert answer.error["message"].startswith("This request is not valid: body ")


def test_a_quarter_of_a_million_fields_take_a_moment(apps, boss):
    """Reading stops at the limit; the answer names twenty fields at most, and how many more there are."""
    started = time.process_time()
    body = BODIES["250,000 unknown fields"]
    answer = boss.send(
        apps.account, "POST", "/api/auth/keys", body=body, headers={"content-type": "application/json"}
    )
    assert answer.status == 400
    assert time.process_time() - started < 5
    some = {f"field{n}": n for n in range(150)}
    answer = boss.post_json(apps.account, "/api/auth/keys", {"name": "x", **some})
    assert len(answer.error["details"]["fields"]) == PROBLEMS_MAX
    assert answer.error["details"]["more"] == 150 - PROBLEMS_MAX
    assert answer.error["message"].endswith(" and 130 more.")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:12]))
@pytest.mark.parametrize("path", NAMED)
def test_no_name_in_a_path_makes_a_5xx(apps, boss, path, name):
    """Longer than a key of the table, not printable, climbing: it is not there, for every verb."""
    for one, handler in vars(apps).items():
        if one in functions.NAMES and path.format("x").startswith(PREFIXES.get(one, "//")):
            for method in ("GET", "POST", "DELETE", "HEAD"):
                answer = boss.send(handler, method, path.format(name))
                assert is_told_well(answer)
                assert len(name) < PATH_PART_BYTES_MAX or answer.status >= 400


PREFIXES = {
    "jobs": "/api/ai-image/jobs/", "account": "/api/auth/keys/", "sign_in": "/api/auth/", "results": "/r2-ai/",
    "provider_webhook": "/api/provider-webhook/",
}  # fmt: skip


@pytest.mark.parametrize("path", GETS)
def test_no_query_makes_a_5xx_and_an_unknown_one_is_refused(apps, boss, path):
    """Like an unknown field of a form; values that are too long are told by name and limit."""
    handler = getattr(apps, ALLOW[path][0])
    app = functions.load(ALLOW[path][0]).app
    routes = [
        one
        for one in app._static_routes + app._dynamic_routes
        if one.rule.match(path) and one.method == "GET"
    ]
    declared = set(getattr(routes[0].func, "query", {}))
    declared |= {param.alias for param in routes[0].dependant.query_params} if app.validated else set()
    for name in sorted(declared):
        for value in ("x" * 2_000, "9" * 5_000, "語" * 400, "%00", "", "%ED%A0%80", "-1", "1e9", "a%0D%0Ab"):
            answer = boss.send(handler, "GET", path, query=f"{name}={value}")
            assert is_told_well(answer)
            assert len(value) <= VALUE_MAX or "%" in value or answer.status >= 300
    if app.csrf and not getattr(routes[0].func, "foreign_query", False):
        answer = boss.send(handler, "GET", path, query="zoom=2")
        assert (answer.status, answer.error["code"]) == (400, "invalid_fields")
        flood = "&".join(f"f{n}=1" for n in range(3_000))
        assert is_told_well(boss.send(handler, "GET", path, query=flood))


@pytest.mark.parametrize(
    "header", ["range", "if-none-match", "accept-language", "prefer", "idempotency-key", "accept"]
)
@pytest.mark.parametrize(
    "value", ["bytes=" + "9" * 4_301 + "-", "bytes=0-" + "9" * 4_301, "bytes=-" + "9" * 4_301, "wait=" + "9" * 4_301,
              "q=" + "9" * 4_301, "\ud800", "é" * 3_000, ",;=" * 1_000, ""]
)  # fmt: skip
def test_no_header_makes_a_5xx(apps, boss, served, header, value):
    """Numbers of 4,301 digits are more than Python converts."""
    me = boss.send(apps.sign_in, "GET", "/api/auth/me").data["id"]
    path = f"ai-enhancer/results/user/{me}/0123456789abcdefghjkmnpqrs.png"
    served.artifacts.put(path, b"picture", "image/png")
    headers = {header: value}
    assert is_told_well(boss.send(apps.results, "GET", f"/r2-ai/{path}", headers=headers))
    assert is_told_well(boss.send(apps.usage, "GET", "/api/ai-image/usage", headers=headers))
    assert is_told_well(boss.post_form(apps.generate, "/api/ai-image/generate", image=b"x", headers=headers))


@pytest.mark.parametrize("cookie", ["session_id", "guest_id", "csrf_token", "signin"])
@pytest.mark.parametrize("value", ["\ud800", "%ED%A0%80", "%00", "a" * 9_000, "語", "=;=", '"'])
def test_no_cookie_makes_a_5xx(apps, served, cookie, value):
    """A cookie is what anybody writes into it; also where it is compared with a header."""
    for method in ("GET", "POST"):
        for path in (
            "/api/ai-image/usage",
            "/api/ai-image/quote",
            "/api/ai-image/jobs",
            "/api/auth/github/callback",
        ):
            event = http_event(method, path, headers=unsafe({"x-csrf-token": value}))
            event["cookies"] = [f"{cookie}={value}"]
            assert is_told_well(Answer(getattr(apps, ALLOW[path][0])(event, CONTEXT)))


@pytest.mark.parametrize("path", sorted(set(POSTS) | set(GETS)))
def test_an_api_key_meets_no_5xx_anywhere(apps, served, path):
    """One of every scope, and one that nobody knows: also where keys are not taken."""
    owner = Owner("user", served.new_name())
    served.accounts.open(owner, plan="pro", role="user", email=None, now=served.clock)
    key = ApiKey("key_x", "ci", ("read", "generate", "billing"), served.clock, "xxxx")
    runtime.api_keys().create(owner, key, "ek_test_good")
    handler = getattr(apps, ALLOW[path][0])
    for secret in ("ek_test_good", "ek_test_bad"):
        for method in ("GET", "POST"):
            headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
            event = http_event(method, path, headers=headers, body="{}" if method == "POST" else None)
            assert is_told_well(Answer(handler(event, CONTEXT)))


def test_what_is_refused_never_quotes_at_length(apps, boss):
    """A name of our own errors is quoted, but cut."""
    answer = boss.post_json(apps.usage, "/api/ai-image/quote", {"model": "m" * 200})
    assert (answer.status, answer.error["code"]) == (400, "unknown_model")
    assert len(json.dumps(answer.json)) < 1_000
