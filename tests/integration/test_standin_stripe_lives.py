"""What happens to sessions, subscriptions and payments in the Stripe stand-in, and which events tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe

from local.processes import LocalError
from local.standins.started import StandIn
from local.standins.stripe_objects import later

PACK = {
    "mode": "payment",
    "line_items": [{"price": "price_pack_1000", "quantity": 1}],
    "success_url": "http://127.0.0.1:8787/",
}
PLAN = PACK | {"mode": "subscription", "line_items": [{"price": "price_pro_monthly", "quantity": 1}]}
CREATED, UPDATED, DELETED = (f"customer.subscription.{word}" for word in ("created", "updated", "deleted"))
COMPLETED, PAID, FAILED = "checkout.session.completed", "invoice.paid", "invoice.payment_failed"
INNER = (
    "charge.succeeded",
    "charge.failed",
    "payment_intent.",
    "invoice.payment_succeeded",
    "customer.created",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn("stripe", ["--webhook-url", ""], log=tmp_path_factory.mktemp("stripe") / "log") as started:
        yield started


@pytest.fixture
def stand_in(server: StandIn) -> StandIn:
    server.reset()
    return server


@pytest.fixture
def api(stand_in: StandIn) -> Any:
    http = stripe.RequestsClient(timeout=60)
    return stripe.StripeClient("sk_test_local", base_addresses={"api": stand_in.url}, http_client=http).v1


def told(stand_in: StandIn, what: str, **order: Any) -> list[str]:
    """Do something, and give the events an endpoint would hear of."""
    events = stand_in.control(what, **order)["events"]
    return [event["type"] for event in events if not event["type"].startswith(INNER)]


def subscribed(api: Any, stand_in: StandIn, **more: Any) -> str:
    session = api.checkout.sessions.create({**PLAN, **more})
    return str(stand_in.control("pay", session=session.id)["object"]["subscription"])


def item(api: Any, subscription: str) -> dict[str, Any]:
    return dict(api.subscriptions.retrieve(subscription).to_dict()["items"]["data"][0])


def test_a_promised_payment_completes_unpaid_and_settles(api: Any, stand_in: StandIn) -> None:
    """Completed says unpaid; only the second event brings the money, and it comes once."""
    session = api.checkout.sessions.create(PACK).id
    assert told(stand_in, "pay_later", session=session) == [COMPLETED]
    found = api.checkout.sessions.retrieve(session, {"expand": ["payment_intent"]})
    assert (found.status, found.payment_status, found.payment_intent.status) == (
        "complete",
        "unpaid",
        "processing",
    )
    with pytest.raises(stripe.InvalidRequestError, match="successful charge"):
        api.refunds.create({"payment_intent": found.payment_intent.id})
    assert told(stand_in, "settle", session=session) == ["checkout.session.async_payment_succeeded"]
    assert api.checkout.sessions.retrieve(session).payment_status == "paid"
    with pytest.raises(LocalError, match="does not wait"):
        stand_in.control("settle", session=session)


def test_a_promised_payment_that_fails_stays_unpaid(api: Any, stand_in: StandIn) -> None:
    """And cannot settle afterwards."""
    session = api.checkout.sessions.create(PACK).id
    told(stand_in, "pay_later", session=session)
    assert told(stand_in, "fail", session=session) == ["checkout.session.async_payment_failed"]
    assert api.checkout.sessions.retrieve(session).payment_status == "unpaid"
    with pytest.raises(LocalError, match="does not wait"):
        stand_in.control("settle", session=session)


def test_a_declined_card_leaves_the_session_open(api: Any, stand_in: StandIn) -> None:
    """Another card then pays the same intent."""
    session = api.checkout.sessions.create(PACK).id
    assert told(stand_in, "fail", session=session) == []
    assert api.checkout.sessions.retrieve(session).status == "open"
    assert told(stand_in, "pay", session=session) == [COMPLETED]
    assert len(api.payment_intents.list().data) == 1


def test_a_subscription_begins_with_its_paid_invoice(api: Any, stand_in: StandIn) -> None:
    """Created, invoice paid, session completed; the customer is made on the way."""
    session = api.checkout.sessions.create(PLAN).id
    assert told(stand_in, "pay", session=session, email="ada@example.com") == [CREATED, PAID, COMPLETED]
    found = api.checkout.sessions.retrieve(session, {"expand": ["subscription", "customer"]})
    assert (found.subscription.status, found.customer.email) == ("active", "ada@example.com")
    assert found.payment_intent is None


def test_a_subscription_that_waits_for_its_money_is_incomplete(api: Any, stand_in: StandIn) -> None:
    """Active when it settles; expired when it has not within a day."""
    settled, late = (api.checkout.sessions.create(PLAN).id for _ in range(2))
    assert told(stand_in, "pay_later", session=settled) == [CREATED, COMPLETED]
    subscription = stand_in.control("pay_later", session=late)["object"]["subscription"]
    assert api.subscriptions.retrieve(subscription).status == "incomplete"
    expected = [PAID, UPDATED, "checkout.session.async_payment_succeeded"]
    assert told(stand_in, "settle", session=settled) == expected
    assert told(stand_in, "fail", session=late) == [FAILED, "checkout.session.async_payment_failed"]
    stand_in.advance(23 * 3600)
    assert api.subscriptions.retrieve(subscription).status == "incomplete_expired"


def test_a_trial_costs_nothing_until_it_is_renewed(api: Any, stand_in: StandIn) -> None:
    """A $0 invoice, then one of a month."""
    session = api.checkout.sessions.create({**PLAN, "subscription_data": {"trial_period_days": 7}})
    paid = stand_in.control("pay", session=session.id)["object"]
    assert (paid["payment_status"], paid["amount_total"]) == ("no_payment_required", 0)
    assert api.subscriptions.retrieve(paid["subscription"]).status == "trialing"
    told(stand_in, "renew", subscription=paid["subscription"])
    amounts = [invoice.amount_paid for invoice in api.invoices.list({"customer": paid["customer"]}).data]
    assert (amounts, api.subscriptions.retrieve(paid["subscription"]).status) == ([1200, 0], "active")


def test_a_renewal_moves_the_period_and_is_paid(api: Any, stand_in: StandIn) -> None:
    """The invoice's line has the new period; an amount of 0 makes a $0 invoice."""
    subscription = subscribed(api, stand_in)
    before = item(api, subscription)
    assert told(stand_in, "renew", subscription=subscription) == [UPDATED, PAID]
    after = item(api, subscription)
    assert after["current_period_start"] == before["current_period_end"]
    invoice = api.invoices.list({"subscription": subscription}).data[0]
    assert (invoice.billing_reason, invoice.lines.data[0].period.end) == (
        "subscription_cycle",
        after["current_period_end"],
    )
    told(stand_in, "renew", subscription=subscription, amount=0)
    assert api.invoices.list({"subscription": subscription}).data[0].amount_due == 0


def test_periods_follow_the_calendar() -> None:
    """The 31st becomes the last day of a shorter month, and the 31st again."""
    start = int(datetime(2027, 1, 31, tzinfo=UTC).timestamp())
    ends = [start]
    for _ in range(2):
        ends.append(later(ends[-1], "month", start))
    assert [datetime.fromtimestamp(end, UTC).day for end in ends] == [31, 28, 31]
    assert datetime.fromtimestamp(later(start, "year", start), UTC).year == 2028


def test_a_failed_renewal_is_past_due_until_it_is_paid(api: Any, stand_in: StandIn) -> None:
    """Every try is of the same invoice, and a late payment makes the subscription active again."""
    subscription = subscribed(api, stand_in)
    assert told(stand_in, "fail_renewal", subscription=subscription) == [UPDATED, FAILED, UPDATED]
    again = told(stand_in, "fail_renewal", subscription=subscription, action_required=True)
    assert again == ["invoice.payment_action_required", FAILED]
    found = api.subscriptions.retrieve(subscription, {"expand": ["latest_invoice"]})
    assert (found.status, found.latest_invoice.attempt_count) == ("past_due", 2)
    assert found.latest_invoice.next_payment_attempt is not None
    assert told(stand_in, "recover", subscription=subscription) == [PAID, UPDATED]
    assert api.subscriptions.retrieve(subscription).status == "active"


@pytest.mark.parametrize(("final", "last"), [("canceled", DELETED), ("unpaid", UPDATED)])
def test_the_last_failed_try_ends_it(api: Any, stand_in: StandIn, final: str, last: str) -> None:
    """Canceled or unpaid, as the account's settings have it."""
    subscription = subscribed(api, stand_in)
    told(stand_in, "fail_renewal", subscription=subscription)
    assert told(stand_in, "fail_renewal", subscription=subscription, final=final) == [FAILED, last]
    assert api.subscriptions.retrieve(subscription).status == final


def test_cancelling_with_the_period_is_active_until_then(api: Any, stand_in: StandIn) -> None:
    """Both fields by the API; the clock then ends it."""
    subscription = subscribed(api, stand_in)
    changed = api.subscriptions.update(subscription, {"cancel_at_period_end": True})
    end = item(api, subscription)["current_period_end"]
    assert (changed.status, changed.cancel_at_period_end, changed.cancel_at) == ("active", True, end)
    event = api.events.list({"type": UPDATED}).data[0]
    assert event.data.previous_attributes.cancel_at_period_end is False
    resumed = api.subscriptions.update(subscription, {"cancel_at_period_end": False})
    assert (resumed.cancel_at_period_end, resumed.cancel_at) == (False, None)
    api.subscriptions.update(subscription, {"cancel_at_period_end": True})
    stand_in.advance(32 * 86400)
    assert api.subscriptions.retrieve(subscription).status == "canceled"
    assert api.events.list().data[0].type == DELETED


def test_the_portal_cancels_with_a_moment_and_no_flag(api: Any, stand_in: StandIn) -> None:
    """Which an application that reads the flag alone does not see; a renewal then is the end."""
    subscription = subscribed(api, stand_in)
    assert told(stand_in, "cancel", subscription=subscription, portal=True) == [UPDATED]
    found = api.subscriptions.retrieve(subscription)
    assert (found.cancel_at_period_end, found.cancel_at is not None) == (False, True)
    assert told(stand_in, "renew", subscription=subscription) == [DELETED]


def test_cancelling_now_deletes_and_the_list_forgets(api: Any, stand_in: StandIn) -> None:
    """It is shown to those who ask for all; a second time there is nothing to cancel."""
    subscription = subscribed(api, stand_in)
    customer = api.subscriptions.retrieve(subscription).customer
    assert told(stand_in, "cancel", subscription=subscription, now=True) == [DELETED]
    assert api.subscriptions.list({"customer": customer}).data == []
    assert [one.id for one in api.subscriptions.list({"customer": customer, "status": "all"}).data] == [
        subscription
    ]
    with pytest.raises(stripe.InvalidRequestError, match="No such subscription"):
        api.subscriptions.cancel(subscription)
    with pytest.raises(stripe.InvalidRequestError, match="canceled subscription"):
        api.subscriptions.update(subscription, {"cancel_at_period_end": True})


def test_a_switch_changes_the_item_and_is_not_billed(api: Any, stand_in: StandIn) -> None:
    """Unless asked to: then the difference at once, as an update and not as a new month."""
    subscription = subscribed(api, stand_in)
    wanted = {"items": [{"id": item(api, subscription)["id"], "price": "price_team_monthly"}]}
    changed = api.subscriptions.update(subscription, wanted).to_dict()
    assert [one["price"]["id"] for one in changed["items"]["data"]] == ["price_team_monthly"]
    assert len(api.invoices.list().data) == 1
    order = {"price": "price_enterprise_monthly", "proration_behavior": "always_invoice"}
    assert told(stand_in, "switch", subscription=subscription, **order) == [UPDATED, PAID]
    invoice = api.invoices.list().data[0]
    assert (invoice.billing_reason, invoice.amount_paid) == ("subscription_update", 9900 - 4900)
    assert [line.amount for line in invoice.lines.data] == [-4900, 9900]


def test_another_interval_begins_a_new_period(api: Any, stand_in: StandIn) -> None:
    """It is billed whole, and what is left of the old one given back."""
    subscription = subscribed(api, stand_in)
    stand_in.advance(86400)
    left = item(api, subscription)
    assert told(stand_in, "switch", subscription=subscription, price="price_pro_annual") == [UPDATED, PAID]
    found = item(api, subscription)
    assert found["current_period_end"] - found["current_period_start"] in (365 * 86400, 366 * 86400)
    invoice = api.invoices.list().data[0]
    unused, year = invoice.lines.data
    whole = left["current_period_end"] - left["current_period_start"]
    rest = left["current_period_end"] - found["current_period_start"]
    assert (unused.amount, year.amount) == (-round(1200 * rest / whole), 12000)
    assert (unused.period.start, unused.period.end) == (year.period.start, left["current_period_end"])
    assert invoice.amount_paid == 12000 + unused.amount


def test_a_change_that_is_not_billed_at_once_comes_with_the_next_invoice(api: Any, stand_in: StandIn) -> None:
    """Both halves of it; with ``none`` it never comes."""
    for behavior, lines in (("create_prorations", 3), ("none", 1)):
        subscription = subscribed(api, stand_in)
        order = {"price": "price_team_monthly", "proration_behavior": behavior}
        assert told(stand_in, "switch", subscription=subscription, **order) == [UPDATED]
        told(stand_in, "renew", subscription=subscription)
        invoice = api.invoices.list({"subscription": subscription}).data[0]
        assert (len(invoice.lines.data), invoice.lines.data[-1].amount) == (lines, 4900)
        listed = api.invoices.line_items.list(invoice.id, {"limit": 2}).data
        assert [line.id for line in listed] == [line.id for line in invoice.lines.data][:2]


def test_a_change_whose_bill_is_not_paid_is_made_all_the_same(api: Any, stand_in: StandIn) -> None:
    """Stripe says the larger plan, past due, and an open invoice."""
    subscription = subscribed(api, stand_in)
    order = {"price": "price_team_monthly", "proration_behavior": "always_invoice", "pays": False}
    assert told(stand_in, "switch", subscription=subscription, **order) == [UPDATED, FAILED, UPDATED]
    assert item(api, subscription)["price"]["id"] == "price_team_monthly"
    assert api.invoices.list({"status": "open"}).data[0].amount_due == 4900 - 1200
    assert told(stand_in, "recover", subscription=subscription) == [PAID, UPDATED]


def test_a_schedule_changes_the_price_with_the_period_and_owns_the_end(api: Any, stand_in: StandIn) -> None:
    """Until it is released nobody cancels beside it; it is released by itself when its last phase is over."""
    subscription = subscribed(api, stand_in)
    told(stand_in, "schedule", subscription=subscription, price="price_team_monthly")
    for call in (
        lambda: api.subscriptions.update(subscription, {"cancel_at_period_end": True}),
        lambda: api.subscriptions.cancel(subscription),
    ):
        with pytest.raises(stripe.InvalidRequestError, match="managed by the subscription schedule"):
            call()
    assert item(api, subscription)["price"]["id"] == "price_pro_monthly"
    for held in (True, False):
        told(stand_in, "renew", subscription=subscription)
        assert item(api, subscription)["price"]["id"] == "price_team_monthly"
        assert bool(api.subscriptions.retrieve(subscription).schedule) is held


def test_a_released_schedule_changes_nothing_any_more(api: Any, stand_in: StandIn) -> None:
    """The subscription goes on as it is; a second release is refused."""
    subscription = subscribed(api, stand_in)
    told(stand_in, "schedule", subscription=subscription, price="price_team_monthly")
    schedule = api.subscriptions.retrieve(subscription).schedule
    released = api.subscription_schedules.release(schedule)
    assert (released.status, released.subscription, released.released_subscription) == (
        "released", None, subscription,
    )  # fmt: skip
    with pytest.raises(stripe.InvalidRequestError, match="released"):
        api.subscription_schedules.release(schedule)
    told(stand_in, "renew", subscription=subscription)
    assert item(api, subscription)["price"]["id"] == "price_pro_monthly"


@pytest.mark.parametrize("mode", [PACK, PLAN])
def test_a_promotion_code_lowers_the_total_and_not_the_price(api: Any, stand_in: StandIn, mode: Any) -> None:
    """Only where the session allows it; all of it off is nothing to pay."""
    session = api.checkout.sessions.create(mode).id
    with pytest.raises(LocalError, match="promotion code"):
        stand_in.control("pay", session=session, discount=100)
    session = api.checkout.sessions.create({**mode, "allow_promotion_codes": True}).id
    paid = stand_in.control("pay", session=session, discount=100)["object"]
    assert paid["amount_total"] == paid["amount_subtotal"] - 100
    assert api.charges.list().data[0].amount == paid["amount_total"]
    session = api.checkout.sessions.create({**mode, "allow_promotion_codes": True}).id
    paid = stand_in.control("pay", session=session, discount=10_000_000)["object"]
    assert (paid["payment_status"], paid["amount_total"], paid["payment_intent"]) == (
        "no_payment_required",
        0,
        None,
    )


def test_an_item_without_its_id_is_one_more(api: Any, stand_in: StandIn) -> None:
    """As at Stripe: the customer would pay for both."""
    subscription = subscribed(api, stand_in)
    changed = api.subscriptions.update(subscription, {"items": [{"price": "price_team_monthly"}]}).to_dict()
    assert len(changed["items"]["data"]) == 2


def test_a_refund_tells_what_went_back(api: Any, stand_in: StandIn) -> None:
    """The charge counts it; one that fails is taken out again."""
    session = api.checkout.sessions.create(PACK).id
    intent = stand_in.control("pay", session=session)["object"]["payment_intent"]
    done = stand_in.control("refund", payment_intent=intent, amount=2000)
    assert [event["type"] for event in done["events"]] == ["refund.created", "charge.refunded"]
    charge = api.events.list({"type": "charge.refunded"}).data[0].data.object
    assert (charge.amount_refunded, charge.refunded, charge.payment_intent) == (2000, False, intent)
    assert told(stand_in, "fail_refund", refund=done["object"]["id"]) == ["refund.updated", "refund.failed"]
    assert api.charges.retrieve(charge.id).amount_refunded == 0


@pytest.mark.parametrize(
    ("status", "after"),
    [("won", ["charge.dispute.funds_reinstated"]), ("lost", []), ("prevented", []), ("warning_closed", [])],
)
def test_a_dispute_is_opened_and_closed(api: Any, stand_in: StandIn, status: str, after: list[str]) -> None:
    """Once; while it is open, or lost, nothing can be refunded."""
    session = api.checkout.sessions.create(PACK).id
    intent = stand_in.control("pay", session=session)["object"]["payment_intent"]
    done = stand_in.control("dispute", payment_intent=intent)
    assert done["events"][0]["type"] == "charge.dispute.created"
    dispute = api.disputes.retrieve(done["object"]["id"], {"expand": ["charge"]})
    assert (dispute.amount, dispute.status, dispute.charge.disputed) == (7000, "needs_response", True)
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        api.refunds.create({"payment_intent": intent})
    closed = told(stand_in, "close_dispute", dispute=dispute.id, status=status)
    assert closed == ["charge.dispute.closed", *after]
    assert api.disputes.list({"payment_intent": intent}).data[0].status == status
    with pytest.raises(LocalError, match=status):
        stand_in.control("close_dispute", dispute=dispute.id, status=status)
