"""POST stripe-webhook: who is believed, what is answered, and what Stripe must tell again."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from enhancer import runtime
from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.errors import CheckoutUnderWay, StripeUnavailable
from tests.support import aws
from tests.support.callbacks import RECORDED_AT, stripe_signed
from tests.support.event_cases import CASES
from tests.support.events import CONTEXT, Answer, http_event

PATH = "/api/billing/stripe-webhook"
SECRET, OLD = aws.STRIPE_SECRETS["webhookSecret"], aws.STRIPE_SECRETS["webhookSecretPrevious"]


def text_of(event):
    """An event as Stripe writes it."""
    told = {
        "id": event.id, "object": "event", "type": event.type, "created": event.created // 1000,
        "livemode": event.livemode, "data": {"object": event.object},
    }  # fmt: skip
    return json.dumps(told)


def tell(apps, served, event, *, secret=SECRET, body=None, at=None, headers=None):
    """Stripe's call: no cookie, no origin, one header."""
    text = text_of(event)
    signed = stripe_signed(text.encode(), secret, at=served.clock // 1000 if at is None else at)
    sent = http_event("POST", PATH, body=text if body is None else body, headers=signed | (headers or {}))
    return Answer(apps.stripe_webhook(sent, CONTEXT))


@pytest.fixture
def account(served):
    """Somebody who paid for a pack; the event is on its way."""
    made = served.person()
    served.bought(made, 500)
    return made


@pytest.fixture
def paid(served, account):
    """The event."""
    return served.cashier.told("checkout.session.completed")


def available(served, account):
    return served.ledger.usage_and_balance(account.owner, now=served.clock).balance.available


def test_what_was_paid_is_granted_and_the_answer_says_so(apps, served, account, paid):
    """Once: a repetition is accepted and changes nothing."""
    answers = [tell(apps, served, paid) for _ in range(3)]
    assert [(one.status, one.data["outcome"]) for one in answers] == [
        (200, "applied"),
        (200, "repeated"),
        (200, "repeated"),
    ]
    assert answers[0].cookies == {}
    assert available(served, account) == 5000


def test_an_old_body_signed_anew_is_repeated(apps, served, account, paid):
    """Days later, with a signature of that day: the event counts once."""
    tell(apps, served, paid)
    served.clock += 3 * 86_400_000
    assert tell(apps, served, paid).data["outcome"] == "repeated"
    assert available(served, account) == 5000


def test_a_base64_body_is_the_same_body(apps, served, account, paid):
    """As the gateway sends what it takes for binary."""
    assert tell(apps, served, paid, body=text_of(paid).encode()).data["outcome"] == "applied"


@pytest.mark.parametrize(
    "forged",
    [
        {"secret": "whsec_foreign"}, {"secret": ""}, {"body": "{}"}, {"body": ""}, {"at": 0}, {"at": 4_000_000_000},
        {"headers": {"stripe-signature": ""}}, {"headers": {"stripe-signature": "t=1,v1="}},
        {"headers": {"stripe-signature": "t=ü"}},
    ],
    ids=str,
)  # fmt: skip
def test_who_is_not_stripe_is_refused(apps, served, account, paid, forged):
    """400, one code for all of them, and nobody has anything."""
    answer = tell(apps, served, paid, **forged)
    assert (answer.status, answer.error["code"], "details" in answer.error) == (400, "webhook_invalid", False)
    assert available(served, account) == 0


@pytest.mark.parametrize("seconds", [-301, 301])
def test_an_event_out_of_its_time_is_refused(apps, served, account, paid, seconds):
    """Five minutes either way, by our clock."""
    answer = tell(apps, served, paid, at=served.clock // 1000 + seconds)
    assert (answer.status, available(served, account)) == (400, 0)


def test_in_a_rotation_both_secrets_hold(apps, served, account, paid):
    """The one before is believed as long as it is there."""
    assert tell(apps, served, paid, secret=OLD).data["outcome"] == "applied"


def test_a_secret_rotated_a_moment_ago_is_looked_up(apps, served, account, paid, monkeypatch):
    """A warm function does not refuse Stripe for minutes."""
    assert runtime.stripe_webhook_secrets() == [SECRET, OLD]
    served.secrets.store(aws.STRIPE, aws.STRIPE_SECRETS | {"webhookSecret": "whsec_newest"})
    monkeypatch.setattr("enhancer.adapters.aws.secrets.FORCED_SECONDS", -1)
    assert tell(apps, served, paid, secret="whsec_newest").data["outcome"] == "applied"


def test_strangers_do_not_wear_the_secret_store_out(apps, served, account, paid, monkeypatch):
    """However often they try, it is asked every few seconds at most; for the unsigned and late not at all."""
    asked = served.secrets.asked
    for _ in range(5):
        assert tell(apps, served, paid, secret="whsec_foreign").status == 400
    assert len(asked) == 1
    monkeypatch.setattr("enhancer.adapters.aws.secrets.FORCED_SECONDS", -1)
    for forged in ({"at": 0}, {"headers": {"stripe-signature": "t=1"}}):
        assert tell(apps, served, paid, **forged).status == 400
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("problem", "status", "code"),
    [
        (StripeUnavailable(), 503, "stripe_unavailable"),
        (CheckoutUnderWay(), 500, "internal_error"),
        (RuntimeError("a bug"), 500, "internal_error"),
    ],
)
def test_whatever_goes_wrong_here_is_told_again(apps, served, account, paid, problem, status, code):
    """5xx, nothing half done, and the repetition works."""
    served.cashier.problem = problem
    answer = tell(apps, served, paid)
    assert (answer.status, answer.error["code"]) == (status, code)
    assert "a bug" not in answer.content.decode()
    served.cashier.problem = None
    assert tell(apps, served, paid).data["outcome"] == "applied"


def test_without_a_key_stripe_tells_again_later(apps, served, account, paid, monkeypatch):
    """The operator has forgotten it: 503, not silence."""
    monkeypatch.setattr(runtime, "payments", lambda: Payments(lambda fresh: "", "http://127.0.0.1:9"))
    assert (tell(apps, served, paid).status, available(served, account)) == (503, 0)


@pytest.mark.parametrize("stored", [{}, {"webhookSecret": ""}, {"secretKey": "sk_test_x"}])
def test_without_a_secret_nobody_is_believed(apps, served, account, paid, stored):
    """Nothing configured is no open door."""
    served.secrets.store(aws.STRIPE, stored)
    assert tell(apps, served, paid, secret="").status == 400


def test_an_event_of_another_kind_is_heard_and_ignored(apps, served, paid):
    """200, so that it is not repeated."""
    assert tell(apps, served, replace(paid, id="evt_x", type="customer.updated")).data["outcome"] == "ignored"


def test_what_cannot_be_right_is_put_aside_and_counted(apps, served, account, paid, counted):
    """A price in no table: 200, the plan as it was, a metric by reason that no owner is in."""
    one = served.subscribed(account)
    served.cashier.switch(one.id, "price_foreign_monthly")
    assert (
        tell(apps, served, served.cashier.told("customer.subscription.updated")).data["outcome"] == "parked"
    )
    assert counted("BillingParked") == {"": [1.0], "unknown_price": [1.0]}
    assert served.accounts.get(account.owner).plan_at(served.clock) == "free"


def test_the_log_names_event_type_and_outcome_and_nobody(apps, served, account, paid, logs):
    """Neither customer nor secret nor signature."""
    tell(apps, served, paid)
    (line,) = (found for found in logs.lines if found["message"] == "request")
    assert (line["event"], line["type"], line["outcome"]) == (paid.id, paid.type, "applied")
    for private in (SECRET, "cus_", "v1=", account.owner.id, "a@example.com"):
        assert private not in logs.text


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("recorded", 200), ("recorded-base64", 200), ("recorded-previous-secret", 200),
        ("recorded-foreign-secret", 400), ("recorded-other-body", 400),
    ],
)  # fmt: skip
def test_a_recorded_event_is_answered_by_what_it_is_when_its_time_is_now(apps, served, name, status):
    """The recorded cases at the moment they were signed; sent twice, answered alike."""
    served.clock = (RECORDED_AT + 10) * 1000
    event = json.loads(CASES[f"stripe_webhook.{name}"].text)
    assert [Answer(apps.stripe_webhook(event, CONTEXT)).status for _ in range(2)] == [status] * 2


def test_who_is_refused_costs_no_import_of_stripe():
    """Loading the function and checking a signature leaves Stripe's client and pydantic out."""
    code = (
        "import sys\n"
        "from functions.stripe_webhook import app\n"
        "from enhancer.adapters.stripe.webhook import verify_rotating\n"
        "from enhancer.domain.errors import WebhookInvalid\n"
        "try: verify_rotating(b'{}', 't=1,v1=aa', lambda fresh: ['x'], now=1000)\n"
        "except WebhookInvalid: pass\n"
        "print(sorted({'stripe', 'requests', 'pydantic', 'PIL'} & set(sys.modules)))\n"
    )
    environment = aws.ENVIRONMENT | {"PYTHONPATH": "layers/common:.", "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=aws.template.ROOT, env=environment, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert ran.stdout.strip() == "[]"
