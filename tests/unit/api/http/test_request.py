"""One event, read once and defensively."""

import hashlib

import pytest

from enhancer.api.http.request import Request
from enhancer.domain.errors import InvalidFields
from tests.support.events import http_event


def request(method="GET", path="/x", *, app_origin="", **more):
    return Request(http_event(method, path, **more), app_origin)


def test_header_names_are_read_in_any_case():
    """Gateways differ; we do not care."""
    event = http_event("GET", "/x") | {"headers": {"X-CSRF-Token": "a", "ORIGIN": "b"}}
    assert Request(event, "").headers == {"x-csrf-token": "a", "origin": "b"}


def test_cookies_come_from_the_event_and_from_the_header():
    """The gateway's list wins over the raw header."""
    event = http_event("GET", "/x", cookies={"a": "1"}, headers={"cookie": "a=2; b=3"})
    assert Request(event, "").cookies == {"a": "1", "b": "3"}


def test_an_event_with_hardly_anything_is_still_a_request():
    """No headers, no cookies, no query, no body."""
    bare = {"requestContext": {"http": {"method": "get", "path": "/p", "sourceIp": "192.0.2.9"}}}
    found = Request(bare, "")
    assert (found.method, found.path, found.headers, found.cookies, found.query, found.body, found.id) == (
        "GET", "/p", {}, {}, {}, b"", "-",
    )  # fmt: skip


def test_the_address_is_the_gateways_and_never_a_headers():
    """X-Forwarded-For is whatever a stranger says."""
    found = request(ip="192.0.2.7", headers={"forwarded": "for=203.0.113.1", "x-real-ip": "203.0.113.1"})
    found.event["headers"]["x-forwarded-for"] = "203.0.113.1"
    assert found.source_ip == "192.0.2.7"


@pytest.mark.parametrize(
    ("app_origin", "own", "secure"),
    [
        ("https://app.example", "https://app.example", True),
        ("", "https://abcdefghij.execute-api.eu-central-1.amazonaws.com", True),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787", False),
        ("http://localhost:8787", "http://localhost:8787", False),
    ],
)
def test_our_origin_is_the_apps_or_the_apis(app_origin, own, secure):
    """Cookies are Secure everywhere but on a developer's own machine."""
    found = request(app_origin=app_origin)
    assert (found.own_origin, found.is_secure) == (own, secure)


@pytest.mark.parametrize(
    ("app_origin", "token"),
    [("https://app.example", "secure-token"), ("http://127.0.0.1:8787", "plain-token")],
)
def test_the_session_is_read_from_the_cookie_of_its_place(app_origin, token):
    """A cookie that any subdomain could set is not taken where the safe one exists."""
    jar = {"session_id": "plain-token", "__Host-session": "secure-token"}
    assert request(app_origin=app_origin, cookies=jar).session_token == token


def test_without_the_cookie_there_is_no_session():
    """Absence is None."""
    assert request(app_origin="https://app.example", cookies={"session_id": "x"}).session_token is None


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"), ("de", "de"), ("de-AT,en;q=0.5", "de"), ("fr,de;q=0.5,en;q=0.9", "en"), ("DE", "de"),
        ("fr, es", "en"), ("*", "en"), ("en-GB,de", "en"), (";;,,q=", "en"), ("d", "en"),
        ("en;q=0.1,de;q=0.2", "de"), ("en;q=0,de;q=0.001", "de"), ("de;q=0", "en"), ("de ; q=1.0 , en", "de"),
        ("en;q=0.8, de-CH;q=0.9", "de"), ("*;q=0.3,de;q=0.2", "en"), ("*;q=0.1,de;q=0.2", "de"),
        ("de;q=nan", "en"), ("de;q=9e9,en;q=0.1", "en"), ("den", "en"), ("x" * 100_000 + ",de", "en"),
    ],
)  # fmt: skip
def test_the_language_that_is_liked_best_is_chosen(header, language):
    """By its quality value, the first of equals; English when there is none of ours."""
    assert request(headers={"accept-language": header}).language == language


def test_a_body_comes_decoded():
    """In base64 or as text, the bytes are what was sent."""
    assert request(body=b"\x00\xffbytes").body == b"\x00\xffbytes"
    assert request(body="t\u00e4xt").body == "t\u00e4xt".encode()


@pytest.mark.parametrize("broken", ["not base64!", "AAA", "AA\nAA", "\u00e4\u00e4\u00e4\u00e4"])
def test_a_body_that_is_no_base64_is_refused(broken):
    """A damaged body is the request's fault and not ours."""
    event = http_event("POST", "/x", body=b"x") | {"body": broken}
    with pytest.raises(InvalidFields):
        _ = Request(event, "").body


SECRET = "5" * 64
HASHES = ("0" * 64, hashlib.sha256(SECRET.encode()).hexdigest())


@pytest.mark.parametrize(
    ("hashes", "sent", "address", "around"),
    [
        ((), {}, "198.51.100.1", False),
        ((), {"x-edge-secret": SECRET, "x-viewer-address": "192.0.2.7"}, "198.51.100.1", False),
        (HASHES, {}, "198.51.100.1", True),
        (HASHES, {"x-edge-secret": "", "x-viewer-address": "192.0.2.7"}, "198.51.100.1", True),
        (HASHES, {"x-edge-secret": HASHES[1], "x-viewer-address": "192.0.2.7"}, "198.51.100.1", True),
        (HASHES, {"x-edge-secret": SECRET, "x-viewer-address": "192.0.2.7"}, "192.0.2.7", False),
        (HASHES, {"x-edge-secret": SECRET}, "198.51.100.1", False),
        (HASHES[:1], {"x-edge-secret": SECRET, "x-viewer-address": "192.0.2.7"}, "198.51.100.1", True),
    ],
)
def test_only_the_cdn_in_front_of_us_says_who_the_visitor_is(hashes, sent, address, around):
    """Known by its secret, of which we keep hashes, two while it is changed; without a CDN nobody is believed."""
    found = Request(http_event("GET", "/x", ip="198.51.100.1", headers=sent), "", hashes)
    assert (found.source_ip, found.is_around_edge) == (address, around)
