"""How the local emulator turns requests into events, as far as it had to be corrected towards AWS."""

import http.client
import time
from typing import Any

import pytest
import requests

from local.stack import LocalStack


def request_from(stack: LocalStack, address: str, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The event of a request whose client has this loopback address."""
    with requests.Session() as session:
        session.trust_env = False
        adapter = requests.adapters.HTTPAdapter()
        adapter.init_poolmanager(1, 1, source_address=(address, 0))
        session.mount("http://", adapter)
        return dict(session.get(f"{stack.url}/api/echo", headers=headers, timeout=60).json())


def test_the_source_address_is_the_clients(probe: LocalStack) -> None:
    """Each client address is a network of its own, as on AWS."""
    for address in ("127.0.0.1", "127.0.0.7"):
        event = request_from(probe, address)
        assert event["requestContext"]["http"]["sourceIp"] == address
        assert event["headers"]["x-forwarded-for"] == address


def test_the_source_address_cannot_be_claimed(probe: LocalStack) -> None:
    """The header by which the front door passes the address on is taken from no client."""
    claim = {
        "X-Frontdoor-Client": "203.0.113.9",
        "X-Frontdoor-Host": "evil.example",
        "X-Frontdoor-Arrival": "1",
        "X-Forwarded-For": "203.0.113.9",
    }
    event = request_from(probe, "127.0.0.8", claim)
    assert event["requestContext"]["http"]["sourceIp"] == "127.0.0.8"
    assert event["headers"]["x-forwarded-for"] == "203.0.113.9, 127.0.0.8"
    assert event["headers"]["host"] == f"127.0.0.1:{probe.port}"
    assert not [name for name in event["headers"] if name.startswith("x-frontdoor")]
    assert event["requestContext"]["timeEpoch"] > 1


def test_the_time_of_an_event_is_the_arrival_at_the_front_door(probe: LocalStack) -> None:
    """Not when the emulator came to it: what a function waits for is counted from there."""
    before = time.time_ns() // 1_000_000
    event = request_from(probe, "127.0.0.8")
    assert before <= event["requestContext"]["timeEpoch"] <= time.time_ns() // 1_000_000


def test_cookies_are_a_list_of_the_event(probe: LocalStack) -> None:
    """Payload 2.0 carries cookies apart from the headers."""
    event = requests.get(f"{probe.url}/api/echo", headers={"Cookie": "a=1; b=2"}, timeout=60).json()
    assert event["cookies"] == ["a=1", "b=2"]
    assert "cookie" not in event["headers"]


def test_every_cookie_of_an_answer_arrives(probe: LocalStack) -> None:
    """Two cookies are two Set-Cookie headers."""
    connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=60)
    connection.request("GET", "/api/echo")
    answer = connection.getresponse()
    assert answer.msg.get_all("set-cookie") == ["first=1; Path=/", "second=2; Path=/"]
    connection.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_any_route_takes_every_verb(probe: LocalStack, method: str) -> None:
    """OPTIONS included, because the API has no CORS configuration of its own."""
    answer = requests.request(method, f"{probe.url}/api/echo", timeout=60)
    assert answer.status_code == 200
    if method != "HEAD":
        assert answer.json()["requestContext"]["http"]["method"] == method


def test_a_verb_without_a_route_is_not_found(probe: LocalStack) -> None:
    """A route of one verb leaves the others to nobody, OPTIONS too."""
    assert requests.get(f"{probe.url}/only/get", timeout=60).status_code == 200
    for method in ("POST", "OPTIONS"):
        answer = requests.request(method, f"{probe.url}/only/get", timeout=60)
        assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_a_failed_function_shows_nothing(probe: LocalStack) -> None:
    """The caller gets a 500 without the error's name or text."""
    answer = requests.get(f"{probe.url}/api/raise", timeout=60)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


def test_an_api_keeps_the_id_of_its_tag(probe: LocalStack) -> None:
    """Tags that SAM writes into the OpenAPI Body take effect."""
    assert probe.physical_id("Api") == "0badcafe"


def test_repeated_headers_are_joined(probe: LocalStack) -> None:
    """A header sent twice arrives as one value."""
    connection = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=60)
    connection.putrequest("GET", "/api/echo?q=1&q=2")
    connection.putheader("X-Twice", "1")
    connection.putheader("X-Twice", "2")
    connection.endheaders()
    body = connection.getresponse().read().decode()
    assert '"x-twice": "1, 2"' in body
    assert '"rawQueryString": "q=1&q=2"' in body
    connection.close()
