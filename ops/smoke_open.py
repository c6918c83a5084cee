"""Checks that cost nothing: pages, descriptions, refusals, limits, webhooks, prices, administrators, health."""

from __future__ import annotations

import re
import time
from typing import Any

from ops.smoke_client import Answer, Failed, Visitor
from ops.smoke_picture import tiny_png
from ops.smoke_plan import Blocked, Smoke, check, expect

FOREIGN = "https://elsewhere.example"
"""An origin that is nobody's page here."""
PARTS = {"table", "bucket", "stateMachine", "upscale", "secrets", "replicate", "workersAi", "stripe"}
NOT_IN_COHORT, PAUSED = "not_in_cohort", "runs_paused"


@check("health")
def health(smoke: Smoke) -> str:
    """The cheap form is open and says ok."""
    data = smoke.nobody.get("/api/health").data()
    expect(data.get("status") == "ok", f"status is {data.get('status')!r}, expected 'ok'")
    return "up"


@check("page-en")
def page_en(smoke: Smoke) -> str:
    """The English page with its policy."""
    return _page(smoke, "en")


@check("page-de")
def page_de(smoke: Smoke) -> str:
    """The German page with its policy."""
    return _page(smoke, "de")


def _page(smoke: Smoke, language: str) -> str:
    path = f"/{language}/tools/ai-image-enhancer"
    first, second = (smoke.nobody.get(path, Accept="text/html") for _ in range(2))
    expect((first.status, first.kind) == (200, "text/html"), f"{path} gives {first.status} {first.kind}")
    for name, wanted in (("Content-Language", language), ("Cache-Control", "no-store")):
        found = first.headers.get(name, "")
        expect(wanted in found, f"{name} of {path} is {found!r}, expected {wanted!r}")
    vary = {one.strip().lower() for one in first.headers.get("Vary", "").split(",")}
    expect({"cookie", "accept-language"} <= vary, f"Vary of {path} lacks Cookie or Accept-Language")
    expect(f'lang="{language}"' in first.text, f"{path} is not marked as {language}")
    nonces = [_nonce(path, one) for one in (first, second)]
    expect(nonces[0] != nonces[1], f"the nonce of {path} is used twice")
    return f"{len(first.body)} bytes, policy with a fresh nonce"


def _nonce(path: str, page: Answer) -> str:
    policy = page.headers.get("Content-Security-Policy", "")
    found = re.search(r"script-src[^;]*'nonce-([^']+)'", policy)
    expect(found, f"the Content-Security-Policy of {path} has no nonce for scripts")
    expect("'unsafe-inline'" not in policy, f"the Content-Security-Policy of {path} allows inline scripts")
    nonce = found[1] if found else ""
    used = re.findall(r'<script[^>]*\bnonce="([^"]*)"', page.text)
    expect(used and set(used) == {nonce}, f"scripts of {path} do not carry the nonce of its policy")
    return nonce


@check("openapi")
def openapi(smoke: Smoke) -> str:
    """The description is a valid OpenAPI document: every operation answers, every reference leads somewhere."""
    document = smoke.nobody.get("/openapi.json").json()
    version, paths = document.get("openapi"), document.get("paths") or {}
    expect(re.match(r"3\.\d+\.\d+$", str(version)), f"openapi is {version!r}, expected 3.x.y")
    info = document.get("info", {})
    expect(info.get("title") and info.get("version"), "info lacks title or version")
    expect(paths, "there are no paths")
    operations = [one for verbs in paths.values() for one in verbs.values() if isinstance(one, dict)]
    silent = [one.get("summary", "?") for one in operations if not one.get("responses")]
    expect(not silent, f"operations without answers: {silent[:3]}")
    dead = sorted({ref for ref in _references(document) if not _leads(document, ref)})
    expect(not dead, f"references that lead nowhere: {dead[:3]}")
    missing = {
        "/api/ai-image/generate",
        "/api/ai-image/jobs",
        "/api/ai-image/usage",
        "/api/health",
    } - paths.keys()
    expect(not missing, f"paths that are not described: {sorted(missing)}")
    return f"OpenAPI {version}, product {info['version']}, {len(operations)} operations"


def _references(found: Any) -> list[str]:
    if isinstance(found, list):
        return [ref for one in found for ref in _references(one)]
    if not isinstance(found, dict):
        return []
    own = [found["$ref"]] if isinstance(found.get("$ref"), str) else []
    return own + [ref for one in found.values() for ref in _references(one)]


def _leads(document: Any, ref: str) -> bool:
    for name in ref.removeprefix("#/").split("/"):
        part = name.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return ref.startswith("#/")


@check("usage")
def usage(smoke: Smoke) -> str:
    """A new browser gets its cookies and a day of its own; never kept by a cache."""
    answer = smoke.guest.get("/api/ai-image/usage")
    data = answer.data()
    expect(data["ownerType"] == "guest", f"a new browser is a {data['ownerType']}")
    expect("no-store" in answer.headers.get("Cache-Control", ""), "Cache-Control is not no-store")
    for name in ("X-Usage-OwnerType", "X-Usage-Plan", "X-Usage-Limit"):
        expect(answer.headers.get(name), f"the header {name} is missing")
    day = data["usage"]
    expect(day["used"] + day["remaining"] == day["limit"], f"used + remaining is not limit: {day}")
    expect(day["resetAt"] > time.time() * 1000, "resetAt lies in the past")
    kept = {one.partition("=")[0]: one.lower() for one in answer.set_cookies}
    expect({"guest_id", "csrf_token"} <= kept.keys(), f"cookies set: {sorted(kept)}")
    flags = ["httponly", "samesite=lax", *(["secure"] if smoke.is_https else [])]
    missing = [flag for flag in flags if flag not in kept["guest_id"]]
    expect(not missing, f"the cookie guest_id lacks {missing}")
    expect(kept["guest_id"].count(".") >= 1, "the cookie guest_id is not signed")
    access = data.get("access") or {}
    phase = f", phase {access['phase']}" if access.get("phase") else ""
    return f"guest, {day['remaining']:g} of {day['limit']:g} images left{phase}"


@check("models")
def models(smoke: Smoke) -> str:
    """The catalogue; the default model may be used by everybody."""
    found = smoke.guest.get("/api/ai-image/models").data()["models"]
    default = next((one for one in found if one["alias"] == "local"), None)
    expect(default, "the default model is not in the catalogue")
    expect(default and default["available"], "the default model is not available")
    open_ = [one["alias"] for one in found if one["available"]]
    return f"{len(found)} models, available: {', '.join(open_)}"


@check("quote")
def quote(smoke: Smoke) -> str:
    """An omitted scale means 2 and costs 1.0; refused exactly where the phase refuses."""
    data = smoke.guest.post("/api/ai-image/quote", json={"model": "local"}).data()
    price, refusal = data["price"]["total"], data.get("refusal") or {}
    expect((data["scale"], price) == (2, 1.0), f"scale {data['scale']} at {price}, expected 2 at 1.0")
    access = smoke.guest.get("/api/ai-image/usage").data().get("access") or {}
    refuses, admitted = refusal.get("code") == NOT_IN_COHORT, bool(access.get("admitted", True))
    said = refusal.get("code") or "yes"
    expect(refuses != admitted, f"usage.access admits guests: {admitted}, but the quote says {said}")
    return f"1.0 credit{', refused as the phase wants: ' + refusal['code'] if refuses else ''}"


@check("prices")
def prices(smoke: Smoke) -> str:
    """The price list is open to everybody."""
    data = smoke.nobody.get("/api/billing/prices").data()
    plans, packs = data.get("plans") or [], data.get("packs") or []
    expect(plans, "no plans are listed")
    expect(packs, "no packs are listed")
    return f"{len(plans)} plans, {len(packs)} packs"


@check("csrf")
def csrf(smoke: Smoke) -> str:
    """What a foreign page could send is refused, before anything else."""
    own = smoke.guest.own_headers()
    path, form = "/api/ai-image/generate", {"nothing": (None, "")}
    bare = smoke.guest.send("POST", path, headers={"Origin": own["Origin"]}, files=form)
    bare.refused(403, "forbidden", "csrf_token_invalid")
    foreign = smoke.guest.send("POST", path, headers={**own, "Origin": FOREIGN}, files=form)
    foreign.refused(403, "forbidden", "origin_not_allowed")
    wrong = smoke.guest.send("POST", path, headers={**own, "X-CSRF-Token": "x" * 43}, files=form)
    wrong.refused(403, "forbidden", "csrf_token_invalid")
    return "no token, wrong token and foreign origin refused"


@check("method")
def method(smoke: Smoke) -> str:
    """A verb that a path does not have is 405 and names those it has."""
    for verb, path, allowed in (
        ("DELETE", "/api/ai-image/generate", {"POST"}),
        ("PUT", "/api/ai-image/jobs", {"GET", "POST"}),
        ("GET", "/api/csp-report", {"POST"}),
    ):
        answer = smoke.nobody.send(verb, path).refused(405, "method_not_allowed")
        found = {one.strip() for one in answer.headers.get("Allow", "").split(",")} - {""}
        expect(
            found == allowed,
            f"{verb} {path}: Allow is {sorted(found) or 'missing'}, expected {sorted(allowed)}",
        )
    return "405 with Allow"


@check("not-found")
def not_found(smoke: Smoke) -> str:
    """An unknown path is 404 in the envelope, also below the results."""
    for path in ("/api/nowhere", "/r2-ai/ai-enhancer/elsewhere/x.png", "/r2-ai/ai-enhancer/results/guest"):
        smoke.nobody.get(path).refused(404, "not_found")
    return "404 in the envelope"


@check("cross-origin")
def cross_origin(smoke: Smoke) -> str:
    """Any page may call with a key, none with cookies."""
    asked = {
        "Origin": FOREIGN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    for answer in (
        smoke.nobody.send("OPTIONS", "/api/ai-image/generate", headers=asked),
        smoke.nobody.get("/api/health", Origin=FOREIGN),
    ):
        expect(answer.status in (200, 204), f"{answer.what} gives {answer.status}")
        found = answer.headers.get("Access-Control-Allow-Origin")
        expect(found == "*", f"Access-Control-Allow-Origin on {answer.what} is {found!r}, expected '*'")
        credentials = answer.headers.get("Access-Control-Allow-Credentials")
        expect(credentials is None, f"Access-Control-Allow-Credentials on {answer.what} is {credentials!r}")
    return "a star, without credentials"


@check("bad-model")
def bad_model(smoke: Smoke) -> str:
    """A model that is not allowed is a validation error."""
    answer = smoke.guest.post("/api/ai-image/quote", json={"model": "nobody/nothing"})
    answer.refused(400, "validation_error")
    run = smoke.runner.post(
        "/api/ai-image/generate", files={"image": ("smoke.png", tiny_png())}, data={"model": "nobody/nothing"}
    )
    if run.code not in (NOT_IN_COHORT, PAUSED):  # whom the phase refuses is told so first
        run.refused(400, "validation_error")
    return run.code


@check("rate-limit")
def rate_limit(smoke: Smoke) -> str:
    """Every limited answer says what is left."""
    answer = smoke.guest.get("/api/ai-image/usage")
    limit, policy = answer.headers.get("RateLimit", ""), answer.headers.get("RateLimit-Policy", "")
    expect(re.fullmatch(r'"\w+";r=\d+;t=\d+', limit), f"RateLimit is {limit or 'missing'}")
    expect(re.fullmatch(r'"\w+";q=\d+;w=\d+', policy), f"RateLimit-Policy is {policy or 'missing'}")
    return f"{limit} of {policy}"


@check("stripe-webhook")
def stripe_webhook(smoke: Smoke) -> str:
    """An event without Stripe's signature, or with a made-up one, changes nothing."""
    forged = {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}
    return _unsigned(smoke, "/api/billing/stripe-webhook", forged)


@check("provider-webhook")
def provider_webhook(smoke: Smoke) -> str:
    """A call-back without the provider's signature, or with a made-up one, wakes nobody."""
    forged = {"webhook-id": "x", "webhook-timestamp": f"{int(time.time())}", "webhook-signature": "v1,AAAA"}
    return _unsigned(smoke, "/api/provider-webhook/replicate/smoke", forged)


def _unsigned(smoke: Smoke, path: str, forged: dict[str, str]) -> str:
    seen = set()
    for headers in ({}, forged):
        answer = smoke.nobody.send(
            "POST", path, headers=headers, json={"id": "evt_smoke", "status": "succeeded"}
        )
        expect(400 <= answer.status < 500, f"{path} without a signature gives {answer.said or answer.status}")
        seen.add(answer.said)
    return ", ".join(sorted(seen))


@check("debug-login")
def debug_login(smoke: Smoke) -> str:
    """The sign-in without a password exists in development only."""
    answers = [smoke.nobody.send(verb, "/api/debug-login") for verb in ("GET", "POST")]
    there = [f"{one.method} gives {one.said}" for one in answers if one.status != 404]
    if smoke.options.environment == "development":
        return "there, as in development" if there else "absent"
    expect(not there, f"POST /api/debug-login is deployed in {smoke.options.environment}: {', '.join(there)}")
    return "absent"


@check("admin")
def admin(smoke: Smoke) -> str:
    """Who is no administrator is refused, with and without a key."""
    smoke.guest.get("/api/admin/flags").refused(401, "auth_error")
    if smoke.user is None:
        return "guest refused"
    smoke.user.get("/api/admin/flags").refused(403, "forbidden")
    return "guest and API key refused"


@check("deep-health")
def deep_health(smoke: Smoke) -> str:
    """Every part the product stands on, asked by an administrator; nobody else gets to see it."""
    smoke.guest.get("/api/health?deep=1").refused(401, "auth_error")
    if not smoke.options.admin_key:
        return "closed to guests; ADMIN_KEY shows more"
    administrator = smoke.program(smoke.options.admin_key)
    status, rows, bad = _parts(administrator)
    if any(one.endswith(" timeout") for one in bad):  # a part that did not answer in time is asked once more
        status, rows, bad = _parts(administrator)
    expect(rows.keys() >= PARTS, f"parts that are not checked: {sorted(PARTS - rows.keys())}")
    expect(not bad and status == 200, f"not fine: {', '.join(bad) or status}")
    off = [name for name, one in rows.items() if one["reason"] == "off"]
    slowest = max(rows.values(), key=lambda one: int(one["ms"]))
    return f"{len(rows) - len(off)} fine, off: {', '.join(off) or 'none'}, slowest {slowest['name']} {slowest['ms']} ms"


def _parts(administrator: Visitor) -> tuple[int, dict[str, Any], list[str]]:
    """Return the status of a deep look, its parts by name, and those that are not fine with the reason."""
    answer = administrator.get("/api/health?deep=1")
    if answer.code == "admin_only":
        raise Blocked("ADMIN_KEY is not an administrator's: make one on the account page, signed in as one")
    if answer.status not in (200, 503):
        raise Failed(f"ADMIN_KEY gives {answer.said}, expected 200")
    rows = {str(one["name"]): one for one in answer.json()["data"]["checks"]}
    return answer.status, rows, [f"{name} {one['reason']}" for name, one in rows.items() if not one["ok"]]
