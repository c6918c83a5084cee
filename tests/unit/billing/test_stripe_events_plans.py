"""Changes of plan: only what was paid counts, and no way to and fro is worth anything."""

from dataclasses import replace

import pytest

DAY = 86_400_000
PRORATIONS = ("create_prorations", "none", "always_invoice")


@pytest.mark.parametrize("proration", PRORATIONS)
def test_a_larger_plan_counts_only_once_its_invoice_is_paid(world, proration):
    """Switched in the portal, whatever its setting: pro until money came, by an invoice of its own or the next one."""
    account = world.person()
    found = world.subscribed(account)
    world.told()
    month = world.again(account).month_at(world.clock)
    world.clock += DAY
    world.cashier.switch(found.id, "price_enterprise_monthly", proration, pays=False)
    world.told()
    assert world.again(account).plan_at(world.clock) == "pro"
    if proration == "always_invoice":
        world.cashier.recover(found.id)
    else:
        world.clock = found.period_end
        assert world.again(account).plan_at(world.clock) == "pro"
        world.cashier.renew(found.id)
    world.told()
    account = world.again(account)
    assert account.plan_at(world.clock) == "enterprise"
    assert (account.month_at(world.clock) == month) == (proration == "always_invoice")
    assert world.parked == []


@pytest.mark.parametrize("proration", PRORATIONS)
def test_a_larger_plan_that_is_never_paid_never_counts(world, proration):
    """Not in the period, not at its end, not in the week of grace; then the plan that was paid is gone, too."""
    account = world.person()
    found = world.subscribed(account)
    world.cashier.switch(found.id, "price_enterprise_monthly", proration, pays=False)
    world.told()
    for moment in (world.clock, found.period_end - 1, found.period_end):
        world.clock = moment
        assert world.again(account).plan_at(moment) == "pro"
    world.cashier.fail_renewal(found.id)
    world.told()
    week = found.period_end + 7 * DAY
    assert [world.again(account).plan_at(moment) for moment in (week - 1, week)] == ["pro", "free"]


def test_switching_up_and_down_in_a_month_leaves_what_is_paid(world):
    """Up is paid, down gives the money back at once: enterprise ends where its money went back."""
    account = world.person()
    found = world.subscribed(account)
    plans = []
    for price in ("enterprise", "pro", "team", "pro"):
        world.clock += DAY
        world.cashier.switch(found.id, f"price_{price}_monthly", "always_invoice")
        world.told()
        plans.append(world.again(account).plan_at(world.clock))
    assert plans == ["enterprise", "pro", "team", "pro"]
    assert [reason for reason, _ in world.parked] == [
        "money_given_back"
    ] * 2  # the portal is not set as it should be


def test_a_scheduled_downgrade_counts_with_the_next_period(world):
    """Until then nothing changes."""
    account = world.person()
    found = world.subscribed(account, "team")
    world.cashier.schedule(found.id, "price_pro_monthly")
    world.told()
    assert world.again(account).plan_at(found.period_end - 1) == "team"
    world.clock = found.period_end
    world.cashier.renew(found.id)
    world.told()
    assert world.again(account).plan_at(world.clock) == "pro"


def test_switching_plans_back_and_forth_creates_no_credits(world):
    """Ten times pro, team and the other interval in one period: the month and what was used of it stay."""
    account = world.person()
    found = world.subscribed(account)
    world.told()
    heard = len(world.cashier.events_told)
    caller = replace(world.caller("team"), owner=account.owner, account=world.again(account))
    month = caller.month_at(world.clock)
    job = world.job(caller, [(2900, 0)])
    hold = replace(job.items[0].hold, month=month.name)
    world.hold(replace(job, items=(replace(job.items[0], hold=hold),)), plan="team")
    for price in ("price_team_monthly", "price_pro_monthly", "price_pro_annual", "price_pro_monthly") * 3:
        world.clock += 3_600_000
        world.cashier.switch(found.id, price)
        world.told(since=heard)
        heard = len(world.cashier.events_told)
        account = world.again(account)
        assert account.month_at(world.clock) == month
        usage_and_balance = world.ledger.usage_and_balance(
            account.owner, now=world.clock, month=account.month_at(world.clock)
        )
        assert usage_and_balance.month_used == 2900
    assert {reason for reason, _ in world.parked} == {"money_given_back"}  # a year for a month, at once
    assert len(world.parked) == len(set(world.parked))


def test_a_failed_renewal_keeps_the_plan_for_seven_days_and_gives_no_new_month(world):
    """Then it is gone; paid after all, it is back."""
    account = world.person()
    found = world.subscribed(account)
    world.told()
    world.clock = found.period_end
    world.cashier.fail_renewal(found.id)
    world.told()
    account = world.again(account)
    assert account.plan_at(world.clock + 7 * DAY - 1) == "pro"
    assert account.plan_at(world.clock + 7 * DAY) == "free"
    assert account.month_at(world.clock).name == "2026-11-20/2026-12-20"
    world.clock += 8 * DAY
    world.cashier.recover(found.id)
    world.told()
    account = world.again(account)
    assert account.plan_at(world.clock) == "pro"
    assert account.month_at(world.clock).name == "2026-12-20/2027-01-20"


def test_a_renewal_refreshes_the_month_and_touches_no_bought_credits(world):
    """Also one that costs nothing."""
    account = world.person()
    world.bought(account, 100)
    found = world.subscribed(account)
    world.told()
    world.clock = found.period_end
    world.cashier.renew(found.id)
    world.told()
    account = world.again(account)
    assert account.month_at(world.clock).name == "2026-12-20/2027-01-20"
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).balance.available == 1000
