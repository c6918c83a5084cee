"""Day and month belong to the identity: no way of deleting, opening, linking or running gives more of them."""

from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.ledger_writes import USAGE_KEPT_SECONDS
from enhancer.adapters.signin.base import Profile
from enhancer.domain.errors import DailyQuotaExceeded, NotSignedIn
from enhancer.domain.periods import Month
from tests.support import aws
from tests.support.world import at

ADA = Profile("google", "ada-at-google", "ada@example.com", "Ada")
HUB = Profile("github", "ada-at-github", "ada@example.com", "Ada")
CALLS = ("get", "get_many", "put", "transact")


def enter(world, profile=ADA):
    """Sign in; the caller."""
    account = world.accounts.sign_in(profile, new_user=world.new_name(), role="user", now=world.clock)
    return replace(world.caller("free"), owner=account.owner, account=account)


def make(world, caller, tenths=10):
    """Hold a run."""
    return world.hold(world.job(caller, [(tenths, 0)]), plan="free")


def leave(world, caller):
    """Delete the account."""
    world.owner_records.mark_deleted(world.again(caller.account), now=world.clock)


def used(world, caller):
    """Images of the day, plan tenths of the month."""
    return world.usage_and_balance(caller)[:2]


def before_call(monkeypatch, table, number, action):
    """Do something once, before this call of the table."""
    left = [number]

    def wrapped(real):
        def call(*args, **more):
            left[0] -= 1
            if left[0] == -1:
                action()
            return real(*args, **more)

        return call

    for name in CALLS:
        monkeypatch.setattr(table, name, wrapped(getattr(table, name)))
    return left


# ------------------------------------------------------------------------------ one after the other


def test_an_account_that_is_opened_again_goes_on_where_the_deleted_one_was(world):
    """The same numbers, and the same refusal; the account itself is a new one."""
    first = enter(world)
    for _ in range(3):
        make(world, first, 25)
    leave(world, first)
    again = enter(world)
    assert again.owner != first.owner
    assert used(world, again) == (3, 75)
    with pytest.raises(DailyQuotaExceeded):
        make(world, again)
    leave(world, again)
    assert used(world, enter(world)) == (3, 75)


def test_the_next_day_is_fresh_and_the_month_goes_on(world):
    """And the next month is fresh too, whatever the table still stores."""
    first = enter(world)
    make(world, first)
    leave(world, first)
    world.clock = at("2026-11-21 00:00:00")
    assert used(world, enter(world)) == (0, 10)
    world.clock = at("2026-12-01 00:00:00")
    assert used(world, enter(world, HUB)) == (0, 0)


def test_a_run_given_back_before_the_deletion_is_not_counted(world):
    """What failed cost nothing, also in the next account."""
    first = enter(world)
    make(world, first)
    world.release(make(world, first))
    leave(world, first)
    assert used(world, enter(world)) == (1, 10)


def test_a_paid_month_ends_with_its_account(world):
    """A new subscription that begins the same day is paid anew, so its month is whole."""
    first, month = enter(world), Month("2026-11-20/2026-12-20", 0)
    job = world.job(first, [(500, 0)])
    paid = replace(job, items=(replace(job.items[0], hold=replace(job.items[0].hold, month=month.name)),))
    world.hold(paid)
    leave(world, first)
    again = enter(world)
    state = world.ledger.usage_and_balance(again.owner, now=world.clock, month=month)
    assert (state.day_used, state.month_used) == (1, 0)


def test_whoever_signs_in_for_the_first_time_has_used_nothing(world):
    """Also while somebody else's identity has."""
    first = enter(world)
    make(world, first)
    leave(world, first)
    assert used(world, enter(world, HUB)) == (0, 0)


# ------------------------------------------------------------------------------- several identities


def test_usage_follows_each_of_the_identities_of_an_account(world):
    """Whichever of them opens an account afterwards."""
    first = enter(world)
    world.accounts.link(first.owner, HUB, now=world.clock)
    make(world, first)
    leave(world, first)
    assert used(world, enter(world, HUB)) == used(world, enter(world)) == (1, 10)


def test_linking_an_identity_that_used_more_raises_the_account_to_it(world):
    """A used-up identity is no way to go on, and linking it opens nothing new."""
    hub = enter(world, HUB)
    for _ in range(3):
        make(world, hub, 20)
    leave(world, hub)
    ada = enter(world)
    make(world, ada)
    world.accounts.link(ada.owner, HUB, now=world.clock)
    assert used(world, ada) == (3, 60)
    leave(world, ada)
    assert used(world, enter(world)) == used(world, enter(world, HUB)) == (3, 60)


@pytest.mark.parametrize("is_new", [True, False])
def test_linking_an_identity_that_used_less_changes_nothing(world, is_new):
    """The account's own usage stays, and it is not added up."""
    if not is_new:
        hub = enter(world, HUB)
        make(world, hub)
        leave(world, hub)
    ada = enter(world)
    for _ in range(2):
        make(world, ada)
    world.accounts.link(ada.owner, HUB, now=world.clock)
    assert used(world, ada) == (2, 20)


# ------------------------------------------------------------------------------------ at the same time


@pytest.mark.parametrize("number", range(6))
def test_a_run_between_two_calls_of_a_deletion_is_counted_or_refused(world, monkeypatch, number):
    """Before each of its calls, and after the last one."""
    first, runs = enter(world), [1]
    make(world, first)

    def meanwhile():
        make(world, first)
        runs[0] += 1

    left = before_call(monkeypatch, world.table, number, meanwhile)
    leave(world, first)
    monkeypatch.undo()
    assert left[0] < 0 or number == 5
    with pytest.raises(NotSignedIn):
        make(world, first)
    assert used(world, enter(world)) == (runs[0], 10 * runs[0])


@pytest.mark.parametrize("opening", ["sign in", "link"])
@pytest.mark.parametrize("number", range(5))
def test_an_account_that_lived_between_two_calls_of_an_opening_is_counted(
    world, monkeypatch, opening, number
):
    """Two browsers: one opens, uses and deletes an account while the other is about to open one."""
    first = enter(world)
    make(world, first)
    leave(world, first)
    hub = enter(world, HUB) if opening == "link" else None

    def meanwhile():
        other = enter(world)
        make(world, other)
        leave(world, other)

    left = before_call(monkeypatch, world.table, number, meanwhile)
    if hub:
        world.accounts.link(hub.owner, ADA, now=world.clock)
    else:
        hub = enter(world)
    monkeypatch.undo()
    expected = 2 if left[0] < 0 else 1
    assert expected == 2 or number == 4
    assert used(world, hub) == (expected, 10 * expected)


def test_a_deletion_that_began_before_midnight_counts_a_run_after_it(world):
    """The run is the next day's and the next month's."""
    world.clock = at("2026-11-30 23:59:59")
    first, asked_at = enter(world), world.clock
    world.clock = at("2026-12-01 00:00:01")
    make(world, first)
    world.owner_records.mark_deleted(world.again(first.account), now=asked_at)
    assert used(world, enter(world)) == (1, 10)


# ------------------------------------------------------------------------------------------- what stays


def test_only_a_keyed_hash_and_two_numbers_stay_until_their_periods_end(world):
    """Nobody who reads the table finds out whose they are, and the table drops them by itself."""
    first = enter(world)
    make(world, first)
    leave(world, first)
    stored = [record for record in aws.records() if record["pk"].startswith("IDENTITY#")]
    assert {record["sk"]: (record["used"], record["expires"] * 1000) for record in stored} == {
        "USAGE#2026-11-20": (1, at("2026-11-21 00:00:00")),
        "USAGE#2026-11": (10, at("2026-12-01 00:00:00")),
    }
    assert all(set(record) == {"pk", "sk", "used", "expires"} for record in stored)
    assert ADA.subject not in repr(aws.records())
    world.signing_keys = [b"another"]
    assert used(world, enter(world)) == (0, 0), "the hash does not depend on our key"


def test_who_used_nothing_leaves_nothing(world):
    """There is nothing to go on from."""
    leave(world, enter(world))
    assert [record for record in aws.records() if record["pk"].startswith("IDENTITY#")] == []


def test_a_new_signing_key_forgets_nothing(world):
    """While the former key is still known."""
    first = enter(world)
    make(world, first)
    leave(world, first)
    world.signing_keys = [b"next", *world.signing_keys]
    again = enter(world)
    assert used(world, again) == (1, 10)
    make(world, again)
    leave(world, again)
    assert used(world, enter(world)) == (2, 20)


def test_usage_that_was_taken_over_is_kept_as_long_as_any(world):
    """It is usage like every other."""
    first = enter(world)
    make(world, first)
    leave(world, first)
    found = world.table.get(keys.usage(enter(world).owner, "2026-11-20"))
    assert (found["used"], found["expires"]) == (1, world.clock // 1000 + USAGE_KEPT_SECONDS)
