"""Promises broken on purpose, one at a time, and the line of the smoke that must say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.support.breaking_proxy import Asked, Break, Said

RESULTS, USAGE, JOBS = "/r2-ai/ai-enhancer/results/", "/api/ai-image/usage", "/api/ai-image/jobs"
HTML = "text/html"


def said(status: int, body: dict[str, Any], **headers: str) -> Said:
    """An answer of the proxy's own, with all that the product's answers carry."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(
        status, list({"Content-Type": "application/json", **named}.items()), json.dumps(body).encode()
    )


def on(part: str, change: Callable[[Said], None], *, method: str = "", status: int = 0) -> Break:
    """Change answers to paths with this part."""

    def after(asked: Asked, found: Said) -> None:
        fits = part in asked.path and method in ("", asked.method) and status in (0, found.status)
        if fits:
            change(found)

    return Break(after=after)


def instead(part: str, answer: Callable[[], Said], *, method: str = "") -> Break:
    """Answer paths with this part in place of the product."""
    return Break(
        before=lambda asked: answer() if part in asked.path and method in ("", asked.method) else None
    )


def edited(change: Callable[[dict[str, Any]], None]) -> Callable[[Said], None]:
    """Change the JSON of an answer."""

    def edit(found: Said) -> None:
        body = json.loads(found.body)
        change(body)
        found.body = json.dumps(body).encode()

    return edit


def open_gate() -> Break:
    """Serve a result that its owner fetched to whoever asks."""
    seen: dict[str, Said] = {}

    def after(asked: Asked, found: Said) -> None:
        if RESULTS not in asked.path:
            return
        if found.status == 200:
            seen[asked.path] = replace(found, headers=list(found.headers))
        elif asked.path in seen:
            known = seen[asked.path]
            found.status, found.headers, found.body = known.status, list(known.headers), known.body

    return Break(after=after)


def believed(asked: Asked) -> None:
    """Send everything on as if it came from our own page."""
    token = asked.headers.get("Cookie", "").partition("csrf_token=")[2].partition(";")[0]
    host = f"http://{asked.headers['Host']}"
    asked.headers |= {"Origin": host, "X-CSRF-Token": token}


def unlimited(found: Said) -> None:
    """Say that a call was bad, where it was one too many."""
    found.status = 400
    found.drop("Retry-After")
    found.replace('"rate_limit"', '"validation_error"')


def wrong_envelope(found: Said) -> None:
    found.body = b'{"message": "Not Found"}'


def stack_trace(body: dict[str, Any]) -> None:
    body["error"]["message"] = 'Traceback (most recent call last):\n  File "/var/task/app.py", line 1'


def doubled(body: dict[str, Any]) -> None:
    day = body["data"]["usage"]
    day["used"], day["remaining"] = 2 * day["used"], day["limit"] - 2 * day["used"]


def still_processing(body: dict[str, Any]) -> None:
    if isinstance(body.get("data"), dict) and "progress" in body["data"]:
        body["data"]["status"] = "processing"


def dangling(body: dict[str, Any]) -> None:
    body["components"]["schemas"].pop("Failure")


def cookie_on_originals(found: Said) -> None:
    found.headers.append(("Set-Cookie", "guest_id=x; Path=/"))


def refused_out_of_the_blue() -> Said:
    error = {
        "type": "forbidden",
        "code": "not_in_cohort",
        "message": "Not yet.",
        "details": {"needs": "sign_in"},
    }
    return said(403, {"success": False, "error": error, "requestId": "x"})


def inline_scripts(found: Said) -> None:
    found.put("Content-Security-Policy", "script-src 'self' 'unsafe-inline'")


@dataclass(frozen=True)
class Case:
    """A broken promise. ``only``: the checks to run; ``line``: the one that fails; ``says``: part of its line."""

    how: Break
    only: str
    line: str
    says: str
    more: tuple[str, ...] = ()


CASES = {
    "a security header is dropped": Case(
        on("/api/health", lambda found: found.drop("X-Frame-Options")),
        "health,headers", "headers", "X-Frame-Options on GET /api/health",
    ),
    "scripts may be inline": Case(on("/en/", inline_scripts), "page-en", "page-en", "no nonce"),
    "the owner gate is open": Case(
        open_gate(), "result-owner,result-stranger", "result-stranger", "a result of somebody else gives 200",
    ),
    "nobody is asked who they are": Case(
        open_gate(), "result-owner,result-nobody", "result-nobody", "a result of somebody else gives 200",
    ),
    "results lie in shared caches": Case(
        on(RESULTS, lambda found: found.put("Cache-Control", "public, max-age=900")),
        "result-owner", "result-owner", "Cache-Control is public, max-age=900",
    ),
    "results are lost": Case(
        on(RESULTS, lambda found: setattr(found, "status", 404)), "result-owner", "result-owner", "gives 404",
    ),
    "results come as text": Case(
        on(RESULTS, lambda found: found.put("Content-Type", "text/plain")),
        "result-owner", "result-owner", "is text/plain, expected image/png",
    ),
    "originals set cookies": Case(
        on("/r2-ai/ai-enhancer/uploads/", cookie_on_originals), "upload-public", "upload-public", "sets a cookie",
    ),
    "limits are not told": Case(
        on(USAGE, lambda found: found.drop("RateLimit")), "rate-limit", "rate-limit", "RateLimit is missing",
    ),
    "nothing is ever too much": Case(
        on("/generate", unlimited, status=429), "burst", "burst", "none was refused with 429", ("--burst",),
    ),
    "a limit does not say when": Case(
        on("/generate", lambda found: found.drop("Retry-After"), status=429),
        "burst", "burst", "Retry-After is missing", ("--burst",),
    ),
    "unsigned events of Stripe are believed": Case(
        instead("/stripe-webhook", lambda: said(200, {"success": True, "data": {"outcome": "applied"}})),
        "stripe-webhook", "stripe-webhook", "without a signature gives 200",
    ),
    "unsigned call-backs are believed": Case(
        instead("/provider-webhook/", lambda: Said(204)),
        "provider-webhook", "provider-webhook", "without a signature gives 204",
    ),
    "405 names no verb": Case(
        on("", lambda found: found.drop("Allow"), status=405), "method", "method", "Allow is missing",
    ),
    "errors have no envelope": Case(
        on("/api/nowhere", wrong_envelope), "not-found,envelope", "envelope", "success is not false",
    ),
    "errors show the inside": Case(
        on("/api/nowhere", edited(stack_trace)), "not-found,leaks", "leaks", "shows 'Traceback",
    ),
    "debug-login in production": Case(
        Break(), "debug-login", "debug-login", "is deployed in production", ("--environment", "production"),
    ),
    "no CSRF check": Case(Break(before=believed), "csrf", "csrf", "expected 403 forbidden"),
    "credentials across origins": Case(
        on("", lambda found: found.put("Access-Control-Allow-Credentials", "true")),
        "cross-origin", "cross-origin", "Access-Control-Allow-Credentials",
    ),
    "jobs never end": Case(
        on(f"{JOBS}/", edited(still_processing), method="GET", status=200),
        "job", "job", "still processing after 1 s", ("--patience", "1"),
    ),
    "a run is charged twice": Case(
        on(USAGE, edited(doubled)), "usage-moves", "usage-moves", "images of the day moved by 2, expected 1",
    ),
    "guests are refused without a phase": Case(
        instead("/generate", refused_out_of_the_blue), "generate", "generate", "admits the guest",
    ),
    "administrators' routes are open": Case(
        instead("/api/admin/", lambda: said(200, {"success": True, "data": {}})), "admin", "admin", "gives 200",
    ),
    "the deep health check is open": Case(
        instead("deep=1", lambda: said(200, {"success": True, "data": {"checks": []}})),
        "deep-health", "deep-health", "gives 200",
    ),
    "a forbidden model runs": Case(
        instead("/quote", lambda: said(200, {"success": True, "data": {}})), "bad-model", "bad-model", "gives 200",
    ),
    "the description is torn": Case(
        on("/openapi.json", edited(dangling)), "openapi", "openapi", "references that lead nowhere",
    ),
}  # fmt: skip
"""By what is broken."""
