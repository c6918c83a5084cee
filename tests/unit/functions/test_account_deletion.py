"""The end of an account that pays, and what its copy says of money."""

import io
import json
import zipfile

import pytest

from enhancer.billing import checkout
from enhancer.domain.errors import StripeUnavailable
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
    assert end(apps, browser).status == 200
    found = apps.quota_reset({}, CONTEXT)
    assert (found["found"], found["parked"], found["broken"]) == ([], 0, 0)
    assert found["differences"] == {}


def test_who_pays_after_the_end_is_put_aside(apps, served, browser):
    """Money that came for nobody is for people to give back."""
    url = checkout.buy(served.visitor(served.accounts.get(browser.owner)), 500, deps=served.billing_deps)
    assert end(apps, browser).status == 200
    session = served.cashier.pay(url.rpartition("/")[2])
    assert served.told() == ["parked"]
    assert served.parked == [("account_gone", session.id)]


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


def test_who_has_no_running_subscription_ends_without_stripe(apps, served, browser, subscription):
    """Nobody is asked, so nothing can be down."""
    served.cashier.end(subscription)
    served.told()
    served.cashier.problem, served.cashier.calls = StripeUnavailable(), []
    assert end(apps, browser).status == 200
    assert served.cashier.calls == []


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
    assert set(lot) == {"source", "credits", "expires_at", "owed_back", "clawed_back"}
    assert (lot["source"], lot["credits"]) == (f"checkout#{session.id}", 5000)
    assert not {"version", "billing_version", "gsi1pk", "pk"} & {*profile, *lot}
