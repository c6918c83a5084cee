"""What holds for every function: verbs, envelope, direct calls, and what a log line may never say."""

import json
import re
from io import BytesIO

import pytest
from PIL import Image

from enhancer.domain.errors import ProviderTimeout
from tests.support import aws, template
from tests.support.cookies import attributes
from tests.support.events import CONTEXT, Answer, Browser, http_event
from tests.support.images import png, size_of

ALLOW = {
    "/api/ai-image/generate": ("generate", "POST"),
    "/api/ai-image/usage": ("usage", "GET"),
    "/api/ai-image/models": ("usage", "GET"),
    "/api/ai-image/quote": ("usage", "POST"),
    "/api/ai-image/uploads": ("uploads", "POST"),
    "/api/ai-image/jobs": ("jobs", "GET, POST"),
    "/api/ai-image/jobs/job_x": ("jobs", "DELETE, GET"),
    "/api/ai-image/jobs/job_x/cancel": ("jobs", "POST"),
    "/api/ai-image/jobs/job_x/retry": ("jobs", "POST"),
    "/api/debug-login": ("debug_login", "POST"),
    "/api/provider-webhook/replicate/ref": ("provider_webhook", "POST"),
    "/api/auth/google/login": ("sign_in", "GET"),
    "/api/auth/github/callback": ("sign_in", "GET"),
    "/api/auth/github/link": ("sign_in", "POST"),
    "/api/auth/logout": ("sign_in", "POST"),
    "/api/auth/me": ("sign_in", "GET"),
    "/api/auth/keys": ("account", "GET, POST"),
    "/api/auth/keys/key_x": ("account", "DELETE"),
    "/api/account": ("account", "DELETE"),
    "/api/account/export": ("account", "GET"),
    "/api/admin/owners": ("admin", "GET"),
    "/api/admin/credits/grant": ("admin", "POST"),
    "/api/admin/plan": ("admin", "POST"),
    "/api/admin/block": ("admin", "POST"),
    "/api/admin/flags": ("admin", "GET, POST"),
    "/api/admin/flags/history": ("admin", "GET"),
    "/api/admin/flags/rollback": ("admin", "POST"),
    "/api/billing/prices": ("billing", "GET"),
    "/api/billing/credits": ("billing", "POST"),
    "/api/billing/session": ("billing", "POST"),
    "/api/billing/cancel": ("billing", "POST"),
    "/api/billing/portal": ("billing", "POST"),
    "/api/billing/subscription": ("billing", "GET"),
    "/api/billing/ledger": ("billing", "GET"),
    "/api/billing/sync": ("billing", "GET"),
    "/api/billing/stripe-webhook": ("stripe_webhook", "POST"),
    "/r2-ai/ai-enhancer/results/guest/x/0123456789abcdefghjkmnpqrs.png": ("results", "GET, HEAD"),
    "/api/health": ("health", "GET"),
    "/api/csp-report": ("web", "POST"),
    "/": ("web", "GET"),
}
VERBS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
REFUSED = [
    (path, verb) for path, (_, allow) in ALLOW.items() for verb in VERBS if verb not in allow.split(", ")
]


@pytest.mark.parametrize(("path", "verb"), REFUSED)
def test_another_verb_is_405_with_allow(apps, served, path, verb):
    """OPTIONS and HEAD included, in the envelope, for every path there is."""
    name, allow = ALLOW[path]
    answer = Answer(getattr(apps, name)(http_event(verb, path), CONTEXT))
    assert (answer.status, answer.headers["Allow"]) == (405, allow)
    assert answer.error["type"] == "method_not_allowed"


def test_every_route_of_the_template_is_covered_here():
    """A new route does not slip past this file."""
    paths = {
        event["Properties"]["Path"].partition("{")[0]
        for found in template.functions(template.load()).values()
        for event in found.get("Events", {}).values()
        if event["Type"] == "HttpApi" and "Path" in event["Properties"]
    }
    assert {path for path in paths if not any(known.startswith(path) for known in ALLOW)} == set()


@pytest.mark.parametrize(
    "name",
    [
        "generate", "usage", "uploads", "jobs", "results", "debug_login", "provider_webhook", "web", "billing",
        "stripe_webhook",
    ],
)  # fmt: skip
def test_an_unknown_path_is_404_in_the_envelope(apps, served, name):
    """Whatever the gateway sends here by mistake."""
    answer = Answer(getattr(apps, name)(http_event("GET", "/api/nowhere"), CONTEXT))
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("environment", ["testing", "staging", "production"])
def test_the_development_sign_in_is_404_elsewhere(apps, served, setting, environment):
    """Even if it were deployed by mistake, nobody gets a plan by hand."""
    setting(ENVIRONMENT=environment)
    answer = Browser().post_json(apps.debug_login, "/api/debug-login", {"plan": "enterprise"})
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert "session_id" not in answer.cookies


def test_the_development_sign_in_sets_a_session_out_of_reach_of_scripts(apps, served):
    """A session of thirty days, and the account behind it."""
    browser = Browser()
    answer = browser.post_json(apps.debug_login, "/api/debug-login", {"plan": "team", "role": "admin"})
    assert (answer.data["plan"], answer.data["role"]) == ("team", "admin")
    flags = ["HttpOnly", "Max-Age=2592000", "Path=/", "SameSite=Lax"]
    assert attributes(answer.cookies["session_id"]) == flags
    assert browser.send(apps.usage, "GET", "/api/ai-image/usage").data["plan"] == "team"


@pytest.mark.parametrize("cookie", ["x", "x" * 43, "../../", "null", "%00"])
def test_a_made_up_session_is_a_guest(apps, served, cookie):
    """No session, no plan."""
    browser = Browser(jar={"session_id": cookie})
    assert browser.send(apps.usage, "GET", "/api/ai-image/usage").data["ownerType"] == "guest"


def test_the_model_function_stores_an_enlarged_picture_and_describes_it(apps, served):
    """Called directly: size, type, bytes and seconds of what now lies at the target."""
    served.artifacts.put("ai-enhancer/uploads/guest/x/a.png", png(), "image/png")
    event = {
        "source": "ai-enhancer/uploads/guest/x/a.png", "target": "ai-enhancer/results/guest/x/b.webp", "scale": 4,
        "quality": "standard", "format": "webp",
    }  # fmt: skip
    answer = apps.upscale(event, CONTEXT)
    stored = served.artifacts.get(event["target"])
    assert size_of(stored) == (32, 24) == (answer["width"], answer["height"])
    assert (answer["bytes"], answer["contentType"]) == (len(stored), "image/webp")
    assert served.artifacts.head(event["target"]).content_type == "image/webp"
    assert b"digitalsourcetype/algorithmicallyEnhanced" in stored


@pytest.mark.parametrize(("model", "drawn"), [("local/photo", 0.5), ("local/real-esrgan", 0)])
def test_the_model_function_blends_a_compressed_photo_and_says_so(apps, served, logs, model, drawn):
    """It reads the strength of the compression from the original; who chose the model for drawings gets only that."""
    file = BytesIO()
    Image.effect_noise((16, 12), 60).convert("RGB").save(file, "JPEG", quality=60)
    served.artifacts.put("ai-enhancer/uploads/guest/x/a.jpg", file.getvalue(), "image/jpeg")
    event = {
        "source": "ai-enhancer/uploads/guest/x/a.jpg", "target": "ai-enhancer/results/guest/x/b.png", "scale": 2,
        "quality": "standard", "format": "png", "model": model,
    }  # fmt: skip
    assert apps.upscale(event, CONTEXT)["drawn"] == drawn
    (line,) = (one for one in logs.lines if one["message"] == "upscale")
    assert (line["jpegQuality"], line["drawn"]) == (60, drawn)


def test_the_sweep_function_gives_back_what_is_overdue(apps, served, logs):
    """Called by the clock: it says how many, also in the log."""
    caller = served.caller("pro")
    served.hold(served.job(caller))
    served.clock += 300_001
    nothing = dict.fromkeys(
        ("expired", "canceled", "started", "closed", "stopped", "woken", "removed", "purged", "broken"), 0
    )
    assert apps.sweep({}, CONTEXT) == nothing | {"expired": 1}
    assert apps.sweep({}, CONTEXT) == nothing
    assert [line["expired"] for line in logs.lines] == [1, 0]
    assert served.usage_and_balance(caller)[0] == 0


PROMPT, EMAIL, KEY = "MARKER-prompt with a castle", "marker.person@example.com", "MARKER-idempotency-key"


def scenario(apps, served):
    """Requests of every kind with marked values; returns everything that must never be logged."""
    guest, user = Browser(ip="2001:db8:aaaa::77"), Browser(ip="198.51.100.77")
    user.post_json(apps.debug_login, "/api/debug-login", {"email": EMAIL, "plan": "pro"})
    picture = png((16, 16), shade=77)
    key = {"idempotency-key": KEY, "user-agent": "marker", "authorization": "Bearer ek_live_MARKER"}
    guest.post_form(apps.generate, "/api/ai-image/generate", image=picture, headers=key)
    url = user.post_form(apps.generate, "/api/ai-image/generate", {"scale": "4"}, image=picture).data[
        "imageUrl"
    ]
    user.send(apps.results, "GET", url, query="download=1&token=MARKER-query")
    guest.send(apps.results, "GET", url)
    user.post_form(apps.generate, "/api/ai-image/generate", {"prompt": PROMPT}, image=picture)
    user.post_form(
        apps.generate, "/api/ai-image/generate", {"model": f"x\n{PROMPT}", "scale": "nine"}, image=picture
    )
    served.predictor.script = [ProviderTimeout(), RuntimeError("bug")]
    for shade in (5, 6):
        user.post_form(apps.generate, "/api/ai-image/generate", image=png(shade=shade))
    user.post_json(apps.usage, "/api/ai-image/quote", {"prompt": PROMPT, "model": "sd15"})
    user.post_json(apps.uploads, "/api/ai-image/uploads", {"contentType": "image/png", "size": 5})
    guest.send(
        apps.web, "POST", "/api/csp-report", body='{"csp-report":{"blocked-uri":"https://x/?token=MARKER"}}'
    )
    body = http_event("POST", "/x", body=picture)["body"]
    tokens = [*guest.jar.values(), *user.jar.values(), aws.SIGNING_KEY.decode()]
    return [PROMPT, EMAIL, KEY, "MARKER", guest.ip, user.ip, body[:40], "iVBORw0KGgo", *tokens]


def test_no_log_line_says_what_is_private(apps, served, logs):
    """No token, cookie, key, prompt, e-mail, address, query or picture byte is ever written."""
    secrets = scenario(apps, served)
    assert len(logs.lines) >= 12
    for secret in secrets:
        assert secret not in logs.text, secret
    assert not re.search(r"[A-Za-z0-9+/]{120,}", logs.text)


def test_every_request_is_one_json_line_with_its_id(apps, served, logs):
    """One object per request: id, verb, path, status and time; the job's id where there is one."""
    browser = Browser(ip="198.51.100.78")
    answer = browser.post_form(apps.generate, "/api/ai-image/generate", image=png(shade=33))
    browser.send(apps.usage, "GET", "/api/ai-image/usage", request_id="request-2")
    browser.send(apps.usage, "GET", "/no\nwhere", request_id="request-3")
    first, second, third = (line for line in logs.lines if line["message"] == "request")
    assert {name: first[name] for name in ("requestId", "method", "path", "status", "jobId", "model")} == {
        "requestId": "request-1", "method": "POST", "path": "/api/ai-image/generate", "status": 200,
        "jobId": answer.data["jobId"], "model": "local/photo",
    }  # fmt: skip
    assert (second["requestId"], second["status"], "jobId" in second) == ("request-2", 200, False)
    assert (third["requestId"], third["status"], third["path"]) == ("request-3", 404, "/no\nwhere")
    assert all(isinstance(json.loads(line), dict) for line in logs.text.splitlines())
