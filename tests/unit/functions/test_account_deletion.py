"""The end of an account that pays, and what its copy says of money."""

import io
import json
import zipfile

import pytest

from enhancer.billing import checkout
from enhancer.domain.errors import NotFound, StripeNotConfigured, StripeUnavailable
from enhancer.domain.owners import Owner
from tests.support.events import CONTEXT, Browser


@pytest.fixture
def browser(apps, served):
    """A browser that is signed in."""
    made = Browser(ip="198.51.100.45")
    found = made.post_json(apps.debug_login, "/api/debug-login", {"email": "ada@example.com"})
    made.owner = Owner("user", found.data["userId"])
    return made


@pytest.fixture
def subscription(served, browser):
    """Theirs."""
    made = served.subscribed(served.accounts.get(browser.owner))
    served.told()
    return made.id


def end(apps, browser):
    return browser.send(apps.account, "DELETE", "/api/account")


def test_with_the_account_its_subscription_ends_at_once(apps, served, browser, subscription):
    """Nobody pays for what is gone; what Stripe says of it afterwards is no news and alarms nobody."""
    told = len(served.cashier.events_told)
    served.clock += 1000
    assert end(apps, browser).status == 200
    assert served.cashier.subscribed[subscription].status == "canceled"
    assert served.accounts.get(browser.owner) is None
    assert served.told(since=told) == ["nothing"]
    assert served.parked == []


def test_what_an_account_paid_and_got_is_no_news_after_its_end(apps, served, browser):
    """The closing meets its checkouts and its subscription for days, and finds nothing wrong."""
    account = served.accounts.get(browser.owner)
    served.bought(account)
    served.subscribed(account)
    served.told()
    served.clock += 1000
    assert end(apps, browser).status == 200
    found = apps.quota_reset({}, CONTEXT)
    assert (found["found"], found["parked"], found["broken"]) == ([], 0, 0)
    assert found["differences"] == {}


def opened(served, browser):
    """Their open checkouts: one for a pack, one for a plan."""
    account, deps = served.accounts.get(browser.owner), served.billing_deps
    urls = [
        checkout.buy(served.visitor(account), 500, deps=deps),
        checkout.subscribe(served.visitor(account), "pro", "monthly", deps=deps),
    ]
    return [url.rpartition("/")[2] for url in urls]


def test_with_the_account_its_open_checkouts_expire(apps, served, browser):
    """Nobody pays in another window for what is gone."""
    sessions = opened(served, browser)
    assert end(apps, browser).status == 200
    assert [served.cashier.sessions[one].status for one in sessions] == ["expired", "expired"]
    assert served.told() == ["nothing", "nothing"]


def test_a_checkout_that_opens_while_the_account_is_deleted_expires(apps, served, browser):
    """Between the first look at Stripe and the end; a session that opens after it is expired by who opened it."""
    served.bought(served.accounts.get(browser.owner))
    original, made = served.cashier.open_checkouts, []

    def slow(customer):
        found = original(customer)
        served.cashier.open_checkouts = original
        made.extend(opened(served, browser))
        return found

    served.cashier.open_checkouts = slow
    assert end(apps, browser).status == 200
    assert [served.cashier.sessions[one].status for one in made] == ["expired", "expired"]


def test_a_checkout_that_opens_after_the_end_leads_nowhere(apps, served, browser):
    """The account was there when the order came, and is gone when Stripe answers."""
    visitor = served.visitor(served.accounts.get(browser.owner))
    original = served.cashier.open

    def slow(order, *, idempotency_key):
        found = original(order, idempotency_key=idempotency_key)
        assert end(apps, browser).status == 200
        served.cashier.sessions[found.id] = found  # it was made a moment after both looks
        return found

    served.cashier.open = slow
    with pytest.raises(NotFound):
        checkout.buy(visitor, 500, deps=served.billing_deps)
    assert [one.status for one in served.cashier.sessions.values()] == ["expired"]


def test_a_subscription_that_no_event_told_of_ends_with_the_account(apps, served, browser):
    """Paid a moment before: Stripe is asked what runs, not only our own record."""
    found = served.subscribed(served.accounts.get(browser.owner))
    assert end(apps, browser).status == 200
    assert served.cashier.subscribed[found.id].status == "canceled"


def test_who_pays_after_the_end_gets_it_back(apps, served, browser):
    """Should a session be payable all the same, the money goes back and the subscription ends; nobody is charged."""
    sessions = opened(served, browser)
    kept = {one: served.cashier.sessions[one] for one in sessions}
    assert end(apps, browser).status == 200
    told = len(served.cashier.events_told)
    served.cashier.sessions.update(kept)
    paid = [served.cashier.pay(one) for one in sessions]
    served.told(since=told)
    assert sorted(served.cashier.refunds.values()) == [1200, 4000]
    assert [one.status for one in served.cashier.subscribed.values()] == ["canceled"]
    assert served.parked == [("account_gone", paid[0].id), ("account_gone", paid[1].subscription)]


def test_while_stripe_is_down_nothing_is_deleted(apps, served, browser, subscription):
    """503; the next try ends both."""
    before = [one for one in served.records() if not one["sk"].startswith("RATE#")]
    served.cashier.problem = StripeUnavailable()
    answer = end(apps, browser)
    assert (answer.status, answer.error["code"]) == (503, "stripe_unavailable")
    assert [one for one in served.records() if not one["sk"].startswith("RATE#")] == before
    served.cashier.problem = None
    assert end(apps, browser).status == 200


def test_a_subscription_that_stripe_does_not_know_is_no_obstacle(apps, served, browser, subscription):
    """There is nothing to end."""
    del served.cashier.subscribed[subscription]
    assert end(apps, browser).status == 200


def test_who_never_bought_anything_ends_without_stripe(apps, served, browser):
    """Nobody is asked, so nothing can be down."""
    served.cashier.problem = StripeUnavailable()
    assert end(apps, browser).status == 200
    assert served.cashier.calls == []


def test_where_nothing_is_sold_any_more_an_account_can_still_end(apps, served, browser):
    """Without a key there is nothing to ask; only a subscription that runs must be ended by somebody first."""
    served.bought(served.accounts.get(browser.owner))
    served.cashier.problem = StripeNotConfigured()
    assert end(apps, browser).status == 200


def test_the_copy_has_subscriptions_and_lots_without_what_is_only_ours(apps, served, browser, subscription):
    """What was paid for, from when until when, and what arrived; no versions, marks or keys of the table."""
    session = served.bought(served.accounts.get(browser.owner), 500)
    served.told(since=1)
    answer = browser.send(apps.account, "GET", "/api/account/export")
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    profile = json.loads(archive.read("profile.json"))
    (shown,) = profile["subscriptions"]
    assert (shown["id"], shown["plan"], shown["status"], len(shown["paid"])) == (
        subscription,
        "pro",
        "active",
        1,
    )
    (lot,) = json.loads(archive.read("lots.json"))
    ours = {"owed_back", "clawed_back", "arrived_at", "paid", "currency"}
    assert set(lot) == {"source", "credits", "expires_at"} | ours
    assert (lot["source"], lot["credits"]) == (f"checkout#{session.id}", 5000)
    assert not {"version", "billing_version", "gsi1pk", "pk"} & {*profile, *lot}
