"""Fifty rounds each, in threads, of what a buyer may try: a larger plan without paying, and paying after leaving."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from enhancer.runtime import now
from tests.e2e.shop import (  # noqa: F401
    COMPLETED,
    CREATED,
    UPDATED,
    Buyer,
    Shop,
    newcomer_fixture,
    session_of,
    shop_fixture,
    whole_shop_fixture,
)

ROUNDS, CALLERS = 50, 6
NEWS = (COMPLETED, CREATED, "invoice.paid")
PRORATIONS = ("create_prorations", "none", "always_invoice")


def test_fifty_upgrades_that_nobody_paid_give_nothing(shop: Shop) -> None:
    """Whatever the portal does about the rest of the period, told in any order: pro, until its invoice is paid."""
    shop.silence()

    def upgraded(number: int) -> tuple[str, str, str]:
        proration = PRORATIONS[number % 3]
        owner, customer = shop.account()
        session = shop.session(owner, customer, "price_pro_monthly", plan="pro")
        told = shop.control("pay", session=session)["events"]
        subscription = shop.payments.checkout(session).subscription
        change = {"subscription": subscription, "price": "price_enterprise_monthly", "pays": False}
        told += shop.control("switch", proration_behavior=proration, **change)["events"]
        last = {one["type"]: one["id"] for one in told}
        news = [last[kind] for kind in ("invoice.paid", "invoice.payment_failed", UPDATED) if kind in last]
        random.Random(number).shuffle(news)  # noqa: S311 - reproducible on purpose
        assert {one.status for one in shop.deliver(*news, parallel=True)} == {200}

        def plan() -> str:
            account = shop.deployed.store.accounts.get(owner)
            assert account
            return account.plan_at(now())

        before = plan()
        what = "recover" if proration == "always_invoice" else "renew"
        paid = shop.control(what, subscription=subscription)["events"]
        shop.deliver(next(one["id"] for one in paid if one["type"] == "invoice.paid"))
        return proration, before, plan()

    with ThreadPoolExecutor(CALLERS) as pool:
        ends = Counter(pool.map(upgraded, range(ROUNDS)))
    # the next period's invoice is paid, too, and counts when that begins
    late = [("create_prorations", "pro", "enterprise"), ("none", "pro", "pro")]
    assert set(ends) == {*late, ("always_invoice", "pro", "enterprise")}
    assert ends.total() == ROUNDS


def test_fifty_accounts_that_end_with_open_checkouts_leave_nothing_to_pay(
    shop: Shop, newcomer: Callable[..., Buyer]
) -> None:
    """Paid at that moment, or later by a page that Stripe kept open: it was theirs, or goes back; nothing runs."""
    shop.silence()
    with ThreadPoolExecutor(CALLERS) as pool:
        buyers = list(pool.map(lambda _: newcomer(), range(ROUNDS)))

    def ended(number: int) -> str:
        buyer, how = buyers[number], ("race", "late", "race", "late", "left")[number % 5]
        what = (
            ("credits", {"pack": 100}) if number % 2 else ("session", {"plan": "pro", "interval": "monthly"})
        )
        session = session_of(buyer.orders(what[0], **what[1]))
        with ThreadPoolExecutor(2) as both:
            leaves = both.submit(_leaves, buyer)
            races = both.submit(_pays, shop, session) if how == "race" else None
            assert leaves.result().status_code == 200
            told = races.result() if races else []
        if how == "late":
            assert shop.payments.checkout(session).status == "expired"
            shop.control("change", id=session, set={"status": "open"})
            told = _pays(shop, session)
        if told:
            assert {one.status for one in shop.deliver(*told, times=1 + number % 2)} == {200}
        return how

    with ThreadPoolExecutor(CALLERS) as pool:
        assert Counter(pool.map(ended, range(ROUNDS))) == {"race": 20, "late": 20, "left": 10}
    assert [one["id"] for one in shop.objects("checkout.session") if one["status"] == "open"] == []
    assert {one["status"] for one in shop.objects("subscription")} == {"canceled"}
    kept = Counter(one["customer"] for one in shop.objects("charge") if not one["refunded"])
    customers = {one["metadata"]["owner"]: one["id"] for one in shop.objects("customer")}
    for number, buyer in enumerate(buyers):
        assert buyer.entries == {}
        if number % 2 or number % 5 in (1, 3):  # all but a plan that was paid before its account ended
            assert kept[customers[buyer.owner.id]] == 0


def _leaves(buyer: Buyer) -> requests.Response:
    """Delete the account."""
    client = buyer.client
    headers = {"Origin": client.url, "X-CSRF-Token": client.http.cookies.get("csrf_token", "")}
    return client.http.delete(f"{client.url}/api/account", headers=headers, timeout=60)


def _pays(shop: Shop, session: str) -> list[str]:
    """The events of a payment, none where it came too late."""
    answer = shop.line.post(f"{shop.url}/_ctl/pay", json={"session": session}, timeout=30)
    return [one["id"] for one in answer.json()["events"] if one["type"] in NEWS] if answer.ok else []
