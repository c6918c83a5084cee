"""Buying, subscribing, leaving, coming back, and the statement."""

from dataclasses import replace

import pytest

from enhancer.billing import checkout
from enhancer.domain.errors import (
    CheckoutUnderWay,
    IdempotencyMismatch,
    InvalidIdempotencyKey,
    NoSubscription,
    NotFound,
    NothingBought,
    PackNotConfigured,
    PlanNotConfigured,
    ReturnToInvalid,
    StripeUnavailable,
    SubscriptionExists,
)
from enhancer.domain.stripe_prices import Prices
from enhancer.domain.subscriptions import current


@pytest.fixture
def account(world):
    return world.person()


def session_of(url):
    return url.rpartition("/")[2]


def test_a_pack_is_opened_for_this_owner_at_our_price(world, account):
    """Everything that must be known later is written on the session."""
    url = checkout.buy(world.visitor(account, to="/de/account"), 500, deps=world.billing_deps)
    session = world.cashier.sessions[session_of(url)]
    assert (session.amount, session.currency, session.mode) == (4000, "usd", "payment")
    assert session.metadata["owner"] == account.owner.id
    assert (session.metadata["pack"], session.metadata["returnTo"]) == ("500", "/de/account")
    assert world.links.owner_of(session.customer) == account.owner


@pytest.mark.parametrize("size", [0, 1, 250, -500, 10**9])
def test_a_pack_that_is_not_sold_is_refused(world, account, size):
    """And nobody is asked."""
    with pytest.raises(PackNotConfigured) as refused:
        checkout.buy(world.visitor(account), size, deps=world.billing_deps)
    assert refused.value.details == {"pack": size, "allowed": [100, 500, 1000, 1500]}
    assert world.cashier.calls == []


def test_without_a_price_a_pack_is_not_sold(world, account):
    """The table of this deployment decides."""
    deps = replace(world.billing_deps, prices=Prices(credits={"100": "price"}))
    with pytest.raises(PackNotConfigured) as refused:
        checkout.buy(world.visitor(account), 500, deps=deps)
    assert refused.value.details["allowed"] == [100]


def test_a_plan_without_a_price_is_refused(world, account):
    """Free is not sold, guest neither."""
    for plan in ("free", "guest", "gold"):
        with pytest.raises(PlanNotConfigured):
            checkout.subscribe(world.visitor(account), plan, "monthly", deps=world.billing_deps)


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/api/auth/logout", "/\\evil", "/a\r\nb"]
)
def test_a_foreign_return_path_is_refused_before_anything_is_bought(world, account, path):
    """Nobody is sent elsewhere through Stripe."""
    with pytest.raises(ReturnToInvalid):
        checkout.buy(world.visitor(account, to=path), 500, deps=world.billing_deps)
    assert world.cashier.calls == []


def test_the_same_key_leads_to_the_same_checkout(world, account):
    """A double click opens one; the next click without a key another one."""
    urls = {checkout.buy(world.visitor(account, key="click"), 500, deps=world.billing_deps) for _ in range(3)}
    assert len(urls) == 1
    assert world.cashier.calls.count("open") == 1
    assert checkout.buy(world.visitor(account), 500, deps=world.billing_deps) not in urls
    assert len(set(world.cashier.customers)) == 1


def test_the_same_key_for_another_pack_is_refused(world, account):
    """A key stands for one order."""
    checkout.buy(world.visitor(account, key="click"), 500, deps=world.billing_deps)
    with pytest.raises(IdempotencyMismatch):
        checkout.buy(world.visitor(account, key="click"), 100, deps=world.billing_deps)


@pytest.mark.parametrize("key", ["", "  ", "ü", "a" * 129, "a\nb"])
def test_a_malformed_key_is_refused(world, account, key):
    """Before anything is stored."""
    with pytest.raises(InvalidIdempotencyKey):
        checkout.buy(world.visitor(account, key=key), 500, deps=world.billing_deps)


@pytest.mark.parametrize("is_new", [True, False])
def test_after_the_cashier_said_no_the_same_key_is_a_new_try_to_it(world, account, is_new):
    """It repeats its no for a day under its own key: for a session, and for a new customer too, for each try."""
    if not is_new:
        checkout.buy(world.visitor(account), 100, deps=world.billing_deps)
    for _ in range(2):
        world.cashier.problem = StripeUnavailable(answered=True)
        for _ in range(2):
            with pytest.raises(StripeUnavailable):
                checkout.buy(world.visitor(account, key="click"), 500, deps=world.billing_deps)
        world.cashier.problem = None
        checkout.buy(world.visitor(account, key="click"), 500, deps=world.billing_deps)
    assert len(world.cashier.customers) == 1


def test_one_refusal_that_many_buyers_windows_see_is_one_turn(world, account):
    """Ten clicks fail together; the next ones make one customer."""
    world.cashier.problem = StripeUnavailable(answered=True)
    turn = world.links.enrolment_turn(account.owner)
    for _ in range(10):
        world.links.next_enrolment(account.owner, turn=turn)
    assert world.links.enrolment_turn(account.owner) == turn + 1


def test_a_key_whose_order_is_told_otherwise_now_opens_a_checkout_at_the_next_click(world, account):
    """Crashed before its session was stored; since then the language, the customer or the codes changed."""
    opened = world.links.opened
    world.links.opened = lambda *_: raises(StripeUnavailable())
    with pytest.raises(StripeUnavailable):
        checkout.buy(world.visitor(account, key="click"), 500, deps=world.billing_deps)
    world.links.opened = opened
    german = replace(world.visitor(account, key="click", to="/en/account"), language="de")
    with pytest.raises(CheckoutUnderWay):
        checkout.buy(german, 500, deps=world.billing_deps)
    assert session_of(checkout.buy(german, 500, deps=world.billing_deps)) in world.cashier.sessions


def raises(problem):
    raise problem


def test_promotion_codes_are_a_matter_of_the_deployment(world, account):
    """Off unless its parameter says otherwise; for packs and plans."""
    for allowed in (False, True):
        deps = replace(world.billing_deps, promotion_codes=allowed)
        for buy in (
            lambda deps: checkout.buy(world.visitor(account), 500, deps=deps),
            lambda deps: checkout.subscribe(world.visitor(account), "pro", "monthly", deps=deps),
        ):
            session = session_of(buy(deps))
            assert world.cashier.orders[session].promotion_codes is allowed


def test_without_an_answer_the_same_key_asks_for_the_same_checkout(world, account):
    """It may have been opened: the idempotency key at Stripe finds it."""
    checkout.buy(world.visitor(account), 100, deps=world.billing_deps)
    world.cashier.problem = StripeUnavailable()
    with pytest.raises(StripeUnavailable):
        checkout.buy(world.visitor(account, key="click"), 500, deps=world.billing_deps)
    world.cashier.problem = None
    checkout.buy(world.visitor(account, key="click"), 500, deps=world.billing_deps)
    assert all(key.endswith(":0") for key in world.cashier.kept)


def test_a_second_subscription_is_refused_with_the_way_to_the_portal(world, account):
    """Also while the first one is cancelled and still runs."""
    found = world.subscribed(account)
    world.told()
    for _ in range(2):
        with pytest.raises(SubscriptionExists) as refused:
            checkout.subscribe(world.visitor(account), "team", "monthly", deps=world.billing_deps)
        assert refused.value.details == {"plan": "pro", "portal": "/api/billing/portal"}
        world.cashier.cancel_at_period_end(found.id)
        world.told()


def test_only_the_newest_open_checkout_of_a_subscription_can_be_paid(world, account):
    """Two tabs do not become two subscriptions."""
    urls = []
    for plan in ("pro", "team", "premium"):
        urls.append(checkout.subscribe(world.visitor(account), plan, "monthly", deps=world.billing_deps))
        world.clock += 1000
    assert [world.cashier.sessions[session_of(url)].status for url in urls] == ["expired", "expired", "open"]


def test_the_key_of_an_expired_checkout_opens_a_new_one(world, account):
    """Nobody is sent to a page where nothing can be paid any more."""
    first = checkout.subscribe(world.visitor(account, key="click"), "pro", "monthly", deps=world.billing_deps)
    checkout.subscribe(world.visitor(account, key="other"), "team", "monthly", deps=world.billing_deps)
    again = {
        checkout.subscribe(world.visitor(account, key="click"), "pro", "monthly", deps=world.billing_deps)
        for _ in range(2)
    }
    assert again != {first}
    assert [world.cashier.sessions[session_of(url)].status for url in again] == ["open"]


def test_cancelling_lets_the_plan_stay_until_the_paid_period_ends(world, account):
    """And again changes nothing."""
    found = world.subscribed(account)
    world.told()
    for _ in range(2):
        after = checkout.cancel(world.again(account), deps=world.billing_deps)
        assert [one.cancel_at for one in after.subscriptions] == [found.period_end]
    assert world.cashier.calls.count("cancel_at_period_end") == 1
    assert after.plan_at(found.period_end - 1) == "pro"
    assert after.plan_at(found.period_end) == "free"


def test_cancelling_drops_a_downgrade_that_was_scheduled(world, account):
    """It ends as team and does not become pro."""
    found = world.subscribed(account, "team")
    world.cashier.schedule(found.id, "price_pro_monthly")
    world.told()
    after = checkout.cancel(world.again(account), deps=world.billing_deps)
    assert after.plan_at(found.period_end - 1) == "team"
    assert after.plan_at(found.period_end) == "free"
    assert world.cashier.scheduled == {}


def test_without_a_subscription_there_is_nothing_to_cancel(world, account):
    """Nor once it has ended."""
    with pytest.raises(NoSubscription):
        checkout.cancel(world.again(account), deps=world.billing_deps)
    found = world.subscribed(account)
    world.cashier.end(found.id)
    world.told()
    with pytest.raises(NoSubscription):
        checkout.cancel(world.again(account), deps=world.billing_deps)


def test_a_subscription_that_the_cashier_does_not_know_is_no_crash(world, account):
    """There is nothing to cancel then."""
    found = world.subscribed(account)
    world.told()
    del world.cashier.subscribed[found.id]
    with pytest.raises(NoSubscription):
        checkout.cancel(world.again(account), deps=world.billing_deps)


def test_the_portal_opens_for_who_bought_something(world, account):
    """And leads back."""
    with pytest.raises(NothingBought):
        checkout.portal(world.visitor(account), deps=world.billing_deps)
    world.bought(account)
    url = checkout.portal(world.visitor(account, to="/en/pricing"), deps=world.billing_deps)
    assert url.endswith("?http://127.0.0.1:8787/en/pricing&en")


def test_who_was_deleted_at_the_cashier_becomes_a_new_customer(world, account):
    """What was bought as the old one still counts; there is nothing to manage until something is bought again."""
    old = world.bought(account)
    world.cashier.customers.clear()
    with pytest.raises(NothingBought):
        checkout.portal(world.visitor(account), deps=world.billing_deps)
    new = world.bought(account, 100)
    assert new.customer != old.customer
    assert world.again(account).customer == new.customer
    assert world.told() == ["applied", "applied"]
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).balance.available == 6000


# ---------------------------------------------------------------------------------------------- sync


def sync(world, account, session_id):
    return checkout.sync(session_id, world.again(account), home="/en/account", deps=world.billing_deps)


def test_coming_back_grants_what_was_paid_once(world, account):
    """The event that comes later finds it done."""
    checkout = world.bought(account)
    for _ in range(3):
        assert sync(world, account, checkout.id) == ("/en/account", "paid")
    assert world.told() == ["nothing"]
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).balance.purchased == 5000


def test_coming_back_without_having_paid_grants_nothing(world, account):
    """An open checkout, a promise, an expired one."""
    url = checkout.buy(world.visitor(account), 500, deps=world.billing_deps)
    assert sync(world, account, session_of(url)) == ("/en/account", "pending")
    assert sync(world, account, world.bought(account, later=True).id) == ("/en/account", "pending")
    world.cashier.expire(session_of(url))
    assert sync(world, account, session_of(url)) == ("/en/account", "failed")
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).balance.purchased == 0


def test_the_session_of_somebody_else_is_as_if_it_did_not_exist(world, account):
    """Neither is granted to anybody."""
    checkout = world.bought(world.person())
    for session_id in (checkout.id, "cs_none", ""):
        with pytest.raises(NotFound):
            sync(world, account, session_id)
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).balance.purchased == 0


def test_coming_back_brings_the_plan_before_any_event(world, account):
    """The page shows it at once."""
    world.subscribed(account)
    session = next(iter(world.cashier.sessions))
    assert sync(world, account, session)[1] == "paid"
    assert world.again(account).plan_at(world.clock) == "pro"


def test_an_amount_that_is_not_ours_is_parked_on_the_way_back(world, account):
    """The browser sees a payment that is being looked at."""
    checkout = world.bought(account)
    world.cashier.sessions[checkout.id] = replace(checkout, amount=1)
    assert sync(world, account, checkout.id)[1] == "pending"
    assert world.parked == [("amount_mismatch", checkout.id)]


def test_what_is_shown_is_the_subscription_that_runs(world, account):
    """Not one that ended."""
    assert current(account.subscriptions, world.clock) is None
    first = world.subscribed(account)
    world.cashier.end(first.id)
    world.told()
    second = world.subscribed(account)
    world.told()
    assert current(world.again(account).subscriptions, world.clock).id == second.id
