"""Accounts and sessions in the table."""

import pytest

from enhancer.adapters.dynamodb.accounts import SESSION_SECONDS
from enhancer.adapters.dynamodb.table import ConditionFailed
from enhancer.domain.owners import Owner
from tests.support import aws


def opened(world, *, plan="pro", role="user", owner=None):
    owner = owner or Owner("user", world.new_name())
    return world.accounts.open(owner, plan=plan, role=role, email="a@example.com", now=world.clock)


def test_an_account_comes_back_with_plan_and_role(world):
    """What was opened is what a request gets."""
    account = opened(world, plan="team", role="admin")
    assert world.accounts.get(account.owner) == account
    assert (account.plan, account.role) == ("team", "admin")


def test_an_unknown_owner_has_no_account(world):
    """Absence is None."""
    assert world.accounts.get(Owner("user", "nobody")) is None


def test_credits_alone_are_no_account(world):
    """A guest who was granted credits has totals but no plan, hence no account."""
    caller = world.caller("guest")
    world.grant(caller, 10)
    assert world.accounts.get(caller.owner) is None


def test_reopening_changes_the_plan_and_keeps_the_credits(world):
    """Signing in again never creates or loses credits."""
    account = opened(world, plan="free")
    world.ledger.grant(
        account.owner,
        70,
        source="gift",
        reason="",
        actor="tests",
        entry_id=world.new_id("ent"),
        now=world.clock,
    )
    again = opened(world, plan="premium", owner=account.owner)
    assert again.plan == "premium"
    assert world.ledger.usage_and_balance(account.owner, now=world.clock).balance.available == 70


def test_a_session_stands_for_its_user_until_its_last_second(world):
    """Thirty days, checked by us and not left to the table's deletion."""
    account = opened(world)
    world.accounts.start_session(account.owner, "token-1", now=world.clock)
    end = world.clock + SESSION_SECONDS * 1000
    assert world.accounts.session("token-1", now=end - 1000).owner == account.owner
    assert world.accounts.session("token-1", now=end) is None


@pytest.mark.parametrize("change", [lambda t: "", lambda t: t[:-1], lambda t: t + "2", str.upper])
def test_another_token_is_nobody(world, change):
    """Only the exact token opens the session."""
    token = f"token-{world.new_name()}"
    world.accounts.start_session(opened(world).owner, token, now=world.clock)
    assert world.accounts.session(change(token), now=world.clock) is None


def test_a_token_is_stored_only_as_a_hash(world):
    """Whoever reads the table cannot sign in."""
    world.accounts.start_session(opened(world).owner, "very-secret-token", now=world.clock)
    assert "very-secret-token" not in repr(aws.records())


def test_a_token_cannot_be_taken_over(world):
    """Starting a session with a token that exists is refused."""
    first, second = opened(world), opened(world)
    world.accounts.start_session(first.owner, "token-3", now=world.clock)
    with pytest.raises(ConditionFailed):
        world.accounts.start_session(second.owner, "token-3", now=world.clock)
    assert world.accounts.session("token-3", now=world.clock).owner == first.owner
