"""Buying, subscribing, leaving: what the handlers answer, and who may."""

import pytest

from enhancer import runtime
from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.api_keys import ApiKey
from enhancer.domain.errors import CheckoutUnderWay, StripeUnavailable
from enhancer.domain.owners import Owner
from tests.support import aws
from tests.support.events import CONTEXT, Answer, Browser, http_event
from tests.support.world import at

BILLING = "/api/billing"
PACK, PLAN = {"pack": 500}, {"plan": "pro", "interval": "monthly"}
POSTS = [("credits", PACK), ("session", PLAN), ("cancel", {}), ("portal", {})]
GETS = ["subscription", "ledger", "sync?session_id=cs_1"]


def refusal(answer):
    return answer.status, answer.error["code"]


@pytest.fixture
def browser(apps, served):
    """A browser that is signed in, with the owner it is signed in as."""
    made = Browser(ip="198.51.100.40")
    made.owner = Owner("user", sign_in(apps, made))
    return made


def sign_in(apps, browser):
    found = browser.post_json(apps.debug_login, "/api/debug-login", {"email": "ada@example.com"})
    return found.data["userId"]


@pytest.fixture
def account(served, browser):
    """Whose browser it is."""
    return served.accounts.get(browser.owner)


def post(apps, browser, path, body, **headers):
    return browser.post_json(apps.billing, f"{BILLING}/{path}", body, headers=headers)


def get(apps, browser, path, **headers):
    place, _, query = path.partition("?")
    return browser.send(apps.billing, "GET", f"{BILLING}/{place}", query=query, headers=headers)


def shown(apps, browser):
    return get(apps, browser, "subscription").data


# ------------------------------------------------------------------------------------------- prices


def test_the_price_list_is_for_everybody(apps, served):
    """Every plan that a user can have, every pack, in cents; a year costs ten months."""
    found = get(apps, Browser(), "prices").data
    assert [one["plan"] for one in found["plans"]] == ["free", "pro", "premium", "team", "enterprise"]
    free, pro = found["plans"][:2]
    assert (free["monthly"], free["annual"]) == ({"amount": 0, "currency": "usd", "available": True}, None)
    assert pro == {
        "plan": "pro", "creditsPerMonth": 300, "imagesPerDay": 30, "maxUpscale": 4, "faceEnhance": True,
        "maxInputMegapixels": 32, "jobsAtOnce": 3,
        "monthly": {"amount": 1200, "currency": "usd", "available": True},
        "annual": {"amount": 12000, "currency": "usd", "available": True},
    }  # fmt: skip
    assert [(one["pack"], one["amount"], one["currency"], one["available"]) for one in found["packs"]] == [
        (100, 1000, "usd", True), (500, 4000, "usd", True), (1000, 7000, "usd", True), (1500, 9500, "usd", True),
    ]  # fmt: skip
    assert (found["expiry"], found["graceDays"], found["testMode"]) == ({"months": 6, "days": 14}, 7, True)


def test_what_has_no_price_at_stripe_is_shown_and_cannot_be_bought(apps, served, setting):
    """Left out of a table means not on sale here."""
    setting(CREDITS_PRICING_TABLE='{"100": "price_a"}', PRICING_TABLE_ANNUAL="{}")
    runtime.prices.cache_clear()
    found = get(apps, Browser(), "prices").data
    runtime.prices.cache_clear()
    assert [one["available"] for one in found["packs"]] == [True, False, False, False]
    assert {one["annual"]["available"] for one in found["plans"][1:]} == {False}
    assert {one["monthly"]["available"] for one in found["plans"]} == {True}


@pytest.fixture
def keyless(served, monkeypatch):
    """There is no key for Stripe."""
    monkeypatch.setattr(runtime, "payments", lambda: Payments(lambda fresh: "", "http://127.0.0.1:9"))
    monkeypatch.setattr(runtime, "stripe_secret", lambda **_: {})


def test_without_a_key_the_price_list_is_still_shown(apps, keyless):
    """Nothing is available but the free plan."""
    found = get(apps, Browser(), "prices").data
    assert {one["available"] for one in found["packs"]} == {False}
    assert [one["monthly"]["available"] for one in found["plans"]] == [True, False, False, False, False]
    assert found["testMode"] is False


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_without_a_key_nothing_is_bought(apps, keyless, browser, path, body):
    """503, and the reason."""
    assert refusal(post(apps, browser, path, body)) == (503, "stripe_not_configured")


# ------------------------------------------------------------------------------------------- buying


def test_buying_leads_to_a_checkout_that_comes_back_here(apps, served, browser, account):
    """The address in the envelope and beside it; Stripe is told language, owner and where to return to."""
    body = PACK | {"returnTo": "/de/pricing?x=1#packs"}
    answer = post(apps, browser, "credits", body, **{"accept-language": "de-AT,en;q=0.5"})
    assert (answer.status, answer.json["url"], answer.headers["Cache-Control"]) == (
        200,
        answer.data["url"],
        "no-store",
    )
    order = next(asked for asked, _ in served.cashier.kept.values() if not isinstance(asked, tuple))
    assert (order.mode, order.price, order.locale) == ("payment", "price_pack_500", "de")
    assert order.success_url == f"{aws.ORIGIN}{BILLING}/sync?session_id={{CHECKOUT_SESSION_ID}}"
    assert order.cancel_url == f"{aws.ORIGIN}/de/pricing?x=1&checkout=canceled#packs"
    assert order.metadata == {"pack": "500", "owner": account.owner.id, "returnTo": "/de/pricing?x=1#packs"}


def test_subscribing_leads_to_a_checkout(apps, served, browser):
    """Plan and interval decide the price."""
    answer = post(apps, browser, "session", PLAN | {"interval": "annual"})
    assert answer.json["url"] == answer.data["url"]
    assert list(served.cashier.prices_of.values()) == ["price_pro_annual"]


def test_the_same_key_is_the_same_checkout_and_another_order_is_422(apps, served, browser):
    """A click that is repeated opens nothing twice."""
    key = {"idempotency-key": "click-1"}
    urls = {post(apps, browser, "credits", PACK, **key).json["url"] for _ in range(3)}
    assert (len(urls), len(served.cashier.sessions)) == (1, 1)
    assert refusal(post(apps, browser, "credits", {"pack": 100}, **key)) == (422, "idempotency_mismatch")
    assert refusal(post(apps, browser, "session", PLAN, **key)) == (422, "idempotency_mismatch")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("credits", {"pack": 250}, "pack_not_configured"),
        ("credits", {"pack": "500"}, "invalid_fields"),
        ("credits", {"pack": -500}, "invalid_fields"),
        ("credits", {"pack": True}, "invalid_fields"),
        ("credits", {}, "invalid_fields"),
        ("credits", PACK | {"price": "price_cheap"}, "invalid_fields"),
        ("credits", PACK | {"returnTo": "https://evil.example/"}, "return_to_invalid"),
        ("credits", PACK | {"returnTo": "//evil.example"}, "return_to_invalid"),
        ("credits", PACK | {"returnTo": "/api/auth/logout"}, "return_to_invalid"),
        ("credits", PACK | {"returnTo": "/" + "x" * 600}, "invalid_fields"),
        ("session", PLAN | {"plan": "gold"}, "plan_not_configured"),
        ("session", PLAN | {"plan": "free"}, "plan_not_configured"),
        ("session", PLAN | {"interval": "weekly"}, "invalid_fields"),
        ("session", {"plan": "pro"}, "invalid_fields"),
        ("portal", {"returnTo": 7}, "invalid_fields"),
    ],
)
def test_what_is_not_sold_or_not_ours_is_400(apps, served, browser, path, body, code):
    """And nothing was opened at Stripe."""
    assert refusal(post(apps, browser, path, body)) == (400, code)
    assert served.cashier.sessions == {}


@pytest.mark.parametrize("key", ["", "x" * 129, "tab\there", "ümlaut"])
def test_a_key_that_cannot_be_one_is_400(apps, served, browser, key):
    """1 to 128 visible ASCII characters."""
    found = post(apps, browser, "credits", PACK, **{"idempotency-key": key})
    assert refusal(found) == (400, "invalid_idempotency_key")


def test_while_stripe_is_down_nothing_is_bought_and_the_same_click_works_later(apps, served, browser):
    """503; the key does not keep the failure."""
    key = {"idempotency-key": "click-1"}
    served.cashier.problem = StripeUnavailable()
    for path, body in (("credits", PACK), ("credits", PACK)):
        assert refusal(post(apps, browser, path, body, **key)) == (503, "stripe_unavailable")
    served.cashier.problem = None
    assert post(apps, browser, "credits", PACK, **key).status == 200


def test_two_clicks_at_the_same_time_are_told_apart(apps, served, browser):
    """409: somebody is at it this very moment."""
    served.cashier.problem = CheckoutUnderWay()
    assert refusal(post(apps, browser, "credits", PACK)) == (409, "checkout_under_way")


def test_a_second_subscription_is_409_and_points_to_the_portal(apps, served, browser, account):
    """What there is is changed, not bought again."""
    served.subscribed(account)
    served.told()
    answer = post(apps, browser, "session", PLAN | {"plan": "team"})
    assert refusal(answer) == (409, "subscription_exists")
    assert answer.error["details"] == {"plan": "pro", "portal": "/api/billing/portal"}


def test_sensitive_calls_are_twenty_an_hour_together(apps, served, browser):
    """Checkouts and cancelling; the rest is not counted with them."""
    for _ in range(20):
        assert refusal(post(apps, browser, "cancel", {})) == (409, "no_subscription")
        served.clock += 3000
    answer = post(apps, browser, "credits", PACK)
    assert refusal(answer) == (429, "rate_limited")
    assert answer.headers["RateLimit-Policy"] == '"sensitive";q=20;w=3600'
    assert int(answer.headers["Retry-After"]) == answer.json["retryAfter"]
    assert get(apps, browser, "subscription").status == 200


# ----------------------------------------------------------------------------------------- who may


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_a_guest_buys_nothing(apps, served, path, body):
    """401 on everything but the price list."""
    assert refusal(post(apps, Browser(), path, body)) == (401, "sign_in_required")


@pytest.mark.parametrize("path", GETS)
def test_a_guest_has_nothing_to_look_at(apps, served, path):
    """401 on everything but the price list."""
    assert refusal(get(apps, Browser(), path)) == (401, "sign_in_required")


@pytest.mark.parametrize(("path", "body"), POSTS)
def test_another_page_cannot_buy_for_somebody(apps, served, browser, path, body):
    """Token and origin are asked for before anything else."""
    assert refusal(post(apps, browser, path, body, **{"x-csrf-token": "x"})) == (403, "csrf_token_invalid")
    assert refusal(post(apps, browser, path, body, origin="https://evil.example")) == (
        403,
        "origin_not_allowed",
    )


def with_key(apps, account, scopes, method, path, body=None):
    secret = f"ek_test_{'_'.join(scopes)}"
    runtime.api_keys().create(account.owner, ApiKey(f"key_{secret}", "ci", scopes, 0, "xxxx"), secret)
    headers = {"authorization": f"Bearer {secret}", "content-type": "application/json"}
    place, _, query = path.partition("?")
    event = http_event(method, f"{BILLING}/{place}", headers=headers, query=query, body=body)
    return Answer(apps.billing(event, CONTEXT))


def test_a_key_reads_with_read_and_buys_with_billing(apps, served, account):
    """Without a browser there is no token; the scopes decide."""
    assert with_key(apps, account, ("read",), "GET", "subscription").data["plan"] == "free"
    answer = with_key(apps, account, ("billing",), "POST", "credits", '{"pack": 100}')
    assert answer.json["url"].startswith("https://checkout.example/")


def test_a_key_without_the_scope_is_403(apps, served, account):
    """It says which one it would need."""
    for scopes, method, path, needed in (
        (("read", "generate"), "POST", "credits", "billing"),
        (("billing", "generate"), "GET", "ledger", "read"),
    ):
        answer = with_key(apps, account, scopes, method, path, "{}" if method == "POST" else None)
        assert (*refusal(answer), answer.error["details"]) == (403, "scope_missing", {"scope": needed})


def test_who_is_blocked_may_stop_paying_but_not_buy(apps, served, browser, account):
    """Looking, cancelling and the portal go on."""
    served.subscribed(account)
    served.told()
    served.table.update(
        {"pk": f"OWNER#user#{account.owner.id}", "sk": "ACCOUNT"}, "SET blocked = :yes", values={":yes": True}
    )
    for path, body in (("credits", PACK), ("session", PLAN)):
        assert refusal(post(apps, browser, path, body)) == (403, "owner_blocked")
    assert post(apps, browser, "portal", {}).status == 200
    assert post(apps, browser, "cancel", {}).data["nextPlan"] == "free"
    assert get(apps, browser, "ledger").status == 200


# ------------------------------------------------------------------------------------ subscription


def test_who_never_subscribed_has_the_plan_they_have(apps, served, browser):
    """Nothing to manage, no dates."""
    assert shown(apps, browser) == {
        "plan": "free", "status": "none", "interval": None, "currentPeriodEnd": None, "cancelAt": None,
        "nextPlan": None, "graceUntil": None, "creditsRemaining": 90.0, "manageable": False, "debt": 0.0,
        "blocked": False,
    }  # fmt: skip


def test_cancelling_keeps_the_plan_until_the_period_ends(apps, served, browser, account):
    """The answer says until when, and what comes then; a second time changes nothing."""
    served.subscribed(account)
    served.told()
    before = shown(apps, browser)
    assert (before["plan"], before["status"], before["interval"], before["creditsRemaining"]) == (
        "pro",
        "active",
        "monthly",
        300.0,
    )
    assert (before["currentPeriodEnd"], before["manageable"]) == (at("2026-12-20 12:00:00"), True)
    assert {before[name] for name in ("cancelAt", "nextPlan", "graceUntil")} == {None}
    for _ in range(2):
        after = post(apps, browser, "cancel", {}).data
        assert (after["plan"], after["cancelAt"], after["nextPlan"]) == (
            "pro",
            at("2026-12-20 12:00:00"),
            "free",
        )
    assert served.cashier.calls.count("cancel_at_period_end") == 1


def test_a_downgrade_is_announced(apps, served, browser, account):
    """The larger plan is in force until what was paid for it ends."""
    one = served.subscribed(account, "team")
    served.cashier.switch(one.id, "price_pro_monthly")
    served.told()
    found = shown(apps, browser)
    assert (found["plan"], found["nextPlan"]) == ("team", "pro")


def test_a_payment_that_is_missing_says_until_when_the_plan_is_kept(apps, served, browser, account):
    """A week from the end of what was paid; afterwards the plan is the one without it."""
    one = served.subscribed(account)
    served.clock = at("2026-12-20 12:00:01")
    served.cashier.fail_renewal(one.id)
    served.told()
    sign_in(apps, browser)  # a session lasts a month
    found = shown(apps, browser)
    assert (found["plan"], found["status"], found["graceUntil"]) == (
        "pro",
        "past_due",
        at("2026-12-27 12:00:00"),
    )
    served.clock = at("2026-12-27 12:00:00")
    found = shown(apps, browser)
    assert (found["plan"], found["status"], found["graceUntil"]) == ("free", "past_due", None)


def test_an_upgrade_that_is_not_paid_shows_the_plan_that_is(apps, served, browser, account):
    """Whatever Stripe says is subscribed to; nothing of it is in grace."""
    one = served.subscribed(account)
    served.cashier.switch(one.id, "price_team_monthly", "always_invoice", pays=False)
    served.told()
    found = shown(apps, browser)
    assert (found["plan"], found["status"], found["graceUntil"]) == ("pro", "past_due", None)


def test_a_disputed_payment_is_shown(apps, served, browser, account):
    """Credits are blocked while the bank decides."""
    session = served.bought(account)
    served.told()
    served.cashier.dispute(f"ch_{session.payment_intent}")
    served.told(since=1)
    assert (shown(apps, browser)["blocked"], shown(apps, browser)["debt"]) == (True, 0.0)


def test_the_portal_opens_for_who_bought_something(apps, served, browser, account):
    """It comes back to a page of ours; who bought nothing has nothing to manage."""
    assert refusal(post(apps, browser, "portal", {})) == (409, "nothing_bought")
    served.bought(account)
    url = post(apps, browser, "portal", {"returnTo": "/de/account"}, **{"accept-language": "de"}).json["url"]
    assert url.endswith(f"?{aws.ORIGIN}/de/account&de")
    event = http_event("POST", f"{BILLING}/portal", headers={}, cookies=browser.jar)
    event["headers"] |= {"origin": aws.ORIGIN, "x-csrf-token": browser.jar["csrf_token"]}
    assert Answer(apps.billing(event, CONTEXT)).status == 200  # without a body, too
