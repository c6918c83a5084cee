"""The front door: the HTTP server at http://127.0.0.1:8787 in front of the emulator's HTTP API.

It enforces the limits of API Gateway and Lambda that the emulator lacks: sizes of body and headers, and time. It passes
the client's address on, which the emulator puts into ``sourceIp``.
"""

from __future__ import annotations

import json
import re
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from local.corrections.http_events import ARRIVAL_HEADER, CLIENT_HEADER, HOST_HEADER
from local.integration import HOP_BY_HOP, Answer, Route, forward

API_BODY_BYTES = 10 * 1024 * 1024  # API Gateway: the largest request body
EVENT_BYTES = 6_291_556  # Lambda: the largest event, in which a binary body is base64
EVENT_FRAME_BYTES = 1_500  # what an event holds besides headers, path, query and body
HEADER_BYTES = 10_240  # API Gateway: request line and header values together
DRAIN_BYTES = 64 * 1024 * 1024  # how much of a refused body is read so that the client sees the answer
IDLE_TIMEOUT_S = 75.0
CHUNK_BYTES = 256 * 1024
CALL_BACKS = ("/api/provider-webhook/", "/api/billing/stripe-webhook")
SEPARATORS = re.compile("%(?:25)*(?:2f|5c|00)", re.IGNORECASE)
"""What no path of ours has: encoded slashes, backslashes and NUL. API Gateway itself decodes them, even twice."""
TEXT_TYPES = {"application/json", "application/xml", "application/javascript"}


class FrontDoor:
    """A threaded HTTP proxy on 127.0.0.1; a context manager, which takes no new request when it ends.

    Requests under way go on: see `under_way`.
    """

    def __init__(self, port: int, route: Route, log: Callable[[str], None] | None = None) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.route = route
        self._server.log = log or (lambda line: print(line, file=sys.stderr, flush=True))
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def refuse_visitors(self) -> None:
        """Answer 503 to everybody but the providers, for whose call-backs the work under way may wait."""
        self._server.refusing = True

    @property
    def under_way(self) -> int:
        """How many requests are not answered yet."""
        return len(self._server.under_way)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024
    route: Route
    log: Callable[[str], None]
    refusing = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.under_way: set[int] = set()

    def handle_error(self, request: object, client_address: object) -> None:
        """Print an error, unless it is that of a client that closed its connection."""
        problem = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if not isinstance(problem, ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_TIMEOUT_S
    server: _Server
    _asked_first = False  # whether the client sent Expect: 100-continue with a body that is too large

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Handle every verb alike; BaseHTTPRequestHandler looks for ``do_<VERB>``."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        started = time.perf_counter()
        target = self.requestline.split()[1]  # self.path has its leading slashes collapsed
        self.server.under_way.add(id(self))
        try:
            answer = self._refusal_by_headers() or self._answer(target)
            self._write(answer)
        finally:
            self.server.under_way.discard(id(self))
        milliseconds = (time.perf_counter() - started) * 1000
        self.server.log(log_line(self.command, target, answer.status, milliseconds, len(answer.body)))

    def _answer(self, target: str) -> Answer:
        if SEPARATORS.search(target.partition("?")[0]):
            return Answer.of_json(404, not_found_document())
        try:
            body, size = self._read_body()
        except ValueError:
            self.close_connection = True
            return Answer.of_json(400, {"message": "Bad Request"})
        if limit := self._exceeded_limit(target, body, size):
            self.close_connection = True
            return Answer.of_json(413, too_large_document(limit, size))
        return forward(self.server.route, self.command, target, self._headers_onward(), body)

    def _refusal_by_headers(self) -> Answer | None:
        """Return the refusal of a request by its headers alone, None if they are fine."""
        if self.server.refusing and not self.requestline.split()[1].startswith(CALL_BACKS):
            self.close_connection = True
            return Answer.of_json(503, {"message": "Service Unavailable"})
        if header_bytes(self.requestline, self.headers) > HEADER_BYTES:
            self.close_connection = True
            return Answer.of_json(431, {"message": "Request Header Fields Too Large"})
        declared = self.headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdigit()):
            self.close_connection = True
            return Answer.of_json(400, {"message": "Bad Request"})
        return None

    def _exceeded_limit(self, target: str, body: bytes, size: int) -> int | None:
        """Return the limit in bytes of body that this request exceeds, None if it fits.

        HTTP APIs put a body into the event as base64, except text, JSON, XML and JavaScript, which grow by
        escapes.
        """
        if size > API_BODY_BYTES:
            return API_BODY_BYTES
        room = EVENT_BYTES - EVENT_FRAME_BYTES - 2 * header_bytes(target, self.headers)
        kind = self.headers.get("content-type", "").split(";")[0].strip().lower()
        if not (kind.startswith("text/") or kind in TEXT_TYPES):
            room = room * 3 // 4
        elif 6 * size > room:  # the worst case of escaping
            size = len(json.dumps(body.decode("utf-8", "replace")))
        return room if size > room else None

    def handle_expect_100(self) -> bool:
        """Refuse before the body is sent, for a client with ``Expect: 100-continue``."""
        self._asked_first = int(self.headers.get("content-length", "0") or 0) > API_BODY_BYTES
        if not self._asked_first:
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        return True

    def _read_body(self) -> tuple[bytes, int]:
        """Return the body and its size in bytes; for a body that will be refused only the size is right.

        It is read to the end even then: a client still sending when we close sees a reset and no answer.

        Raises:
            ValueError: malformed chunks.
        """
        if self._asked_first:
            return b"", int(self.headers["content-length"])
        kept, size = bytearray(), 0
        for piece in self._pieces():
            size += len(piece)
            if size <= API_BODY_BYTES:
                kept += piece
            if size > DRAIN_BYTES:
                break
        return bytes(kept), size

    def _pieces(self) -> Iterator[bytes]:
        """Yield the request body in pieces, decoded if it comes in chunks."""
        if "chunked" not in self.headers.get("transfer-encoding", "").lower():
            yield from self._read(int(self.headers.get("content-length", "0")))
            return
        while (size := int(self.rfile.readline(1024).split(b";")[0], 16)) > 0:
            yield from self._read(size)
            self.rfile.readline(8)
        while self.rfile.readline(1024).strip():
            pass

    def _read(self, left: int) -> Iterator[bytes]:
        while left > 0 and (piece := self.rfile.read(min(left, CHUNK_BYTES))):
            left -= len(piece)
            yield piece

    def _headers_onward(self) -> list[tuple[str, str]]:
        """Return the client's headers without those of the connection, plus the front door's own."""
        own = {CLIENT_HEADER, HOST_HEADER, ARRIVAL_HEADER}
        listed = {name.strip().lower() for name in self.headers.get("connection", "").split(",")}
        dropped = HOP_BY_HOP | own | listed | {"host", "content-length", "expect"}
        kept = [(name, value) for name, value in self.headers.items() if name.lower() not in dropped]
        return [*kept, (CLIENT_HEADER, self.client_address[0]), (HOST_HEADER, self.headers.get("host", ""))]

    def _write(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        bodiless = answer.status in (204, 304) or self.command == "HEAD"
        if not any(name.lower() == "content-length" for name, _ in answer.headers) and answer.status not in (
            204,
            304,
        ):
            self.send_header("content-length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("connection", "close")
        self.end_headers()
        if not bodiless:
            self.wfile.write(answer.body)
        self.wfile.flush()
        if self.close_connection:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_WR)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer with JSON what the parser of the standard library refuses."""
        del explain
        self.close_connection = True
        phrase = message or self.responses.get(code, ("Error", ""))[0]
        self.command = self.command or "-"
        self._write(Answer.of_json(code, {"message": phrase}))

    def log_message(self, *_: Any) -> None:
        """Log nothing here: `_serve` writes one line per request."""


def header_bytes(line: str, headers: Message) -> int:
    """Return the size in bytes that API Gateway limits: the request line and every header."""
    return len(line) + sum(len(name) + len(value) for name, value in headers.items())


def not_found_document() -> dict[str, object]:
    """Return the product's error document for a path that is none."""
    error = {"type": "not_found", "code": "not_found", "message": "There is nothing here."}
    return {"success": False, "error": error, "requestId": secrets.token_hex(8)}


def too_large_document(limit: int, size: int) -> dict[str, object]:
    """Return the product's error document for a body that is too large."""
    return {
        "success": False,
        "error": {
            "type": "payload_too_large",
            "code": "file_too_large",
            "message": "The file is too large for a direct request: use POST /api/ai-image/uploads"
            " and send the uploadKey.",
            "details": {"limit": limit, "size": size, "uploads": "/api/ai-image/uploads"},
        },
        "requestId": secrets.token_hex(8),
    }


def log_line(method: str, target: str, status: int, milliseconds: float, size: int) -> str:
    """Return time, method, path, status, duration and size; not the query, which may hold secrets."""
    colour = {2: 32, 3: 36, 4: 33}.get(status // 100, 31)
    path, query = target.partition("?")[::2]
    shown = path + ("?…" if query else "")
    printable = "".join(character if character.isprintable() else "·" for character in shown)
    request = f"{time.strftime('%H:%M:%S')}  {method:<7} {printable:<48}"
    return f"{request} \x1b[{colour}m{status}\x1b[0m {milliseconds:7.0f} ms {size:>9,} B"
