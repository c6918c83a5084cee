"""Identities, addresses and what administrators change, in the table."""

import pytest

from enhancer.adapters.dynamodb import keys
from enhancer.adapters.dynamodb.accounts import hashed
from enhancer.adapters.dynamodb.table import ConditionFailed
from enhancer.adapters.signin.base import Profile
from enhancer.domain.accounts import Account, PendingSignIn
from enhancer.domain.errors import IdentityTaken, NotFound
from enhancer.domain.owners import Owner
from tests.support import aws

ADA = Profile("google", "1", "ada@example.com", "Ada")
NOBODY = Owner("user", "0" * 26)


def sign_in(world, profile=ADA, *, role="user"):
    return world.accounts.sign_in(profile, new_user=world.new_name(), role=role, now=world.clock)


def kinds():
    """How many records of each kind there are, by the start of their partition."""
    found = [record["pk"].partition("#")[0] for record in aws.records()]
    return {kind: found.count(kind) for kind in found}


def test_the_first_sign_in_opens_a_free_account(world):
    """With what the provider says, and nothing else."""
    account = sign_in(world)
    assert account == Account(
        owner=account.owner,
        plan="free",
        role="user",
        email="ada@example.com",
        name="Ada",
        created_at=world.clock,
        identities=("google#1",),
    )
    assert world.accounts.get(account.owner) == account


def test_a_later_sign_in_is_the_same_user_as_the_provider_says_now(world):
    """Name and address follow the provider; plan and credits stay."""
    first = sign_in(world)
    again = sign_in(world, Profile("google", "1", "ada@new.example", "Ada L."))
    assert (again.owner, again.email, again.name, again.plan) == (
        first.owner, "ada@new.example", "Ada L.", "free",
    )  # fmt: skip
    assert world.accounts.get(first.owner) == again


def test_a_former_address_is_forgotten(world):
    """Nobody is found by it any more, and no hash of it stays behind."""
    first = sign_in(world)
    sign_in(world, Profile("google", "1", "ada@new.example", "Ada"))
    assert world.accounts.by_email("ada@example.com") == []
    assert [found.owner for found in world.accounts.by_email("ada@new.example")] == [first.owner]
    assert hashed("ada@example.com") not in repr(aws.records())


def test_an_address_is_no_identity(world):
    """Two providers with one address are two users; both are found by it."""
    first, second = sign_in(world), sign_in(world, Profile("github", "1", "ada@example.com", "Ada"))
    assert first.owner != second.owner
    assert {found.owner for found in world.accounts.by_email("ada@example.com")} == {
        first.owner,
        second.owner,
    }


def test_whoever_loses_the_race_of_two_first_sign_ins_joins_the_winner(world, monkeypatch):
    """The loser saw nobody, and still opens no second account."""
    winner = sign_in(world)
    real, blind = world.table.get, [keys.identity("google", "1")]

    def get(key):
        return blind.clear() if key in blind else real(key)

    monkeypatch.setattr(world.table, "get", get)
    assert sign_in(world).owner == winner.owner
    assert blind == []
    assert kinds() == {"OWNER": 1, "IDENTITY": 1, "EMAIL": 1}


def test_nobody_stops_being_administrator_by_signing_in(world):
    """The setting raises; only people take away."""
    account = sign_in(world, role="admin")
    assert sign_in(world).role == "admin"
    assert world.accounts.get(account.owner).role == "admin"


def test_an_identity_of_an_account_that_is_gone_signs_nobody_in(world):
    """A record left behind opens no account that was deleted."""
    world.table.put({**keys.identity("google", "1"), "user": NOBODY.id})
    with pytest.raises(NotFound):
        sign_in(world)
    assert world.accounts.get(NOBODY) is None


def test_linking_to_nobody_adds_nothing(world):
    """The identity stays free."""
    world.accounts.link(NOBODY, ADA, now=world.clock)
    assert kinds() == {}
    assert sign_in(world).identities == ("google#1",)


def test_a_taken_identity_leaves_the_account_as_it_was(world):
    """All or nothing."""
    sign_in(world)
    other = sign_in(world, Profile("github", "9", "eve@example.com", "Eve"))
    with pytest.raises(IdentityTaken) as refused:
        world.accounts.link(other.owner, ADA, now=world.clock)
    assert refused.value.details == {"provider": "google"}
    assert world.accounts.get(other.owner) == other


def test_a_sign_in_under_way_is_taken_once(world):
    """The second taker gets nothing."""
    pending = PendingSignIn("google", "/de/", None)
    world.accounts.begin_sign_in("state", "browser", pending, now=world.clock)
    assert world.accounts.take_sign_in("state", "browser", "google", now=world.clock) == pending
    assert world.accounts.take_sign_in("state", "browser", "google", now=world.clock) is None


def test_a_state_is_never_used_for_two_sign_ins(world):
    """Beginning again with one that is known is refused, not overwritten."""
    world.accounts.begin_sign_in("state", "browser", PendingSignIn("google", "/", None), now=world.clock)
    with pytest.raises(ConditionFailed):
        world.accounts.begin_sign_in("state", "thief", PendingSignIn("google", "/", None), now=world.clock)
    assert world.accounts.take_sign_in("state", "thief", "google", now=world.clock) is None


def test_signing_out_everywhere_needs_somebody(world):
    """No account comes into being by it."""
    with pytest.raises(NotFound):
        world.accounts.end_all_sessions(NOBODY, now=world.clock)
    assert kinds() == {}


def test_a_change_and_who_made_it_are_written_together(world):
    """The newest first, with actor, reason and time."""
    account = sign_in(world)
    for number, plan in enumerate(("pro", "team")):
        audit = {"id": f"act_{number}", "action": "plan", "actor": "boss", "reason": "paid", "value": plan}
        world.accounts.change(account.owner, "plan", plan, audit=audit, now=world.clock + number)
    assert world.accounts.get(account.owner).plan == "team"
    assert [(found["value"], found["at"] - world.clock) for found in world.accounts.audit(account.owner)] == [
        ("team", 1),
        ("pro", 0),
    ]


def test_nobody_is_changed_without_being_there(world):
    """Neither the account nor an entry about it comes into being."""
    audit = {"id": "act", "action": "block", "actor": "boss", "reason": "spam", "value": True}
    with pytest.raises(NotFound):
        world.accounts.change(NOBODY, "blocked", True, audit=audit, now=world.clock)
    assert kinds() == {}


def test_a_change_is_not_written_twice_under_one_id(world):
    """What stands in the audit is never replaced."""
    account = sign_in(world)
    audit = {"id": "act", "action": "plan", "actor": "boss", "reason": "paid", "value": "pro"}
    world.accounts.change(account.owner, "plan", "pro", audit=audit, now=world.clock)
    with pytest.raises(ConditionFailed):
        world.accounts.change(account.owner, "plan", "team", audit=audit, now=world.clock)
    assert world.accounts.get(account.owner).plan == "pro"
