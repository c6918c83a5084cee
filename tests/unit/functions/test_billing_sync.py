"""Back from Stripe: what was paid is there at once, and nobody gets what is another's."""

from dataclasses import replace

import boto3
import pytest

from enhancer import runtime
from enhancer.domain.errors import StripeUnavailable
from enhancer.domain.owners import Owner
from tests.support import aws
from tests.support.events import Browser

BILLING = "/api/billing"
PERSON = {"accept": "text/html,*/*", "accept-language": "de"}


@pytest.fixture
def browser(apps, served):
    """A browser that is signed in."""
    return signed_in(apps, "ada@example.com")


def signed_in(apps, email):
    made = Browser(ip="198.51.100.43")
    found = made.post_json(apps.debug_login, "/api/debug-login", {"email": email})
    made.owner = Owner("user", found.data["userId"])
    return made


def opened(apps, served, browser, body, path="credits"):
    """The session of a checkout that is not paid yet."""
    url = browser.post_json(apps.billing, f"{BILLING}/{path}", body).json["url"]
    return url.rpartition("/")[2]


def back(apps, browser, session, headers=PERSON):
    return browser.send(
        apps.billing, "GET", f"{BILLING}/sync", query=f"session_id={session}", headers=headers
    )


def place(answer):
    return answer.status, answer.headers["Location"]


def available(served, browser):
    return served.ledger.usage_and_balance(browser.owner, now=served.clock).balance.available


def test_who_paid_has_the_credits_when_the_page_loads(apps, served, browser):
    """Whichever comes first, browser or event; again and again changes nothing."""
    session = opened(apps, served, browser, {"pack": 500, "returnTo": "/en/pricing?x=1"})
    served.cashier.pay(session)
    for _ in range(3):
        answer = back(apps, browser, session)
        assert place(answer) == (302, "/en/pricing?x=1&checkout=paid")
        assert answer.headers["Cache-Control"] == "no-store"
    assert served.told() == ["nothing"]
    assert available(served, browser) == 5000


def test_who_subscribed_has_the_plan_when_the_page_loads(apps, served, browser):
    """Without a path of their own they land on the account page."""
    session = opened(apps, served, browser, {"plan": "pro", "interval": "annual"}, "session")
    served.cashier.pay(session)
    assert place(back(apps, browser, session)) == (302, "/en/account?checkout=paid")
    plan = browser.send(apps.billing, "GET", f"{BILLING}/subscription").data
    assert (plan["plan"], plan["interval"]) == ("pro", "annual")


@pytest.mark.parametrize("later", [False, True])
def test_what_is_not_paid_yet_is_pending_and_gives_nothing(apps, served, browser, later):
    """Left on Stripe's page, or paid by a way that takes days."""
    session = opened(apps, served, browser, {"pack": 500})
    if later:
        served.cashier.pay(session, later=True)
    assert place(back(apps, browser, session)) == (302, "/en/account?checkout=pending")
    assert available(served, browser) == 0


def test_what_expired_has_failed(apps, served, browser):
    """Nobody can pay it any more."""
    session = opened(apps, served, browser, {"pack": 500})
    served.cashier.expire(session)
    assert place(back(apps, browser, session)) == (302, "/en/account?checkout=failed")


@pytest.mark.parametrize("session", ["cs_unknown", "../customers", "{CHECKOUT_SESSION_ID}", "x" * 200])
def test_of_a_session_that_is_none_nothing_is_said(apps, served, browser, session):
    """404 for programs; people land on their account, where nothing failed."""
    assert place(back(apps, browser, session)) == (302, "/de/account")
    answer = back(apps, browser, session, {"accept": "application/json"})
    assert (answer.status, answer.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("query", ["", "session_id=", "session=cs_1"])
@pytest.mark.parametrize("accept", ["text/html,*/*", "application/json"])
@pytest.mark.parametrize("signed_in", [True, False])
def test_a_return_without_a_session_leads_to_the_account(apps, served, browser, query, accept, signed_in):
    """An old link or a bookmark: there is nothing to look up, so nobody is asked and nothing goes wrong."""
    served.cashier.problem = StripeUnavailable()
    who = browser if signed_in else Browser(ip="198.51.100.47")
    answer = who.send(
        apps.billing, "GET", f"{BILLING}/sync", query=query, headers=PERSON | {"accept": accept}
    )
    assert place(answer) == (302, "/de/account")
    assert served.cashier.calls == []


def test_the_session_of_another_is_like_none_and_gives_nothing(apps, served, browser):
    """Neither to who asks nor to who paid: that one will be told by Stripe."""
    session = opened(apps, served, browser, {"pack": 500})
    served.cashier.pay(session)
    thief = signed_in(apps, "eve@example.com")
    assert place(back(apps, thief, session)) == (302, "/de/account")
    answer = back(apps, thief, session, {"accept": "application/json"})
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert (available(served, thief), available(served, browser)) == (0, 0)


def test_a_browser_that_is_not_signed_in_any_more_waits(apps, served, browser):
    """The event will bring what was paid; programs are told to sign in."""
    session = opened(apps, served, browser, {"pack": 500})
    stranger = Browser(ip="198.51.100.44")
    assert place(back(apps, stranger, session)) == (302, "/de/account?checkout=pending")
    answer = back(apps, stranger, session, {"accept": "application/json"})
    assert (answer.status, answer.error["code"]) == (401, "sign_in_required")


def test_while_stripe_is_down_a_person_waits_and_a_program_is_told(apps, served, browser):
    """503 is for programs."""
    session = opened(apps, served, browser, {"pack": 500})
    served.cashier.problem = StripeUnavailable()
    assert place(back(apps, browser, session)) == (302, "/de/account?checkout=pending")
    answer = back(apps, browser, session, {"accept": "application/json"})
    assert (answer.status, answer.error["code"]) == (503, "stripe_unavailable")


def queue(setting):
    """A queue for what cannot be right."""
    client = boto3.client("sqs")
    url = client.create_queue(QueueName="parked")["QueueUrl"]
    setting(PARKED_QUEUE_URL=url)
    runtime.dead_letters.cache_clear()
    return client, url


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": 1}, "amount_mismatch"),
        ({"currency": "eur"}, "amount_mismatch"),
        ({"livemode": True}, "livemode"),
    ],
)
def test_what_cannot_be_right_gives_nothing_and_is_kept_for_people(
    apps, served, browser, cloud, setting, change, reason
):
    """To the browser it is still pending; the letter says what is wrong, and nothing about anybody."""
    client, url = queue(setting)
    session = opened(apps, served, browser, {"pack": 500})
    paid = served.cashier.pay(session)
    served.cashier.sessions[session] = replace(paid, **change)
    assert place(back(apps, browser, session)) == (302, "/en/account?checkout=pending")
    (letter,) = client.receive_message(QueueUrl=url)["Messages"]
    runtime.dead_letters.cache_clear()
    assert letter["Body"] == (
        f'{{"reason": "{reason}", "about": "{session}", "context": "sync", "at": {served.clock}}}'
    )
    assert available(served, browser) == 0


def test_a_queue_that_does_not_answer_stops_nobody(apps, served, browser, cloud, setting, logs):
    """The log has it too."""
    setting(PARKED_QUEUE_URL="https://sqs.eu-central-1.amazonaws.com/123456789012/gone")
    runtime.dead_letters.cache_clear()
    session = opened(apps, served, browser, {"pack": 500})
    served.cashier.sessions[session] = replace(served.cashier.pay(session), amount=1)
    assert place(back(apps, browser, session)) == (302, "/en/account?checkout=pending")
    runtime.dead_letters.cache_clear()
    assert [line["message"] for line in logs.lines if line["level"] == "ERROR"] == [
        "parked",
        "dead letter lost",
    ]


def test_the_page_that_sells_is_on_the_address_the_browser_knows(apps, served, browser, setting):
    """Without an origin of its own the API's address counts."""
    session = opened(apps, served, browser, {"pack": 100})
    order = next(asked for asked, made in served.cashier.kept.values() if made == session)
    assert order.success_url.startswith(f"{aws.ORIGIN}{BILLING}/sync?")
