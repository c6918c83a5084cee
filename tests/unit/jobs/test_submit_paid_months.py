"""Runs of people who pay: from the paid month, then from credits, never while these are blocked."""

from dataclasses import replace

import pytest

from enhancer.domain.errors import InsufficientCredits
from enhancer.domain.plans import plan_named
from enhancer.jobs import submit
from enhancer.jobs.quote import quote_run
from enhancer.jobs.submit import EnhanceOrder

PRO_4X = EnhanceOrder(scale=4)
"""Costs 2.0 credits."""


@pytest.fixture
def account(world):
    return world.person()


def caller_of(world, account):
    account = world.again(account)
    caller = replace(world.caller("free"), owner=account.owner, account=account)
    return replace(caller, plan=plan_named(account.plan_at(world.clock)))


def use_up(world, caller):
    """The month of the plan is spent."""
    job = world.job(caller, [(caller.plan.quota_tenths, 0)])
    hold = replace(job.items[0].hold, month=caller.month_at(world.clock).name)
    world.settle(world.hold(replace(job, items=(replace(job.items[0], hold=hold),)), plan=caller.plan.name))


def test_a_subscriber_pays_from_the_paid_month(world, account):
    """Not from the calendar's, which was used up before."""
    use_up(world, caller_of(world, account))
    world.subscribed(account)
    world.told()
    caller = caller_of(world, account)
    world.finish(world.submit(caller, PRO_4X))
    month = caller.month_at(world.clock)
    assert month.name == "2026-11-20/2026-12-20"
    usage_and_balance = world.ledger.usage_and_balance(account.owner, now=world.clock, month=month)
    assert (usage_and_balance.month_used, usage_and_balance.balance.spent) == (20, 0)


def test_after_the_month_credits_pay_and_then_nothing_does(world, account):
    """402 with what is needed and what is there."""
    world.subscribed(account)
    world.bought(account, 100)
    world.told()
    caller = caller_of(world, account)
    use_up(world, caller)
    world.finish(world.submit(caller, PRO_4X))
    assert world.balance(caller).spent == 20
    job = world.job(caller, [(0, 970)])
    world.settle(world.hold(job, plan="pro"))
    with pytest.raises(InsufficientCredits) as refused:
        world.submit(caller, PRO_4X)
    assert refused.value.details == {
        "creditsRequired": 2.0,
        "creditsAvailable": 1.0,
        "required": 2.0,
        "available": 1.0,
        "upgradeUrl": "/pricing",
    }


def test_a_month_that_is_left_is_spent_also_in_debt(world):
    """Debt blocks credits, not what the plan includes."""
    account = world.person("pro")
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.told()
    world.settle(world.hold(world.job(caller_of(world, account), [(0, 1000)])))
    world.cashier.refund(charge)
    world.told()
    world.grant(caller_of(world, account), 400)
    world.finish(world.submit(caller_of(world, account)))
    world.settle(world.hold(world.job(caller_of(world, account), [(2990, 0)])))
    with pytest.raises(InsufficientCredits) as refused:
        world.submit(caller_of(world, account))
    assert (refused.value.details["debt"], refused.value.details["blocked"]) == (60.0, True)


def test_in_a_dispute_credits_are_there_and_not_spent(world, account):
    """The quote says so, too."""
    charge = f"ch_{world.bought(account, 100).payment_intent}"
    world.bought(account, 500)
    world.cashier.dispute(charge)
    world.told()
    caller = caller_of(world, account)
    use_up(world, caller)
    with pytest.raises(InsufficientCredits) as refused:
        world.submit(caller)
    assert (refused.value.details["creditsAvailable"], refused.value.details["blocked"]) == (0.0, True)
    model, params = submit.interpret(EnhanceOrder())
    usage_and_balance = world.ledger.usage_and_balance(
        account.owner, now=world.clock, month=caller.month_at(world.clock)
    )
    _, refusal = quote_run(
        model,
        params,
        megapixels=1,
        caller=caller,
        enabled=world.enabled,
        state=usage_and_balance,
        now=world.clock,
    )
    assert isinstance(refusal, InsufficientCredits)
    assert usage_and_balance.balance.available == 5000


def test_who_runs_low_is_told_once_until_more_is_bought(world):
    """Below ten credits; the next pack starts over."""
    account = world.person("pro")
    world.bought(account, 100)
    world.told()
    caller = caller_of(world, account)
    use_up(world, caller)
    world.settle(world.hold(world.job(caller, [(0, 890)])))
    for _ in range(3):
        world.finish(world.submit(caller))
    assert [(kind, owner) for kind, owner, _ in world.notices] == [("credits_low", account.owner)]
    world.bought(account, 100)
    world.told()
    world.settle(world.hold(world.job(caller, [(0, 1000)])))
    world.finish(world.submit(caller))
    assert len(world.notices) == 2


def test_an_api_keys_cap_counts_by_the_calendar(world, account):
    """Whatever month the plan counts in; what is given back comes off the same month."""
    world.subscribed(account)
    world.told()
    caller = caller_of(world, account)
    job = world.job(caller, [(50, 0)])
    hold = replace(job.items[0].hold, month=caller.month_at(world.clock).name, key="key_1")
    job = replace(job, items=(replace(job.items[0], hold=hold),))
    world.hold(job)
    used = [record for record in world.records() if record["sk"].startswith("KEYUSE#")]
    assert [(record["sk"], record["used"]) for record in used] == [("KEYUSE#key_1#2026-11", 50)]
    world.release(job)
    assert [record["used"] for record in world.records() if record["sk"].startswith("KEYUSE#")] == [0]
