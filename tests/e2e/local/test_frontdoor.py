"""The front door enforces what API Gateway and Lambda enforce."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from local.frontdoor import FrontDoor, log_line
from local.integration import Route
from local.stack import LocalStack

MIB = 1024 * 1024


@pytest.mark.parametrize("size", [5 * MIB, 12 * MIB])
def test_a_large_upload_is_told_where_to_go(probe: LocalStack, size: int) -> None:
    """The client reads our 413 with the way for large files, and not a reset connection."""
    answer = requests.post(f"{probe.url}/api/echo", files={"image": b"\xff" * size}, timeout=60)
    assert answer.status_code == 413
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("payload_too_large", "file_too_large")
    assert error["details"]["uploads"] == "/api/ai-image/uploads"
    assert error["details"]["size"] > error["details"]["limit"]


def test_an_upload_within_the_limit_arrives_whole(probe: LocalStack) -> None:
    """4.4 MB of binary fit into an event."""
    body = bytes(range(256)) * (4_400_000 // 256)
    answer = requests.post(f"{probe.url}/api/echo", data=body, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["isBase64Encoded"]
    assert answer.json()["bodySize"] == -(-len(body) // 3) * 4


def test_a_chunked_upload_has_the_same_limit(probe: LocalStack) -> None:
    """A body without a declared size is counted while it comes."""
    small = requests.post(f"{probe.url}/api/echo", data=iter([b"x" * MIB] * 2), timeout=60)
    assert small.status_code == 200
    large = requests.post(f"{probe.url}/api/echo", data=iter([b"x" * MIB] * 12), timeout=60)
    assert large.status_code == 413


def test_a_client_that_asks_first_is_told_before_it_sends(probe: LocalStack) -> None:
    """Expect: 100-continue is answered by the refusal itself."""
    with socket.create_connection(("127.0.0.1", probe.port), timeout=60) as connection:
        length = f"Content-Length: {12 * MIB}"
        head = f"POST /api/echo HTTP/1.1\r\nHost: x\r\n{length}\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_text_counts_with_its_escapes(probe: LocalStack) -> None:
    """A JSON body is a string inside the event, where each quote takes two bytes."""
    json_type = {"Content-Type": "application/json"}
    answer = requests.post(f"{probe.url}/api/echo", data=b'"' * 4_000_000, headers=json_type, timeout=60)
    assert answer.status_code == 413
    answer = requests.post(f"{probe.url}/api/echo", data=b"1" * 4_000_000, headers=json_type, timeout=60)
    assert answer.status_code == 200


def test_an_answer_above_the_limit_is_a_500(probe: LocalStack) -> None:
    """What Lambda cannot return becomes API Gateway's generic error."""
    answer = requests.get(f"{probe.url}/api/size?bytes=6291556", timeout=60)
    assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})


def test_headers_have_a_total_limit(probe: LocalStack) -> None:
    """Request line and headers above 10,240 bytes are refused."""
    answer = requests.get(f"{probe.url}/api/echo", headers={"X-Long": "a" * 10_300}, timeout=60)
    assert answer.status_code == 431
    answer = requests.get(f"{probe.url}/api/echo", headers={"X-Long": "a" * 9_000}, timeout=60)
    assert answer.status_code == 200


def test_a_slow_integration_is_given_up(probe: LocalStack) -> None:
    """The integration timeout answers 503 as API Gateway words it."""
    route = Route(probe.emulator_port, probe.physical_id("Api"), timeout_s=0.3)
    with FrontDoor(0, route, log=lambda _: None) as door:
        answer = requests.get(f"http://127.0.0.1:{door.port}/api/sleep?seconds=1", timeout=60)
    assert (answer.status_code, answer.json()) == (503, {"message": "Service Unavailable"})


def test_a_door_that_closes_lets_only_call_backs_in(probe: LocalStack) -> None:
    """Work that is under way may wait for a provider; everybody else comes too late."""
    with FrontDoor(0, Route(probe.emulator_port, probe.physical_id("Api")), log=lambda _: None) as door:
        url = f"http://127.0.0.1:{door.port}/api"
        door.refuse_visitors()
        statuses = [
            requests.post(f"{url}/{path}", data=b"x" * 1000, timeout=60).status_code
            for path in ("provider-webhook/replicate/ref", "billing/stripe-webhook", "ai-image/generate")
        ]
    assert statuses == [200, 200, 503]


def test_two_hundred_requests_at_once_succeed(probe: LocalStack) -> None:
    """A burst is served, whatever it costs in time."""
    with ThreadPoolExecutor(200) as pool:
        statuses = list(
            pool.map(lambda _: requests.get(f"{probe.url}/api/echo", timeout=60).status_code, range(200))
        )
    assert statuses == [200] * 200


def test_a_malformed_request_gets_json(probe: LocalStack) -> None:
    """What is no HTTP is refused and breaks nothing."""
    with socket.create_connection(("127.0.0.1", probe.port), timeout=60) as connection:
        connection.sendall(b"POST /api/echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert requests.get(f"{probe.url}/api/echo", timeout=60).status_code == 200


def test_a_log_line_shows_no_query() -> None:
    """Codes and tokens in a query stay out of the log, control characters too."""
    line = log_line("GET", "/api/auth/callback\x1b[2J?code=secret", 302, 12.3, 45)
    assert "secret" not in line
    assert "\x1b[2J" not in line
    assert "/api/auth/callback" in line
