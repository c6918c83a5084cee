"""Builders of Lambda events: the HTTP API's payload 2.0, and a browser that keeps its cookies."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from enhancer import runtime
from tests.support.aws import ORIGIN
from tests.support.described import is_described

Json = dict[str, Any]
CSRF_TOKEN = "csrf-token-of-the-test-browser"
ADDRESS = "192.0.2.1"
BOUNDARY = "----boundary-of-the-tests"
CONTEXT = SimpleNamespace(
    function_name="enhancer",
    memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:enhancer",
    aws_request_id="00000000-0000-4000-8000-000000000000",
    log_group_name="enhancer",
    get_remaining_time_in_millis=lambda: 25_000,
)
NAMED_FIELD = 'Content-Disposition: form-data; name="{}"'


def http_event(
    method: str,
    path: str,
    *,
    query: str = "",
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    body: bytes | str | None = None,
    ip: str = ADDRESS,
    request_id: str = "request-1",
    route: str | None = None,
) -> Json:
    """A complete event. Bytes travel in base64, text as it is; header names arrive in lower case."""
    sent = {name.lower(): value for name, value in (headers or {}).items()}
    sent |= {"host": "127.0.0.1:8787", "user-agent": "tests", "x-forwarded-for": ip}
    event: Json = {
        "version": "2.0",
        "routeKey": route or f"ANY {path}",
        "rawPath": path,
        "rawQueryString": query,
        "headers": sent,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abcdefghij",
            "domainName": "abcdefghij.execute-api.eu-central-1.amazonaws.com",
            "domainPrefix": "abcdefghij",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": ip,
                "userAgent": "tests",
            },
            "requestId": request_id,
            "routeKey": route or f"ANY {path}",
            "stage": "$default",
            "time": "20/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795176000000,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if cookies:
        event["cookies"] = [f"{name}={quote(value, safe='-_.~')}" for name, value in cookies.items()]
    if query:
        event["queryStringParameters"] = dict(parse_qsl(query, keep_blank_values=True))
    if body is not None:
        event["body"] = b64encode(body).decode() if isinstance(body, bytes) else body
    return event


def unsafe(headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """What our page sends with a request that changes something."""
    return {"origin": ORIGIN, "x-csrf-token": CSRF_TOKEN, **(headers or {})}


def form(
    fields: Mapping[str, str] | None = None,
    *,
    image: bytes | None = None,
    filename: str = "photo.png",
    content_type: str = "image/png",
) -> tuple[bytes, str]:
    """A multipart body and its content type."""
    parts = [part(NAMED_FIELD.format(name), value.encode()) for name, value in (fields or {}).items()]
    if image is not None:
        parts.append(image_part(image, filename=filename, content_type=content_type))
    return joined(parts), f"multipart/form-data; boundary={BOUNDARY}"


def image_part(
    image: bytes, *, filename: str = "photo.png", content_type: str = "image/png", name: str = "image"
) -> bytes:
    """The part with the picture."""
    disposition = NAMED_FIELD.format(name) + f'; filename="{filename}"'
    return part(f"{disposition}\r\nContent-Type: {content_type}", image)


def part(headers: str, content: bytes) -> bytes:
    """One part of a multipart body."""
    return f"--{BOUNDARY}\r\n{headers}\r\n\r\n".encode() + content + b"\r\n"


def joined(parts: list[bytes]) -> bytes:
    """The parts as a whole body."""
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


@dataclass(frozen=True)
class Answer:
    """What a handler returned, as a client sees it."""

    raw: Json

    @property
    def status(self) -> int:
        """HTTP status."""
        return int(self.raw["statusCode"])

    @property
    def headers(self) -> dict[str, str]:
        """Headers; Powertools' lists of values joined."""
        found = self.raw.get("headers") or {}
        return {name: value if isinstance(value, str) else ", ".join(value) for name, value in found.items()}

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        body = self.raw.get("body") or ""
        return b64decode(body) if self.raw.get("isBase64Encoded") else body.encode()

    @property
    def json(self) -> Json:
        """The body as JSON."""
        loaded: Json = json.loads(self.content)
        return loaded

    @property
    def data(self) -> Json:
        """What is in the envelope of a success."""
        assert self.json["success"] is True, self.json
        inner: Json = self.json["data"]
        return inner

    @property
    def error(self) -> Json:
        """What is in the envelope of a failure."""
        assert self.json["success"] is False, self.json
        inner: Json = self.json["error"]
        return inner

    @property
    def cookies(self) -> dict[str, str]:
        """Name -> whole Set-Cookie value."""
        return {cookie.partition("=")[0]: cookie for cookie in self.raw.get("cookies") or []}


@dataclass
class Browser:
    """Sends requests to handlers, keeps the cookies, proves its origin, and knows which statuses are described.

    ``waited_ms``: how long the gateway has had a request when the function gets it.
    """

    ip: str = ADDRESS
    waited_ms: int = 0
    jar: dict[str, str] = field(default_factory=lambda: {"csrf_token": CSRF_TOKEN})

    def send(self, handler: Callable[[Json, Any], Json], method: str, path: str, **more: Any) -> Answer:
        """Call the handler with an event of this browser, for a path or an address; ``more`` as in `http_event`."""
        path = path if path.startswith("/") else urlsplit(path).path
        headers = (
            unsafe(more.pop("headers", None)) if method not in ("GET", "HEAD") else more.pop("headers", {})
        )
        event = http_event(method, path, headers=headers, cookies=self.jar, ip=self.ip, **more)
        event["requestContext"]["timeEpoch"] = runtime.now() - self.waited_ms if self.waited_ms else None
        answer = Answer(handler(event, CONTEXT))
        assert is_described(method, path, answer.status), f"{method} {path}: {answer.status} is not described"
        for name, cookie in answer.cookies.items():
            self.jar[name] = cookie.partition("=")[2].partition(";")[0]
        return answer

    def post_json(self, handler: Callable[[Json, Any], Json], path: str, body: Any, **more: Any) -> Answer:
        """POST as JSON."""
        headers = {"content-type": "application/json", **more.pop("headers", {})}
        return self.send(handler, "POST", path, body=json.dumps(body), headers=headers, **more)

    def post_form(
        self,
        handler: Callable[[Json, Any], Json],
        path: str,
        fields: Mapping[str, str] | None = None,
        *,
        image: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """POST as multipart/form-data."""
        body, content_type = form(fields, image=image)
        return self.send(
            handler, "POST", path, body=body, headers={"content-type": content_type, **(headers or {})}
        )
