"""API keys in the table: hashed, found by their hash, counted by what they use."""

from dataclasses import replace

import pytest

from enhancer.adapters.dynamodb.api_keys import USED_MS, ApiKeys
from enhancer.domain.api_keys import KEYS_MAX, ApiKey
from enhancer.domain.errors import KeyCapReached, NotFound, TooManyKeys
from enhancer.domain.owners import Owner
from enhancer.domain.plans import PLANS
from tests.support import aws

SECRET = "ek_test_" + "s" * 43


@pytest.fixture
def store(world):
    """The adapter on the world's table."""
    return ApiKeys(world.table)


@pytest.fixture
def owner(world):
    """Somebody with an account."""
    found = Owner("user", world.new_name())
    world.accounts.open(found, plan="pro", role="user", email="a@example.com", now=world.clock)
    return found


def a_key(world, *, cap=None, name="ci"):
    return ApiKey(world.new_id("key"), name, ("read", "generate"), world.clock, SECRET[-4:], cap)


def made(world, store, owner, secret=SECRET, **more):
    """A key that is stored."""
    key = a_key(world, **more)
    store.create(owner, key, secret)
    return key


def test_a_key_speaks_for_its_owner(world, store, owner):
    """With plan, scopes and cap as they are stored."""
    key = made(world, store, owner, cap=50)
    holder = store.holder(SECRET, now=world.clock)
    assert holder.account == world.accounts.get(owner)
    assert holder.key == replace(key, last_used=world.clock)


def test_a_key_is_stored_only_as_a_hash(world, store, owner):
    """Whoever reads the table has no key."""
    made(world, store, owner)
    assert SECRET not in repr(aws.records())
    assert "s" * 43 not in repr(aws.records())


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1], lambda s: s + "s", str.upper, lambda s: "", lambda s: s[8:]]
)
def test_another_secret_is_nobodys(world, store, owner, change):
    """Only the exact one."""
    made(world, store, owner)
    assert store.holder(change(SECRET), now=world.clock) is None


def test_keys_are_listed_newest_first(world, store, owner):
    """With the moment of their last use, and never with a secret."""
    first = made(world, store, owner, name="first")
    world.clock += 1
    second = made(world, store, owner, SECRET + "2", name="second")
    store.holder(SECRET, now=world.clock)
    assert store.all(owner) == [second, replace(first, last_used=world.clock)]


def test_use_is_noted_at_most_once_a_minute(world, store, owner):
    """A busy key writes one record a minute, not one per call."""
    made(world, store, owner)
    start = world.clock
    store.holder(SECRET, now=start)
    store.holder(SECRET, now=start + USED_MS)
    assert store.all(owner)[0].last_used == start
    store.holder(SECRET, now=start + USED_MS + 1)
    assert store.all(owner)[0].last_used == start + USED_MS + 1


def test_a_revoked_key_is_nobodys_and_not_listed(world, store, owner):
    """From the next look on; what else the account has stays."""
    first = made(world, store, owner)
    second = made(world, store, owner, SECRET + "2")
    store.revoke(owner, first.id)
    assert store.holder(SECRET, now=world.clock) is None
    assert store.all(owner) == [second]
    assert store.holder(SECRET + "2", now=world.clock)


def test_a_key_revoked_while_it_is_looked_up_does_not_come_back(world, store, owner, monkeypatch):
    """Noting the use of a key that has just gone creates nothing."""
    key = made(world, store, owner)
    real = world.table.get_many

    def get_many(wanted):
        found = real(wanted)
        store.revoke(owner, key.id)
        return found

    monkeypatch.setattr(world.table, "get_many", get_many)
    store.holder(SECRET, now=world.clock)
    assert store.all(owner) == []


@pytest.mark.parametrize("whose", ["missing", "foreign"])
def test_nobody_revokes_what_is_not_theirs(world, store, owner, whose):
    """A foreign key and a missing one are the same refusal."""
    key = made(world, store, owner)
    stranger = Owner("user", world.new_name())
    world.accounts.open(stranger, plan="pro", role="user", email=None, now=world.clock)
    wanted = (stranger, key.id) if whose == "foreign" else (owner, "key_missing")
    with pytest.raises(NotFound) as refused:
        store.revoke(*wanted)
    assert refused.value.details == {}
    assert store.holder(SECRET, now=world.clock)


def test_an_account_has_at_most_twenty_keys(world, store, owner):
    """The twenty-first is refused and not stored; a revoked one makes room."""
    keys = [made(world, store, owner, f"{SECRET}{number}") for number in range(KEYS_MAX)]
    with pytest.raises(TooManyKeys) as refused:
        made(world, store, owner)
    assert refused.value.details == {"limit": 20}
    assert len(store.all(owner)) == 20
    assert store.holder(SECRET, now=world.clock) is None
    store.revoke(owner, keys[0].id)
    made(world, store, owner)
    assert len(store.all(owner)) == 20


def test_revoking_twice_makes_room_for_one(world, store, owner):
    """The count does not drift."""
    keys = [made(world, store, owner, f"{SECRET}{number}") for number in range(KEYS_MAX)]
    store.revoke(owner, keys[0].id)
    with pytest.raises(NotFound):
        store.revoke(owner, keys[0].id)
    made(world, store, owner)
    with pytest.raises(TooManyKeys):
        made(world, store, owner, SECRET + "x")


def test_a_guest_has_no_keys(world, store):
    """No account, no key."""
    guest = world.caller("guest").owner
    with pytest.raises(TooManyKeys):
        made(world, store, guest)
    assert aws.records() == []


# ------------------------------------------------------------------------------------------ the cap


def through(world, key, *, cap, plan=10, credits=0, caller=None):
    """Hold work of this price through a key; return who and the job."""
    caller = caller or world.caller("pro")
    job = world.job(caller, [(plan, credits)])
    held = replace(job, items=tuple(replace(i, hold=replace(i.hold, key=key)) for i in job.items))
    ids = [world.new_id("ent")]
    world.ledger.hold(held, plan=PLANS["pro"], key_hash=None, entry_ids=ids, now=world.clock, key_cap=cap)
    return caller, held


def test_a_key_uses_its_cap_to_the_last_tenth_and_no_further(world, store):
    """Plan and bought credits count alike; the refusal says how much is used, and takes nothing."""
    caller, _ = through(world, "k", cap=25)
    world.grant(caller, 100)
    through(world, "k", cap=25, plan=5, credits=10, caller=caller)
    before = world.usage_and_balance(caller)
    with pytest.raises(KeyCapReached) as refused:
        through(world, "k", cap=25, plan=1, caller=caller)
    assert {name: refused.value.details[name] for name in ("scope", "used", "limit")} == {
        "scope": "key", "used": 2.5, "limit": 2.5,
    }  # fmt: skip
    assert world.usage_and_balance(caller) == before
    assert store.used(caller.owner, "k", now=world.clock) == 25


def test_work_larger_than_the_whole_cap_is_refused_at_once(world, store):
    """Also as the first of the month."""
    caller = world.caller("pro")
    with pytest.raises(KeyCapReached):
        through(world, "k", cap=9, caller=caller)
    assert store.used(caller.owner, "k", now=world.clock) == 0


def test_a_key_without_a_cap_is_counted_all_the_same(world, store):
    """Its owner sees what it used."""
    caller, _ = through(world, "k", cap=None)
    assert store.used(caller.owner, "k", now=world.clock) == 10


def test_each_key_has_a_cap_of_its_own(world, store):
    """Another key of the same owner, and the browser, still work."""
    caller, _ = through(world, "k", cap=10)
    through(world, "other", cap=10, caller=caller)
    through(world, None, cap=None, caller=caller)
    assert [store.used(caller.owner, key, now=world.clock) for key in ("k", "other")] == [10, 10]


def test_a_released_run_gives_its_part_of_the_cap_back(world, store):
    """Nobody's cap is eaten by failures."""
    caller, job = through(world, "k", cap=10)
    world.release(job)
    assert store.used(caller.owner, "k", now=world.clock) == 0
    through(world, "k", cap=10, caller=caller)


def test_a_settled_run_stays_counted(world, store):
    """What was paid is used."""
    caller, job = through(world, "k", cap=10)
    world.settle(job)
    assert store.used(caller.owner, "k", now=world.clock) == 10
    assert world.balance(caller).held == 0


def test_what_a_cheaper_model_leaves_goes_back_to_the_cap(world, store):
    """The cap counts what was charged."""
    caller, job = through(world, "k", cap=10)
    world.settle(job, paid=(4, 0))
    assert store.used(caller.owner, "k", now=world.clock) == 4


def test_a_release_in_the_next_month_goes_back_to_the_month_of_the_hold(world, store):
    """The new month's cap is untouched."""
    caller, job = through(world, "k", cap=10)
    held_at = world.clock
    world.clock += 31 * 86_400_000
    world.release(job)
    assert store.used(caller.owner, "k", now=held_at) == 0
    assert store.used(caller.owner, "k", now=world.clock) == 0
