"""The Stripe adapter in front of the Stripe stand-in: every call, and what is read of every answer."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from enhancer.domain.errors import StripeUnavailable
from enhancer.domain.payments import NoSuchPayment
from tests.support.stripe_account import PACK, PLAN, SUCCESS, Cashier

DAY_S = 86400


def now_ms() -> int:
    return int(time.time() * 1000)


def test_a_customer_is_made_once_for_a_key(cashier: Cashier) -> None:
    """With the address and our owner's id; the same key gives the same customer."""
    again = cashier.adapter().create_customer(
        owner_id="user_1", email="ada@example.com", idempotency_key="customer:user_1"
    )
    (made,) = cashier.objects("customer")
    assert (made["id"], made["email"], made["metadata"]) == (again, "ada@example.com", {"owner": "user_1"})
    assert again == cashier.customer


def test_a_customer_needs_no_address(cashier: Cashier) -> None:
    """Stripe's page asks for one."""
    made = cashier.payments.create_customer(owner_id="user_2", email="", idempotency_key="customer:user_2")
    assert [one["email"] for one in cashier.objects("customer") if one["id"] == made] == [None]


def test_a_session_for_a_pack_has_what_was_ordered(cashier: Cashier) -> None:
    """Open, unpaid, in test mode, with a page; our metadata is on it."""
    found = cashier.opened(locale="de")
    assert (found.mode, found.status, found.paid, found.livemode) == ("payment", "open", False, False)
    assert (found.amount, found.currency, found.customer) == (4000, "usd", cashier.customer)
    assert found.metadata == {"order": "ord_1", "owner": "user_1", "credits": "5000"}
    assert found.url == f"{cashier.stand_in.url}/c/pay/{found.id}"
    assert (found.payment_intent, found.subscription) == (None, None)
    assert abs(found.created - now_ms()) < 10_000
    (kept,) = cashier.objects("checkout.session")
    assert (kept["client_reference_id"], kept["locale"], kept["success_url"], kept["cancel_url"]) == (
        "user_1", "de", SUCCESS, PACK.cancel_url,
    )  # fmt: skip


def test_a_paid_session_says_so_and_its_payment_carries_our_metadata(cashier: Cashier) -> None:
    """Session metadata is not copied by Stripe, so it is given twice."""
    found = cashier.paid()
    assert (found.status, found.paid, found.url) == ("complete", True, None)
    (intent,) = cashier.objects("payment_intent")
    assert (intent["id"], intent["metadata"]) == (found.payment_intent, found.metadata)


def test_a_promised_payment_is_not_paid(cashier: Cashier) -> None:
    """Complete, but the money is still to come."""
    session = cashier.opened()
    cashier.do("pay_later", session=session.id)
    promised = cashier.payments.checkout(session.id)
    assert (promised.status, promised.paid) == ("complete", False)
    assert cashier.payments.charge_of(str(promised.payment_intent)) is None
    cashier.do("settle", session=session.id)
    assert cashier.payments.checkout(session.id).paid is True


def test_nothing_to_pay_is_paid(cashier: Cashier) -> None:
    """``no_payment_required`` counts."""
    session = cashier.opened()
    cashier.do("change", id=session.id, set={"payment_status": "no_payment_required"})
    assert cashier.payments.checkout(session.id).paid is True


def test_the_amount_is_before_discounts_and_taxes(cashier: Cashier) -> None:
    """What is sold is told by it."""
    session = cashier.opened()
    cashier.do("change", id=session.id, set={"amount_total": 100})
    assert cashier.payments.checkout(session.id).amount == 4000


def test_the_metadata_of_a_plan_is_on_its_subscription(cashier: Cashier) -> None:
    """Renewals know whose they are."""
    found = cashier.paid(PLAN)
    assert (found.mode, found.payment_intent) == ("subscription", None)
    (kept,) = cashier.objects("subscription")
    assert (kept["id"], kept["metadata"]) == (found.subscription, {"order": "ord_2", "owner": "user_1"})


@pytest.mark.parametrize("wanted", ["cs_test_none", "", "..", "a/b", "cs_1?expand[]=x", "ü", "x" * 256])
def test_an_unknown_session_is_no_such_payment(cashier: Cashier, wanted: str) -> None:
    """Also an id that would be another path."""
    with pytest.raises(NoSuchPayment):
        cashier.payments.checkout(wanted)


@pytest.mark.parametrize(
    ("method", "wanted"),
    [("expire", "cs_none"), ("snapshot", "sub_none"), ("cancel_at_period_end", "sub_none"), ("cancel_now", "sub_none"),
     ("invoice", "in_none"), ("charge", "ch_none"), ("charge_of", "pi_none")],
)  # fmt: skip
def test_an_unknown_object_is_no_such_payment(cashier: Cashier, method: str, wanted: str) -> None:
    """Of every kind."""
    with pytest.raises(NoSuchPayment):
        getattr(cashier.payments, method)(wanted)


def test_a_customer_who_is_gone_is_no_such_payment(cashier: Cashier) -> None:
    """Deleted in the dashboard: another one is to be made."""
    for call in (
        lambda: cashier.opened(customer="cus_none"),
        lambda: cashier.payments.portal("cus_none", return_url="http://127.0.0.1:8787/"),
    ):
        with pytest.raises(NoSuchPayment):
            call()


def test_expiring_a_session_works_once_and_harms_nothing(cashier: Cashier) -> None:
    """Again, or after it was paid, changes nothing."""
    first, paid = cashier.opened(), cashier.paid()
    for session in (first, first, paid):
        cashier.payments.expire(session.id)
    assert [cashier.payments.checkout(one.id).status for one in (first, paid)] == ["expired", "complete"]


def test_a_session_that_stays_open_is_not_taken_for_expired(cashier: Cashier) -> None:
    """Refused for another reason: somebody could still pay."""
    session = cashier.opened()
    cashier.stand_in.script("sessions.expire", "stripe_error", status=400)
    with pytest.raises(StripeUnavailable):
        cashier.payments.expire(session.id)


def test_open_sessions_are_those_of_the_customer(cashier: Cashier) -> None:
    """Not paid, not expired, not somebody else's."""
    other = cashier.payments.create_customer(owner_id="user_2", email="", idempotency_key="c2")
    wanted = [cashier.opened().id for _ in range(2)][::-1]
    cashier.opened(customer=other)
    cashier.paid()
    cashier.payments.expire(cashier.opened().id)
    assert [one.id for one in cashier.payments.open_checkouts(cashier.customer)] == wanted


def test_a_payment_leads_to_its_session_or_to_its_invoice(cashier: Cashier) -> None:
    """A pack's to the session, a plan's to the invoice, an unknown one to nothing."""
    pack, subscription = cashier.paid(), cashier.subscribed()
    plan_payment = next(
        one["id"] for one in cashier.objects("payment_intent") if one["id"] != pack.payment_intent
    )
    payments = cashier.payments
    assert payments.checkout_of(str(pack.payment_intent)) == pack
    assert payments.invoice_of(str(pack.payment_intent)) is None
    assert payments.checkout_of(plan_payment) is None
    found = payments.invoice_of(plan_payment)
    assert found is not None
    assert found.subscription == subscription
    assert (payments.checkout_of("pi_none"), payments.invoice_of("pi_none")) == (None, None)


def test_a_subscription_is_told_with_its_period_and_price(cashier: Cashier) -> None:
    """In our milliseconds."""
    found = cashier.payments.snapshot(cashier.subscribed())
    assert (found.status, found.customer, found.price) == ("active", cashier.customer, "price_pro_monthly")
    assert abs(found.period_start - now_ms()) < 10_000
    assert 28 * DAY_S * 1000 <= found.period_end - found.period_start <= 31 * DAY_S * 1000
    assert (found.cancel_at, found.livemode) == (None, False)
    assert found.latest_invoice == cashier.objects("invoice")[0]["id"]
    assert abs(found.created - now_ms()) < 10_000


def test_a_subscription_canceled_by_us_ends_with_its_period(cashier: Cashier) -> None:
    """And again is the same."""
    subscription = cashier.subscribed()
    for _ in range(2):
        found = cashier.payments.cancel_at_period_end(subscription)
        assert (found.status, found.cancel_at) == ("active", found.period_end)


@pytest.mark.parametrize("change", [{"portal": True}, {"portal": False}])
def test_the_end_is_known_however_it_was_asked_for(cashier: Cashier, change: dict[str, Any]) -> None:
    """The portal writes a moment, the API a flag and a moment."""
    subscription = cashier.subscribed()
    cashier.do("cancel", subscription=subscription, **change)
    found = cashier.payments.snapshot(subscription)
    assert found.cancel_at == found.period_end
    cashier.do("cancel", subscription=subscription, resume=True)
    assert cashier.payments.snapshot(subscription).cancel_at is None


def test_a_flag_without_a_moment_is_the_periods_end(cashier: Cashier) -> None:
    """Older subscriptions have only the flag."""
    subscription = cashier.subscribed()
    cashier.do("change", id=subscription, set={"cancel_at_period_end": True})
    found = cashier.payments.snapshot(subscription)
    assert found.cancel_at == found.period_end


def test_what_is_over_can_be_canceled_again(cashier: Cashier) -> None:
    """Both ways, without an error."""
    subscription = cashier.subscribed()
    for _ in range(2):
        cashier.payments.cancel_now(subscription)
    assert cashier.payments.cancel_at_period_end(subscription).status == "canceled"
    assert cashier.payments.snapshot(subscription).status == "canceled"


def test_a_cancellation_that_is_refused_is_not_taken_for_done(cashier: Cashier) -> None:
    """The subscription goes on: the caller must know."""
    subscription = cashier.subscribed()
    cashier.stand_in.script("subscriptions.update", "stripe_error", status=400)
    with pytest.raises(StripeUnavailable):
        cashier.payments.cancel_at_period_end(subscription)
    cashier.stand_in.script("subscriptions.cancel", "stripe_error", status=404, code="resource_missing")
    with pytest.raises(NoSuchPayment):
        cashier.payments.cancel_now(subscription)


def test_a_first_invoice_is_read(cashier: Cashier) -> None:
    """Whose it is, why it was made, what it is for."""
    snapshot = cashier.payments.snapshot(cashier.subscribed())
    found = cashier.payments.invoice(str(snapshot.latest_invoice))
    assert (found.customer, found.subscription, found.paid) == (cashier.customer, snapshot.id, True)
    assert (found.reason, found.refunded, found.livemode) == ("subscription_create", False, False)
    (line,) = found.lines
    assert (line.price, line.amount, line.proration) == ("price_pro_monthly", 1200, False)
    assert (line.start, line.end) == (snapshot.period_start, snapshot.period_end)


def test_an_open_invoice_is_not_paid_and_a_free_one_is(cashier: Cashier) -> None:
    """An invoice of nothing has no payment, so nothing of it can go back."""
    subscription = cashier.subscribed()
    cashier.do("renew", subscription=subscription, amount=0)
    free = cashier.payments.invoice(str(cashier.payments.snapshot(subscription).latest_invoice))
    assert (free.paid, free.refunded, free.reason) == (True, False, "subscription_cycle")
    cashier.do("fail_renewal", subscription=subscription)
    waiting = cashier.payments.invoice(str(cashier.payments.snapshot(subscription).latest_invoice))
    assert (waiting.paid, waiting.refunded) == (False, False)


def test_an_upgrade_shows_what_is_given_back(cashier: Cashier) -> None:
    """Negative lines, marked as a proration."""
    subscription = cashier.subscribed()
    cashier.do(
        "switch",
        subscription=subscription,
        price="price_premium_monthly",
        proration_behavior="always_invoice",
    )
    snapshot = cashier.payments.snapshot(subscription)
    found = cashier.payments.invoice(str(snapshot.latest_invoice))
    shown = [(line.price, line.amount, line.proration) for line in found.lines]
    assert shown == [("price_pro_monthly", -1200, True), ("price_premium_monthly", 2800, True)]
    assert (snapshot.price, found.reason) == ("price_premium_monthly", "subscription_update")


def test_an_invoice_is_refunded_when_all_of_its_money_went_back(cashier: Cashier) -> None:
    """A part is not all; a dispute counts, and no more when it is won."""
    subscription = cashier.subscribed()
    invoice = str(cashier.payments.snapshot(subscription).latest_invoice)
    (charge,) = cashier.objects("charge")
    cashier.do("refund", charge=charge["id"], amount=1199)
    assert cashier.payments.invoice(invoice).refunded is False
    dispute = cashier.do("dispute", charge=charge["id"], amount=1)
    assert cashier.payments.invoice(invoice).refunded is True
    cashier.do("close_dispute", dispute=dispute["id"], status="won")
    assert cashier.payments.invoice(invoice).refunded is False
    cashier.do("refund", charge=charge["id"])
    assert cashier.payments.invoice(invoice).refunded is True


def test_an_invoice_tells_its_charges_and_their_open_disputes(cashier: Cashier) -> None:
    """From the charge that its payment leads to; none when it is decided."""
    invoice = str(cashier.payments.snapshot(cashier.subscribed()).latest_invoice)
    (charge,) = cashier.objects("charge")
    before = cashier.payments.invoice(invoice)
    assert (before.charges, before.disputes) == ((charge["id"],), ())
    assert abs((before.paid_at or 0) - now_ms()) < 10_000
    dispute = cashier.do("dispute", charge=charge["id"])["id"]
    assert cashier.payments.invoice(invoice).disputes == (dispute,)
    for status in ("under_review", "appeal_needs_response"):
        cashier.do("update_dispute", dispute=dispute, status=status)
        assert cashier.payments.invoice(invoice).disputes == (dispute,)
    cashier.do("close_dispute", dispute=dispute, status="lost")
    assert cashier.payments.invoice(invoice).disputes == ()


@pytest.mark.parametrize("how", ["cancel_at_period_end", "cancel_now"])
def test_a_subscription_with_a_scheduled_change_can_be_cancelled(cashier: Cashier, how: str) -> None:
    """Stripe refuses that beside a schedule, so it is released first; a try that broke off is finished by the next."""
    subscription = cashier.subscribed()
    cashier.do("schedule", subscription=subscription, price="price_premium_monthly")
    cashier.stand_in.script(
        "subscriptions.update" if how == "cancel_at_period_end" else "subscriptions.cancel",
        "stripe_error",
        times=2,
    )
    with pytest.raises(StripeUnavailable):
        getattr(cashier.payments, how)(subscription)
    getattr(cashier.payments, how)(subscription)
    found = cashier.payments.snapshot(subscription)
    assert found.status == "canceled" or found.cancel_at == found.period_end
    (schedule,) = cashier.objects("subscription_schedule")
    assert schedule["status"] == "released"


def test_a_schedule_that_is_not_released_stops_the_cancellation(cashier: Cashier) -> None:
    """Refused for another reason: the caller must know. One that was released meanwhile is fine."""
    subscription = cashier.subscribed()
    cashier.do("schedule", subscription=subscription, price="price_premium_monthly")
    cashier.stand_in.script("subscription_schedules.release", "stripe_error", status=400)
    with pytest.raises(StripeUnavailable):
        cashier.payments.cancel_now(subscription)
    cashier.stand_in.script("subscription_schedules.release", "stripe_error", status=400, after=True)
    cashier.payments.cancel_now(subscription)
    assert cashier.payments.snapshot(subscription).status == "canceled"


def test_a_charge_is_given_back_once(cashier: Cashier) -> None:
    """What is left of it; at the same time too, and not while a bank has it."""
    charge = cashier.payments.charge_of(str(cashier.paid().payment_intent))
    assert charge
    cashier.do("refund", charge=charge.id, amount=1500)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: cashier.adapter().give_back(charge.id), range(4)))
    assert sorted(done) == [False, False, False, True]
    assert [one["amount"] for one in cashier.objects("refund")] == [1500, 2500]
    disputed = cashier.payments.charge_of(str(cashier.paid().payment_intent))
    assert disputed
    cashier.do("dispute", charge=disputed.id)
    assert cashier.payments.give_back(disputed.id) is False


def test_a_charge_that_is_not_given_back_is_not_taken_for_it(cashier: Cashier) -> None:
    """Refused for another reason, or no answer."""
    charge = cashier.payments.charge_of(str(cashier.paid().payment_intent))
    assert charge
    for status, requests in ((400, 1), (500, 2)):
        cashier.stand_in.script("refunds.create", "stripe_error", status=status, times=requests)
        with pytest.raises(StripeUnavailable):
            cashier.payments.give_back(charge.id)
    assert cashier.payments.charge(charge.id).taken_back == 0


def test_the_paid_invoices_of_a_subscription_are_listed(cashier: Cashier) -> None:
    """Newest first; not the open one, nor somebody else's."""
    subscription = cashier.subscribed()
    cashier.subscribed()
    cashier.do("renew", subscription=subscription)
    cashier.do("fail_renewal", subscription=subscription)
    found = list(cashier.payments.invoices(subscription))
    assert [(one.reason, one.paid, len(one.charges)) for one in found] == [
        ("subscription_cycle", True, 1), ("subscription_create", True, 1),
    ]  # fmt: skip


def test_promotion_codes_change_the_total_and_not_the_amount(cashier: Cashier) -> None:
    """The price of what was bought is told before discounts; what a refund takes is measured by what was paid."""
    session = cashier.opened(promotion_codes=True)
    cashier.do("pay", session=session.id, discount=1000)
    found = cashier.payments.checkout(session.id)
    charge = cashier.payments.charge_of(str(found.payment_intent))
    assert charge
    assert (found.amount, charge.amount) == (4000, 3000)
    free = cashier.opened(promotion_codes=True)
    cashier.do("pay", session=free.id, discount=4000)
    found = cashier.payments.checkout(free.id)
    assert (found.paid, found.payment_intent) == (True, None)


@pytest.mark.parametrize("kind", ["charge", "payment_record"])
def test_an_invoice_may_be_paid_in_other_ways(cashier: Cashier, kind: str) -> None:
    """By a charge without an intent; or outside of Stripe, from where nothing comes back by itself."""
    subscription = cashier.subscribed()
    invoice = str(cashier.payments.snapshot(subscription).latest_invoice)
    (charge,), (payment,) = cashier.objects("charge"), cashier.objects("invoice_payment")
    cashier.do("change", id=payment["id"], set={"payment": {"type": kind, kind: charge["id"]}})
    cashier.do("refund", charge=charge["id"])
    assert cashier.payments.invoice(invoice).refunded is (kind == "charge")


def test_a_charge_counts_what_went_back(cashier: Cashier) -> None:
    """Refunds, and disputes as long as they are open or after they are lost; never more than was paid."""
    payment = str(cashier.paid().payment_intent)
    found = cashier.payments.charge_of(payment)
    assert found is not None
    assert (found.amount, found.taken_back, found.disputes, found.livemode) == (4000, 0, (), False)
    assert (found.payment_intent, found.customer) == (payment, cashier.customer)
    cashier.do("refund", charge=found.id, amount=1500)
    assert cashier.payments.charge(found.id).taken_back == 1500
    dispute = cashier.do("dispute", charge=found.id)
    disputed = cashier.payments.charge(found.id)
    assert (disputed.taken_back, disputed.disputes) == (4000, (dispute["id"],))
    assert cashier.payments.charge_of(payment) == disputed
    cashier.do("close_dispute", dispute=dispute["id"], status="lost")
    assert cashier.payments.charge(found.id) == replace(disputed, disputes=())


@pytest.mark.parametrize(
    ("status", "taken", "is_open"),
    [("needs_response", 700, True), ("under_review", 700, True), ("lost", 700, False), ("prevented", 700, False),
     ("appeal_needs_response", 700, True), ("appeal_under_review", 700, True),
     ("won", 0, False), ("warning_needs_response", 0, False), ("warning_under_review", 0, False),
     ("warning_closed", 0, False)],
)  # fmt: skip
def test_a_dispute_counts_by_its_status(cashier: Cashier, status: str, taken: int, *, is_open: bool) -> None:
    """An inquiry takes no money, and what was won came back."""
    payment = str(cashier.paid().payment_intent)
    dispute = cashier.do("dispute", payment_intent=payment, amount=700)
    cashier.do("change", id=dispute["id"], set={"status": status})
    found = cashier.payments.charge_of(payment)
    assert found is not None
    assert (found.taken_back, found.disputes) == (taken, (dispute["id"],) if is_open else ())


def test_a_refund_that_failed_is_not_taken_back(cashier: Cashier) -> None:
    """The money is ours again."""
    payment = str(cashier.paid().payment_intent)
    made = cashier.do("refund", payment_intent=payment)
    cashier.do("fail_refund", refund=made["id"])
    found = cashier.payments.charge_of(payment)
    assert found is not None
    assert found.taken_back == 0


def test_a_declined_card_is_no_charge(cashier: Cashier) -> None:
    """The latest try brought nothing."""
    session = cashier.opened()
    cashier.do("fail", session=session.id)
    (intent,) = cashier.objects("payment_intent")
    assert cashier.payments.charge_of(intent["id"]) is None


def test_the_portal_is_a_page_of_the_customer(cashier: Cashier) -> None:
    """With the way back."""
    url = cashier.payments.portal(cashier.customer, return_url="http://127.0.0.1:8787/account", locale="de")
    (kept,) = cashier.objects("billing_portal.session")
    assert (kept["url"], kept["customer"], kept["locale"]) == (url, cashier.customer, "de")
    assert kept["return_url"] == "http://127.0.0.1:8787/account"


def test_completed_sessions_are_found_page_by_page(cashier: Cashier) -> None:
    """More than a page of them; not those that are open, or older."""
    old = cashier.paid()
    cashier.stand_in.advance(3600)
    since = old.created + 1800_000
    wanted = [cashier.paid().id for _ in range(101)][::-1]
    cashier.opened()
    found = cashier.payments.completed_checkouts(since_ms=since)
    assert [one.id for one in found] == wanted
    assert len([call for call in cashier.asked("/checkout/sessions") if call["method"] == "GET"]) == 2
    assert [one.id for one in cashier.payments.completed_checkouts(since_ms=old.created)] == [*wanted, old.id]


def test_all_subscriptions_are_listed(cashier: Cashier) -> None:
    """Those that are over too."""
    first, second = cashier.subscribed(), cashier.subscribed()
    cashier.payments.cancel_now(first)
    cashier.do("fail_renewal", subscription=second)
    found = {one.id: one.status for one in cashier.payments.subscriptions()}
    assert found == {first: "canceled", second: "past_due"}
    other = cashier.payments.create_customer(owner_id="user_2", email="", idempotency_key="c2")
    mine = cashier.payments.subscriptions(customer=cashier.customer)
    assert [one.id for one in mine] == [second, first]
    assert list(cashier.payments.subscriptions(customer=other)) == []


def test_events_are_listed_by_time_and_kind(cashier: Cashier) -> None:
    """As plain JSON, newest first."""
    old = cashier.paid()
    cashier.stand_in.advance(3600)
    new = cashier.paid()
    types = ["checkout.session.completed", "charge.refunded"]
    found = list(cashier.payments.events(since_ms=new.created, types=types))
    assert [(one.type, one.object["id"], one.livemode) for one in found] == [(types[0], new.id, False)]
    assert json.loads(json.dumps(found[0].object))["metadata"] == dict(new.metadata)
    both = [one.object["id"] for one in cashier.payments.events(since_ms=0, types=types)]
    assert both == [new.id, old.id]


@pytest.mark.parametrize(
    ("key", "live"), [("sk_live_x", True), ("rk_live_x", True), ("sk_test_x", False), ("rk_test_x", False)]
)
def test_the_key_tells_whether_money_is_real(cashier: Cashier, key: str, *, live: bool) -> None:
    """By how it begins."""
    assert cashier.adapter(keys=[key]).is_live() is live
