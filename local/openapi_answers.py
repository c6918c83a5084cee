"""What the description says about answers beyond the types of the handlers: errors, headers, and who may call."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
Operation = tuple[str, str]
"""Verb in lower case and path."""

IMAGES, BILLING, ADMIN, AUTH = "/api/ai-image", "/api/billing", "/api/admin", "/api/auth"
FAILURES: dict[Operation, tuple[int, ...]] = {
    ("post", f"{IMAGES}/generate"): (402, 409, 422, 502, 504),
    ("post", f"{IMAGES}/jobs"): (402, 409, 422),
    ("post", f"{IMAGES}/jobs/{{job_id}}/cancel"): (409,),
    ("post", f"{IMAGES}/jobs/{{job_id}}/retry"): (402, 409, 422),
    ("delete", f"{IMAGES}/jobs/{{job_id}}"): (409,),
    ("post", f"{BILLING}/credits"): (409, 422),
    ("post", f"{BILLING}/session"): (409, 422),
    ("post", f"{BILLING}/cancel"): (409,),
    ("post", f"{BILLING}/portal"): (409,),
    ("get", f"{BILLING}/sync"): (404,),
    ("post", f"{ADMIN}/credits/grant"): (404, 409, 422),
    ("post", f"{ADMIN}/credits/deduct"): (404, 409, 422),
    ("get", f"{ADMIN}/credits/history"): (404,),
    ("get", f"{ADMIN}/owners"): (404,),
    ("post", f"{ADMIN}/plan"): (404,),
    ("post", f"{ADMIN}/block"): (404,),
    ("post", f"{ADMIN}/flags"): (409,),
    ("post", f"{ADMIN}/flags/rollback"): (409,),
    ("post", f"{AUTH}/keys"): (409,),
    ("get", f"{AUTH}/{{provider}}/callback"): (409,),
    ("post", "/api/debug-login"): (404,),
    ("post", "/api/csp-report"): (413, 429),
    ("get", "/api/health"): (400, 401, 403, 429),
}
"""Statuses of errors that are a route's own; see `_failures` for those that many have."""
REQUEST_HEADERS: dict[Operation, dict[str, str]] = {
    ("get", f"{IMAGES}/jobs/{{job_id}}"): {"If-None-Match": "The ETag of what the client has."},
    **{
        (verb, "/r2-ai/.+"): {
            "If-None-Match": "The ETag of what the client has.",
            "Range": "One part, as bytes=first-last.",
        }
        for verb in ("get", "head")
    },
}


def _header(about: str, kind: str = "string") -> Json:
    return {"description": about, "schema": {"type": kind}}


HEADERS: Json = {
    "Allow": _header("Verbs that the path has."),
    "Content-Disposition": _header("The name to save it under."),
    "Content-Range": _header("Which part of how many bytes."),
    "ETag": _header("Changes with what is answered."),
    "Idempotent-Replayed": _header("true: the answer to an earlier request with the same Idempotency-Key."),
    "Location": _header("Where to go, or where the job is."),
    "Preference-Applied": _header("The preference that was heeded."),
    "RateLimit": _header("What is left: name, remaining calls (r), seconds until all are back (t)."),
    "RateLimit-Policy": _header("The limit: name, calls (q), seconds (w)."),
    "Retry-After": _header("Seconds to wait.", "integer"),
    "Server-Timing": _header("Where the time went."),
    "WWW-Authenticate": _header("Bearer: API keys are sent as Authorization: Bearer."),
    "X-Credits-Available": _header("Bought credits that are left.", "number"),
    "X-Credits-Charged": _header("Credits that this run cost.", "number"),
    "X-Next-Cursor": _header("Leads to older entries."),
    "X-Request-Id": _header("Names this request in our logs."),
    "X-Usage-Limit": _header("Pictures of a day.", "integer"),
    "X-Usage-OwnerType": _header("guest or user."),
    "X-Usage-Plan": _header("The plan."),
}
ALWAYS = ("X-Request-Id", "Server-Timing")
LIMITED = ("RateLimit", "RateLimit-Policy")
BY_STATUS = {
    202: ("Location", "Retry-After"), 206: ("Content-Range", "ETag"), 302: ("Location",), 304: ("ETag",),
    401: ("WWW-Authenticate",), 416: ("Content-Range", "ETag"), 429: ("Retry-After",),
    503: ("Retry-After",),
}  # fmt: skip
WITHOUT_BODY = ("204", "302", "304", "416")
OWN: dict[Operation, tuple[str, ...]] = {
    ("post", f"{IMAGES}/generate"): (
        "X-Credits-Charged", "X-Credits-Available", "Preference-Applied", "Idempotent-Replayed",
    ),
    ("get", f"{IMAGES}/jobs/{{job_id}}"): ("ETag", "Retry-After"),
    ("get", f"{IMAGES}/usage"): ("X-Usage-Limit", "X-Usage-OwnerType", "X-Usage-Plan"),
    ("get", f"{BILLING}/ledger"): ("Content-Disposition", "X-Next-Cursor"),
    ("get", "/api/account/export"): ("Content-Disposition",),
    ("get", f"{ADMIN}/reports/{{file}}"): ("Content-Disposition",),
    ("get", "/r2-ai/.+"): ("ETag", "Content-Disposition"),
    ("head", "/r2-ai/.+"): ("ETag", "Content-Disposition"),
}  # fmt: skip
"""Headers of a route's good answers."""
SECURITY: Json = {
    "apiKey": {"type": "http", "scheme": "bearer", "description": "An API key: ek_live_… or ek_test_…"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-session",
        "description": "A browser, signed in.",
    },
    "guest": {
        "type": "apiKey",
        "in": "cookie",
        "name": "guest_id",
        "description": "A browser, not signed in.",
    },
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "As the cookie csrf_token.",
    },
}
TEXTS = {
    400: "What was sent is not valid: see `details.fields`.", 401: "It is not known who is calling.",
    402: "Neither plan nor credits cover the price.", 403: "The caller may not do this.",
    404: "It is not there, or is somebody else's.", 409: "The present state does not allow it.",
    413: "Too large.", 415: "Not a media type that is taken.", 422: "The Idempotency-Key was used for something else.",
    429: "A limit is reached; Retry-After says for how long.", 500: "A fault of ours.",
    502: "The provider failed.", 503: "Out of service, or not set up here.", 504: "The provider took too long.",
}  # fmt: skip


def complete(operation: Json, method: str, path: str, app: Any, admitted: str) -> None:
    """Replace the library's 422 by the errors a route has, and add headers and who may call."""
    answers = operation["responses"]
    answers.pop("422", None)
    for status, answer in answers.items():
        limited = LIMITED if app.rate else ()
        answer["headers"] = _headers(*limited, *BY_STATUS.get(int(status), ()), *OWN.get((method, path), ()))
        if method == "head" or status in WITHOUT_BODY:
            answer.pop("content", None)
    for status in _failures(operation, method, path, app):
        without_body = {"description": TEXTS[status], "headers": _headers()}
        shared = {"$ref": f"#/components/responses/{status}"}
        answers.setdefault(str(status), without_body if method == "head" else shared)
    operation["responses"] = dict(sorted(answers.items()))
    operation["security"] = _security(method, app, admitted)


def failures() -> Json:
    """Return the answers to requests that fail, by status."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}}
    return {
        str(status): {
            "description": text,
            "headers": _headers(*LIMITED, *BY_STATUS.get(status, ())),
            "content": content,
        }
        for status, text in TEXTS.items()
    }


def _headers(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in sorted({*ALWAYS, *names})}


def _failures(operation: Json, method: str, path: str, app: Any) -> list[int]:
    """Return the statuses of the errors that a route can have."""
    found = {500, 503, *FAILURES.get((method, path), ())}
    if app.csrf:
        found |= {400, 401, 403}  # query parameters, keys, origin and scopes
    elif path.endswith(("webhook", "{ref}")):
        found |= {400}  # the signature
    if app.rate:
        found |= {429}
    if "{" in path or path.startswith("/r2-ai"):
        found |= {404}
    if "requestBody" in operation:
        found |= {413, 415}
    return sorted(found)


def _security(method: str, app: Any, admitted: str) -> list[Json]:
    """Return the ways to say who is calling; an empty one where nobody needs to."""
    if not app.csrf:
        return [{}]
    browser: Json = {"csrf": []} if method not in ("get", "head") else {}
    ways = [{"session": [], **browser}]
    if app.scope is not None:
        ways.append({"apiKey": []})
    if admitted == "everybody":
        ways += [{"guest": [], **browser}, browser] if browser else [{}]
    return ways


def failure_schema() -> Json:
    """Return the schema of the error envelope, with every error code."""
    from enhancer.domain.errors import leaves

    classes = leaves()
    error = {
        "type": "object",
        "required": ["type", "code", "message"],
        "additionalProperties": False,
        "properties": {
            "type": {"enum": sorted({leaf.type for leaf in classes})},
            "code": {"enum": sorted(leaf.code for leaf in classes)},
            "message": {"type": "string", "description": "For people, in the language of Accept-Language."},
            "details": {"type": "object"},
        },
    }
    return {
        "type": "object",
        "required": ["success", "error", "requestId"],
        "additionalProperties": False,
        "properties": {
            "success": {"const": False},
            "error": error,
            "requestId": {"type": "string"},
            "retryAfter": {
                "type": "integer",
                "description": "Seconds, with 429, and with 503 while new runs are paused.",
            },
        },
    }
