"""Pricing, and plan, credits and statement on the account page, in a real browser.

Buying and leaving run against the deployed stack and the stand-in's own pages; what is hard to reach is played.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.e2e.browser import Open, photo
from tests.e2e.page_account import choose_person
from tests.e2e.page_billing import (
    MOVED,
    NOBODY,
    PACKS,
    Cashier,
    an_entry,
    in_days,
    open_account,
    open_pricing,
    pay,
    prices,
    refusal,
    subscribed,
)
from tests.e2e.page_jobs import focused
from tests.e2e.people import door_fixture  # noqa: F401
from tests.e2e.test_page_access import violations

pytestmark = pytest.mark.browser


def arrive(page, way):
    """Press, and wait until the browser left for where the played Stripe sends it."""
    page.click(way)
    page.wait_for_url("**/account?played=*")


def rows(page):
    """The statement as text, one line per movement."""
    return [" ".join(row.split()) for row in page.locator("#statement-rows tr").all_inner_texts()]


# ------------------------------------------------------------------------------------------ for real


def test_bought_credits_are_there_after_paying_and_on_the_statement(visit: Open):
    """From the account page through the checkout and back: balance, statement and its CSV have the 500 credits."""
    seen = visit("", plan="free")
    page = open_account(seen.page)
    assert "Nothing has moved yet." in page.inner_text("#statement")
    page.click("#buy-pack-500")
    pay(page)
    page.wait_for_selector("#returned [data-kind=done]")
    assert "500 credits are here" in page.inner_text("#returned")
    assert "checkout" not in page.url
    page.wait_for_selector("#credits-rows b:text-is('500')")
    open_account(page)
    assert re.match(r"\S.* Credits bought \+500\.0 500\.0$", rows(page)[0])
    with page.expect_download() as started:
        page.click("#statement-csv")
    assert "purchase" in Path(started.value.path()).read_text("utf-8")


def test_guest_signs_in_comes_back_to_what_was_chosen_and_subscribes(visit: Open, door):
    """Pricing, sign-in, pricing again with the plan in focus, checkout: Pro's limits; cancelled, it says until when."""
    page = open_pricing(visit("").page)
    page.click("#intervals [data-value=annual]")
    page.click("#buy-pro")
    assert "Sign in to go on with Pro" in page.inner_text("#door")
    page.click("#door [data-sign-in=google]")
    choose_person(page, "ada")
    page.wait_for_selector("#notice [data-kind=done]")
    assert focused(page, "id === 'buy-pro'")
    assert page.get_attribute("#intervals [data-value=annual]", "aria-checked") == "true"
    page.keyboard.press("Enter")
    pay(page)
    page.wait_for_selector("#returned [data-kind=done]")
    assert "Welcome to Pro" in page.inner_text("#returned")
    page.wait_for_selector("[data-plan=pro][data-mine]")
    page.wait_for_selector("#usage-text:text('30 left today')")
    open_account(page, statement=False)
    assert "Renews on" in page.inner_text("#plan-panel")
    page.click("#plan-cancel")
    day = re.search(r"stays until (.+?);", page.inner_text("#plan-end-text"))[1]
    page.click("#plan-end-yes")
    page.wait_for_selector("#plan-state [data-state=ending]")
    assert f"Pro ends on {day}." in page.inner_text("#plan-when")
    assert page.locator("#plan-cancel").count() == 0
    page.reload()
    page.wait_for_selector("#plan-state [data-state=ending]")
    page.click("#plan-keep")
    page.click("button[value=resume]")
    page.wait_for_selector("button[value=cancel]")
    page.click("a.back")
    page.wait_for_selector("#plan-state [data-state=active]")


def test_plan_that_was_changed_in_the_portal_is_there_without_a_reload(visit: Open):
    """From Pro to Premium in the portal: back on the page, card and limits follow by themselves."""
    seen = visit("", plan="free")
    page = open_pricing(seen.page)
    page.click("#buy-pro")
    pay(page)
    page.wait_for_selector("[data-plan=pro][data-mine]")
    page.click("#buy-premium")
    page.wait_for_selector("h1:text-matches('^Stand-in for')")
    premium = page.locator("select option", has_text="remium").first.get_attribute("value")
    page.select_option("select", premium)
    page.click("button[value=switch]")
    page.click("a.back")
    page.wait_for_selector("[data-plan=premium][data-mine]")
    page.wait_for_selector("#usage-text:text('100 left today')")


def test_checkout_that_is_left_buys_nothing_and_says_so(visit: Open):
    """Cancelled on the payment page, the browser is back where it began, with nothing changed."""
    seen = visit("", plan="free")
    page = open_pricing(seen.page)
    page.click("#buy-pack-100")
    pay(page, "cancel")
    page.wait_for_selector("#returned .notice")
    assert "Nothing was bought" in page.inner_text("#returned")
    assert page.url.endswith("/en/pricing")
    assert page.request.get("/api/ai-image/usage").json()["data"]["credits"]["available"] == 0


def test_subscription_that_was_cancelled_elsewhere_cannot_be_cancelled_twice(visit: Open):
    """A second tab that still shows the button ends with the same state, and no error that nobody understands."""
    seen = visit("", plan="free")
    seen.expected = ("409",)
    page = open_pricing(seen.page)
    page.click("#buy-pro")
    pay(page)
    page.wait_for_selector("#returned [data-kind=done]")
    other = seen.page.context.new_page()
    for one in (page, other):
        open_account(one, statement=False)
    for one in (page, other):
        one.click("#plan-cancel")
        one.click("#plan-end-yes")
        one.wait_for_selector("#plan-state [data-state=ending]")


# ------------------------------------------------------------------------------------------ pricing


def test_prices_and_limits_come_from_the_api_and_follow_the_interval(visit: Open):
    """What the API says is what is shown: a plan's limits, a month or a twelfth of a year, a price per credit."""
    page = visit("").page
    cashier = Cashier(page).play()
    cashier.prices["plans"][1] |= {"creditsPerMonth": 317, "imagesPerDay": 31}
    open_pricing(page)
    pro = page.locator("[data-plan=pro]")
    assert "$12 a month" in pro.inner_text()
    for line in ("317 credits a month", "31 photos a day", "up to 4× larger", "repairs faces"):
        assert line in pro.inner_text()
    assert "no repair of faces" in page.inner_text("[data-plan=free]")
    page.focus("#intervals [data-value=monthly]")
    page.keyboard.press("ArrowRight")
    assert "$10 a month" in pro.inner_text()
    assert "billed $120 every year" in pro.inner_text()
    assert focused(page, "dataset.value === 'annual'")
    pack = page.inner_text("[data-pack='1500']")
    assert "$95" in pack
    assert "$0.063 per credit" in pack
    assert "6 months and 14 days" in page.inner_text("#rule-expiry")
    assert "Test mode" in page.inner_text("#state")


def test_prices_are_written_as_the_language_writes_them(visit: Open):
    """German numbers, currency and words."""
    page = visit("", locale="de-DE").page
    Cashier(page).play()
    open_pricing(page, "/de/pricing")
    assert "12 $ im Monat" in page.inner_text("[data-plan=pro]").replace("\xa0", " ")
    assert "0,08 $ pro Credit" in page.inner_text("[data-pack='500']").replace("\xa0", " ")


def test_nothing_on_sale_is_said_and_no_button_does_anything(visit: Open):
    """Without Stripe the page shows plans, says that nothing is sold, and describes each blocked button."""
    seen = visit("", plan="free")
    cashier = Cashier(seen.page, prices=prices(available=False)).play()
    page = open_pricing(seen.page)
    assert "Nothing is on sale here yet" in page.inner_text("#state")
    button = page.locator("#buy-pro")
    assert button.get_attribute("aria-disabled") == "true"
    assert page.inner_text(f"#{button.get_attribute('aria-describedby')}") == "Not on sale here"
    button.click(force=True)
    assert cashier.asked == []


def test_prices_that_do_not_come_are_told_and_asked_for_again(visit: Open):
    """An error has a reason and a way on."""
    seen = visit("")
    seen.expected = ("503",)
    cashier = Cashier(seen.page).play()
    cashier.refused["prices"] = (503, refusal("stripe_unavailable", "provider_error"))
    page = seen.page
    page.goto("/en/pricing")
    page.wait_for_selector("#notice [data-code=stripe_unavailable]")
    cashier.refused.clear()
    page.click("#notice .ways >> text=Try again")
    page.wait_for_selector("main[data-state=ready]")
    assert page.is_hidden("#notice .notice")


def test_subscriber_is_sent_to_the_portal_instead_of_paying_twice(visit: Open):
    """The own plan is marked, others are changed to in the portal; a refusal of a second one leads there too."""
    seen = visit("", plan="pro")
    seen.expected = ("409",)
    page = seen.page
    cashier = Cashier(page, subscription=subscribed()).play()
    open_pricing(page)
    assert "Your plan" in page.inner_text("[data-plan=pro]")
    arrive(page, "#buy-premium")
    cashier.subscription = dict(NOBODY)
    cashier.refused["session"] = (
        409,
        refusal("subscription_exists", "conflict", plan="team", portal="/api/billing/portal"),
    )
    open_pricing(page)
    page.click("#buy-team")
    page.wait_for_selector("#notice [data-code=subscription_exists]")
    assert "It is Team" in page.inner_text("#notice")
    arrive(page, "#notice >> text=Open the customer portal")
    assert [name for name, *_ in cashier.asked] == ["portal", "session", "portal"]


def test_second_try_of_a_checkout_carries_the_same_key(visit: Open):
    """When Stripe did not answer, trying again is the same checkout; another click later is another."""
    seen = visit("", plan="free")
    seen.expected = ("503",)
    page = seen.page
    cashier = Cashier(page).play()
    cashier.refused["credits"] = (503, refusal("stripe_unavailable", "provider_error"))
    open_pricing(page)
    page.click("#buy-pack-500")
    page.wait_for_selector("#notice [data-code=stripe_unavailable]")
    cashier.refused.clear()
    arrive(page, "#notice .ways >> text=Try again")
    open_pricing(page)
    arrive(page, "#buy-pack-500")
    first, again, later = cashier.asked
    assert first == again
    assert first[1] == {"pack": 500, "returnTo": "/en/pricing"}
    assert first[2]
    assert later[2] != first[2]


# ------------------------------------------------------------------------------------------ coming back


@pytest.mark.parametrize(
    ("end", "kind", "said"),
    [
        ("canceled", "calm", "Nothing was bought"),
        ("failed", "danger", "did not go through"),
    ],
)
def test_checkout_without_a_purchase_is_told_and_taken_out_of_the_address(visit: Open, end, kind, said):
    """The end of a checkout is said once; a reload does not say it again."""
    seen = visit("", plan="free")
    page = seen.page
    Cashier(page).play()
    open_account(page, f"/en/account?checkout={end}", statement=False)
    page.wait_for_selector(f"#returned [data-kind={kind}]")
    assert said in page.inner_text("#returned")
    assert page.url.endswith("/en/account")
    assert said in page.inner_text("#alert" if kind == "danger" else "#live")
    page.reload()
    page.wait_for_selector("#plan-ways *")
    assert page.locator("#returned *").count() == 0


@pytest.mark.parametrize(("end", "first"), [("paid", "being added"), ("pending", "being confirmed")])
def test_purchase_that_takes_a_moment_appears_by_itself(visit: Open, end, first):
    """Until the credits are there it says that they come; then balance and statement have them without a reload."""
    seen = visit("", plan="free")
    page = seen.page
    cashier = Cashier(page, entries=[]).play()
    open_account(page)
    arrive(page, "#buy-pack-500")
    open_account(page, f"/en/account?checkout={end}")
    page.wait_for_selector("#returned [data-kind=waiting]")
    assert first in page.inner_text("#returned")
    cashier.entries, cashier.credits = [an_entry("purchase", 500)], {"available": 500}
    page.wait_for_selector("#returned [data-kind=done]")
    assert "You have 500 credits to spend." in page.inner_text("#returned")
    page.wait_for_selector("#credits-rows b:text-is('500')")
    page.wait_for_selector("#statement[data-state=filled]")


@pytest.mark.parametrize(
    "query", ["checkout=late", "checkout=<b>x</b>", "checkout=constructor", "returnTo=//evil.example"]
)
def test_address_somebody_made_up_says_nothing_and_leads_nowhere(visit: Open, query):
    """Only the ends we know are told, and only paths of this page are ways back."""
    page = visit("").page
    Cashier(page).play()
    open_pricing(page, f"/en/pricing?{query}")
    page.goto("/en/pricing?checkout=canceled")
    page.wait_for_selector("#returned .notice")
    assert page.locator("#returned .ways").count() == 0


# ------------------------------------------------------------------------------------------ account


@pytest.mark.parametrize(
    ("fields", "state", "said", "buttons"),
    [
        ({}, "active", "Renews on", ["Change plan", "Cancel subscription"]),
        ({"interval": "annual"}, "active", "$120 a year", ["Change plan", "Cancel subscription"]),
        ({"nextPlan": "free"}, "active", "Starter starts on", ["Change plan", "Cancel subscription"]),
        ({"cancelAt": in_days(12)}, "ending", "Pro ends on", ["Change plan", "Keep Pro"]),
        ({"status": "past_due", "graceUntil": in_days(5)}, "late", "You keep Pro until",
         ["Change plan", "Cancel subscription"]),
        ({"status": "incomplete", "plan": "free"}, "open", "Payment open", ["See the plans", "Invoices"]),
    ],
)  # fmt: skip
def test_plan_says_how_it_stands_and_what_can_be_done(visit: Open, fields, state, said, buttons):
    """Renewing, changing, ending, unpaid: each with its date in words and its ways on."""
    seen = visit("", plan="pro")
    Cashier(seen.page, subscription=subscribed(**fields)).play()
    page = open_account(seen.page, statement=False)
    panel = page.inner_text("#plan-panel")
    assert page.get_attribute("#plan-state .badge", "data-state") == state
    assert said in panel
    assert page.locator("#plan-ways > *").all_inner_texts() == buttons
    assert page.locator("#plan-pay").count() == (state == "late")


def test_cancelling_is_asked_about_and_the_safe_answer_comes_first(visit: Open):
    """The question names the day; Escape and the focused button keep the plan, the other ends it once."""
    seen = visit("", plan="pro", reduced_motion="reduce")
    page = seen.page
    cashier = Cashier(page, subscription=subscribed()).play()
    open_account(page, statement=False)
    page.click("#plan-cancel")
    assert focused(page, "id === 'plan-end-keep'")
    assert re.search(r"Pro stays until \d+ \w+ \d{4}", page.inner_text("#plan-end-text"))
    page.keyboard.press("Escape")
    assert focused(page, "id === 'plan-cancel'")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    page.wait_for_selector("#plan-end", state="hidden")
    assert cashier.asked == []
    page.click("#plan-cancel")
    page.click("#plan-end-yes")
    page.wait_for_selector("#plan-state [data-state=ending]")
    assert focused(page, "id === 'plan-title'")
    assert "Pro ends on" in page.inner_text("#live")
    assert [name for name, *_ in cashier.asked] == ["cancel"]


def test_cancelling_what_has_ended_shows_what_is_true_now(visit: Open):
    """The refusal is told in words, and the panel has the new state."""
    seen = visit("", plan="pro")
    seen.expected = ("409",)
    page = seen.page
    cashier = Cashier(page, subscription=subscribed()).play()
    open_account(page, statement=False)
    cashier.refused["cancel"] = (409, refusal("no_subscription", "conflict"))
    cashier.subscription = dict(NOBODY)
    page.click("#plan-cancel")
    page.click("#plan-end-yes")
    page.wait_for_selector("#plan-problem [data-code=no_subscription]")
    page.wait_for_selector("#plan-see")
    assert page.inner_text("#plan-name") == "Starter"


@pytest.mark.parametrize(
    ("credits", "title", "text"),
    [
        ({"debt": 80, "blocked": True}, "on hold", "80 credits are owed"),
        ({"blocked": True}, "on hold", "A payment is disputed"),
        ({"expiringNext": {"credits": 98.5, "at": in_days(9)}}, "98.5 credits expire soon", "before"),
        ({"expiringNext": {"credits": 98.5, "at": in_days(90)}}, "", ""),
    ],
)
def test_what_stands_against_spending_is_said_with_its_reason(visit: Open, credits, title, text):
    """Debt, a dispute and credits that are about to expire are said on top; what is far off is one line."""
    seen = visit("", plan="pro")
    cashier = Cashier(seen.page, subscription=subscribed()).play()
    cashier.credits = {"available": 498.5, "held": 1.5, **credits}
    page = open_account(seen.page, statement=False)
    page.wait_for_selector("#credits-rows b:text-is('498.5')")
    warning = page.inner_text("#credits-warning")
    assert title in warning
    assert text in warning
    assert bool(warning) is bool(title)
    shown = page.inner_text("#credits-rows")
    assert "498.5" in shown
    assert "1.5" in shown
    assert ("Next to expire" in shown) is ("expiringNext" in credits)


def test_statement_tells_every_movement_in_words_and_loads_more(visit: Open):
    """Kind and reason as text, signed change, balance, the run; the rest comes on request, and focus goes there."""
    seen = visit("", plan="pro")
    older = [an_entry("settle", 0, number=20 + number, jobId=f"job_{number}") for number in range(20)]
    Cashier(seen.page, entries=[*MOVED, *older]).play()
    page = open_account(seen.page)
    lines = rows(page)
    assert len(lines) == 20
    for line, parts in zip(
        lines,
        [
            ["Run done and paid", "See the run", "–"],
            ["Held for a run", "0.5 credits from the plan", "-1.5"],
            ["Given back", "This photo is damaged", "1 credit back to the plan", "+2.0"],
            ["Held for a run", "-2.0"],
            ["Credits taken back", "The payment was refunded", "80 credits are owed", "-20.0"],
            ["Credits expired", "-3.5"],
            ["Credits given", "For the trouble with last week’s batch", "+25.0"],
            ["Credits bought", "+500.0"],
        ],
        strict=False,
    ):
        assert [part for part in (*parts, "498.5") if part not in line] == []
    assert page.get_attribute("#statement-rows a", "href") == "/en/jobs#job_1"
    assert page.get_attribute("#statement-csv", "href") == "/api/billing/ledger?format=csv"
    page.click("#statement-more")
    page.wait_for_selector("#statement-rows tr:nth-child(28)")
    assert page.is_hidden("#statement-more")
    assert focused(page, "closest('tr').dataset.entry === 'e032'")
    assert page.inner_text("#live") == "8 more movements."


def test_statement_and_plan_that_do_not_come_do_not_take_the_page_along(visit: Open):
    """Each panel says its own failure, and is tried again by itself."""
    seen = visit("", plan="pro")
    seen.expected = ("503", "500")
    page = seen.page
    cashier = Cashier(page, subscription=subscribed()).play()
    cashier.refused = {
        "subscription": (503, refusal("stripe_unavailable", "provider_error")),
        "ledger": (500, refusal("internal_error", "server_error")),
    }
    page.goto("/en/account")
    page.wait_for_selector("#plan-problem [data-code=stripe_unavailable]")
    page.wait_for_selector("#keys-none:not([hidden])")
    page.locator("#statement").scroll_into_view_if_needed()
    page.wait_for_selector("#statement-notice [data-code=internal_error]")
    cashier.refused.clear()
    for slot, there in (
        ("plan-problem", "#plan-cancel"),
        ("statement-notice", "#statement[data-state=filled]"),
    ):
        page.click(f"#{slot} .ways >> text=Try again")
        page.wait_for_selector(there)
        assert page.locator(f"#{slot} *").count() == 0


def test_reading_a_little_too_fast_is_made_up_for_without_a_word(visit: Open):
    """A panel that is refused for a second asks again by itself; nobody is told to wait."""
    seen = visit("", plan="pro")
    seen.expected = ("429",)
    page = seen.page
    Cashier(page, subscription=subscribed()).play()
    limited = {**refusal("rate_limited", "rate_limit"), "retryAfter": 1}
    answers = [{"status": 429, "json": limited, "headers": {"Retry-After": "1"}}] * 2

    def answer(route):
        route.fulfill(**answers.pop()) if answers else route.fallback()

    page.route("**/api/billing/subscription", answer)
    page.goto("/en/account")
    page.wait_for_selector("#plan-cancel")
    assert answers == []
    assert page.locator("#plan-problem *").count() == 0


def test_statement_as_a_file_comes_whole_and_a_refusal_is_told(visit: Open):
    """Parts are put together under one heading; without an answer there is a reason and a second try."""
    seen = visit("", plan="pro")
    seen.expected = ("429",)
    page = seen.page
    Cashier(page, subscription=subscribed()).play()
    limited = {**refusal("rate_limited", "rate_limit"), "retryAfter": 3}
    answers = [
        {"status": 429, "json": limited},
        {
            "body": "time,kind\r\n2,settle\r\n",
            "content_type": "text/csv",
            "headers": {"X-Next-Cursor": "c 2"},
        },
        {"body": "time,kind\r\n1,hold\r\n", "content_type": "text/csv"},
    ]
    asked = []

    def answer(route):
        asked.append(route.request.url.partition("?")[2])
        route.fulfill(**answers.pop(0))

    page.route("**/api/billing/ledger?format=csv*", answer)
    open_account(page)
    page.click("#statement-csv")
    page.wait_for_selector("#statement-notice [data-code=rate_limited]")
    assert "Try again in 3 sec" in page.inner_text("#statement-notice")
    with page.expect_download() as started:
        page.click("#statement-notice .ways >> text=Try again")
    assert started.value.suggested_filename == "credits.csv"
    assert Path(started.value.path()).read_text("utf-8").split() == ["time,kind", "2,settle", "1,hold"]
    assert asked == ["format=csv", "format=csv", "format=csv&cursor=c%202"]


def test_nothing_of_the_money_stays_on_the_page_after_signing_out(visit: Open):
    """Plan, balance and statement are gone with the session."""
    seen = visit("", plan="premium")
    cashier = Cashier(seen.page, subscription=subscribed("premium")).play()
    cashier.credits = {"available": 4321}
    page = open_account(seen.page)
    page.wait_for_selector("#credits-rows b:text-is('4,321')")
    cashier.credits = {}
    seen.settle().click("#sign-out")
    page.wait_for_selector("main[data-state=guest]")
    for secret in ("4,321", "Premium", "Credits bought"):
        assert secret not in page.locator("main").inner_html()


# ------------------------------------------------------------------------------------------ from the enhance page


def test_run_without_credits_leads_to_pricing_and_back_to_the_photo(visit: Open):
    """402 names what is needed and what there is; after buying, the way back ends at the photo that was chosen."""
    seen = visit(plan="free")
    seen.expected = ("402",)
    page = seen.page
    error = refusal(
        "INSUFFICIENT_CREDITS", "insufficient_credits", required=2.5, available=0.5, upgradeUrl="/pricing"
    )
    page.route("**/api/ai-image/generate", lambda route: route.fulfill(status=402, json=error))
    seen.choose(photo(tint=810), "garden.jpg")
    page.click("#enhance")
    page.wait_for_selector("#notice [data-code=INSUFFICIENT_CREDITS]")
    assert "needs 2.5 credits, you have 0.5" in page.inner_text("#notice")
    cashier = Cashier(page).play()
    page.click("#notice >> text=Buy credits")
    page.wait_for_selector("main.pricing[data-state=ready]")
    arrive(page, "#buy-pack-100")
    cashier.entries = [an_entry("purchase", 100)]
    open_pricing(page, "/en/pricing?checkout=paid")
    page.wait_for_selector("#returned [data-kind=done]")
    page.click("#returned >> text=Back to your photos")
    page.wait_for_selector("main[data-state=ready] #meta-name:text-is('garden.jpg')")


def test_run_that_credits_do_not_cover_offers_them_before_it_is_sent(visit: Open):
    """The quote already refuses: the button says why, and beside it is the way to more."""
    seen = visit(plan="free")
    page = seen.page

    def refuse(route):
        answer = route.fetch()
        data = answer.json()
        data["data"]["refusal"] = {
            "type": "insufficient_credits", "code": "INSUFFICIENT_CREDITS", "message": "x",
            "details": {"required": 1, "available": 0},
        }  # fmt: skip
        route.fulfill(response=answer, json=data)

    page.route("**/api/ai-image/quote", refuse)
    seen.choose(photo(tint=811))
    page.wait_for_selector("#enhance-way:text-is('Buy credits')")
    assert "needs 1 credits, you have 0" in page.inner_text("#enhance-why").replace("1 credit,", "1 credits,")
    Cashier(page).play()
    page.click("#enhance-way")
    page.wait_for_selector("main.pricing[data-state=ready]")
    assert "returnTo=%2Fen%2F" in page.url


# ------------------------------------------------------------------------------------------ for everybody


@pytest.mark.parametrize(
    ("language", "width", "scheme"),
    [("en", 1280, "light"), ("de", 390, "dark"), ("de", 320, "light"), ("en", 1024, "dark")],
)
def test_no_state_of_buying_breaks_an_accessibility_rule_or_sticks_out(visit: Open, language, width, scheme):
    """Axe finds nothing on pricing and account in any state, and nothing scrolls sideways from 320 pixels on."""
    seen = visit(f"/{language}/jobs", width=width, height=844, color_scheme=scheme, reduced_motion="reduce")
    seen.expected = ("503",)
    page = seen.page
    cashier = Cashier(page).play()
    sideways = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    found = {}

    def look(state):
        found[state] = violations(page)
        assert page.evaluate(sideways) <= 0, state

    open_pricing(page, f"/{language}/pricing?checkout=canceled")
    look("pricing of a guest")
    page.click("#buy-pro")
    look("asked to sign in")
    seen.sign_in("pro")
    cashier.subscription = subscribed(cancelAt=in_days(12))
    cashier.refused["portal"] = (503, refusal("stripe_unavailable", "provider_error"))
    open_pricing(page, f"/{language}/pricing")
    page.click("#intervals [data-value=annual]")
    page.click("#buy-team")
    page.wait_for_selector("#notice .notice")
    look("pricing of a subscriber")
    cashier.prices = prices(available=False)
    open_pricing(page, f"/{language}/pricing")
    look("nothing on sale")
    cashier.prices, cashier.subscription = prices(), subscribed(status="past_due", graceUntil=in_days(5))
    cashier.credits = {"available": 12345.6, "held": 1.5, "debt": 80, "blocked": True}
    open_account(page, f"/{language}/account?checkout=failed")
    look("account with trouble")
    page.click("#plan-cancel")
    look("asked about cancelling")
    assert {state: rules for state, rules in found.items() if rules} == {}


def test_buying_is_done_with_the_keyboard_alone(visit: Open):
    """From the head of the page to a pack and to the checkout by Tab and Enter, in the order seen."""
    seen = visit("", plan="free", reduced_motion="reduce")
    page = seen.page
    cashier = Cashier(page).play()
    open_pricing(page)
    page.focus("#main")
    order = []
    for _ in range(9):
        page.keyboard.press("Tab")
        order.append(page.evaluate("() => document.activeElement.id || document.activeElement.dataset.value"))
    assert order == [
        "monthly", "buy-pro", "buy-premium", "buy-team", "buy-enterprise",
        *(f"buy-pack-{pack}" for pack in PACKS),
    ]  # fmt: skip
    page.keyboard.press("Enter")
    page.wait_for_url("**/account?played=credits")
    assert cashier.asked[0][1]["pack"] == 1500


def test_sign_in_dialog_gives_the_focus_back(visit: Open):
    """Escape closes it and the reader is where they were; the page behind it is not reached."""
    page = visit("").page
    Cashier(page).play()
    open_pricing(page)
    page.click("#buy-team")
    assert focused(page, "closest('#door') !== null")
    page.keyboard.press("Escape")
    assert focused(page, "id === 'buy-team'")
