"""Rate limits on the table: exact, edge-free, and on items of their own."""

import pytest

from enhancer.adapters.dynamodb.table import ConditionFailed, TableBusy
from enhancer.domain.errors import RateLimited
from enhancer.domain.plans import PLANS, rate_limit
from enhancer.domain.rate_limits import RateLimit
from tests.support import aws

FIVE = RateLimit("five", 5, window_seconds=60)


def allowed(world, subject, limit, tries):
    """How many of so many calls at this moment pass."""
    passed = 0
    for _ in range(tries):
        try:
            world.rates.take(subject, limit, now=world.clock)
            passed += 1
        except RateLimited:
            pass
    return passed


def test_a_burst_gets_exactly_the_limit(world):
    """Of three times the limit at one moment exactly the limit passes."""
    assert allowed(world, world.caller().owner, FIVE, 15) == 5


def test_a_network_is_limited_like_an_owner(world):
    """A subject may be a network's hash."""
    assert allowed(world, world.new_name(), FIVE, 8) == 5


def test_there_is_no_double_burst_at_the_edge_of_a_window(world):
    """One window after a full burst a second full burst passes; a moment earlier one call less does."""
    owner = world.caller().owner
    assert allowed(world, owner, FIVE, 6) == 5
    world.clock += 59_999
    assert allowed(world, owner, FIVE, 6) == 4
    world.clock += 1
    assert allowed(world, owner, FIVE, 6) == 1


def test_the_refusal_says_exactly_when_the_next_call_is_allowed(world):
    """At Retry-After the call passes; one interval of a millisecond before its moment it does not."""
    owner = world.caller().owner
    assert allowed(world, owner, FIVE, 5) == 5
    with pytest.raises(RateLimited) as refused:
        world.rates.take(owner, FIVE, now=world.clock)
    assert refused.value.retry_after_seconds == 12
    assert refused.value.details == {"scope": "five", "limit": 5, "windowSeconds": 60}
    world.clock += 11_999
    assert allowed(world, owner, FIVE, 1) == 0
    world.clock += 1
    assert allowed(world, owner, FIVE, 2) == 1


def test_a_refused_call_uses_no_budget(world):
    """However often somebody knocks, the wait does not grow."""
    owner = world.caller().owner
    allowed(world, owner, FIVE, 5)
    assert allowed(world, owner, FIVE, 20) == 0
    world.clock += 12_000
    assert allowed(world, owner, FIVE, 1) == 1


def test_remaining_and_reset_count_down(world):
    """What is left after each call is what a burst would still get."""
    owner = world.caller().owner
    states = [world.rates.take(owner, FIVE, now=world.clock) for _ in range(5)]
    assert [state.remaining for state in states] == [4, 3, 2, 1, 0]
    assert [state.reset_seconds for state in states] == [12, 24, 36, 48, 60]


def test_after_a_quiet_window_the_whole_burst_is_back(world):
    """An idle caller starts afresh."""
    owner = world.caller().owner
    allowed(world, owner, FIVE, 5)
    world.clock += 60_000
    assert allowed(world, owner, FIVE, 6) == 5


def test_a_clock_that_goes_back_an_hour_does_not_lock_anybody_out_for_longer(world):
    """The wait after a step back ends when the old clock would have been reached again, and never grows."""
    owner = world.caller().owner
    allowed(world, owner, FIVE, 1)
    world.clock -= 3_600_000
    with pytest.raises(RateLimited) as refused:
        world.rates.take(owner, FIVE, now=world.clock)
    assert refused.value.retry_after_seconds == 3600 + 12 - 48
    world.clock += 3_600_000
    assert allowed(world, owner, FIVE, 5) == 4


def test_two_limits_of_one_owner_do_not_touch(world):
    """Each class of calls has its own record."""
    owner = world.caller().owner
    other = RateLimit("other", 2)
    assert allowed(world, owner, FIVE, 9) == 5
    assert allowed(world, owner, other, 9) == 2


def test_every_plans_limit_is_exact_in_the_table(world):
    """Guest and pro generate limits let through exactly what the price list says."""
    for plan in ("guest", "pro"):
        limit = rate_limit(PLANS[plan], "generate")
        assert allowed(world, world.caller(plan).owner, limit, limit.limit + 5) == limit.limit


def test_the_record_ends_by_itself(world):
    """A caller who never comes back leaves nothing for ever."""
    network = world.new_name()
    world.rates.take(network, FIVE, now=world.clock)
    (record,) = [found for found in aws.records() if found["pk"] == f"NET#{network}"]
    assert record["expires"] == world.clock // 1000 + 60 + 3600


def test_a_call_that_saw_an_older_state_does_not_pass_the_limit(world, monkeypatch):
    """Between look and count others used the budget up: the condition of the count itself refuses."""
    owner = world.caller().owner
    assert allowed(world, owner, FIVE, 5) == 5

    def stale(*_args):
        raise ConditionFailed({"tat": world.clock + 12_000})

    monkeypatch.setattr(world.rates, "_idle", stale)
    with pytest.raises(RateLimited):
        world.rates.take(owner, FIVE, now=world.clock)
    monkeypatch.undo()
    assert allowed(world, owner, FIVE, 1) == 0
    world.clock += 12_000
    assert allowed(world, owner, FIVE, 2) == 1


def test_two_idle_callers_at_once_are_both_counted(world):
    """Who finds the record taken after seeing it idle counts on top of it instead of starting afresh."""
    owner = world.caller().owner
    world.rates.take(owner, FIVE, now=world.clock)
    with pytest.raises(ConditionFailed):
        world.rates._idle({"pk": f"OWNER#user#{owner.id}", "sk": "RATE#five"}, FIVE, world.clock)
    assert allowed(world, owner, FIVE, 9) == 4


def test_a_call_that_keeps_losing_races_is_refused_as_busy(world, monkeypatch):
    """When neither form ever applies, the limit fails closed."""

    def lost(*_args):
        raise ConditionFailed({"tat": world.clock + 1})

    monkeypatch.setattr(world.rates, "_idle", lost)
    monkeypatch.setattr(world.rates, "_busy", lost)
    with pytest.raises(TableBusy):
        world.rates.take(world.caller().owner, FIVE, now=world.clock)
