"""GET usage, GET models, POST quote: what a caller has left, may use and would pay."""

from dataclasses import replace

import pytest

from enhancer import runtime
from enhancer.adapters.dynamodb.keys import network_usage
from enhancer.domain.callers import Caller
from enhancer.domain.cohorts import EVERYBODY
from enhancer.domain.models import CATALOGUE
from enhancer.domain.owners import Owner
from enhancer.domain.periods import day_of
from enhancer.domain.plans import PLANS, network_images_per_day
from tests.support.events import Browser
from tests.support.world import at

USAGE, MODELS, QUOTE = (f"/api/ai-image/{name}" for name in ("usage", "models", "quote"))


@pytest.fixture
def browser(served):
    """A browser in a network of its own."""
    return Browser(ip=f"2001:db8:{served.random.randrange(65536):x}:{served.random.randrange(65536):x}::1")


def signed_in(apps, browser, plan):
    """Sign in with a plan; return the caller that this browser now is."""
    user = browser.post_json(apps.debug_login, "/api/debug-login", {"plan": plan}).data["userId"]
    return Caller(Owner("user", user), PLANS[plan], "user", "net", None, access=EVERYBODY)


def test_a_new_guest_sees_what_a_guest_has(apps, browser, served):
    """Every field of the contract, with the exact ends of day and month."""
    answer = browser.send(apps.usage, "GET", USAGE)
    assert answer.data == {
        "ownerType": "guest",
        "plan": "guest",
        "usage": {"used": 0, "limit": 3, "remaining": 3, "resetAt": at("2026-11-21 00:00:00")},
        "monthlyUsage": {"used": 0.0, "limit": 30.0, "remaining": 30.0, "resetAt": at("2026-12-01 00:00:00")},
        "credits": {
            "available": 0.0, "held": 0.0, "expiringNext": None, "debt": 0.0, "blocked": False,
        },
        "creditsBalanceTenths": 0,
        "entitlements": {
            "monthlyImages": 30, "monthlyCredits": 30, "dailyBurstCap": 3, "maxUpscale": 2, "faceEnhance": False,
            "maxInputMegapixels": 16, "jobsAtOnce": 1,
        },
        "limits": {"user": 20, "guest": 3},
        "access": {
            "phase": "open", "cohort": "C3", "admitted": True, "needs": None, "upgradeUrl": None, "paused": False,
        },
        "features": {"planGating": True, "creditsCta": True},
    }  # fmt: skip
    headers = {name: answer.headers[name] for name in ("X-Usage-OwnerType", "X-Usage-Plan", "X-Usage-Limit")}
    assert headers == {"X-Usage-OwnerType": "guest", "X-Usage-Plan": "guest", "X-Usage-Limit": "3"}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("plan", ["free", "pro", "premium", "team", "enterprise"])
def test_a_user_sees_the_limits_of_their_plan(apps, browser, plan):
    """What is shown is what is enforced: both come from the price list."""
    signed_in(apps, browser, plan)
    answer = browser.send(apps.usage, "GET", USAGE)
    found, shown = PLANS[plan], answer.data
    assert (shown["ownerType"], shown["plan"]) == ("user", plan)
    assert (shown["usage"]["limit"], shown["monthlyUsage"]["limit"]) == (
        found.images_per_day,
        found.credits_per_month,
    )
    assert shown["entitlements"]["maxUpscale"] == found.scale_max
    assert answer.headers["X-Usage-Limit"] == str(found.images_per_day)


def test_held_and_bought_credits_are_shown_apart(apps, browser, served):
    """Work under way is used already; what it holds is not available."""
    caller = signed_in(apps, browser, "pro")
    served.grant(caller, 105)
    served.hold(served.job(caller, [(25, 40)]))
    shown = browser.send(apps.usage, "GET", USAGE).data
    expires = {"credits": 6.5, "at": at("2027-06-03 12:00:00")}
    wanted = {"available": 6.5, "held": 4.0, "expiringNext": expires, "debt": 0.0, "blocked": False}
    assert (shown["credits"], shown["creditsBalanceTenths"]) == (wanted, 65)
    assert (shown["usage"]["used"], shown["monthlyUsage"]["used"], shown["monthlyUsage"]["remaining"]) == (
        1,
        2.5,
        297.5,
    )


def test_after_a_downgrade_nothing_is_left_and_never_less(apps, browser, served):
    """More used than the smaller plan has: remaining is zero."""
    caller = signed_in(apps, browser, "pro")
    served.hold(served.job(caller, [(500, 0)] * 4))
    served.accounts.open(caller.owner, plan="free", role="user", email=None, now=served.clock)
    shown = browser.send(apps.usage, "GET", USAGE).data
    assert (shown["usage"]["remaining"], shown["monthlyUsage"]["remaining"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("plan", "scales", "required"),
    [
        ("guest", [2], "pro"),
        ("pro", [2, 4], "premium"),
        ("team", [2, 4, 6], "enterprise"),
        ("enterprise", [2, 4, 6, 8], None),
    ],
)
def test_the_catalogue_shows_what_this_caller_may_do(apps, browser, plan, scales, required):
    """Allowed scales by plan, and the plan that unlocks the next one."""
    if plan != "guest":
        signed_in(apps, browser, plan)
    models = browser.send(apps.usage, "GET", MODELS).data
    assert models["defaultModel"] == "local/photo"
    assert [model["slug"] for model in models["models"]] == [model.slug for model in CATALOGUE]
    local = models["models"][0]
    assert (local["allowedScales"], local["requiredPlan"], local["available"], local["price"]) == (
        scales, required, True, 1.0,
    )  # fmt: skip


def test_a_switched_off_provider_is_shown_with_its_reason(apps, browser):
    """What cannot run here is listed, locked, and says why."""
    models = browser.send(apps.usage, "GET", MODELS).data["models"]
    off = [model for model in models if model["provider"] != "embedded"]
    assert len(off) == 6
    for model in off:
        assert (model["available"], model["reason"], model["allowedScales"], model["faceAllowed"]) == (
            False, "provider_disabled", [], False,
        )  # fmt: skip


@pytest.mark.parametrize(
    ("order", "total"),
    [
        ({}, 1.0),
        ({"scale": 2, "quality": "pro"}, 2.0),
        ({"scale": 4}, 2.0),
        ({"scale": 4, "quality": "pro"}, 4.0),
    ],
)
def test_a_quote_is_the_price_that_generate_takes(apps, browser, order, total):
    """The price list, through the same rules."""
    signed_in(apps, browser, "pro")
    quote = browser.post_json(apps.usage, QUOTE, order).data
    assert quote["price"] == {"total": total, "planPortion": total, "creditsPortion": 0.0}
    assert (quote["refusal"], quote["model"], quote["scale"]) == (
        None,
        "local/real-esrgan" if "quality" in order else "local/photo",
        order.get("scale", 2),
    )


def test_a_quote_splits_between_plan_and_credits(apps, browser, served):
    """As a run would: the month first, then what was bought."""
    caller = signed_in(apps, browser, "pro")
    served.grant(caller, 100)
    served.hold(served.job(caller, [(2995, 0)]))
    quote = browser.post_json(apps.usage, QUOTE, {}).data
    assert quote["price"] == {"total": 1.0, "planPortion": 0.5, "creditsPortion": 0.5}


@pytest.mark.parametrize(
    ("order", "code", "status"),
    [
        ({"model": "real-esrgan"}, "provider_disabled", 403), ({"scale": 8}, "plan_required", 403),
        ({"width": 6000, "height": 4000}, "too_many_pixels", 413),
        ({"quality": "pro", "width": 1000, "height": 1000}, "needs_job", 400),
    ],
)  # fmt: skip
def test_a_quote_tells_what_would_refuse_the_run(apps, browser, order, code, status):
    """As a refusal inside a good answer, with the status and the text it would have."""
    refusal = browser.post_json(apps.usage, QUOTE, order).data["refusal"]
    assert (refusal["code"], refusal["status"]) == (code, status)
    assert refusal["message"].endswith(".")


def test_a_quote_knows_the_day_cap_and_missing_credits(apps, browser, served):
    """Both limits of the moment are told before anything is uploaded."""
    caller = signed_in(apps, browser, "free")
    served.hold(served.job(caller, [(PLANS["free"].quota_tenths, 0)]), plan="free")
    refusal = browser.post_json(apps.usage, QUOTE, {}).data["refusal"]
    assert (refusal["code"], refusal["details"]["required"], refusal["details"]["available"]) == (
        "INSUFFICIENT_CREDITS", 1.0, 0.0,
    )  # fmt: skip
    served.grant(caller, 100)
    for _ in range(2):
        served.hold(served.job(caller, [(0, 10)]), plan="free")
    refusal = browser.post_json(apps.usage, QUOTE, {}).data["refusal"]
    assert (refusal["code"], refusal["status"]) == ("daily_quota_exceeded", 429)


def test_a_quote_holds_and_stores_nothing(apps, browser, served):
    """Asking costs nothing."""
    for _ in range(5):
        browser.post_json(apps.usage, QUOTE, {"scale": 2, "width": 100, "height": 100})
    assert browser.send(apps.usage, "GET", USAGE).data["usage"]["used"] == 0


@pytest.mark.parametrize(
    "order",
    [{"scale": 3}, {"model": "x"}, {"prompt": "p"}, {"width": 0}, {"height": 1_000_001}, {"image": "x"}],
)
def test_a_quote_for_what_cannot_be_is_a_400(apps, browser, order):
    """What no plan could buy is no quote."""
    assert browser.post_json(apps.usage, QUOTE, order).status == 400


def test_a_text_body_is_415_with_what_is_taken(apps, browser):
    """The answer names both types."""
    answer = browser.send(apps.usage, "POST", QUOTE, body="x=1", headers={"content-type": "text/plain"})
    assert (answer.status, answer.error["code"]) == (415, "content_type_unsupported")
    assert answer.error["details"] == {"expected": ["multipart/form-data", "application/json"]}


def test_usage_explains_itself_outside_production_only(apps, browser, served, monkeypatch):
    """?debug=1 shows owner and network to a developer, and to nobody in production."""
    asked = {"query": "debug=1"}
    assert "X-Debug-Owner" in browser.send(apps.usage, "GET", USAGE, **asked).headers
    assert "X-Debug-Owner" not in browser.send(apps.usage, "GET", USAGE).headers
    settings = replace(runtime.settings(), environment="production")
    monkeypatch.setattr(runtime, "settings", lambda: settings)
    assert "X-Debug-Owner" not in browser.send(apps.usage, "GET", USAGE, **asked).headers


def test_quote_tells_a_guest_that_the_network_is_used_up(apps, browser, served):
    """A fresh cookie does not promise what the network's cap will refuse."""
    browser.send(apps.usage, "GET", USAGE)
    network = browser.send(apps.usage, "GET", USAGE, query="debug=1").headers["X-Debug-Network"]
    served.table.put(
        {**network_usage(network, day_of(runtime.now())), "used": network_images_per_day(PLANS["guest"])}
    )
    refusal = browser.post_json(apps.usage, QUOTE, {}).data["refusal"]
    assert (refusal["code"], refusal["status"]) == ("network_quota_exceeded", 429)


@pytest.mark.parametrize("path", ["/api/ai-image/usage", "/api/ai-image/models"])
def test_the_clock_is_read_once_for_a_request(apps, served, monkeypatch, path):
    """Day and month of an answer never differ by a midnight in between."""
    read: list[int] = []
    monkeypatch.setattr(runtime, "now", lambda: read.append(served.clock) or served.clock)
    assert Browser().send(apps.usage, "GET", path).status == 200
    assert len(read) == 1


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("scale", "two", "int_type"), ("scale", False, "int_type"), ("scale", 2.5, "int_type"),
        ("face_enhance", "perhaps", "bool_type"),
        ("face_enhance", 1, "bool_type"), ("width", True, "int_type"), ("strength", "0.5.1", "float_type"),
        ("quality", ["pro"], "literal_error"), ("model", 7, "string_type"), ("steps", "x" * 5_000, "int_type"),
    ],
)  # fmt: skip
def test_what_is_not_of_its_type_is_refused_by_name(apps, browser, field, value, problem):
    """True is no number, and one is not true."""
    answer = browser.post_json(apps.usage, QUOTE, {field: value})
    assert answer.status == 400
    assert [(one["field"], one["problem"]) for one in answer.error["details"]["fields"]] == [(field, problem)]


def test_a_form_may_have_texts_for_its_numbers_also_as_json(apps, browser):
    """A form has texts alone, and programs send the same fields as JSON, which has one kind of number."""
    assert browser.post_json(apps.usage, QUOTE, {"scale": 2.0}).data["scale"] == 2
    assert browser.post_json(apps.usage, QUOTE, {"scale": "2", "face_enhance": "no"}).data["scale"] == 2
    asked = {"scale": "2", "face_enhance": "no", "width": "640", "height": "480"}
    assert browser.post_form(apps.usage, QUOTE, asked).data["scale"] == 2
    refused = browser.post_form(apps.usage, QUOTE, {"scale": "two", "face_enhance": "maybe"})
    assert [(one["field"], one["problem"]) for one in refused.error["details"]["fields"]] == [
        ("scale", "int_type"),
        ("face_enhance", "bool_type"),
    ]
