"""Download images from URLs that users give us, from public addresses only (against server-side request forgery).

Built on the standard library's HTTP client: it follows no redirect by itself, decodes nothing, reads no proxies from
the environment and never logs a URL, as larger clients do for an odd header. A URL may carry secrets, so no error here
names a URL or an address, and no error shows its cause.
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

from enhancer.adapters.http.bounded import PIECE_BYTES, USER_AGENT
from enhancer.adapters.http.urls import FIELD, PORT, public, vetted
from enhancer.domain.errors import FileTooLarge, ImageUrlRefused, ImageUrlUnreachable
from enhancer.domain.images import UPLOAD_BYTES_MAX

SECONDS_MAX = 15.0
REDIRECTS_MAX = 3
ADDRESSES_MAX = 4
"""How many addresses of one host are tried."""
FRAMING_BYTES_MAX = 1_000_000
"""Bytes one answer may have beyond its body: headers and chunk sizes."""
HEADERS = {"Accept": "image/*", "User-Agent": USER_AGENT, "Connection": "close"}
REDIRECTS = {301, 302, 303, 307, 308}


class Downloads:
    """Downloads over https from public hosts.

    One download with its redirects takes at most ``seconds_max`` seconds and its body ``bytes_max`` bytes. ``resolve``
    and ``connect`` replace the functions of `socket` in tests.
    """

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
        """Return the bytes at a URL, after at most `REDIRECTS_MAX` redirects, each checked like the URL itself.

        Raises `ImageUrlRefused`, `ImageUrlUnreachable` or `FileTooLarge`.
        """
        deadline = time.monotonic() + self._seconds_max
        host, target = vetted(url)
        for _ in range(REDIRECTS_MAX + 1):
            found = self._request(host, target, deadline)
            if isinstance(found, bytes):
                return found
            host, target = vetted(found, base=f"https://{host}{target}")
        raise ImageUrlRefused(field=FIELD, reason="redirects")

    def _request(self, host: str, target: str, deadline: float) -> bytes | str:
        """Send one GET; return the body (bytes), or the ``Location`` of a redirect (str)."""
        with _our_errors(), closing(HTTPSConnection(host, context=self._tls)) as connection:
            connection.sock = self._tls_connection(host, deadline)
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

    def _tls_connection(self, host: str, deadline: float) -> _BoundedSocket:
        """Return a TLS connection whose certificate is that of ``host``."""
        addresses = self._addresses(host, deadline)
        with closing(self._connected(addresses, deadline)) as sock:  # the handshake takes the socket over
            sock.settimeout(_seconds_left(deadline))
            connection = cast("_BoundedSocket", self._tls.wrap_socket(sock, server_hostname=host))
        connection.deadline = deadline
        connection.bytes_max = self._bytes_max
        return connection

    def _addresses(self, host: str, deadline: float) -> list[str]:
        """Resolve a host once; raise `ImageUrlRefused` if any of its addresses is not public.

        The resolver has no time-out, so it runs in a thread that may be left behind.
        """
        answer: SimpleQueue[Sequence[tuple[Any, ...]]] = SimpleQueue()

        def ask() -> None:
            try:
                answer.put(self._resolve(host, PORT, type=socket.SOCK_STREAM))
            except OSError:
                answer.put([])

        Thread(target=ask, daemon=True).start()
        try:
            found = answer.get(timeout=_seconds_left(deadline))
        except Empty:
            raise TimeoutError from None
        if not found:
            raise ImageUrlUnreachable(field=FIELD, reason="dns")
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not all(public(address) for address in addresses):
            raise ImageUrlRefused(field=FIELD, reason="address")
        return addresses[:ADDRESSES_MAX]

    def _connected(self, addresses: list[str], deadline: float) -> socket.socket:
        """Return a socket to the first address that answers; each gets an equal share of the time left."""
        problem = OSError()
        for place, address in enumerate(addresses):
            try:
                return self._connect((address, PORT), _seconds_left(deadline) / (len(addresses) - place))
            except OSError as failed:
                problem = failed
        raise problem

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.sslsocket_class = _BoundedSocket
        return context


class _BoundedSocket(ssl.SSLSocket):
    """A TLS connection with one deadline and one limit of bytes for everything it receives.

    The HTTP client's own time-out starts again with every byte, and a chunk of size -1 makes it read without end.
    """

    deadline: float
    bytes_max: int
    received = 0

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_seconds_left(self.deadline))
        count = super().recv_into(buffer, nbytes, flags)
        self.received += count
        if self.received > self.bytes_max + FRAMING_BYTES_MAX:
            raise FileTooLarge(field=FIELD, size=self.received, limit=self.bytes_max)
        return count


def _ascii(location: str) -> str:
    """Return a header's text with its non-ASCII bytes percent-encoded, as browsers read them."""
    return re.sub(r"[^\x00-\x7f]+", lambda found: quote(found[0], encoding="latin-1"), location)


@contextmanager
def _our_errors() -> Iterator[None]:
    """Turn every failure of a request into `ImageUrlUnreachable` with its reason and no cause.

    ValueError is what the HTTP client raises for some malformed answers.
    """
    try:
        yield
    except TimeoutError:
        raise ImageUrlUnreachable(field=FIELD, reason="timeout") from None
    except ssl.SSLError:
        raise ImageUrlUnreachable(field=FIELD, reason="tls") from None
    except (OSError, HTTPException, ValueError):
        raise ImageUrlUnreachable(field=FIELD, reason="connection") from None


def _seconds_left(deadline: float) -> float:
    """Return the seconds until the deadline; raise TimeoutError after it."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
