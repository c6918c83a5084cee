"""An HTTP server on loopback that answers what a test scripts, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def says(status=200, body=b"", **headers):
    """An answer: bytes as they are, everything else as JSON; header names with underscores for dashes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "text/html" if isinstance(body, bytes) else "application/json"
    named = {"Content-Type": kind} | {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(handler):
        handler.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | named).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def resets(handler):
    """The connection ends without a word."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def hangs(seconds):
    """Nothing is said for so long."""
    return lambda handler: time.sleep(seconds)


def drips(seconds):
    """One byte every tenth of a second, for so long."""

    def answer(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        for _ in range(int(seconds * 10)):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    return answer


class Scripted:
    """The script: answers per ``METHOD /path`` (or the start of one), the last of a list over and over."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.url = ""
        self.keeps, self.sockets = False, set()  # whether connections stay open, and those there were

    def on(self, route, *answers):
        self.answers[route] = list(answers)

    def calls(self, route=""):
        return [one for one in self.asked if f"{one.method} {one.path}".startswith(route)]

    def take(self, route):
        found = max((known for known in self.answers if route.startswith(known)), key=len, default=None)
        if found is None:
            return says(404, {"detail": "Not found"})
        queue = self.answers[found]
        return queue.pop(0) if len(queue) > 1 else queue[0]


@contextmanager
def serve():
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self):
            script.sockets.add(self.client_address)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            script.asked.append(Asked(self.command, self.path, headers, body))
            self.close_connection = not script.keeps
            try:
                script.take(f"{self.command} {self.path}")(self)
            except OSError:
                return

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the server calls them so

        def finish(self):
            try:
                super().finish()
            except (OSError, ValueError):
                return

        def log_message(self, format, *args):
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    server.server_close()


@pytest.fixture
def server():
    with serve() as script:
        yield script


@pytest.fixture
def stranger():
    """Another host, which must never see anything of ours."""
    with serve() as script:
        yield script
