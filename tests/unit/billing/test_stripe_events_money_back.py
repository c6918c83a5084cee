"""Refunds and disputes take back what they paid for, once, and give it back where they fail."""

from dataclasses import replace

import pytest

from enhancer.billing import checkout
from enhancer.billing.stripe_events import apply_event
from enhancer.domain.ledger import BalanceChanged


def balance(world, account):
    """The totals, with the entries agreeing."""
    return world.balance(world_caller(world, account))


def world_caller(world, account):
    caller = world.caller("free")
    return replace(caller, owner=account.owner, account=world.again(account))


def spend(world, account, tenths):
    """Spend credits on one picture."""
    caller = world_caller(world, account)
    job = world.hold(world.job(caller, [(0, tenths)]), plan="free")
    world.settle(job)


def hear(world, kind):
    return apply_event(world.cashier.told(kind), deps=world.billing_deps)


@pytest.mark.parametrize("spent", [0, 1000, 5000])
@pytest.mark.parametrize("how", ["refund", "dispute"])
def test_a_pack_taken_back_leaves_what_is_left_of_it_as_debt(world, how, spent):
    """All of it goes if all is there; what was spent becomes debt; nothing falls below zero."""
    account = world.person()
    checkout = world.bought(account)
    world.told()
    if spent:
        spend(world, account, spent)
    charge = f"ch_{checkout.payment_intent}"
    getattr(world.cashier, how)(charge)
    event = world.cashier.events_told[-1]
    assert [apply_event(event, deps=world.billing_deps) for _ in range(3)] == [
        "applied",
        "repeated",
        "repeated",
    ]
    found = balance(world, account)
    assert (found.available, found.clawed_back, found.debt) == (0, 5000 - spent, spent)


def test_a_part_of_the_price_takes_back_that_part_of_the_credits(world):
    """A quarter of the money, then all of it."""
    account = world.person()
    charge = f"ch_{world.bought(account).payment_intent}"
    world.told()
    world.cashier.refund(charge, 1000)
    assert hear(world, "charge.refunded") == "applied"
    assert balance(world, account).available == 3750
    world.cashier.refund(charge)
    assert hear(world, "charge.refunded") == "applied"
    assert balance(world, account).available == 0


def test_a_failed_refund_gives_the_credits_back(world):
    """First debt is forgiven, the rest comes back."""
    account = world.person()
    charge = f"ch_{world.bought(account).payment_intent}"
    world.told()
    spend(world, account, 2000)
    world.cashier.refund(charge)
    hear(world, "charge.refunded")
    assert balance(world, account).debt == 2000
    world.cashier.fail_refund(charge)
    assert hear(world, "refund.failed") == "applied"
    found = balance(world, account)
    assert (found.available, found.debt) == (3000, 0)


def test_while_a_payment_is_disputed_no_credits_are_spent(world):
    """Not even those of another pack; a won dispute gives everything back."""
    account = world.person()
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.bought(account, 500)
    world.told()
    dispute = world.cashier.dispute(charge)
    hear(world, "charge.dispute.created")
    assert balance(world, account).available == 5000
    with pytest.raises(BalanceChanged):
        spend(world, account, 10)
    world.cashier.close_dispute(dispute, "won")
    hear(world, "charge.dispute.closed")
    assert balance(world, account).available == 6000
    spend(world, account, 10)


def test_a_lost_dispute_ends_the_block_and_keeps_the_credits(world):
    """What was taken back stays taken back."""
    account = world.person()
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.bought(account, 500)
    world.told()
    dispute = world.cashier.dispute(charge)
    hear(world, "charge.dispute.created")
    world.cashier.close_dispute(dispute, "lost")
    hear(world, "charge.dispute.closed")
    assert balance(world, account).available == 5000
    spend(world, account, 10)


def test_debt_blocks_spending_until_a_purchase_pays_it(world):
    """The next pack pays the debt first, in the same step, and the entries say so."""
    account = world.person()
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.told()
    spend(world, account, 1000)
    world.cashier.refund(charge)
    hear(world, "charge.refunded")
    world.bought(account, 500)
    hear(world, "checkout.session.completed")
    found = balance(world, account)
    assert (found.available, found.debt, found.clawed_back) == (4000, 0, 1000)
    entries = list(world.ledger.entries(account.owner))[-2:]
    assert [(one.kind, one.credits, one.debt, one.reason) for one in entries] == [
        ("purchase", 5000, 0, "pack_500"),
        ("clawback", 1000, -1000, "debt"),
    ]


def test_money_back_that_is_told_before_the_payment_ends_the_same(world):
    """The refund's news credit the pack first."""
    account = world.person()
    checkout = world.bought(account)
    world.cashier.refund(f"ch_{checkout.payment_intent}")
    assert hear(world, "charge.refunded") == "applied"
    assert hear(world, "checkout.session.completed") == "nothing"
    found = balance(world, account)
    assert (found.purchased, found.clawed_back, found.available) == (5000, 5000, 0)


def test_a_handler_that_asked_too_early_does_not_overwrite_later_news(world):
    """While one handler waits for Stripe's answer, another applies the whole refund."""
    account = world.person()
    charge = f"ch_{world.bought(account).payment_intent}"
    world.told()
    world.cashier.refund(charge, 1000)
    early = world.cashier.told("charge.refunded")
    asked = []

    def overtaken():
        world.cashier.refund(charge)
        asked.append(apply_event(world.cashier.told("charge.refunded"), deps=world.billing_deps))

    original = world.cashier.charge

    def charge_slowly(wanted):
        found = original(wanted)
        if len(world.cashier.calls) and world.cashier.calls.count("charge") == 2:
            overtaken()
        return found

    world.cashier.charge = charge_slowly
    apply_event(early, deps=world.billing_deps)
    assert asked == ["applied"]
    assert balance(world, account).available == 0


OPEN = ["needs_response", "under_review", "appeal_needs_response", "appeal_under_review"]
ENDED = {"won": 6000, "lost": 5000, "prevented": 5000, "warning_closed": 6000}


@pytest.mark.parametrize("status", OPEN)
def test_a_dispute_that_is_not_decided_blocks(world, status):
    """In each of its stages, told by an update too."""
    account = world.person()
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.told()
    dispute = world.cashier.dispute(charge)
    world.cashier.change_dispute(dispute, status)
    hear(world, "charge.dispute.updated")
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).disputed


@pytest.mark.parametrize(("status", "available"), ENDED.items())
def test_every_end_of_a_dispute_lifts_the_block(world, status, available):
    """Won, or an inquiry that was closed: the credits are there. Lost, or prevented by a refund: they are gone."""
    account = world.person()
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.bought(account, 500)
    dispute = world.cashier.dispute(charge)
    world.told()
    world.cashier.close_dispute(dispute, status)
    hear(world, "charge.dispute.closed")
    found = world.ledger.usage_and_balance(account.owner, now=world.clock)
    assert (found.balance.available, found.disputed) == (available, False)


def test_a_discounted_pack_is_worth_its_credits_and_goes_back_whole(world):
    """A promotion code changes what is paid, not what is bought; a free one has nothing to give back."""
    deps = replace(world.billing_deps, promotion_codes=True)
    for discount in (3000, 4000):
        account = world.person()
        url = checkout.buy(world.visitor(account), 500, deps=deps)
        told = len(world.cashier.events_told)
        paid = world.cashier.pay(url.rpartition("/")[2], discount=discount)
        assert world.told(since=told) == ["applied"]
        assert balance(world, account).available == 5000
        if paid.payment_intent:
            world.cashier.refund(f"ch_{paid.payment_intent}")
            hear(world, "charge.refunded")
            assert balance(world, account).available == 0
