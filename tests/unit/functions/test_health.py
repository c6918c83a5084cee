"""The health check: cheap for everybody; deep for administrators, by session or by key, and for nobody else."""

import json
import subprocess
import sys
import time

import pytest

from enhancer import runtime
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.health import PartFailed
from enhancer.domain.owners import Owner
from enhancer.operations import health
from tests.support.aws import ENVIRONMENT, PROVIDERS, STRIPE
from tests.support.events import CONTEXT, Answer, Browser, http_event
from tests.support.scripted_server import hangs, says, serve
from tests.support.template import ROOT

DEEP = {"query": "deep=1"}
SECRETS = ("sk_test_hunter2", "r8_hunter2", "cf_hunter2", "account-hunter2")


@pytest.fixture
def parts(monkeypatch):
    """The checks of this test: all fine, until it says otherwise."""
    checks = dict.fromkeys(("table", "bucket", "stripe"), lambda: None)
    monkeypatch.setattr(runtime, "health_checks", lambda: checks)
    return checks


def member(apps, role):
    browser = Browser(ip="198.51.100.31")
    found = browser.post_json(apps.debug_login, "/api/debug-login", {"plan": "pro", "role": role})
    return browser, Owner("user", found.data["userId"])


def by_key(apps, served, owner, *scopes, query="deep=1"):
    """Ask with a key of an account."""
    secret = f"ek_test_{owner.id}"
    runtime.api_keys().create(owner, ApiKey("key_x", "ci", scopes, served.clock, "xxxx"), secret)
    headers = {"authorization": f"Bearer {secret}"}
    return Answer(apps.health(http_event("GET", "/api/health", headers=headers, query=query), CONTEXT))


def refusal(answer):
    return answer.status, answer.error["code"]


def fails(reason):
    def check():
        raise PartFailed(reason)

    return check


def test_the_cheap_form_says_that_we_are_up_and_nothing_else(apps, served):
    """For everybody; it writes nothing, counts nothing and asks nobody."""
    before = served.records()
    answer = Browser().send(apps.health, "GET", "/api/health")
    assert answer.json == {"success": True, "data": {"status": "ok", "checks": []}}
    assert (answer.status, answer.headers["Cache-Control"], answer.cookies) == (200, "no-store", {})
    assert served.records() == before


def test_the_cheap_form_loads_no_http_client():
    """A cold start of the check that everybody may call pays for nothing that the deep one needs."""
    script = (
        "import sys\nfrom functions.health import app\n"
        "event = {'version': '2.0', 'rawPath': '/api/health', 'rawQueryString': '', 'headers': {'host': 'x'},"
        " 'routeKey': 'x', 'isBase64Encoded': False, 'requestContext': {'requestId': 'r', 'stage': '$default',"
        " 'http': {'method': 'GET', 'path': '/api/health', 'sourceIp': '192.0.2.1'}}}\n"
        "assert app.lambda_handler(event, None)['statusCode'] == 200\n"
        "print(sorted({'requests', 'httpx', 'stripe', 'replicate', 'enhancer.operations.health',"
        " 'enhancer.adapters.aws.probes', 'enhancer.adapters.http.probe'} & set(sys.modules)))"
    )
    env = {**ENVIRONMENT, "PYTHONPATH": f"{ROOT}:{ROOT}/layers/common", "PATH": "/usr/bin"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr


@pytest.mark.parametrize("scopes", [("read",), ("read", "generate", "billing")])
def test_an_administrators_key_sees_every_part(apps, served, parts, scopes):
    """Each with whether it is fine, how long it took, and why not."""
    _, owner = member(apps, "admin")
    answer = by_key(apps, served, owner, *scopes)
    assert (answer.status, answer.data["status"]) == (200, "ok")
    assert [(one["name"], one["ok"], one["reason"]) for one in answer.data["checks"]] == [
        ("table", True, None), ("bucket", True, None), ("stripe", True, None),
    ]  # fmt: skip
    assert all(one.keys() == {"name", "ok", "ms", "reason"} for one in answer.data["checks"])


def test_a_part_that_is_not_fine_is_503_with_the_same_body(apps, served, parts):
    """What is off on purpose is fine."""
    parts |= {"bucket": fails("refused"), "stripe": fails("off")}
    browser, _ = member(apps, "admin")
    answer = browser.send(apps.health, "GET", "/api/health", **DEEP)
    assert (answer.status, answer.json["success"], answer.json["data"]["status"]) == (503, False, "failing")
    assert [(one["name"], one["ok"], one["reason"]) for one in answer.json["data"]["checks"]] == [
        ("table", True, None), ("bucket", False, "refused"), ("stripe", True, "off"),
    ]  # fmt: skip


def test_nobody_else_gets_a_deep_look(apps, served, parts):
    """Nothing is asked for a guest, a user, a user's key, a key without the scope, or a blocked administrator."""
    asked = []
    parts["table"] = lambda: asked.append(1)
    user, owner = member(apps, "user")
    _, boss = member(apps, "admin")
    blocked_browser, blocked = member(apps, "admin")
    runtime.accounts().change(blocked, "blocked", True, audit=_audit(), now=served.clock)
    assert refusal(Browser().send(apps.health, "GET", "/api/health", **DEEP)) == (401, "sign_in_required")
    assert refusal(user.send(apps.health, "GET", "/api/health", **DEEP)) == (403, "admin_only")
    assert refusal(by_key(apps, served, owner, "read")) == (403, "admin_only")
    assert refusal(by_key(apps, served, boss, "generate")) == (403, "scope_missing")
    assert refusal(blocked_browser.send(apps.health, "GET", "/api/health", **DEEP)) == (403, "owner_blocked")
    assert refusal(by_key(apps, served, blocked, "read")) == (403, "owner_blocked")
    assert asked == []


def _audit():
    return {"id": "act_x", "action": "block", "actor": "x", "reason": "x", "value": True}


def test_a_made_up_key_is_401(apps, served, parts):
    """Before any part is asked."""
    headers = {"authorization": "Bearer ek_test_nobody"}
    answer = Answer(apps.health(http_event("GET", "/api/health", headers=headers, **DEEP), CONTEXT))
    assert refusal(answer) == (401, "invalid_api_key")


def test_deep_looks_are_limited_so_that_nobody_beats_providers_with_them(apps, served, parts):
    """Ten a minute of an administrator, however many keys; the cheap form goes on."""
    browser, owner = member(apps, "admin")
    answers = [browser.send(apps.health, "GET", "/api/health", **DEEP).status for _ in range(11)]
    assert answers == [200] * 10 + [429]
    limited = by_key(apps, served, owner, "read")
    assert (limited.status, limited.json["retryAfter"]) == (429, int(limited.headers["Retry-After"]))
    assert browser.send(apps.health, "GET", "/api/health").status == 200


def test_guests_who_ask_for_a_deep_look_are_limited_by_network(apps, served, parts):
    """Dropping cookies buys nothing."""
    statuses = [Browser().send(apps.health, "GET", "/api/health", **DEEP).status for _ in range(11)]
    assert statuses == [401] * 10 + [429]


@pytest.mark.parametrize("deep", ["2", "yes", ""])
def test_another_depth_is_400(apps, served, parts, deep):
    """0 or 1."""
    answer = Browser().send(apps.health, "GET", "/api/health", query=f"deep={deep}")
    assert refusal(answer) == (400, "invalid_fields")


def test_a_key_is_an_administrators_nowhere_but_here():
    """The one property that lets a key of an administrator through is used by one function."""
    users = [
        path.parent.name
        for path in (ROOT / "functions").glob("*/app.py")
        if ".operator" in path.read_text("utf-8")
    ]
    inside = [
        path.name for path in (ROOT / "layers/common").rglob("*.py") if ".operator" in path.read_text("utf-8")
    ]
    assert (users, inside) == (["health"], [])


# ------------------------------------------------------------------------------------------ the real checks


@pytest.fixture
def outside(served, setting):
    """All providers and Stripe on one scripted server, each with a token of its own."""
    with serve() as script:
        setting(
            STRIPE_BASE_URL=script.url,
            REPLICATE_BASE_URL=script.url,
            WORKERS_AI_BASE_URL=f"{script.url}/client/v4",
            WORKERS_AI_ENABLED="1",
        )
        tokens = {"replicate": "r8_hunter2", "workersAi": "cf_hunter2", "workersAiAccount": "account-hunter2"}
        served.secrets.store(PROVIDERS, tokens)
        served.secrets.store(STRIPE, {"secretKey": "sk_test_hunter2"})
        script.on("GET /", says(200, {"fine": True}))
        yield script


def asked_outside(names=("replicate", "workersAi", "stripe")):
    checks = runtime.health_checks()
    return {
        one.name: one.reason for one in health.check_all({name: checks[name] for name in names}, seconds=30)
    }


def test_each_outside_part_is_asked_once_with_its_own_token(outside):
    """A cheap read that needs the right that runs and payments need."""
    assert asked_outside() == {"replicate": None, "workersAi": None, "stripe": None}
    seen = {one.path: one.headers["authorization"] for one in outside.asked}
    assert seen == {
        "/v1/account": "Bearer r8_hunter2",
        "/client/v4/accounts/account-hunter2/ai/models/search?per_page=1": "Bearer cf_hunter2",
        "/v1/checkout/sessions?limit=1": "Bearer sk_test_hunter2",
    }
    assert {one.method for one in outside.asked} == {"GET"}


def test_what_has_no_token_is_off(outside, served):
    """As for runs: a provider without its token is switched off, and so is selling without a key."""
    served.secrets.store(PROVIDERS, {})
    served.secrets.store(STRIPE, {})
    assert asked_outside() == {"replicate": "off", "workersAi": "off", "stripe": "off"}
    assert outside.asked == []


def test_a_refused_token_and_a_silent_provider_fail_alone(apps, outside, monkeypatch, logs):
    """And no answer or log line shows a token, an account or an address."""
    monkeypatch.setattr(runtime, "PROBE_SECONDS", 0.3)
    outside.on("GET /v1/account", hangs(1))
    outside.on("GET /client", says(401, {"errors": [{"message": "Bearer cf_hunter2 is wrong"}]}))
    every = runtime.health_checks()
    mine = {name: every[name] for name in ("replicate", "workersAi", "stripe")}
    monkeypatch.setattr(runtime, "health_checks", lambda: mine)
    browser, _ = member(apps, "admin")
    started = time.monotonic()
    answer = browser.send(apps.health, "GET", "/api/health", **DEEP)
    assert time.monotonic() - started < 60
    found = {one["name"]: one["reason"] for one in answer.json["data"]["checks"]}
    assert found == {"replicate": "timeout", "workersAi": "refused", "stripe": None}
    shown = json.dumps(answer.json) + logs.text
    assert [word for word in (*SECRETS, outside.url) if word in shown] == []
