"""What we rely on at Stripe: the same assertions for the cashier in memory and for our adapter over sockets.

``tests/contract/test_contract_stripe.py`` asks Stripe itself, in test mode.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from enhancer.domain.errors import IdempotencyMismatch, StripeUnavailable
from enhancer.domain.payments import NoSuchPayment
from local.standins.started import StandIn
from tests.support.tills import InMemory, OverSockets, Till, customer_of, fresh, opened, order_of

PRO, TEAM = "price_pro_monthly", "price_team_monthly"


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn("stripe", ["--webhook-url", ""], log=tmp_path_factory.mktemp("stripe") / "log") as started:
        yield started


@pytest.fixture(params=["in memory", "over sockets"])
def till(request: pytest.FixtureRequest, stand_in: StandIn) -> Till:
    """Who is asked."""
    return InMemory() if request.param == "in memory" else OverSockets(stand_in)


def test_a_key_stands_for_one_customer(till: Till) -> None:
    """The same order gives the same one; another order under it is refused."""
    key = fresh("customer")
    order = {"owner_id": "user_1", "email": "ada@example.com", "idempotency_key": key}
    first = till.payments.create_customer(**order)
    assert till.payments.create_customer(**order) == first
    with pytest.raises(IdempotencyMismatch):
        till.payments.create_customer(**order | {"email": "eve@example.com"})


def test_a_key_stands_for_one_session(till: Till) -> None:
    """Open, with a page and our metadata; the price is told before discounts, whether codes are allowed or not."""
    customer, key = customer_of(till), fresh()
    order = order_of(till, customer, metadata={"pack": "500"}, promotion_codes=True)
    found = till.payments.open(order, idempotency_key=key)
    assert (found.mode, found.status, found.paid) == ("payment", "open", False)
    assert (found.amount, found.currency, found.customer) == (4000, "usd", customer)
    assert found.metadata == {"pack": "500", "order": order.id}
    assert (bool(found.url), found.payment_intent, found.subscription) == (True, None, None)
    assert till.payments.open(order, idempotency_key=key).id == found.id
    with pytest.raises(IdempotencyMismatch):
        till.payments.open(order_of(till, customer), idempotency_key=key)


def test_an_error_is_repeated_under_its_key_and_nowhere_else(till: Till) -> None:
    """For customers and for sessions; another key is a new try."""
    customer = customer_of(till)
    order = order_of(till, customer)
    for call in (
        lambda key: till.payments.create_customer(owner_id="user_1", email="", idempotency_key=key),
        lambda key: till.payments.open(order, idempotency_key=key),
    ):
        key, end = fresh(), till.refuse()
        if end is None:
            pytest.skip("Stripe does not fail when it is asked to")
        with pytest.raises(StripeUnavailable):
            call(key)
        end()
        with pytest.raises(StripeUnavailable) as repeated:
            call(key)
        assert repeated.value.answered is True
        assert call(fresh())


def test_an_expired_session_stays_expired(till: Till) -> None:
    """It is open no more; a second time harms nothing."""
    customer = customer_of(till)
    sessions = [opened(till, customer).id, opened(till, customer, PRO).id]
    assert {one.id for one in till.payments.open_checkouts(customer)} == set(sessions)
    for _ in range(2):
        till.payments.expire(sessions[0])
    assert till.payments.checkout(sessions[0]).status == "expired"
    assert [one.id for one in till.payments.open_checkouts(customer)] == sessions[1:]


@pytest.mark.parametrize(
    ("method", "wanted"),
    [("checkout", "cs_none"), ("expire", "cs_none"), ("snapshot", "sub_none"), ("cancel_at_period_end", "sub_none"),
     ("cancel_now", "sub_none"), ("invoice", "in_none"), ("charge", "ch_none"), ("give_back", "ch_none")],
)  # fmt: skip
def test_an_unknown_object_is_no_such_payment(till: Till, method: str, wanted: str) -> None:
    """Of every kind."""
    with pytest.raises(NoSuchPayment):
        getattr(till.payments, method)(wanted)


def test_a_charge_is_given_back_once(till: Till) -> None:
    """All of it; then nothing is left."""
    charge = till.buys(customer_of(till))
    assert [till.payments.give_back(charge) for _ in range(2)] == [True, False]
    found = till.payments.charge(charge)
    assert (found.taken_back, found.disputes) == (found.amount, ())


def test_a_disputed_charge_is_taken_back_and_open_until_it_is_decided(till: Till) -> None:
    """There is nothing left to give back; lost, it stays taken."""
    charge = till.buys(customer_of(till), disputed=True)
    found = till.payments.charge(charge)
    assert (found.taken_back, len(found.disputes)) == (found.amount, 1)
    assert till.payments.give_back(charge) is False
    till.lose(found.disputes[0])
    after = till.payments.charge(charge)
    assert (after.taken_back, after.disputes) == (after.amount, ())


def test_a_subscription_begins_with_a_paid_invoice(till: Till) -> None:
    """Its line is the price for the period; its charge is what paid it."""
    customer = customer_of(till)
    subscription = till.subscribes(customer, PRO)
    found = till.payments.snapshot(subscription)
    assert (found.status, found.customer, found.price) == ("active", customer, till.price(PRO))
    assert found.cancel_at is None
    (invoice,) = till.payments.invoices(subscription)
    assert (invoice.id, invoice.subscription, invoice.paid) == (found.latest_invoice, subscription, True)
    (line,) = invoice.lines
    assert (line.price, line.amount, line.proration) == (till.price(PRO), 1200, False)
    assert (line.start, line.end) == (found.period_start, found.period_end)
    (charge,) = invoice.charges
    assert invoice.paid_at >= found.created
    assert till.payments.invoice_of(till.payments.charge(charge).payment_intent) == invoice
    assert [one.id for one in till.payments.subscriptions(customer=customer)] == [subscription]


def test_a_disputed_invoice_tells_its_dispute_until_it_is_decided(till: Till) -> None:
    """All of its money is taken back."""
    subscription = till.subscribes(customer_of(till), PRO, disputed=True)
    latest = till.payments.snapshot(subscription).latest_invoice
    found = till.payments.invoice(latest)
    assert (found.paid, found.refunded, len(found.disputes)) == (True, True, 1)
    till.lose(found.disputes[0])
    after = till.payments.invoice(latest)
    assert (after.refunded, after.disputes) == (True, ())


@pytest.mark.parametrize("proration", ["create_prorations", "none"])
def test_a_larger_plan_that_is_not_billed_changes_the_price_alone(till: Till, proration: str) -> None:
    """No invoice says that it was paid."""
    subscription = till.subscribes(customer_of(till), PRO)
    before = till.payments.snapshot(subscription)
    till.switch(subscription, TEAM, proration)
    after = till.payments.snapshot(subscription)
    assert (after.price, after.latest_invoice) == (till.price(TEAM), before.latest_invoice)
    assert len(list(till.payments.invoices(subscription))) == 1


def test_a_larger_plan_that_is_billed_at_once_gives_the_rest_of_the_smaller_one_back(till: Till) -> None:
    """Two lines for what is left of the period: less than nothing, and more."""
    subscription = till.subscribes(customer_of(till), PRO)
    till.switch(subscription, TEAM, "always_invoice")
    snapshot = till.payments.snapshot(subscription)
    newest, _ = till.payments.invoices(subscription)
    assert (newest.id, newest.reason) == (snapshot.latest_invoice, "subscription_update")
    back, billed = sorted(newest.lines, key=lambda line: line.amount)
    assert (back.price, billed.price) == (till.price(PRO), till.price(TEAM))
    assert back.amount < 0 < billed.amount
    assert (back.proration, billed.proration) == (True, True)
    assert (back.end, billed.end) == (snapshot.period_end, snapshot.period_end)
    assert back.start == billed.start >= snapshot.period_start


@pytest.mark.parametrize("is_scheduled", [False, True])
def test_cancelling_ends_with_the_period_whatever_was_scheduled(till: Till, is_scheduled: bool) -> None:  # noqa: FBT001
    """And again is the same; ending it at once does, too."""
    subscription = till.subscribes(customer_of(till), TEAM)
    if is_scheduled:
        till.schedule(subscription, PRO)
    for _ in range(2):
        found = till.payments.cancel_at_period_end(subscription)
        assert (found.status, found.price, found.cancel_at) == ("active", till.price(TEAM), found.period_end)
    for _ in range(2):
        till.payments.cancel_now(subscription)
    assert till.payments.snapshot(subscription).status == "canceled"


def test_a_subscription_that_waits_for_a_smaller_plan_can_end_at_once(till: Till) -> None:
    """As when the account is deleted."""
    subscription = till.subscribes(customer_of(till), TEAM)
    till.schedule(subscription, PRO)
    till.payments.cancel_now(subscription)
    assert till.payments.snapshot(subscription).status == "canceled"
