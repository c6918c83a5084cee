"""S3: CORS rules and signatures are enforced; no other service answers a browser."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from local.corrections.http_events import CLIENT_HEADER
from local.corrections.release import Json, Module

Asgi = Callable[[Json, Any, Any], Awaitable[None]]


def correct_bucket_access(app_module: Module, s3: Module) -> None:
    """S3 answers a browser by the bucket's CORS rules, and an unsigned GET of an object with 403.

    ministack allows every origin and serves every object to anyone, which would hide a missing CORS rule or a leak.
    Its other services need no signature, so any web site open in a browser on this machine could use them: they refuse
    every request with an ``Origin`` that does not come through the front door.
    """
    inner: Asgi = app_module.app

    async def guarded(scope: Json, receive: Any, send: Any) -> None:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope.get("headers", [])
        }
        host, path, method = headers.get("host", ""), scope.get("path", ""), scope.get("method", "")
        target = app_module._s3_cors_target(host, path) if scope["type"] == "http" else None
        if target is None:
            if "origin" in headers and CLIENT_HEADER not in headers:
                return await send_whole(
                    send, 403, {"Content-Type": "text/plain"}, b"This is no place for browsers.\n"
                )
            return await inner(scope, receive, send)
        if method == "OPTIONS":
            return await send_whole(send, *s3.cors_preflight(*target, headers))
        signed = "authorization" in headers or b"X-Amz-Signature=" in scope.get("query_string", b"")
        if method in ("GET", "HEAD") and target[1] and not signed:
            body = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
            allowed = s3.cors_response_headers(target[0], method, headers)
            return await send_whole(send, 403, {"Content-Type": "application/xml", **allowed}, body)

        async def send_by_rules(message: Json) -> None:
            if message["type"] == "http.response.start":
                kept = [
                    pair for pair in message["headers"] if not pair[0].lower().startswith(b"access-control-")
                ]
                message = {
                    **message,
                    "headers": kept + encoded(s3.cors_response_headers(target[0], method, headers)),
                }
            await send(message)

        await inner(scope, receive, send_by_rules)
        return None

    app_module.app = guarded


def encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers in the form that an ASGI server takes."""
    return [(name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in headers.items()]


async def send_whole(send: Any, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Send a complete answer."""
    await send({"type": "http.response.start", "status": status, "headers": encoded(headers)})
    await send({"type": "http.response.body", "body": body})
