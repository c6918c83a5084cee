"""What Stripe sends has its effect exactly once, in any order."""

import itertools
from dataclasses import replace

import pytest

from enhancer.billing import stripe_events
from enhancer.billing.stripe_events import apply_event
from enhancer.domain.errors import StripeUnavailable


def balance(world, account):
    """The totals, with the entries agreeing."""
    return world.balance(world_caller(world, account))


def world_caller(world, account):
    caller = world.caller("free")
    return replace(caller, owner=account.owner, account=world.again(account))


def hear(world, kind):
    return apply_event(world.cashier.told(kind), deps=world.billing_deps)


def test_a_paid_pack_is_credited_once_however_often_it_is_told(world):
    """Ten copies of the event, and the browser's return: 500 credits."""
    account = world.person()
    checkout = world.bought(account)
    event = world.cashier.told("checkout.session.completed")
    outcomes = [apply_event(event, deps=world.billing_deps) for _ in range(10)]
    assert outcomes == ["applied"] + ["repeated"] * 9
    assert not stripe_events.grant_pack(checkout, deps=world.billing_deps)
    assert balance(world, account).purchased == 5000


def test_a_twin_event_about_the_same_session_credits_nothing_more(world):
    """Another event id, the same session."""
    account = world.person()
    world.bought(account)
    event = world.cashier.told("checkout.session.completed")
    assert apply_event(event, deps=world.billing_deps) == "applied"
    assert apply_event(replace(event, id="evt_twin"), deps=world.billing_deps) == "nothing"
    assert balance(world, account).available == 5000


def test_a_completed_session_without_money_credits_nothing_until_it_arrives(world):
    """Completed and unpaid is no payment; the late success is, the late failure is not."""
    account = world.person()
    checkout = world.bought(account, later=True)
    assert hear(world, "checkout.session.completed") == "nothing"
    world.cashier.fail(checkout.id)
    assert hear(world, "checkout.session.async_payment_failed") == "nothing"
    assert balance(world, account).available == 0
    world.cashier.settle(checkout.id)
    assert hear(world, "checkout.session.async_payment_succeeded") == "applied"
    assert balance(world, account).available == 5000


def test_an_event_that_claims_payment_is_not_believed(world):
    """Whatever the event's own object says: the session is read again."""
    account = world.person()
    world.bought(account, later=True)
    event = world.cashier.told("checkout.session.completed")
    forged = replace(event, object={**event.object, "payment_status": "paid"})
    assert apply_event(forged, deps=world.billing_deps) == "nothing"
    assert balance(world, account).available == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount": 3999}, "amount_mismatch"),
        ({"currency": "eur"}, "amount_mismatch"),
        ({"metadata": {}}, "unknown_pack"),
        ({"metadata": {"pack": "250"}}, "unknown_pack"),
        ({"metadata": {"pack": "500", "owner": "somebody"}}, "other_owner"),
        ({"customer": "cus_stranger"}, "unknown_customer"),
        ({"livemode": True}, "livemode"),
    ],
)
def test_what_cannot_be_right_is_parked_and_changes_nothing(world, change, reason):
    """Another amount, currency, pack, owner or customer: the operator is told, nobody is credited."""
    account = world.person()
    checkout = world.bought(account)
    world.cashier.sessions[checkout.id] = replace(checkout, **change)
    assert hear(world, "checkout.session.completed") == "parked"
    assert world.parked == [(reason, checkout.id)]
    assert balance(world, account).available == 0


def test_an_event_of_the_other_mode_is_parked(world):
    """Real money is not believed where only test money moves."""
    account = world.person()
    world.bought(account)
    event = replace(world.cashier.told("checkout.session.completed"), livemode=True)
    assert apply_event(event, deps=world.billing_deps) == "parked"
    assert balance(world, account).available == 0


def test_unknown_events_and_objects_do_no_harm(world):
    """An unknown type is ignored; an object that is gone, or an event without one, is parked."""
    account = world.person()
    world.bought(account)
    event = world.cashier.told("checkout.session.completed")
    assert apply_event(replace(event, type="customer.tax_id.created"), deps=world.billing_deps) == "ignored"
    assert apply_event(replace(event, object={"id": "cs_gone"}), deps=world.billing_deps) == "parked"
    assert apply_event(replace(event, object={"id": 7}), deps=world.billing_deps) == "parked"


def test_when_the_cashier_is_down_the_event_must_come_again(world):
    """Nothing is written, nothing is swallowed."""
    account = world.person()
    world.bought(account)
    world.cashier.problem = StripeUnavailable()
    with pytest.raises(StripeUnavailable):
        hear(world, "checkout.session.completed")
    world.cashier.problem = None
    assert hear(world, "checkout.session.completed") == "applied"
    assert balance(world, account).available == 5000


# ------------------------------------------------------------------------------------- subscriptions


def test_every_order_of_the_first_events_gives_the_plan_once(world):
    """Session, subscription, invoice: each permutation, each twice."""
    for order in itertools.permutations(range(4)):
        account = world.person()
        first = len(world.cashier.events_told)
        world.subscribed(account)
        told = world.cashier.events_told[first:]
        for place in order:
            for _ in range(2):
                apply_event(told[place], deps=world.billing_deps)
        found = world.again(account)
        assert found.plan_at(world.clock) == "pro"
        assert [len(one.paid) for one in found.subscriptions] == [1]


def test_a_subscription_without_payment_gives_no_plan(world):
    """Active is not paid."""
    account = world.person()
    found = world.subscribed(account)
    invoice = world.cashier.invoices_made[found.latest_invoice]
    world.cashier.invoices_made[invoice.id] = replace(invoice, paid=False)
    hear(world, "customer.subscription.created")
    assert world.again(account).plan_at(world.clock) == "free"
    world.cashier.invoices_made[invoice.id] = replace(invoice, paid=True)
    hear(world, "invoice.paid")
    assert world.again(account).plan_at(world.clock) == "pro"


def test_an_unknown_price_changes_no_plan_and_is_parked(world):
    """Neither for a new subscription nor for one that is known."""
    account = world.person()
    found = world.subscribed(account)
    world.told()
    world.cashier.switch(found.id, "price_mystery_monthly")
    hear(world, "customer.subscription.updated")
    assert world.again(account).plan_at(world.clock) == "pro"
    assert ("unknown_price", found.id) in world.parked
    stranger = world.person()
    other = world.subscribed(stranger)
    world.cashier.subscribed[other.id] = replace(other, price="price_mystery_monthly")
    assert hear(world, "customer.subscription.created") == "parked"
    assert world.again(stranger).subscriptions == ()


def test_a_deleted_subscription_stays_deleted_whatever_is_told_later(world):
    """An older update, told late, revives nothing."""
    account = world.person()
    found = world.subscribed(account)
    world.told()
    world.cashier.switch(found.id, "price_premium_monthly")
    old = world.cashier.told("customer.subscription.updated")
    world.cashier.end(found.id)
    assert hear(world, "customer.subscription.deleted") == "applied"
    apply_event(old, deps=world.billing_deps)
    assert world.again(account).plan_at(world.clock) == "free"


def test_a_refunded_period_ends_the_plan(world):
    """The money went back, so does the plan; the next payment brings it again."""
    account = world.person()
    found = world.subscribed(account)
    world.told()
    charge = world.cashier.charge_of_invoice(found.latest_invoice)
    world.cashier.refund(charge)
    assert hear(world, "charge.refunded") == "applied"
    assert world.again(account).plan_at(world.clock) == "free"
    world.cashier.renew(found.id)
    hear(world, "invoice.paid")
    world.clock = world.cashier.subscribed[found.id].period_start
    assert world.again(account).plan_at(world.clock) == "pro"


def test_a_disputed_invoice_blocks_credits_until_it_is_decided(world):
    """A subscription's payment counts like that of a pack."""
    account = world.person()
    world.bought(account, 100)
    found = world.subscribed(account)
    world.told()
    dispute = world.cashier.dispute(world.cashier.charge_of_invoice(found.latest_invoice))
    hear(world, "charge.dispute.created")
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).disputed
    world.cashier.close_dispute(dispute, "won")
    hear(world, "charge.dispute.closed")
    assert not world.ledger.usage_and_balance(account.owner, now=world.clock).disputed
    assert world.again(account).plan_at(world.clock) == "pro"


def test_a_snapshot_that_is_overtaken_is_taken_again(world):
    """Between asking and writing somebody else wrote newer news."""
    account = world.person()
    found = world.subscribed(account)
    event = world.cashier.told("customer.subscription.created")

    def meanwhile():
        world.cashier.end(found.id)
        apply_event(world.cashier.told("customer.subscription.deleted"), deps=world.billing_deps)

    original = world.cashier.snapshot
    hooks = [meanwhile]

    def slow(wanted):
        answer = original(wanted)
        if hooks:
            hooks.pop()()
        return answer

    world.cashier.snapshot = slow
    apply_event(event, deps=world.billing_deps)
    assert [one.status for one in world.again(account).subscriptions] == ["canceled"]
