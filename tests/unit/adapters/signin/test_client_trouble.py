"""Providers that break down in every way a server can: people are told to try later, nothing private is logged."""

import gzip
import json
import logging
import time

import pytest

from enhancer.adapters.signin import client
from enhancer.domain.errors import SignInFailed, SignInUnavailable
from tests.support.scripted_server import drips, hangs, resets, says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.scripted_server import stranger as stranger  # noqa: PLC0414
from tests.support.signin_provider import (
    DISCOVERY,
    GITHUB_TOKEN,
    KEYS,
    NONCE,
    SECRET,
    STATE,
    TOKEN,
    VERIFIER,
    GitHub,
    Google,
)

STEPS = [
    (Google, DISCOVERY),
    (Google, TOKEN),
    (Google, KEYS),
    (GitHub, GITHUB_TOKEN),
    (GitHub, "GET /user"),
    (GitHub, "GET /user/emails"),
]
NAMES = [f"{provider.__name__}-{route.split('/')[-1]}" for provider, route in STEPS]
every_step = pytest.mark.parametrize(("provider", "route"), STEPS, ids=NAMES)


def assert_unavailable(provider, server, route, answer):
    """Sign in while one route answers so; return the seconds it took."""
    found = provider(server)
    server.on(route, answer)
    began = time.monotonic()
    with pytest.raises(SignInUnavailable) as problem:
        found.sign_in()
    assert problem.value.details == {"provider": provider.__name__.lower()}
    assert problem.value.__suppress_context__
    return time.monotonic() - began


@every_step
@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_provider_that_says_not_now_is_unavailable(provider, route, status, server):
    """Whatever stands in the body."""
    assert_unavailable(provider, server, route, says(status, {"error": "invalid_grant"}))


@every_step
@pytest.mark.parametrize(
    "body",
    [b"<html></html>", b"", b"\xff\xfe", b"[" * 200_000, b"5" * 5000, b"null", b'"text"', b"{}", b"[1"],
)
def test_garbage_is_unavailable(provider, route, body, server):
    """HTML, nothing, nesting without end, JSON of another shape."""
    assert_unavailable(provider, server, route, says(200, body))


@every_step
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_unavailable_and_not_followed(provider, route, status, server, stranger):
    """Neither codes nor tokens travel on."""
    assert_unavailable(provider, server, route, says(status, b"", Location=f"{stranger.url}/"))
    assert stranger.asked == []


@every_step
def test_a_redirect_to_nowhere_is_unavailable(provider, route, server):
    """A place that is not even text."""
    assert_unavailable(provider, server, route, says(302, b"", Location="\xff"))


@every_step
def test_a_connection_that_ends_is_unavailable(provider, route, server):
    """Without a word, and not tried again: a code works once."""
    assert_unavailable(provider, server, route, resets)
    assert len(server.calls(route)) == 1


@every_step
def test_a_provider_that_hangs_is_given_up_after_the_read_time(provider, route, server, monkeypatch):
    """Five seconds in production, a part of one here."""
    monkeypatch.setattr(client, "READ_SECONDS", 0.3)
    assert assert_unavailable(provider, server, route, hangs(60)) < 20


@every_step
def test_a_provider_that_drips_is_given_up_when_the_time_is_over(provider, route, server, monkeypatch):
    """Every byte comes in time, the end does not."""
    monkeypatch.setattr(client, "SECONDS", 0.6)
    assert assert_unavailable(provider, server, route, drips(60)) < 20


@every_step
def test_a_huge_body_is_unavailable(provider, route, server):
    """A megabyte is more than any of them has to say."""
    assert_unavailable(provider, server, route, says(200, b" " * 1_000_001))


@every_step
def test_a_packed_body_is_unavailable(provider, route, server):
    """We ask for plain ones and unpack nothing, so a small body stays small."""
    packed = gzip.compress(json.dumps({"keys": []}).encode())
    assert_unavailable(provider, server, route, says(200, packed, Content_Encoding="gzip"))


def test_all_requests_share_one_time(server, monkeypatch):
    """Three slow answers, each in time, are too slow together."""
    monkeypatch.setattr(client, "SECONDS", 1.0)
    found = GitHub(server)

    def slowly(answer):
        def wait(handler):
            time.sleep(0.45)
            answer(handler)

        return wait

    for route in (GITHUB_TOKEN, "GET /user", "GET /user/emails"):
        found.server.on(route, slowly(found.server.answers[route][0]))
    began = time.monotonic()
    with pytest.raises(SignInUnavailable):
        found.sign_in()
    assert time.monotonic() - began < 20


def test_a_slow_start_and_no_end_stay_within_the_time(server, monkeypatch):
    """Headers just in time, then silence: the two waits do not add up beyond what was allowed."""
    monkeypatch.setattr(client, "SECONDS", 6.0)
    monkeypatch.setattr(client, "READ_SECONDS", 6.0)

    def late(handler):
        time.sleep(2.7)
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        time.sleep(60)

    assert assert_unavailable(GitHub, server, GITHUB_TOKEN, late) < 8.5


def test_the_bounds_are_those_that_were_asked_for():
    """Connect 3 s, read 5 s, 12 s in all, a megabyte."""
    bounds = (
        client.CONNECT_SECONDS,
        client.READ_SECONDS,
        client.SECONDS,
        client.BODY_BYTES_MAX,
    )
    assert bounds == (3, 5, 12, 1_000_000)


@pytest.mark.parametrize("provider", [Google, GitHub])
def test_a_provider_that_is_not_there_is_unavailable(provider, server):
    """Nobody listens."""
    found = provider(server)
    code = found.consent(found.start())
    server.url = "http://127.0.0.1:9"
    with pytest.raises(SignInUnavailable):
        found.finish(code, adapter=found.make())


@pytest.mark.parametrize("expires", ["soon", [], {}, -1, 1e400, None])
@pytest.mark.parametrize("kind", ["mac", 5, None])
def test_what_else_a_token_says_of_itself_does_not_matter(expires, kind, server):
    """It is used at once, and forgotten."""
    found = GitHub(server)
    token = {"access_token": "gho_token", "token_type": kind, "expires_in": expires, "expires_at": expires}
    server.on(GITHUB_TOKEN, says(200, token))
    assert found.sign_in().subject == "1001"


@pytest.mark.parametrize("token", [None, "", 5, [], "a b", "a\r\nX-Other: 1", "ü"])
@pytest.mark.parametrize(("provider", "route"), [(Google, TOKEN), (GitHub, GITHUB_TOKEN)])
def test_an_access_token_that_is_none_is_unavailable(provider, route, token, server):
    """Least of all one that would break a header."""
    assert_unavailable(provider, server, route, says(200, {"access_token": token, "token_type": "bearer"}))


def test_an_answer_without_an_id_token_is_unavailable(server):
    """We asked for one, so this is garbage."""
    assert_unavailable(Google, server, TOKEN, says(200, {"access_token": "x", "token_type": "Bearer"}))


def test_proxies_and_passwords_of_the_machine_are_not_used(server, stranger, monkeypatch, tmp_path):
    """What an environment says about HTTP is not for sign-ins."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", stranger.url)
    monkeypatch.setenv("http_proxy", stranger.url)
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    assert GitHub(server).sign_in().subject == "1001"
    assert stranger.asked == []


@pytest.mark.parametrize("provider", [Google, GitHub])
@pytest.mark.parametrize("good", [True, False])
def test_nothing_private_reaches_the_log(provider, good, server, caplog):
    """Neither at level debug nor in an error: no address, code, token, secret, e-mail or name."""
    caplog.set_level(logging.DEBUG)
    found = provider(server)
    if not good:
        for route in (KEYS, "GET /user/emails"):
            server.on(route, says(502, {"error": "ada@example.com"}))
    code = found.consent(found.start())
    try:
        found.finish(code)
    except SignInUnavailable as problem:
        assert not good
        caplog.records.append(logging.makeLogRecord({"msg": repr(problem), "details": problem.details}))
    told = " ".join(str(vars(record)) for record in caplog.records).lower()
    secrets = (code, VERIFIER, STATE, NONCE, SECRET, "gho_token", "ya29", "ada@", "ada l", "eyj", server.url)
    for secret in secrets:
        assert secret.lower() not in told


def test_a_refusal_carries_no_trace_of_the_request(server):
    """Whoever prints the error prints no token."""
    found = Google(server)
    found.change = {"nonce": "another"}
    with pytest.raises(SignInFailed) as problem:
        found.sign_in()
    assert str(problem.value) == "sign_in_failed"
    assert problem.value.__cause__ is None
