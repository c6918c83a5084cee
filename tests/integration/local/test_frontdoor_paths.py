"""Paths that the front door lets through, and those that it does not; nothing is behind it here."""

import http.client
import socket
from collections.abc import Iterator

import pytest

from local.frontdoor import FrontDoor, Route


@pytest.fixture(scope="module")
def door() -> Iterator[FrontDoor]:
    """A front door to a port where nobody listens: what it lets through is 502."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with FrontDoor(0, Route(taken.getsockname()[1], "api"), log=lambda _: None) as opened:
            yield opened


def status(door: FrontDoor, path: str) -> int:
    """The status for a path exactly as it is written."""
    connection = http.client.HTTPConnection("127.0.0.1", door.port, timeout=30)
    connection.putrequest("GET", path)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.mark.parametrize(
    "part", ["%2f", "%2F", "%5c", "%5C", "%00", "%252f", "%252F", "%25252f", "%255c", "%2500"]
)
def test_an_encoded_separator_is_404_before_anything_decodes_it(door: FrontDoor, part: str) -> None:
    """One file has one address; in a query it is nobody's business."""
    assert status(door, f"/r2-ai/ai-enhancer/results/guest/abc{part}x.png") == 404
    assert status(door, f"{part}etc/passwd") == 404
    assert status(door, f"/en/account?back={part}") == 502


@pytest.mark.parametrize("path", ["/", "/a/b", "/a%20b", "/%C3%BC", "/a%2Eb", "/a%25b", "//x", "/a?b=%2f"])
def test_any_other_path_is_let_through(door: FrontDoor, path: str) -> None:
    """Also an encoded letter, dot or percent sign."""
    assert status(door, path) == 502
