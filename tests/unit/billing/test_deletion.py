"""Accounts that are deleted: what is paid for them all the same goes back, once, whatever breaks on the way."""

from dataclasses import replace

import pytest

from enhancer.billing import deletion
from enhancer.billing.stripe_events import apply_event
from enhancer.domain.errors import InternalError, StripeUnavailable

DAY = 86_400_000


def hear(world, kind):
    return apply_event(world.cashier.told(kind), deps=world.billing_deps)


def gone(world, account):
    """The account is deleted, without anything being done at Stripe."""
    world.owner_records.mark_deleted(world.again(account), now=world.clock)


def test_a_pack_paid_for_an_account_that_is_gone_goes_back_once(world):
    """By event, twin, return or closing; the operator is told once, and nothing is credited."""
    account = world.person()
    paid = world.bought(account)
    gone(world, account)
    event = world.cashier.told("checkout.session.completed")
    for number in range(3):
        assert apply_event(replace(event, id=f"evt_twin_{number}"), deps=world.billing_deps) == "nothing"
    assert world.cashier.refunds == {f"ch_{paid.payment_intent}": 4000}
    assert world.parked == [("account_gone", paid.id)]
    assert hear(world, "charge.refunded") == "nothing"
    assert balance_gone(world, account) == 0


def balance_gone(world, account):
    """What was ever credited to it."""
    return world.ledger.usage_and_balance(account.owner, now=world.clock).balance.purchased


def test_a_pack_that_was_promised_before_the_end_goes_back_when_it_arrives(world):
    """A bank debit takes days."""
    account = world.person()
    paid = world.bought(account, later=True)
    gone(world, account)
    assert world.told() == ["nothing"]
    world.cashier.settle(paid.id)
    hear(world, "checkout.session.async_payment_succeeded")
    assert world.cashier.refunds == {f"ch_{paid.payment_intent}": 4000}


def test_credits_do_not_arrive_at_an_account_that_is_deleted_just_then(world):
    """Between looking and writing: the event comes again, and the money goes back."""
    account = world.person()
    paid = world.bought(account)
    original = world.accounts.get

    def overtaken(owner):
        found = original(owner)
        world.accounts.get = original
        gone(world, account)
        return found

    world.accounts.get = overtaken
    with pytest.raises(InternalError):
        hear(world, "checkout.session.completed")
    assert balance_gone(world, account) == 0
    hear(world, "checkout.session.completed")
    assert world.cashier.refunds == {f"ch_{paid.payment_intent}": 4000}


@pytest.mark.parametrize("dies_at", [None, "give_back", "cancel_now"])
def test_a_subscription_paid_for_an_account_that_is_gone_ends_and_goes_back(world, dies_at):
    """Whichever of its events comes first, and wherever the first one broke off."""
    account = world.person()
    found = world.subscribed(account)
    gone(world, account)
    if dies_at:
        broken = getattr(world.cashier, dies_at)
        setattr(world.cashier, dies_at, raising(StripeUnavailable()))
        with pytest.raises(StripeUnavailable):
            hear(world, "invoice.paid")
        setattr(world.cashier, dies_at, broken)
    assert hear(world, "customer.subscription.created") == "applied"
    assert world.cashier.subscribed[found.id].status == "canceled"
    charge = world.cashier.charge_of_invoice(found.latest_invoice)
    assert world.cashier.refunds == {charge: 1200}
    assert world.told() == ["nothing"] * len(world.cashier.events_told)
    assert world.parked == [("account_gone", found.id)]


def raising(problem):
    def call(*_, **__):
        raise problem

    return call


def test_a_period_that_was_used_stays_paid_and_what_arrives_after_the_end_goes_back(world):
    """The subscription ended with the account; its month is not returned, a debit that comes in afterwards is."""
    account = world.person()
    used = world.subscribed(account)
    world.told()
    world.clock += 10 * DAY
    deletion.end_payments(world.again(account), payments=world.cashier)
    gone(world, account)
    told = len(world.cashier.events_told)
    assert world.told(since=told - 1) == ["nothing"]
    assert world.cashier.refunds == {}
    world.clock += DAY
    late = world.cashier.invoices_made[used.latest_invoice]
    world.cashier._invoiced(world.cashier.subscribed[used.id], "subscription_cycle", late.lines)
    world.cashier._pay_invoice(world.cashier.subscribed[used.id].latest_invoice)
    assert hear(world, "invoice.paid") == "applied"
    newest = world.cashier.charge_of_invoice(world.cashier.subscribed[used.id].latest_invoice)
    assert world.cashier.refunds == {newest: 1200}


def test_a_refund_that_fails_for_an_account_that_is_gone_is_for_the_operator(world):
    """Trying again at its own news would fail again, for ever."""
    account = world.person()
    charge = f"ch_{world.bought(account).payment_intent}"
    gone(world, account)
    world.told()
    world.cashier.fail_refund(charge)
    assert hear(world, "refund.failed") == "parked"
    assert (world.parked[1:], world.cashier.refunds[charge]) == ([("account_gone", charge)], 0)
