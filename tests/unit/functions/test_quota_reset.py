"""The daily closing: what it does with and without Stripe, what it counts, and where its report lies."""

import json

import boto3
import pytest

from enhancer import runtime
from enhancer.adapters.stripe.gateway import Payments
from enhancer.domain.errors import StripeUnavailable
from enhancer.domain.periods import DAY_MS
from tests.support.events import CONTEXT

NOTHING = {
    "expired": 0, "warned": 0, "found": [], "followed": 0, "heard": 0, "parked": 0, "paid_off": 0, "checked": 0,
    "differences": {}, "closed": ["2026-11-19"], "broken": 0,
}  # fmt: skip


@pytest.fixture
def closing(apps, served, capsys):
    """Run it; return what it says, and what it counted."""

    def run():
        capsys.readouterr()
        found = apps.quota_reset({}, CONTEXT)
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
        counted = {one["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Name"]: one for one in lines}
        return found, {name: one[name][0] for name, one in counted.items()}

    return run


def report(served):
    return json.loads(served.artifacts.get("ai-enhancer/reports/closing/2026-11-20.json"))


def test_a_day_on_which_nothing_happened_counts_nothing(closing, served):
    """Zeros are counted too, so that a closing that never runs is noticed by what is missing."""
    found, counted = closing()
    assert found == NOTHING
    assert counted == {"LedgerDifference": 0, "PaidNotGranted": 0, "ClosingBroken": 0}
    assert report(served) == NOTHING


def test_what_was_paid_and_never_told_is_granted_and_counted(closing, served):
    """The event was lost; the next time there is nothing left to find."""
    account = served.person()
    session = served.bought(account, 100)
    found, counted = closing()
    assert (found["found"], counted["PaidNotGranted"]) == ([session.id], 1)
    assert served.ledger.usage_and_balance(account.owner, now=served.clock).balance.purchased == 1000
    assert closing()[1]["PaidNotGranted"] == 0


def test_books_that_do_not_add_up_are_counted(closing, served, logs):
    """Even a tenth of a credit; the report says whose and by how much."""
    account = served.person()
    served.table.update(
        {"pk": f"OWNER#user#{account.owner.id}", "sk": "ACCOUNT"}, "SET available = :one", values={":one": 1}
    )
    found, counted = closing()
    assert counted["LedgerDifference"] == 1
    assert list(found["differences"]) == [account.owner.id]
    assert report(served)["differences"] == found["differences"]


@pytest.fixture
def topic(cloud, setting):
    """A queue that hears what is published."""
    sns, sqs = boto3.client("sns"), boto3.client("sqs")
    arn = sns.create_topic(Name="notices")["TopicArn"]
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue)
    setting(NOTICES_TOPIC_ARN=arn)
    runtime.notices.cache_clear()
    yield lambda: [json.loads(one["Body"]) for one in sqs.receive_message(QueueUrl=url).get("Messages", [])]
    runtime.notices.cache_clear()


def test_who_is_about_to_lose_credits_is_told_once(closing, served, topic):
    """By a notice that says whose and how many, and no address."""
    account = served.person()
    served.bought(account, 100)
    served.told()
    (lot,) = served.ledger.lots(account.owner)
    served.clock = lot.expires_at - 13 * DAY_MS
    assert [closing()[0]["warned"] for _ in range(2)] == [1, 0]
    (notice,) = topic()
    assert notice["MessageAttributes"]["type"]["Value"] == "credits_expiring"
    said = json.loads(notice["Message"])
    assert (said["type"], said["ownerId"], said["credits"]) == ("credits_expiring", account.owner.id, 100.0)
    assert set(said) == {"type", "ownerId", "at", "credits", "expiresAt"}
    assert (said["expiresAt"], said["at"]) == (lot.expires_at, served.clock)
    assert "example.com" not in json.dumps(notice)


def test_without_a_key_credits_expire_and_books_are_checked_all_the_same(closing, served, monkeypatch):
    """Only what must be asked at Stripe is left out."""
    account = served.person()
    served.bought(account, 100)
    served.told()
    (lot,) = served.ledger.lots(account.owner)
    monkeypatch.setattr(runtime, "payments", lambda: Payments(lambda fresh: "", "http://127.0.0.1:9"))
    monkeypatch.setattr(runtime, "stripe_secret", lambda **_: {})
    served.clock = lot.expires_at + 1
    found, counted = closing()
    assert (found["expired"], found["checked"], found["broken"]) == (100, 1, 0)
    assert counted["ClosingBroken"] == 0


def test_while_stripe_is_down_the_rest_is_done_and_it_is_counted(closing, served):
    """The next day asks again."""
    served.person()
    served.cashier.problem = StripeUnavailable()
    found, counted = closing()
    assert (found["checked"], counted["ClosingBroken"]) == (1, 1)


def test_a_notice_that_cannot_be_published_stops_nothing(served, setting, logs):
    """Money has moved already; the log has the notice."""
    setting(NOTICES_TOPIC_ARN="arn:aws:sns:eu-central-1:123456789012:gone")
    runtime.notices.cache_clear()
    runtime.notify("credits_low", served.person().owner, below=10.0)
    runtime.notices.cache_clear()
    (line,) = logs.lines
    assert (line["level"], line["message"], line["notice"]) == ("ERROR", "notice lost", "credits_low")
