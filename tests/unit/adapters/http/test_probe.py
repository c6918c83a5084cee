"""A cheap read at a provider: bounded in time and bytes, and told as a class of reason only."""

import time

import pytest

from enhancer.adapters.http import probe
from enhancer.domain.health import PartFailed
from tests.support.scripted_server import drips, hangs, resets, says, serve

TOKEN = "r8_hunter2"


@pytest.fixture
def server():
    with serve() as script:
        yield script


def reason_of(server, answer, *, seconds=30.0):
    """Why a read of this answer fails."""
    server.on("GET /v1/account", answer)
    with pytest.raises(PartFailed) as failed:
        probe.read(f"{server.url}/v1/account", TOKEN, seconds=seconds)
    assert failed.value.__cause__ is None
    return str(failed.value)


def test_a_success_is_fine_and_was_asked_with_the_token(server):
    """One GET, in the header that carries tokens, never in the address."""
    server.on("GET /v1/account", says(200, {"type": "user"}))
    assert probe.read(f"{server.url}/v1/account", TOKEN, seconds=30.0) is None
    (asked,) = server.asked
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in asked.path


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (says(401, {}), "refused"),
        (says(403, {}), "refused"),
        (says(404, {}), "missing"),
        (says(429, {}), "throttled"),
        (says(500, {}), "failing"),
        (says(200, b"<html>"), "unreadable"),
        (says(200, b"{" + b" " * probe.BODY_BYTES_MAX), "unreadable"),
        (resets, "unreachable"),
    ],
)
def test_anything_else_is_a_reason(server, answer, reason):
    """Nothing of what the other side said is in it."""
    assert reason_of(server, answer) == reason


def test_a_redirect_is_not_followed_with_the_token(server):
    """It would show the token to another host."""
    with serve() as stranger:
        assert reason_of(server, says(302, b"", Location=f"{stranger.url}/v1/account")) == "failing"
        assert stranger.asked == []


@pytest.mark.parametrize("answer", [hangs(2), drips(2)])
def test_silence_and_single_bytes_end_in_time(server, answer):
    """A provider that hangs costs its own time-out, however it hangs."""
    started = time.monotonic()
    assert reason_of(server, answer, seconds=0.4) == "timeout"
    assert time.monotonic() - started < 60


def test_nobody_there_is_unreachable():
    """The port is closed."""
    with pytest.raises(PartFailed, match="unreachable"):
        probe.read("http://127.0.0.1:9/v1/account", TOKEN, seconds=30.0)
