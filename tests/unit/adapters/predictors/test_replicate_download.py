"""Results fetched from the provider's hosts: from nowhere else, without a token, within bounds."""

import time
from base64 import b64encode

import pytest

from enhancer.adapters.predictors import replicate_download as module
from enhancer.adapters.predictors.replicate_download import ReplicateDownload
from enhancer.domain.errors import ProviderOutputInvalid, ProviderUnavailable
from tests.support.images import png
from tests.support.scripted_server import drips, hangs, resets, says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.scripted_server import stranger as stranger  # noqa: PLC0414

LOCAL = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)


def fetch(url, **more):
    return ReplicateDownload(base_url=LOCAL, **more).get(url)


def test_an_output_is_fetched_without_any_token(server):
    """One GET, with no Authorization and no cookie."""
    server.on("GET /", says(200, png(), Content_Type="image/png"))
    assert fetch(f"{server.url}/x/output.png") == png()
    assert [call.headers.get("authorization") for call in server.asked] == [None]


def test_passwords_and_proxies_of_the_machine_are_not_used(server, monkeypatch, tmp_path):
    """Neither ~/.netrc nor a proxy variable changes what is sent, and where."""
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login user password secret\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.on("GET /", says(200, png()))
    assert fetch(f"{server.url}/o.png") == png()
    assert "authorization" not in server.asked[0].headers


@pytest.mark.parametrize(
    "url",
    [
        "http://replicate.delivery/x.png",
        "https://replicate.delivery.evil.example/x.png",
        "https://evilreplicate.delivery/x.png",
        "https://user:secret@replicate.delivery/x.png",
        "https://replicate.delivery:8443/x.png",
        "https://169.254.169.254/latest",
        "https://evil.example\\.replicate.delivery/x.png",
        "https://[::1/x.png",
        "https://replicate.delivery:port/x.png",
        "http://127.0.0.1:1/x.png",
        "ftp://replicate.delivery/x.png",
        "file:///etc/passwd",
        "data:image/png,plain",
        "data:image/png;base64,!!!",
        "",
    ],
)
def test_a_url_of_anybody_else_is_invalid_and_not_asked(url):
    """Scheme, host, port and credentials are vetted before anything is sent; the error names no URL."""
    with pytest.raises(ProviderOutputInvalid) as refused:
        ReplicateDownload(base_url="https://api.replicate.com").get(url)
    assert refused.value.details == {"provider": "replicate"}


@pytest.mark.parametrize(
    "url", ["https://evil.example/x.png", "http://evil.example/x.png", "http://10.0.0.1/x"]
)
def test_a_local_stand_in_opens_loopback_and_nothing_more(url):
    """A loopback API may deliver over http from loopback only."""
    with pytest.raises(ProviderOutputInvalid):
        fetch(url)


def test_a_data_url_is_decoded_under_the_same_cap():
    """It costs no request, and its size is known before it is decoded."""
    url = f"data:image/png;base64,{b64encode(png()).decode()}"
    assert fetch(url) == png()
    with pytest.raises(ProviderOutputInvalid):
        fetch(url, bytes_max=10)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_invalid_and_followed_by_nothing(server, stranger, status):
    """The other host hears nothing at all."""
    server.on("GET /", says(status, b"", Location=f"{stranger.url}/x.png"))
    with pytest.raises(ProviderOutputInvalid):
        fetch(f"{server.url}/x.png")
    assert (len(server.asked), stranger.asked) == (1, [])


@pytest.mark.parametrize("status", [204, 403, 404, 410])
def test_an_output_that_is_gone_is_invalid_after_one_call(server, status):
    """Asking again would not bring it back."""
    server.on("GET /", says(status, b""))
    with pytest.raises(ProviderOutputInvalid):
        fetch(f"{server.url}/x.png")
    assert len(server.asked) == 1


@pytest.mark.parametrize("trouble", [says(500, b"<html>"), says(503, b""), says(429, b""), resets])
def test_a_passing_trouble_is_over_at_the_second_call(server, trouble):
    """A GET is free."""
    server.on("GET /", trouble, says(200, png()))
    assert fetch(f"{server.url}/x.png") == png()
    assert len(server.asked) == 2


@pytest.mark.parametrize("trouble", [says(502, b"<html>"), resets, says(200, b"half", Content_Length="99")])
def test_a_lasting_trouble_is_unavailable_after_two_calls(server, trouble):
    """Server errors, resets and bodies that end too early; the error and its chain name no URL."""
    server.on("GET /", trouble)
    with pytest.raises(ProviderUnavailable) as failed:
        fetch(f"{server.url}/secret-path.png")
    assert len(server.asked) == 2
    assert failed.value.details == {"provider": "replicate"}
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__


@pytest.mark.parametrize("announced", [True, False])
def test_too_many_bytes_are_invalid(server, announced):
    """Announced or not, reading ends at the cap."""
    more = {} if announced else {"Content_Length": "999999999"}
    server.on("GET /", says(200, b"x" * 200_000, **more))
    with pytest.raises(ProviderOutputInvalid):
        fetch(f"{server.url}/x.png", bytes_max=100_000)


def test_an_encoded_body_is_invalid(server):
    """We ask for plain bytes, so that nothing can blow up."""
    server.on("GET /", says(200, b"x", Content_Encoding="gzip"))
    with pytest.raises(ProviderOutputInvalid):
        fetch(f"{server.url}/x.png")


@pytest.mark.parametrize("trouble", [hangs(60), drips(60)])
def test_a_slow_output_is_unavailable_when_the_time_is_over(server, trouble):
    """Silence and single bytes alike end at the deadline."""
    server.on("GET /", trouble)
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        ReplicateDownload(base_url=LOCAL).get(f"{server.url}/x.png", seconds=0.6)
    assert time.monotonic() - started < 20


def test_nobody_there_is_unavailable():
    """A refused connection."""
    with pytest.raises(ProviderUnavailable):
        fetch("http://127.0.0.1:9/x.png")
