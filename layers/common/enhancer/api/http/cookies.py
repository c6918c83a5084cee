"""Cookies in and out. Read leniently, by hand: the standard library drops the whole header on odd input."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import unquote

from aws_lambda_powertools.shared.cookies import Cookie, SameSite

GUEST, CSRF = "guest_id", "csrf_token"
GUEST_SECONDS = 180 * 86_400
SESSION_SECONDS = 30 * 86_400


def session_name(*, secure: bool) -> str:
    """Return the session cookie's name; the ``__Host-`` prefix needs https."""
    return "__Host-session" if secure else "session_id"


def parse(parts: Iterable[str]) -> dict[str, str]:
    """Return name -> value from cookie headers or ``event.cookies``; the first of several wins."""
    found: dict[str, str] = {}
    for part in parts:
        for pair in part.split(";"):
            name, equals, value = pair.strip().partition("=")
            if equals and name:
                found.setdefault(name, unquote(value.strip('"')))
    return found


def cookie(name: str, value: str, *, seconds: int, secure: bool, http_only: bool = True) -> Cookie:
    """Return a cookie for the whole site, SameSite=Lax; as text it is a ``Set-Cookie`` value."""
    return Cookie(
        name,
        value,
        path="/",
        max_age=seconds,
        secure=secure,
        http_only=http_only,
        same_site=SameSite.LAX_MODE,
    )


def session(name: str, token: str, *, secure: bool) -> Cookie:
    """Return the cookie of a session."""
    return cookie(name, token, seconds=SESSION_SECONDS, secure=secure)


def sign_in_name(*, secure: bool) -> str:
    """Return the name of the cookie that binds a sign-in to its browser."""
    return "__Host-signin" if secure else "signin"


def gone(name: str, *, secure: bool) -> Cookie:
    """Return the cookie that removes another one of this name."""
    return cookie(name, "", seconds=0, secure=secure)
