"""What is left is looked at before any work: guests with nothing left cost no decoding and no storage."""

from dataclasses import replace

import pytest

from enhancer.domain.errors import DailyQuotaExceeded, InsufficientCredits, NetworkQuotaExceeded
from enhancer.domain.flags import Flags, Guests
from enhancer.domain.ledger import Balance, UsageAndBalance
from enhancer.domain.periods import calendar_month
from enhancer.domain.plans import PLANS, network_images_per_day
from enhancer.jobs import quota
from tests.support.images import png

PRICE = 10


def state(world, *, day=0, month=0, network=0):
    return UsageAndBalance(day, month, Balance(), calendar_month(world.now()), network)


@pytest.mark.parametrize(
    ("used", "error"),
    [
        ({"day": PLANS["guest"].images_per_day}, DailyQuotaExceeded),
        ({"network": network_images_per_day(PLANS["guest"])}, NetworkQuotaExceeded),
        ({"month": PLANS["guest"].quota_tenths - PRICE + 1}, InsufficientCredits),
    ],
)
def test_what_a_hold_would_refuse_is_refused_before(world, used, error):
    """Day, network and month, each at its limit; one below, nothing is refused."""
    guest = world.caller("guest", network="net")
    with pytest.raises(error):
        quota.check_left(PRICE, state(world, **used), caller=guest, now=world.now())
    below = {name: value - 1 for name, value in used.items()}
    assert quota.check_left(PRICE, state(world, **below), caller=guest, now=world.now()) is None


def use_up(world, caller):
    """Let a caller use their day; return the last key."""
    for shade in range(caller.plan.images_per_day):
        world.finish(world.submit(caller, photo=world.photo(png(shade=shade)), key=f"key-{shade}"))
    return f"key-{caller.plan.images_per_day - 1}"


def check(world, caller, key=None):
    return quota.check_guest(PRICE, caller=caller, ledger=world.ledger, now=world.now(), idempotency_key=key)


def test_a_guest_with_nothing_left_is_refused_but_for_a_known_key(world):
    """A repeated request is still answered with its job; a key nobody has seen helps nobody."""
    guest = world.caller("guest", network="net")
    assert check(world, guest) is None
    known = use_up(world, guest)
    with pytest.raises(DailyQuotaExceeded) as refused:
        check(world, guest)
    assert (refused.value.details["used"], refused.value.details["limit"]) == (3, 3)
    with pytest.raises(DailyQuotaExceeded):
        check(world, guest, "another key")
    assert check(world, guest, known) is None


def test_a_user_with_nothing_left_may_ask_for_what_they_paid_for(world):
    """Only the decoded picture tells whether it is free, so users are refused by the hold."""
    user = world.caller("free")
    use_up(world, user)
    assert check(world, user) is None
    assert world.submit(user, photo=world.photo(png(shade=0))).deduplicated


def test_the_hold_counts_a_network_by_the_capped_plan_of_its_guests(world):
    """Also where nobody looked before: five times one picture, and no sixth."""
    plan = Flags(guests=Guests(images_per_day=1)).plan("guest")
    for _ in range(5):
        world.submit(replace(world.caller("guest", network="net"), plan=plan))
    with pytest.raises(NetworkQuotaExceeded) as refused:
        world.submit(replace(world.caller("guest", network="net"), plan=plan))
    assert refused.value.details["limit"] == 5
