"""Faults of the connection (hang, reset, truncated body), and the HTTP server that can play them."""

from __future__ import annotations

import os
import signal
import socket
import stat
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from flask import Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, make_server

from local.standins.control import Control, Fault, answer_json, error_page

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TRANSPORT = frozenset(
    {"status", "html", "hang", "hang_after", "hang_mid_body", "reset", "reset_after"}
)  # what any route can do
HANG_S = 60.0


def play(control: Control, fault: Fault | None, work: Callable[[], Response]) -> Response:
    """Return the answer of ``work``, or what a fault of the connection makes of it; ignore faults of other kinds.

    ``hang`` calls ``work`` only if the client is still connected afterwards. ``hang_after`` and ``reset_after`` call it
    first, so that the client cannot know whether it was done.
    """
    kind = fault.kind if fault else ""
    if fault is None or kind not in TRANSPORT:
        return work()
    if kind == "status":
        return scripted_status(fault)
    if kind == "html":
        return error_page(int(fault.number("status", 502)))
    if kind == "reset":
        reset_connection()
    if kind == "hang":
        control.pause(fault.number("seconds", HANG_S))
        if client_gone():
            reset_connection()
        return work()
    response = work()
    if kind == "reset_after":
        reset_connection()
    if kind == "hang_after":
        control.pause(fault.number("seconds", HANG_S))
        return response
    return half_of(control, response, fault.number("seconds", HANG_S))


def scripted_status(fault: Fault) -> Response:
    """Return an answer with exactly the status, headers and JSON or text of the script."""
    status = int(fault.number("status", 500))
    headers = {str(name): str(value) for name, value in dict(fault.parameters.get("headers") or {}).items()}
    if "json" in fault.parameters:
        return answer_json(fault.parameters["json"], status, headers)
    response = Response(fault.text("text", ""), status, content_type="text/plain")
    for name, value in headers.items():
        response.headers[name] = value
    return response


def half_of(control: Control, response: Response, seconds: float) -> Response:
    """Return an answer with the full Content-Length and half the body, which then hangs and is closed."""
    response.direct_passthrough = False
    body = response.get_data()

    def pieces() -> Iterator[bytes]:
        yield body[: len(body) // 2]
        control.pause(seconds)

    halved = Response(pieces(), response.status_code, content_type=response.content_type)
    halved.headers["Content-Length"] = str(len(body))
    return halved


def reset_connection() -> NoReturn:
    """End the current connection with a TCP reset."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    os.close(connection.detach())
    raise ConnectionResetError


def client_gone() -> bool:
    """Return whether the client of the current request has closed its connection."""
    connection: socket.socket = request.environ["werkzeug.socket"]
    with suppress(BlockingIOError):
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    return False


class _QuietHandler(WSGIRequestHandler):
    """A request handler that prints problems only; requests are in the control channel's log."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing."""

    def connection_dropped(self, error: BaseException, environ: WSGIEnvironment | None = None) -> None:
        """Read no further request from a connection that was reset."""
        del error, environ
        self.close_connection = True


def serve(name: str, apps: Sequence[tuple[Flask, int]]) -> None:
    """Serve each application on its port of 127.0.0.1, a thread per request, until SIGTERM or SIGINT."""
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    for app, port in apps:
        server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_QuietHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    if sys.stdin and stat.S_ISFIFO(os.fstat(0).st_mode):  # a pipe is held by whoever started this
        threading.Thread(target=_watch_starter, args=(stopping,), daemon=True).start()
    where = ", ".join(f"http://127.0.0.1:{port}" for _, port in apps)
    print(f"{name} listens on {where}", flush=True)
    stopping.wait()


def _watch_starter(stopping: threading.Event) -> None:
    """Stop when the process at the other end of standard input has ended, for whatever reason."""
    while os.read(0, 1024):
        pass
    stopping.set()
