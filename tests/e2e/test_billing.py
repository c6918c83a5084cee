"""Buying and subscribing at the deployed stack: real HTTP, Stripe's own client, signed events in every wrong way."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest
import requests

from enhancer.adapters.dynamodb import keys
from enhancer.domain.artifacts import closing_report_key
from enhancer.domain.periods import DAY_MS, day_of
from enhancer.domain.plans import PLANS
from enhancer.domain.subscriptions import GRACE_MS
from enhancer.runtime import new_id, now
from local.providers import STRIPE_KEY, STRIPE_WEBHOOK_SECRET
from tests.e2e.people import refused
from tests.e2e.shop import (  # noqa: F401
    COMPLETED,
    CREATED,
    UPDATED,
    Buyer,
    Shop,
    buyer_fixture,
    newcomer_fixture,
    session_of,
    shop_fixture,
    types,
    whole_shop_fixture,
)

Newcomer = Callable[..., Buyer]
CALLERS = 4


# ------------------------------------------------------------------------------------------- credits


def test_bought_credits_are_there_after_the_event_and_the_return_adds_nothing(
    shop: Shop, buyer: Buyer
) -> None:
    """From our button over Stripe's page: the event grants 500 credits once; coming back says so and grants nothing."""
    session = buyer.opens("credits", pack=500, returnTo="/en/pricing")
    place = shop.object("checkout.session", session)["url"]
    pressed = requests.post(place, data={"action": "pay"}, allow_redirects=False, timeout=30)
    assert pressed.status_code == 303
    shop.told()
    assert buyer.client.usage()["credits"]["available"] == 500
    path = pressed.headers["Location"].removeprefix(buyer.client.url)
    back = buyer.client.get(path)
    assert (back.status_code, back.headers["Location"]) == (302, "/en/pricing?checkout=paid")
    assert (buyer.balance.available, buyer.entries) == (5000, {"purchase": 1})


def test_return_before_the_event_grants_and_the_event_adds_nothing(shop: Shop, buyer: Buyer) -> None:
    """Whichever comes first grants; the other one finds it done."""
    shop.silence()
    session = buyer.opens("credits", pack=100)
    paid = shop.do("pay", session=session)[COMPLETED]
    assert buyer.returns(session).headers["Location"] == "/en/account?checkout=paid"
    assert buyer.balance.available == 1000
    assert [told.outcome for told in shop.deliver(paid)] == ["nothing"]
    assert (buyer.balance.available, buyer.entries) == (1000, {"purchase": 1})


@pytest.mark.parametrize(
    ("what", "body"), [("credits", {"pack": 100}), ("session", {"plan": "pro", "interval": "monthly"})]
)
def test_checkout_that_is_not_paid_gives_nothing(
    shop: Shop, buyer: Buyer, what: str, body: dict[str, Any]
) -> None:
    """Knowing the id of an open checkout buys nothing, nor does an event that calls it completed."""
    session = buyer.opens(what, **body)
    back = buyer.returns(session)
    assert (back.status_code, back.headers["Location"]) == (302, "/en/account?checkout=pending")
    told = shop.deliver(shop.event(COMPLETED, session))
    assert [one.outcome for one in told] == ["nothing"]
    assert (buyer.balance.purchased, buyer.subscription["plan"], buyer.entries) == (0, "free", {})


def test_stranger_finds_no_difference_between_a_foreign_checkout_and_none(
    shop: Shop, buyer: Buyer, newcomer: Newcomer
) -> None:
    """The same 404, byte for byte, before and after it was paid; nobody gets anything."""
    stranger = newcomer()
    foreign = buyer.opens("credits", pack=100)
    stranger.opens("credits", pack=100)  # a customer too
    shop.silence()

    def seen(session: str) -> dict[str, Any]:
        answer = stranger.returns(session)
        assert refused(answer, 404, "not_found")
        return {**answer.json(), "requestId": ""}

    unknown = seen("cs_test_nobody")
    assert seen(foreign) == unknown
    shop.do("pay", session=foreign)
    assert seen(foreign) == unknown
    assert (stranger.entries, buyer.entries) == ({}, {})


@pytest.mark.parametrize(("later", "state", "credits"), [("settle", "paid", 1000), ("fail", "pending", 0)])
def test_payment_that_was_promised_grants_when_it_arrives(
    shop: Shop, buyer: Buyer, later: str, state: str, credits: int
) -> None:
    """A bank debit: nothing while it is on its way, the credits with the money, nothing if it fails."""
    session = buyer.opens("credits", pack=100)
    shop.do("pay_later", session=session)
    assert buyer.balance.available == 0
    shop.do(later, session=session)
    assert buyer.balance.available == credits
    assert buyer.returns(session).headers["Location"] == f"/en/account?checkout={state}"
    assert buyer.balance.available == credits


# -------------------------------------------------------------------------------------------- events


def test_event_that_is_told_again_under_a_new_signature_is_repeated(shop: Shop, buyer: Buyer) -> None:
    """The same event is known; another event about the same checkout changes nothing either."""
    paid = shop.do("pay", session=buyer.opens("credits", pack=100))[COMPLETED]
    assert [told.outcome for told in shop.deliver(paid)] == ["repeated"]
    assert [told.outcome for told in shop.deliver(paid, twin=True)] == ["nothing"]
    assert (buyer.balance.available, buyer.entries) == (1000, {"purchase": 1})


@pytest.mark.parametrize(
    "how",
    [
        {"secret": "whsec_of_somebody_else"},
        {"timestamp_offset": -310},
        {"timestamp_offset": 310},
        {"header": ""},
        {"header": "t=1,v1=ä"},
        {"raw": "{"},
        {"raw": "[]"},
        {"raw": '{"id": "evt_1", "type": "checkout.session.completed"}'},
    ],
    ids=["secret", "stale", "future", "unsigned", "strange", "no-json", "list", "incomplete"],
)
def test_event_that_is_not_stripes_is_refused(shop: Shop, how: dict[str, Any]) -> None:
    """Another secret, more than five minutes off, no signature, or signed but no event: 400, which says no more."""
    event = shop.event(COMPLETED, {"id": "cs_test_1", "object": "checkout.session"})
    (told,) = shop.deliver(event, **how)
    assert (told.status, told.code) == (400, "webhook_invalid")


def test_second_secret_is_good_during_its_rotation(shop: Shop) -> None:
    """Once the new secret is in the store, with the old one beside it, events of both are heard without a deploy."""
    stack = shop.deployed.stack
    secrets, name = stack.client("secretsmanager"), stack.physical_id("StripeSecret")
    known = {"secretKey": STRIPE_KEY, "webhookSecret": STRIPE_WEBHOOK_SECRET}
    event = shop.event("ping", {"id": "nothing", "object": "nothing"})

    def heard(secret: str) -> bool:
        return shop.deliver(event, secret=secret)[0].status == 200

    assert not heard("whsec_new")
    try:
        rotated = {
            **known, "webhookSecret": "whsec_new", "webhookSecretPrevious": STRIPE_WEBHOOK_SECRET
        }  # fmt: skip
        secrets.put_secret_value(SecretId=name, SecretString=json.dumps(rotated))
        shop.deployed.until(lambda: heard("whsec_new"), "an event with the new secret")
        assert heard(STRIPE_WEBHOOK_SECRET)
    finally:
        secrets.put_secret_value(SecretId=name, SecretString=json.dumps(known))


def test_parallel_copies_of_an_event_are_one_entry(shop: Shop, buyer: Buyer) -> None:
    """Of 20 at the same time all are answered 200, and the credits come once."""
    session = buyer.opens("credits", pack=100)
    shop.silence()
    paid = shop.do("pay", session=session)[COMPLETED]
    told = shop.deliver(paid, times=20, parallel=True)
    assert Counter(one.status for one in told) == {200: 20}
    assert (buyer.balance.available, buyer.entries) == (1000, {"purchase": 1})


def test_events_of_a_subscription_end_alike_in_every_order(shop: Shop) -> None:
    """Created, paid, completed and updated in all 24 orders, each twice: the same plan, one paid period."""
    shop.silence()
    news = [CREATED, "invoice.paid", COMPLETED, UPDATED]

    def told(order: tuple[str, ...]) -> tuple[Any, ...]:
        owner, customer = shop.account()
        session = shop.session(owner, customer, "price_pro_monthly", plan="pro")
        caused = shop.control("pay", session=session)["events"]
        subscription = shop.payments.checkout(session).subscription or ""
        caused += shop.control("cancel", subscription=subscription)["events"]
        wanted = types(order, {one["type"]: one["id"] for one in caused})
        answers = shop.deliver(*wanted, times=2)
        assert [one.status for one in answers] == [200] * 8
        assert [one.outcome for one in answers[4:]] == ["repeated"] * 4
        account = shop.deployed.store.accounts.get(owner)
        assert account
        (found,) = account.subscriptions
        (paid,) = found.paid
        assert found.cancel_at == paid.end
        assert account.plan_at(paid.end) == "free"
        return account.plan_at(now()), found.status, found.plan, paid.plan, paid.end - paid.start

    with ThreadPoolExecutor(CALLERS) as pool:
        ends = Counter(pool.map(told, permutations(news)))
    assert list(ends.values()) == [24], ends
    assert next(iter(ends))[:4] == ("pro", "active", "pro", "pro")


def test_burst_of_a_hundred_events_is_applied_whole(shop: Shop) -> None:
    """A hundred payments of five people, told at once and shuffled: each is granted, none twice, none refused."""
    shop.silence()
    people = [shop.account() for _ in range(5)]
    paid = []
    for number in range(100):
        session = shop.session(*people[number % 5], "price_pack_100", pack="100")
        paid += [
            one["id"] for one in shop.control("pay", session=session)["events"] if one["type"] == COMPLETED
        ]
    told = shop.deliver(*paid, order="shuffle", parallel=True)
    assert Counter(one.status for one in told) == {200: 100}
    for owner, _ in people:
        assert shop.deployed.balance(owner).available == 20 * 1000
        assert shop.deployed.kinds(owner) == {"purchase": 20}


# ----------------------------------------------------------------------------------- what is parked


def test_amount_that_is_not_the_packs_is_parked(shop: Shop, buyer: Buyer) -> None:
    """Paid, but another sum: nothing is granted, by event or return, and a dead letter tells the operator."""
    session = buyer.opens("credits", pack=500)
    shop.control("change", id=session, set={"amount_subtotal": 1})
    paid = shop.do("pay", session=session)[COMPLETED]
    assert [told.outcome for told in shop.deliver(paid)] == ["parked"]
    assert buyer.returns(session).headers["Location"] == "/en/account?checkout=pending"
    assert set(shop.letters(session)) == {"amount_mismatch"}
    assert (buyer.balance.purchased, buyer.entries) == (0, {})


def test_price_that_nobody_knows_is_parked_and_the_plan_stays(
    shop: Shop, buyer: Buyer, newcomer: Newcomer
) -> None:
    """A new subscription to it gives no plan; one that was switched to it keeps the plan that was paid."""
    strange = {"items.data.0.price.id": "price_unknown"}
    subscription = buyer.subscribes("pro")
    shop.control("change", id=subscription, set=strange)
    assert shop.deliver(shop.event(UPDATED, subscription))[0].status == 200
    assert buyer.subscription["plan"] == "pro"
    assert set(shop.letters(subscription)) == {"unknown_price"}
    other = newcomer()
    session = other.opens("session", plan="team", interval="monthly")
    shop.silence()
    paid = shop.do("pay", session=session)
    subscription = shop.object("checkout.session", session)["subscription"]
    shop.control("change", id=subscription, set=strange)
    told = shop.deliver(paid[CREATED], paid["invoice.paid"], paid[COMPLETED])
    assert [one.outcome for one in told] == ["parked"] * 3
    assert (other.subscription["plan"], other.subscription["status"]) == ("free", "none")
    assert set(shop.letters(subscription)) == {"unknown_price"}


def test_event_of_the_other_mode_is_parked(shop: Shop, buyer: Buyer) -> None:
    """An event of real money does not count where money is for testing."""
    session = buyer.opens("credits", pack=100)
    shop.script("webhook", "livemode", type=COMPLETED)
    paid = shop.do("pay", session=session)[COMPLETED]
    assert shop.letters(paid) == ["livemode"]
    assert (buyer.balance.purchased, buyer.entries) == (0, {})


# ------------------------------------------------------------------------------------ Stripe in trouble


def test_checkout_while_stripe_is_down_leaves_nothing_and_works_later(shop: Shop, buyer: Buyer) -> None:
    """503, nobody became a customer, nothing was opened; the same key opens one checkout as soon as Stripe is back."""
    shop.script("any", "status", status=503, times=2)
    answer = buyer.orders("credits", key="down", pack=100)
    assert refused(answer, 503, "stripe_unavailable")
    assert (shop.objects("customer"), shop.objects("checkout.session")) == ([], [])
    assert (buyer.account.customer, buyer.entries) == ("", {})
    session = session_of(buyer.orders("credits", key="down", pack=100))
    assert [one["id"] for one in shop.objects("checkout.session")] == [session]


def test_connection_that_breaks_after_stripe_did_it_makes_nothing_twice(shop: Shop, buyer: Buyer) -> None:
    """The answers to making the customer and the session are lost: they are asked for again, and made once."""
    shop.script("customers.create", "reset_after")
    shop.script("sessions.create", "reset_after")
    session = buyer.opens("credits", pack=100)
    assert len(shop.objects("customer")) == 1
    assert [one["id"] for one in shop.objects("checkout.session")] == [session]


def test_key_stands_for_one_order(shop: Shop, buyer: Buyer) -> None:
    """The same order under the same key is the same checkout; another order under it is 422 and opens nothing."""
    first = session_of(buyer.orders("credits", key="fixed", pack=100))
    assert session_of(buyer.orders("credits", key="fixed", pack=100)) == first
    other = buyer.orders("credits", key="fixed", pack=500)
    assert (other.status_code, other.json()["error"]["type"]) == (422, "idempotency_mismatch")
    assert len(shop.objects("checkout.session")) == 1


def test_parallel_clicks_make_one_customer_and_one_checkout_per_key(shop: Shop, buyer: Buyer) -> None:
    """Somebody new presses ten times at once, with two keys: one customer, one session for each key."""

    def click(number: int) -> str:
        twin = replace(buyer, who=replace(buyer.who, client=buyer.client.copy()))

        def opened() -> str | None:
            answer = twin.orders("credits", key=f"click {number % 2}", pack=100)
            return None if answer.status_code == 409 else session_of(answer)  # another click is under way

        return shop.deployed.until(opened, "a checkout")

    with ThreadPoolExecutor(10) as pool:
        opened = list(pool.map(click, range(10)))
    assert len(shop.objects("customer")) == 1
    sessions = [one["id"] for one in shop.objects("checkout.session")]
    assert sorted(set(opened)) == sorted(sessions)
    assert [len(set(opened[number::2])) for number in (0, 1)] == [1, 1]


# ------------------------------------------------------------------------------------- subscriptions


def test_subscribing_gives_the_limits_of_the_plan_and_a_month_that_is_the_paid_one(buyer: Buyer) -> None:
    """Pro: 300 credits until the paid period ends, 30 images a day; what was used before does not count in it."""
    assert buyer.runs(seed=1).status_code == 200
    buyer.subscribes("pro")
    usage, found = buyer.client.usage(), buyer.subscription
    assert (usage["plan"], usage["usage"]["limit"]) == ("pro", 30)
    month = usage["monthlyUsage"]
    assert (month["used"], month["limit"], month["remaining"]) == (0, 300, 300)
    assert month["resetAt"] == found["currentPeriodEnd"]
    assert (found["plan"], found["status"], found["interval"]) == ("pro", "active", "monthly")


def test_second_subscription_is_refused_and_the_portal_named(shop: Shop, buyer: Buyer) -> None:
    """Who has one changes it in the portal, which opens; nothing is sold twice."""
    buyer.subscribes("pro")
    second = buyer.orders("session", plan="team", interval="monthly")
    assert refused(second, 409, "subscription_exists")
    assert second.json()["error"]["details"] == {"plan": "pro", "portal": "/api/billing/portal"}
    assert buyer.orders("portal").json()["url"].startswith(f"{shop.url}/p/session/")
    assert len(shop.objects("checkout.session")) == 1


def test_older_checkouts_of_a_subscription_cannot_be_paid_any_more(shop: Shop, buyer: Buyer) -> None:
    """However many windows were opened, within a second too, only the newest checkout is left."""
    older = [buyer.opens("session", plan="pro", interval="monthly") for _ in range(3)]
    newest = buyer.opens("session", plan="team", interval="annual")
    assert [one["id"] for one in shop.objects("checkout.session") if one["status"] == "open"] == [newest]
    assert buyer.returns(older[0]).headers["Location"] == "/en/account?checkout=failed"
    shop.do("pay", session=newest)
    assert (buyer.subscription["plan"], buyer.subscription["interval"]) == ("team", "annual")


def test_upgrade_counts_at_once_and_downgrade_with_the_end_of_the_period(shop: Shop, buyer: Buyer) -> None:
    """Team as soon as it is paid; back to pro it stays team until what was paid is over."""
    subscription = buyer.subscribes("pro")
    shop.do(
        "switch", subscription=subscription, price="price_team_monthly", proration_behavior="always_invoice"
    )
    usage = buyer.client.usage()
    assert (usage["plan"], usage["usage"]["limit"], usage["monthlyUsage"]["limit"]) == ("team", 200, 2000)
    shop.do("switch", subscription=subscription, price="price_pro_monthly")
    found = buyer.subscription
    assert (found["plan"], found["nextPlan"]) == ("team", "pro")
    account, end = buyer.account, found["currentPeriodEnd"]
    assert (account.plan_at(end - 1), account.plan_at(end)) == ("team", "pro")


def test_switching_to_and_fro_never_adds_up_to_more_than_the_largest_quota(shop: Shop, buyer: Buyer) -> None:
    """Ten switches of plan and interval: what was used stays used, and used and left are never above one team quota."""
    subscription = buyer.subscribes("pro")
    assert buyer.runs(seed=1, scale="4").status_code == 200
    month, most = buyer.account.month_at(now()).name, 0
    prices = [
        "price_team_monthly",
        "price_pro_monthly",
        "price_team_annual",
        "price_pro_annual",
        "price_pro_monthly",
    ]
    for price in prices * 2:
        shop.do("switch", subscription=subscription, price=price, proration_behavior="always_invoice")
        found = buyer.client.usage()["monthlyUsage"]
        assert found["used"] == 2
        assert found["used"] + found["remaining"] == found["limit"]
        assert buyer.account.month_at(now()).name == month
        most = max(most, found["limit"])
    assert most == PLANS["team"].credits_per_month
    assert buyer.balance.granted == 0


def test_cancelled_plan_stays_until_the_paid_period_ends(shop: Shop, buyer: Buyer) -> None:
    """Cancelling says until when; the plan is the same until that moment and free after it."""
    subscription = buyer.subscribes("pro")
    answer = buyer.orders("cancel")
    assert answer.status_code == 200, answer.text
    found, end = answer.json()["data"], buyer.subscription["currentPeriodEnd"]
    assert (found["plan"], found["status"], found["cancelAt"]) == ("pro", "active", end)
    assert shop.object("subscription", subscription)["cancel_at_period_end"] is True
    account = buyer.account
    assert (account.plan_at(end - 1), account.plan_at(end)) == ("pro", "free")
    shop.do("cancel", subscription=subscription, now=True)
    assert (buyer.subscription["plan"], buyer.subscription["status"]) == ("free", "canceled")


def test_plan_outlives_a_failed_renewal_by_a_week(shop: Shop, buyer: Buyer) -> None:
    """Past due keeps the plan for seven days after what was paid; paid after all, it goes on."""
    subscription = buyer.subscribes("pro")
    paid_until = buyer.subscription["currentPeriodEnd"]
    shop.do("fail_renewal", subscription=subscription)
    found, account = buyer.subscription, buyer.account
    assert (found["plan"], found["status"]) == ("pro", "past_due")
    late = paid_until + GRACE_MS
    assert (account.plan_at(late - 1), account.plan_at(late)) == ("pro", "free")
    assert GRACE_MS == 7 * DAY_MS
    shop.do("recover", subscription=subscription)
    assert buyer.subscription["status"] == "active"
    assert buyer.account.plan_at(late) == "pro"


# ----------------------------------------------------------------------------------- money that goes back


@pytest.mark.parametrize("way", ["refund", "dispute"])
@pytest.mark.parametrize(("spent", "taken"), [(0, 0), (10, 0), (10, 990)], ids=["full", "partly", "zero"])
def test_money_that_goes_back_takes_what_is_left_and_the_rest_is_debt(
    shop: Shop, newcomer: Newcomer, way: str, spent: int, taken: int
) -> None:
    """At full, partly spent and zero balance: never below zero; a lost dispute ends as a refund does."""
    buyer = newcomer("enterprise")
    session = buyer.buys(100)
    if spent:
        buyer.uses_up()
        assert buyer.runs(seed=1).status_code == 200
    if taken:
        movement = {
            "source": "test",
            "reason": "test",
            "actor": "test",
            "entry_id": new_id("ent"),
            "now": now(),
        }
        assert shop.deployed.store.ledger.deduct(buyer.owner, taken, **movement)
    left = 1000 - spent - taken
    assert (buyer.balance.available, buyer.balance.spent) == (left, spent)
    gone = shop.control(way, payment_intent=buyer.intent(session))
    shop.told()
    if way == "dispute":
        assert buyer.client.usage()["credits"]["blocked"] is True
        shop.do("close_dispute", dispute=gone["object"]["id"], status="lost")
    balance = buyer.balance
    assert (balance.available, balance.debt) == (0, 1000 - left)
    assert balance.clawed_back == taken + left
    assert buyer.client.usage()["credits"]["blocked"] is (left < 1000)


def test_debt_blocks_spending_until_the_next_purchase_paid_it(shop: Shop, newcomer: Newcomer) -> None:
    """402 names the debt; of 100 more credits one pays it, and the other 99 are spent as usual."""
    buyer = newcomer("enterprise")
    session = buyer.buys(100)
    buyer.uses_up()
    assert buyer.runs(seed=1).status_code == 200
    shop.do("refund", payment_intent=buyer.intent(session))
    in_debt = buyer.runs(seed=2)
    assert refused(in_debt, 402, "INSUFFICIENT_CREDITS")
    details = in_debt.json()["error"]["details"]
    assert (details["debt"], details["blocked"], details["creditsAvailable"]) == (1, True, 0)
    buyer.buys(100)
    assert (buyer.balance.available, buyer.balance.debt) == (990, 0)
    assert buyer.runs(seed=2).status_code == 200
    assert (buyer.balance.available, buyer.balance.spent) == (980, 20)


def test_refund_that_failed_gives_the_credits_back(shop: Shop, buyer: Buyer) -> None:
    """The customer's bank did not take the money: what was taken back for it is there again."""
    refund = shop.control("refund", payment_intent=buyer.intent(buyer.buys(100)))["object"]["id"]
    shop.told()
    assert (buyer.balance.available, buyer.balance.clawed_back) == (0, 1000)
    shop.do("fail_refund", refund=refund)
    assert (buyer.balance.available, buyer.balance.debt) == (1000, 0)


def test_refund_that_is_told_before_the_payment_leaves_neither_credits_nor_debt(
    shop: Shop, buyer: Buyer
) -> None:
    """The news of both came in the wrong order, days late: bought, taken back, nothing owed."""
    session = buyer.opens("credits", pack=100)
    shop.silence()
    told = shop.do("pay", session=session) | shop.do("refund", payment_intent=buyer.intent(session))
    answers = shop.deliver(told["charge.refunded"], told[COMPLETED])
    assert [one.outcome for one in answers] == ["applied", "nothing"]
    balance = buyer.balance
    assert (balance.available, balance.purchased, balance.clawed_back, balance.debt) == (0, 1000, 1000, 0)


def test_plan_ends_when_its_money_went_back(shop: Shop, buyer: Buyer) -> None:
    """A refunded month gives no plan any more; when the refund fails, it does again."""
    buyer.subscribes("pro")
    (charge,) = shop.objects("charge")
    refund = shop.control("refund", charge=charge["id"])["object"]["id"]
    shop.told()
    assert buyer.client.usage()["plan"] == "free"
    shop.do("fail_refund", refund=refund)
    assert buyer.client.usage()["plan"] == "pro"


def test_disputed_credits_wait_and_come_back_when_it_is_won(shop: Shop, newcomer: Newcomer) -> None:
    """Nothing bought is spent while the bank decides, not even other packs; then everything is as it was."""
    buyer = newcomer("enterprise")
    session = buyer.buys(100)
    buyer.buys(100)
    buyer.uses_up()
    dispute = shop.control("dispute", payment_intent=buyer.intent(session))["object"]["id"]
    shop.told()
    assert buyer.balance.available == 1000
    assert refused(buyer.runs(seed=1), 402, "INSUFFICIENT_CREDITS")
    shop.do("close_dispute", dispute=dispute, status="won")
    assert (buyer.balance.available, buyer.balance.debt) == (2000, 0)
    assert buyer.runs(seed=1).status_code == 200


# ----------------------------------------------------------------------------------- spending and statement


def test_run_takes_the_rest_of_the_month_and_then_bought_credits(buyer: Buyer) -> None:
    """With half a credit of the month left, a run of one takes both halves; the next one is bought credits alone."""
    buyer.subscribes("pro")
    buyer.buys(100)
    buyer.uses_up(left=5)
    charges = [buyer.runs(seed=seed).json()["data"]["charge"] for seed in (1, 2)]
    assert [(one["planPortion"], one["creditsPortion"]) for one in charges] == [(0.5, 0.5), (0, 1)]
    assert buyer.client.usage()["monthlyUsage"]["remaining"] == 0
    assert (buyer.balance.available, buyer.balance.spent) == (985, 15)


def test_statement_adds_up_to_the_balance_page_by_page_and_as_a_file(shop: Shop, newcomer: Newcomer) -> None:
    """Every movement once, newest first, each with the balance after it; the CSV says the same."""
    buyer = newcomer("premium")
    session = buyer.buys(100)
    buyer.uses_up()
    assert [buyer.runs(seed=seed).status_code for seed in (1, 2)] == [200, 200]
    shop.do("refund", payment_intent=buyer.intent(session), amount=300)
    buyer.buys(500)
    rows: list[dict[str, Any]] = []
    cursor = ""
    for _ in range(10):
        page = buyer.client.get(f"/api/billing/ledger?limit=3{cursor}").json()["data"]
        rows += page["entries"]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    balance = buyer.balance
    assert Counter(row["kind"] for row in rows) == {"purchase": 2, "hold": 2, "settle": 2, "clawback": 1}
    assert len({row["id"] for row in rows}) == len(rows)
    assert page["totals"]["available"] * 10 == balance.available == 5680
    left = balance.available
    for row in rows:
        assert round(row["balance"] * 10) == left
        left -= round(row["change"] * 10)
    assert left == 0
    sheet = buyer.client.get("/api/billing/ledger?format=csv")
    assert sheet.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.DictReader(io.StringIO(sheet.text)))
    told = [(row["id"], row["kind"], row["change"], row["balance"]) for row in rows]
    assert [(one["id"], one["kind"], float(one["change"]), float(one["balance"])) for one in lines] == told


# -------------------------------------------------------------------------------------------- closing


def test_closing_grants_what_was_paid_and_never_told(shop: Shop, buyer: Buyer) -> None:
    """The event was dropped for good: the deployed closing finds the session, grants it once and reports it."""
    session = buyer.opens("credits", pack=100)
    shop.script("webhook", "drop", type=COMPLETED)
    shop.do("pay", session=session)
    assert buyer.entries == {}
    report = shop.closing()
    assert (report["found"], report["broken"]) == ([session], 0)
    assert (buyer.balance.available, buyer.entries) == (1000, {"purchase": 1})
    assert buyer.owner.id not in report["differences"]
    assert json.loads(shop.deployed.artifacts.get(closing_report_key(day_of(now())))) == report


def test_closing_finds_books_that_do_not_add_up(shop: Shop, buyer: Buyer) -> None:
    """Ten tenths too many on an account, by no entry: reported with the owner, and nobody else is."""
    buyer.buys(100)
    key = keys.account(buyer.owner)
    _forge(shop, key, 10)
    try:
        report = shop.closing()
    finally:
        _forge(shop, key, -10)
    assert report["found"] == []
    assert report["differences"] == {buyer.owner.id: 2.0}
    told = [line["owner"] for line in shop.deployed.logged("books do not add up")]
    assert told == [buyer.owner.id]
    assert buyer.balance.available == 1000


def _forge(shop: Shop, key: dict[str, Any], tenths: int) -> None:
    shop.deployed.store.table.update(key, "SET available = available + :by", values={":by": tenths})
