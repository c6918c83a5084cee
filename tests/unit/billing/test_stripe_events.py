"""What Stripe sends has its effect exactly once, in any order."""

import itertools
from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb.owner_data import OwnerRecords
from enhancer.billing import checkout, deletion, stripe_events
from enhancer.billing.stripe_events import apply_event
from enhancer.domain.errors import InternalError, StripeUnavailable
from enhancer.domain.ledger import BalanceChanged

DAY = 86_400_000


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


# ---------------------------------------------------------------------------------------- taken back


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


# ------------------------------------------------------------------------------- accounts that are gone


def gone(world, account):
    """The account is deleted, without anything being done at Stripe."""
    OwnerRecords(world.table).mark_deleted(world.again(account), now=world.clock)


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
