"""The control channel of every stand-in: a log of requests, a clock that can be moved, and scripted faults.

The control channel is JSON under ``/_ctl`` of the API port: ``ready``, ``reset``, ``log``, ``clock``, ``script``.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, request

LOG_BYTES = 64 * 1024 * 1024  # what the log keeps of request bodies, oldest dropped first
POLL_S = 1.0  # how long a waiting thread sleeps at most before it looks at the clock again

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One scripted fault: its kind and parameters."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: float) -> float:
        """Return a numeric parameter."""
        return float(self.parameters.get(name, default))

    def text(self, name: str, default: str) -> str:
        """Return a text parameter."""
        return str(self.parameters.get(name, default))


class Clock:
    """Simulated time: real time plus what was added to it."""

    def __init__(self) -> None:
        self.changed = threading.Condition()  # also the lock of everything whose change others wait for
        self._offset_s = 0.0

    def now(self) -> float:
        """The simulated time in seconds since the epoch."""
        return time.time() + self._offset_s

    @property
    def ahead_s(self) -> float:
        """How far it was moved, in seconds."""
        return self._offset_s

    def advance(self, seconds: float) -> None:
        """Move the clock forward, and wake the threads whose time has come."""
        with self.changed:
            self._offset_s += seconds
            self.changed.notify_all()

    def reset(self) -> None:
        """Return to real time."""
        with self.changed:
            self._offset_s = 0.0
            self.changed.notify_all()

    def wait(self, until: float, done: Callable[[], bool] = lambda: False) -> bool:
        """Wait for a simulated time or for ``done``, whichever comes first; return True for ``done``."""
        with self.changed:
            while not done():
                left = until - self.now()
                if left <= 0:
                    return False
                self.changed.wait(min(left, POLL_S))
            return True


class Names:
    """Random ids; with a seed every run has the same ones (and they collide with those of an earlier run)."""

    def __init__(self, seed: str | None) -> None:
        self._seed = secrets.token_hex(16) if seed is None else seed
        self._count = 0
        self._lock = threading.Lock()

    def next(self, length: int = 26) -> str:
        """Return a new id: lower-case hexadecimal, at most 64 digits."""
        with self._lock:
            self._count += 1
            return hashlib.sha256(f"{self._seed}:{self._count}".encode()).hexdigest()[:length]


class Log:
    """The log of every request on every port, except those of the control channel."""

    def __init__(self) -> None:
        self._requests: deque[Json] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def record(self, port: int) -> None:
        """Add the current request; reads its body."""
        body = body_text(request.get_data(cache=True))
        entry = {
            "method": request.method,
            "path": str(request.environ["RAW_URI"]).partition("?")[0],
            "query": request.query_string.decode("latin-1"),
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body,
            "port": port,
            "at": time.time(),
        }
        with self._lock:
            self._requests.append(entry)
            self._bytes += len(body)
            while self._bytes > LOG_BYTES and len(self._requests) > 1:
                self._bytes -= len(self._requests.popleft()["body"])

    def entries(self) -> list[Json]:
        """Return the requests, oldest first; header names in lower case."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Delete all entries."""
        with self._lock:
            self._requests.clear()
            self._bytes = 0


def body_text(body: bytes) -> str:
    """Return a body as text, or ``<n bytes>`` if it is not text."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"<{len(body)} bytes>"
    return f"<{len(body)} bytes>" if "\0" in text else text


class Control:
    """The script, the log and the clock of one stand-in, and the routes under ``/_ctl``.

    Args:
        faults: the faults each scriptable route knows.
        variants: the values of ``kind`` that a fault needs one of, for those that come in several.
    """

    def __init__(
        self, faults: Mapping[str, frozenset[str]], variants: Mapping[str, frozenset[str]] | None = None
    ) -> None:
        self.clock = Clock()
        self.log = Log()
        self.on_reset: list[Callable[[], None]] = []
        self._known = faults
        self._variants = variants or {}
        self._queues: dict[str, deque[Fault]] = {route: deque() for route in faults}
        self._lock = threading.Lock()
        self._released = threading.Event()

    def take(self, route: str, fits: Callable[[Fault], bool] = lambda fault: True) -> Fault | None:  # noqa: ARG005
        """Remove and return the first fault for this call of a route, None without one."""
        with self._lock:
            queue = self._queues[route]
            found = next((fault for fault in queue if fits(fault)), None)
            if found is not None:
                queue.remove(found)
            return found

    def pause(self, seconds: float) -> None:
        """Wait for real seconds; a reset ends it."""
        self._released.wait(seconds)

    def reset(self) -> None:
        """Delete faults and log, return to real time, and end everything that hangs."""
        with self._lock:
            for queue in self._queues.values():
                queue.clear()
            self._released.set()
            self._released = threading.Event()
        self.clock.reset()
        for forget in self.on_reset:
            forget()
        self.log.clear()

    def script(self, order: Json) -> str | None:
        """Queue the faults of a command; return what is wrong with it, None if nothing is."""
        parameters = dict(order)
        route, kind = parameters.pop("route", None), parameters.pop("fault", None)
        if route not in self._known:
            return f"route is one of {sorted(self._known)}"
        if kind not in self._known[route]:
            return f"fault of {route} is one of {sorted(self._known[route])}"
        if kind in self._variants and parameters.get("kind") not in self._variants[kind]:
            return f"kind of {kind} is one of {sorted(self._variants[kind])}"
        times = parameters.pop("times", 1)
        if not isinstance(times, int) or times < 1:
            return "times is a whole number from 1"
        if kind == "duplicate":  # here it is the deliveries that are counted
            parameters["deliveries"], times = max(times, 2), 1
        with self._lock:
            self._queues[route].extend([Fault(kind, parameters)] * times)
        return None

    def watch(self, app: Flask, port: int) -> None:
        """Log every request of an application, and show its errors."""
        app.config["PROPAGATE_EXCEPTIONS"] = True
        app.json.sort_keys = False  # type: ignore[attr-defined]

        @app.before_request
        def record() -> None:
            if not request.path.startswith("/_ctl/"):
                self.log.record(port)

    def routes(self) -> Blueprint:
        """Return the routes of the control channel."""
        channel = Blueprint("control", __name__, url_prefix="/_ctl")

        @channel.get("/ready")
        def ready() -> Response:
            return jsonify(ready=True)

        @channel.get("/log")
        def log() -> Response:
            return jsonify(requests=self.log.entries())

        @channel.post("/reset")
        def reset() -> Response:
            self.reset()
            return jsonify(reset=True)

        @channel.post("/clock")
        def clock() -> Response:
            advance = json_object().get("advance")
            if not isinstance(advance, int | float):
                return answer_json({"error": "advance is a number of seconds"}, 400)
            self.clock.advance(advance)
            return jsonify(now=self.clock.now())

        @channel.post("/script")
        def script() -> Response:
            problem = self.script(json_object())
            return answer_json({"error": problem}, 400) if problem else jsonify(queued=True)

        return channel


def json_object() -> Json:
    """Return the body of the current request if it is a JSON object, else {}."""
    body = request.get_json(force=True, silent=True)
    return body if isinstance(body, dict) else {}


def answer_json(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return any JSON value as an answer."""
    response = jsonify(document)
    response.status_code = status
    for name, value in (headers or {}).items():
        response.headers[name] = value
    return response


def error_page(status: int) -> Response:
    """Return an HTML error page, as a proxy in front of a provider sends it."""
    phrase = HTTPStatus(status).phrase
    page = f"<html><head><title>{status} {phrase}</title></head><body><center><h1>{status} {phrase}</h1></center>"
    return Response(f"{page}<hr><center>nginx</center></body></html>\n", status, content_type="text/html")
