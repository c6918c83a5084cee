"""Visitors of a deployment: browsers with cookies, programs with a key, nobody; and what holds for every answer."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import HTTPError

Json = dict[str, Any]
T = TypeVar("T")
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 40.0
"""The longest one answer may take; a gateway gives up after 30 s."""
BODY_BYTES_MAX = 20_000_000
WAIT_SECONDS_MAX = 20
"""A rate limit that asks for more patience than this is an outcome."""
WAITS_MAX = 6
SECURITY_HEADERS = {
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "strict-origin-when-cross-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""What every answer of a function carries, with exactly this value; any value will do for `NAMED`."""
NAMED = ("X-Request-Id", "Server-Timing")
LEAKS = re.compile(
    r"Traceback \(most recent call last\)|File \"/|/var/task|/opt/python|botocore|arn:aws|AKIA[A-Z0-9]{16}"
)
ERROR_TYPES = {
    "validation_error", "auth_error", "insufficient_credits", "forbidden", "not_found", "method_not_allowed",
    "conflict", "payload_too_large", "unsupported_media_type", "idempotency_mismatch", "rate_limit", "server_error",
    "provider_error",
}  # fmt: skip


class Failed(Exception):
    """A promise is not kept; the text says which, what was expected and what came."""


class NoAnswer(Failed):
    """Nothing answers there, or not in time."""


@dataclass(frozen=True)
class Answer:
    """One answer. ``set_cookies``: the values of its Set-Cookie headers."""

    method: str
    path: str
    status: int
    headers: CaseInsensitiveDict[str]
    body: bytes
    set_cookies: tuple[str, ...]

    @property
    def what(self) -> str:
        """The request, for people."""
        return f"{self.method} {self.path}"

    @property
    def kind(self) -> str:
        """The content type without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Json:
        """The body as a JSON object."""
        found = parsed(self.body)
        if self.kind not in ("application/json", "application/problem+json") or not isinstance(found, dict):
            raise Failed(
                f"{self.what} gives {self.kind or 'no content type'} instead of a JSON object ({self.status})"
            )
        return found

    def data(self, status: int = 200) -> Json:
        """What an answer with this status carries in the envelope."""
        body = self.json() if self.status == status else {}
        if self.status != status or body.get("success") is not True or not isinstance(body.get("data"), dict):
            raise Failed(f"{self.what} gives {self.said}, expected {status} with success true and data")
        found: Json = body["data"]
        return found

    @property
    def code(self) -> str:
        """The code of an error, "" without one."""
        return str(self._error().get("code", ""))

    @property
    def type(self) -> str:
        """The type of an error, "" without one."""
        return str(self._error().get("type", ""))

    @property
    def details(self) -> Json:
        """The details of an error."""
        found = self._error().get("details")
        return found if isinstance(found, dict) else {}

    @property
    def said(self) -> str:
        """Status and error code, for people."""
        return " ".join(filter(None, [str(self.status), self.type, self.code]))

    def refused(self, status: int, type_: str, *codes: str) -> Answer:
        """Return this answer if it is this refusal, in the envelope of errors."""
        wanted = " ".join([str(status), type_, " or ".join(codes)]).strip()
        if (self.status, self.type) != (status, type_) or (codes and self.code not in codes):
            raise Failed(f"{self.what} gives {self.said}, expected {wanted}")
        return self

    def _error(self) -> Json:
        found = parsed(self.body)
        error = found.get("error") if isinstance(found, dict) else None
        return error if isinstance(error, dict) else {}


class Answers:
    """What was wrong with any answer so far, by kind of wrong."""

    def __init__(self) -> None:
        self.count = 0
        self.without_header: list[str] = []
        self.without_envelope: list[str] = []
        self.leaking: list[str] = []
        self.broken: list[str] = []

    def look_at(self, answer: Answer) -> None:
        """Note what is missing in an answer, or is there and must not be."""
        self.count += 1
        if answer.method != "OPTIONS":  # the gateway answers preflights by itself
            bad = [name for name, value in SECURITY_HEADERS.items() if answer.headers.get(name) != value]
            bad += [name for name in NAMED if not answer.headers.get(name)]
            self.without_header += [f"{name} on {answer.what} ({answer.status})" for name in bad]
        is_refusal = answer.status >= 400 and bool(answer.body) and answer.kind != "text/html"
        if is_refusal and (problem := _envelope_problem(answer)):
            self.without_envelope.append(f"{answer.what} ({answer.status}): {problem}")
        if found := LEAKS.search(answer.text if not answer.kind.startswith("image/") else ""):
            self.leaking.append(f"{answer.what} ({answer.status}) shows {found[0][:40]!r}")
        if answer.status >= 500 and answer.code != "runs_paused" and "/api/health" not in answer.path:
            self.broken.append(f"{answer.what} gives {answer.said}")


def parsed(body: bytes) -> Any:
    """Return what JSON says, None for anything else, nested without end too."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def seconds_of(text: str) -> int | None:
    """Return the whole seconds of a Retry-After header, None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _envelope_problem(answer: Answer) -> str:
    """Return what is wrong with the envelope of an error, "" if nothing is."""
    if answer.path.startswith("/api/health") and answer.status == 503:
        return ""
    body = parsed(answer.body)
    if body is None:
        return "no JSON"
    if not isinstance(body, dict) or body.get("success") is not False:
        return "success is not false"
    error = body.get("error")
    if not isinstance(error, dict) or error.get("type") not in ERROR_TYPES:
        return "error.type is missing or unknown"
    if not all(isinstance(error.get(name), str) and error[name] for name in ("code", "message")):
        return "error.code or error.message is missing"
    return "" if isinstance(body.get("requestId"), str) else "requestId is missing"


class Visitor:
    """One browser (with cookies), one program (with an API key), or a stranger without either (``cookies=False``)."""

    def __init__(
        self,
        url: str,
        answers: Answers,
        *,
        key: str = "",
        cookies: bool = True,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self._answers = answers
        self._pause = pause
        self._waits = 0
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace the key
        self._session.headers.update({"User-Agent": "smoke/1.0", "Accept-Encoding": "identity"})
        if key or not cookies:
            self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    @property
    def cookies(self) -> Mapping[str, str]:
        """What this browser keeps."""
        return {str(one.name): str(one.value) for one in self._session.cookies}

    def get(self, path: str, **headers: str) -> Answer:
        """GET a path here; of an absolute address, its path."""
        return self.send("GET", path, headers=headers)

    def post(self, path: str, **more: Any) -> Answer:
        """POST as our page does, or as a program with its key."""
        return self.send("POST", path, headers=self.own_headers(), **more)

    def delete(self, path: str) -> Answer:
        """DELETE, likewise."""
        return self.send("DELETE", path, headers=self.own_headers())

    def own_headers(self) -> dict[str, str]:
        """What makes an unsafe call one of our own page; a program needs none of it."""
        if self.key:
            return {}
        if "csrf_token" not in self.cookies:
            self.get("/api/ai-image/usage")
        return {"Origin": self.url, "X-CSRF-Token": self.cookies.get("csrf_token", "")}

    def send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> Answer:
        """Send a request; a rate limit that passes within seconds is waited for, a few times."""
        answer = self._send(method, path, headers or {}, **more)
        wait = seconds_of(answer.headers.get("Retry-After", ""))
        passes = answer.status == 429 and answer.code != "daily_quota_exceeded"
        if passes and wait is not None and wait <= WAIT_SECONDS_MAX and self._waits < WAITS_MAX:
            self._waits += 1
            self._pause(wait)
            return self._send(method, path, headers or {}, **more)
        return answer

    def once(self, method: str, path: str, *, headers: Mapping[str, str], **more: Any) -> Answer:
        """Send a request, whatever a rate limit says."""
        return self._send(method, path, headers, **more)

    def _send(self, method: str, path: str, headers: Mapping[str, str], **more: Any) -> Answer:
        place = urlsplit(path)
        here = path if not place.netloc else place._replace(scheme="", netloc="").geturl()
        if not here.startswith(
            "/"
        ):  # an answer named it; appended to our address, it could be another host's
            raise Failed(f"{method} {path!r} is not a path of {self.url}")
        sent = dict(headers) | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            found, body = in_time(lambda: self._exchange(method, here, sent, **more))
        except (requests.RequestException, HTTPError) as lost:
            raise NoAnswer(f"{method} {place.path}: no answer ({type(lost).__name__})") from None
        cookies = tuple(found.raw.headers.getlist("Set-Cookie"))
        answer = Answer(method, place.path, found.status_code, found.headers, body, cookies)
        self._answers.look_at(answer)
        return answer

    def _exchange(
        self, method: str, here: str, headers: Mapping[str, str], **more: Any
    ) -> tuple[requests.Response, bytes]:
        deadline = time.monotonic() + ANSWER_SECONDS
        with self._session.request(
            method,
            self.url + here,
            headers=dict(headers),
            timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
            allow_redirects=False,
            stream=True,
            **more,
        ) as found:
            return found, read(found, deadline)


def in_time(work: Callable[[], T]) -> T:
    """Return what work returns; raise `requests.Timeout` once it takes too long, whatever keeps it from ending.

    A socket's time-out begins anew with every byte, so headers that come one by one would never meet it.
    """
    done = SimpleQueue[Future[T]]()

    def run() -> None:
        future = Future[T]()
        try:
            future.set_result(work())
        except BaseException as problem:  # noqa: BLE001 - raised again by whoever waits
            future.set_exception(problem)
        done.put(future)

    threading.Thread(target=run, daemon=True).start()
    try:
        return done.get(timeout=CONNECT_SECONDS + ANSWER_SECONDS).result()
    except Empty:
        raise requests.Timeout from None


def read(answer: requests.Response, deadline: float) -> bytes:
    """Read a body as it was sent, within bytes and time; single bytes do not outlast the deadline."""
    body = bytearray()
    while piece := answer.raw.read1(65_536, decode_content=False):
        body += piece
        if len(body) > BODY_BYTES_MAX or time.monotonic() > deadline:
            raise requests.ReadTimeout
    return bytes(body)
