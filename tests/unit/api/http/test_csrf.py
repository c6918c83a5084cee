"""Unsafe calls: two independent proofs, origin first."""

import pytest

from enhancer.api.http import csrf
from enhancer.api.http.request import Request
from enhancer.domain.errors import CsrfTokenInvalid, OriginNotAllowed
from tests.support.events import http_event

APP, ALSO, TOKEN = "https://app.example", "https://also.example", "token-0123456789"
GOOD = {"origin": APP, "x-csrf-token": TOKEN}


def check(headers, *, method="POST", cookie=TOKEN):
    event = http_event(
        method, "/api/x", headers=headers, cookies={"csrf_token": cookie} if cookie is not None else {}
    )
    csrf.check(Request(event, APP), allowed_origins=(ALSO,))


@pytest.mark.parametrize(
    "headers",
    [
        GOOD,
        GOOD | {"origin": ALSO},
        {"referer": f"{APP}/en/tools?x=1#y", "x-csrf-token": TOKEN},
        {"referer": APP, "x-csrf-token": TOKEN},
        {"origin": APP, "referer": "https://evil.example/", "x-csrf-token": TOKEN},
    ],
)
def test_our_own_page_with_its_token_passes(headers):
    """Origin decides; the Referer stands in where there is none."""
    assert check(headers) is None


@pytest.mark.parametrize(
    "origin",
    [
        None, "", "null", "https://app.example.evil.test", "https://evilapp.example", "https://evil.example",
        "http://app.example", "https://app.example:444", "https://APP.example", "https://app.example/",
        "https://app.example@evil.test", "https://app.example.", "app.example", "*", " https://app.example",
        "https://app.example, https://evil.test", "https://sub.app.example",
    ],
)  # fmt: skip
def test_any_other_origin_is_refused_in_spite_of_a_good_token(origin):
    """Missing, null, look-alikes, another scheme, port or case: only the exact origin counts."""
    headers = {"x-csrf-token": TOKEN} | ({} if origin is None else {"origin": origin})
    with pytest.raises(OriginNotAllowed):
        check(headers)


@pytest.mark.parametrize(
    "referer",
    [
        "", "null", "about:blank", "https://evil.example/https://app.example/", "https://app.example.evil.test/",
        "https://app.example@evil.test/", "//app.example/", "/relative", "javascript:https://app.example",
        "http://app.example/",
    ],
)  # fmt: skip
def test_any_other_referer_is_refused(referer):
    """Its origin is compared whole, never as a prefix."""
    with pytest.raises(OriginNotAllowed):
        check({"referer": referer, "x-csrf-token": TOKEN})


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (None, TOKEN), ("", TOKEN), (TOKEN, None), ("", ""), (None, None), (TOKEN[:-1], TOKEN), (TOKEN + "x", TOKEN),
        (TOKEN.upper(), TOKEN), ("other", TOKEN), (TOKEN, ""), ("t\u00f6ken", TOKEN), (TOKEN, "t\u00f6ken"),
    ],
)  # fmt: skip
def test_a_missing_or_different_token_is_refused_in_spite_of_a_good_origin(sent, kept):
    """Header and cookie must be there and equal; two empty ones are not equal enough."""
    headers = {"origin": APP} | ({} if sent is None else {"x-csrf-token": sent})
    with pytest.raises(CsrfTokenInvalid):
        check(headers, cookie=kept)


def test_the_origin_is_told_before_the_token():
    """With both wrong the first in order is named."""
    with pytest.raises(OriginNotAllowed):
        check({"origin": "https://evil.example"}, cookie=None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "get"])
def test_a_safe_method_needs_no_proof(method):
    """Reading changes nothing."""
    assert check({}, method=method, cookie=None) is None


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "FOO"])
def test_every_other_method_needs_it(method):
    """Whatever is not known to be safe is unsafe."""
    with pytest.raises(OriginNotAllowed):
        check({}, method=method)


def test_tokens_are_long_and_never_repeat():
    """256 random bits each."""
    tokens = {csrf.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}
