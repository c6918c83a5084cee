"""Pictures from URLs that strangers gave us, fetched without ever talking to anything private.

Built on the standard library's HTTP client: it follows nothing, decodes nothing, reads no proxies from the
environment and never writes a URL to a log, as larger clients do when a header is odd. A URL may carry secrets, so
neither it nor an address is part of any error here, and no error shows its cause.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, cast
from urllib.parse import quote

from enhancer.adapters.http.urls import FIELD, PORT, public, vetted
from enhancer.domain.errors import FileTooLarge, ImageUrlRefused, ImageUrlUnreachable
from enhancer.domain.images import UPLOAD_BYTES_MAX

SECONDS_MAX = 15.0
REDIRECTS_MAX = 3
ADDRESSES_MAX = 4
"""How many addresses of one host are tried."""
PIECE_BYTES = 65_536
FRAMING_BYTES_MAX = 1_000_000
"""What one answer may take beyond its body: headers and the marks between chunks."""
HEADERS = {"Accept": "image/*", "User-Agent": "image-enhancer/1.0", "Connection": "close"}
REDIRECTS = {301, 302, 303, 307, 308}


class Downloads:
    """The outside world: https pictures from public hosts, within `seconds_max` and `bytes_max` altogether."""

    def __init__(
        self,
        *,
        resolve: Callable[..., Sequence[tuple[Any, ...]]] = socket.getaddrinfo,
        connect: Callable[[tuple[str, int], float], socket.socket] = socket.create_connection,
        seconds_max: float = SECONDS_MAX,
        bytes_max: int = UPLOAD_BYTES_MAX,
    ) -> None:
        self._resolve = resolve
        self._connect = connect
        self._seconds_max = seconds_max
        self._bytes_max = bytes_max

    def get(self, url: str) -> bytes:
        """Return the bytes behind a URL; raise `ImageUrlRefused`, `ImageUrlUnreachable` or `FileTooLarge`."""
        deadline = time.monotonic() + self._seconds_max
        host, target = vetted(url)
        for _ in range(REDIRECTS_MAX + 1):
            found = self._hop(host, target, deadline)
            if isinstance(found, bytes):
                return found
            host, target = vetted(found, base=f"https://{host}{target}")
        raise ImageUrlRefused(field=FIELD, reason="redirects")

    def _hop(self, host: str, target: str, deadline: float) -> bytes | str:
        """Return the body of one answer, or where it redirects to."""
        with _told(), closing(HTTPSConnection(host, context=self._tls)) as connection:
            connection.sock = self._line(host, deadline)
            connection.request("GET", target, headers=HEADERS)
            with connection.getresponse() as response:
                location = response.headers.get("Location")
                if response.status in REDIRECTS and location:
                    return _ascii(location)
                if response.status != 200:
                    raise ImageUrlUnreachable(field=FIELD, reason="status", status=response.status)
                return self._body(response)

    def _body(self, response: HTTPResponse) -> bytes:
        announced = response.length
        if announced is not None and announced > self._bytes_max:
            raise FileTooLarge(field=FIELD, size=announced, limit=self._bytes_max)
        body = bytearray()
        while piece := response.read(PIECE_BYTES):
            body += piece
            if len(body) > self._bytes_max:
                raise FileTooLarge(field=FIELD, size=len(body), limit=self._bytes_max)
        if announced is not None and len(body) < announced:
            raise ConnectionError
        return bytes(body)

    def _line(self, host: str, deadline: float) -> _Line:
        """Return a connection whose other end has proved to be ``host``."""
        addresses = self._addresses(host, deadline)
        with closing(self._connected(addresses, deadline)) as sock:  # the handshake takes the socket over
            sock.settimeout(_left(deadline))
            line = cast("_Line", self._tls.wrap_socket(sock, server_hostname=host))
        line.deadline = deadline
        line.bytes_max = self._bytes_max
        return line

    def _addresses(self, host: str, deadline: float) -> list[str]:
        """Ask once; one address that is not public condemns the host.

        A resolver knows no time-out, so it is asked in a thread that may be left behind.
        """
        answer: SimpleQueue[Sequence[tuple[Any, ...]]] = SimpleQueue()

        def ask() -> None:
            try:
                answer.put(self._resolve(host, PORT, type=socket.SOCK_STREAM))
            except OSError:
                answer.put([])

        Thread(target=ask, daemon=True).start()
        try:
            found = answer.get(timeout=_left(deadline))
        except Empty:
            raise TimeoutError from None
        if not found:
            raise ImageUrlUnreachable(field=FIELD, reason="dns")
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not all(public(address) for address in addresses):
            raise ImageUrlRefused(field=FIELD, reason="address")
        return addresses[:ADDRESSES_MAX]

    def _connected(self, addresses: list[str], deadline: float) -> socket.socket:
        """Return a socket to the first address that answers; each gets its share of the time left."""
        problem = OSError()
        for place, address in enumerate(addresses):
            try:
                return self._connect((address, PORT), _left(deadline) / (len(addresses) - place))
            except OSError as failed:
                problem = failed
        raise problem

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.sslsocket_class = _Line
        return context


class _Line(ssl.SSLSocket):
    """A TLS connection with one deadline and one allowance for all it receives.

    The HTTP client's own time-out starts anew with every byte, and a chunk of size -1 makes it read without end.
    """

    deadline: float
    bytes_max: int
    received = 0

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_left(self.deadline))
        count = super().recv_into(buffer, nbytes, flags)
        self.received += count
        if self.received > self.bytes_max + FRAMING_BYTES_MAX:
            raise FileTooLarge(field=FIELD, size=self.received, limit=self.bytes_max)
        return count


def _ascii(location: str) -> str:
    """Return a header's text with the bytes that are not ASCII percent-encoded, as browsers read them."""
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0], encoding="latin-1"), location)


@contextmanager
def _told() -> Iterator[None]:
    """Say in a word what went wrong, and nothing else. The HTTP client meets some nonsense with a ValueError."""
    try:
        yield
    except TimeoutError:
        raise ImageUrlUnreachable(field=FIELD, reason="timeout") from None
    except ssl.SSLError:
        raise ImageUrlUnreachable(field=FIELD, reason="tls") from None
    except (OSError, HTTPException, ValueError):
        raise ImageUrlUnreachable(field=FIELD, reason="connection") from None


def _left(deadline: float) -> float:
    """Return the seconds until the deadline; raise TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
