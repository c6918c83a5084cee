"""A proxy on a real socket that breaks one promise of the product behind it, for whoever must notice.

It looks like the product under another address: addresses in answers are its own, and what it sends on comes from the
origin that the product expects.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests
from requests.adapters import HTTPAdapter

UPSTREAM_SECONDS = 160
HOP = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "content-encoding",
    "server",
    "date",
}
"""Headers of one connection; they are made anew."""


@dataclass
class Asked:
    """A request on its way in; header names as they were sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Said:
    """An answer on its way out; a header that is there twice (Set-Cookie) stays so."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def get(self, name: str) -> str:
        """A header, "" without it."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), "")

    def drop(self, name: str) -> None:
        """Take a header away."""
        self.headers = [one for one in self.headers if one[0].lower() != name.lower()]

    def put(self, name: str, value: str) -> None:
        """Set a header."""
        self.drop(name)
        self.headers.append((name, value))

    def replace(self, old: str, new: str) -> None:
        """Replace a text in the body."""
        self.body = self.body.replace(old.encode(), new.encode())


Before = Callable[[Asked], Said | None]
"""Changes a request, or answers it in place of the product."""
After = Callable[[Asked, Said], None]
"""Changes an answer in place."""


@dataclass(frozen=True)
class Break:
    """How a promise is broken."""

    before: Before = lambda _: None
    after: After = lambda _asked, _said: None


class _From(HTTPAdapter):
    """Connects from one loopback address, so that each proxy is a network of its own."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__(pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, source_address=(self._address, 0), **kwargs)


@contextmanager
def breaking(upstream: str, how: Break, *, address: str) -> Iterator[str]:
    """Serve the product at ``upstream`` with one promise broken; yields the proxy's own address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            here = f"http://{self.headers['Host']}"
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value.replace(here, upstream) for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            said = how.before(asked) or _passed_on(upstream, asked, address)
            how.after(asked, said)
            said.replace(upstream, here)
            self.send_response(said.status)
            for name, value in said.headers:
                self.send_header(name, value.replace(upstream, here))
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(said.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer  # noqa: N815 - the server's names

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def _passed_on(upstream: str, asked: Asked, address: str) -> Said:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", _From(address))
        sent = {name: value for name, value in asked.headers.items() if name.lower() not in HOP | {"host"}}
        answer = session.request(
            asked.method,
            upstream + asked.path,
            headers=sent | {"Accept-Encoding": "identity"},
            data=asked.body,
            timeout=UPSTREAM_SECONDS,
            allow_redirects=False,
        )
        headers = [(name, value) for name, value in answer.raw.headers.items() if name.lower() not in HOP]
        return Said(answer.status_code, headers, answer.content)
