"""Our error envelope: the one table of error statuses, and answers that stay small however much is wrong."""

from __future__ import annotations

import json
from typing import Any

from enhancer.api.http.request import Request
from enhancer.api.shapes.error_texts import message
from enhancer.domain import errors
from enhancer.domain.errors import EnhancerError, LimitReached, RunsPaused

STATUS: dict[type[EnhancerError], int] = {
    errors.InvalidRequest: 400,
    errors.Unauthenticated: 401,
    errors.InsufficientCredits: 402,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.MethodNotAllowed: 405,
    errors.Conflict: 409,
    errors.TooLarge: 413,
    errors.Unsupported: 415,
    errors.IdempotencyMismatch: 422,
    errors.LimitReached: 429,
    errors.InternalError: 500,
    errors.RunsPaused: 503,
    errors.SignInUnavailable: 503,
    errors.StripeError: 503,
    errors.ProviderFailed: 502,
    errors.ProviderOutputInvalid: 502,
    errors.ProviderUnavailable: 503,
    errors.ProviderThrottled: 503,
    errors.ProviderExhausted: 503,
    errors.ProviderTimeout: 504,
    errors.JobExpired: 504,
}
"""The only map from error class to HTTP status; the nearest class in the hierarchy decides."""

TEXT_MAX, LIST_MAX, NAME_MAX = 300, 50, 80
"""Longest text, list and field name in the details of an error; they may quote what was sent."""
PROBLEMS_MAX = 20
"""Fields that an answer names; further ones are counted as ``more``."""


def status_of(problem: EnhancerError) -> int:
    """Return the HTTP status of an error."""
    return next(STATUS[cls] for cls in type(problem).__mro__ if cls in STATUS)


def failure(request: Request, problem: EnhancerError) -> dict[str, Any]:
    """Return the answer for an error in the shape of the contract."""
    details = {name: _clipped(value) for name, value in problem.details.items()}
    error: dict[str, Any] = {
        "type": problem.type,
        "code": problem.code,
        "message": message(problem.code, details, request.language),
    }
    if details:
        error["details"] = details
    body: dict[str, Any] = {"success": False, "error": error, "requestId": request.id}
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    if isinstance(problem, LimitReached | RunsPaused):
        body["retryAfter"] = problem.retry_after_seconds
        headers["Retry-After"] = str(problem.retry_after_seconds)
    if isinstance(problem, errors.MethodNotAllowed):
        headers["Allow"] = ", ".join(problem.details["allow"])
    if isinstance(problem, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    return {
        "statusCode": status_of(problem),
        "headers": headers,
        "cookies": [],
        "body": json.dumps(body, ensure_ascii=False).encode("utf-8", "replace").decode(),
        "isBase64Encoded": False,
    }


def invalid_fields(found: list[dict[str, Any]]) -> errors.InvalidFields:
    """Return the error for what pydantic found: each field, what is wrong and the limit; never the value."""
    fields = []
    for one in found[:PROBLEMS_MAX]:
        place = [str(part) for part in one["loc"] if part not in ("body", "query", "path", "header")]
        limits = {name: value for name, value in (one.get("ctx") or {}).items() if _is_plain(value)}
        fields.append({"field": ".".join(place) or "body", "problem": one["type"], **limits})
    more = {"more": len(found) - PROBLEMS_MAX} if len(found) > PROBLEMS_MAX else {}
    return errors.InvalidFields(fields=fields, **more)


def _is_plain(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _clipped(value: Any) -> Any:
    """Return a detail without what is too long or too large in it."""
    if isinstance(value, str):
        return _short(value, TEXT_MAX)
    if isinstance(value, list | tuple):
        return [_clipped(one) for one in value[:LIST_MAX]]
    if isinstance(value, dict):
        return {_short(str(name), NAME_MAX): _clipped(one) for name, one in list(value.items())[:LIST_MAX]}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 1 << 63:
        return None
    return value


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}…"
