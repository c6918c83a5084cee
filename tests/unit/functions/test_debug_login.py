"""The development sign-in: any plan and role by hand, an e-mail address is always the same account."""

import pytest

from enhancer.domain.errors import InvalidFields
from functions.debug_login.app import sign_in_for_development


def develop(world, **asked):
    asked = {"email": None, "plan": "pro", "role": "user", "token": world.new_name(), **asked}
    return sign_in_for_development(accounts=world.accounts, new_name=world.new_name, now=world.clock, **asked)


def test_the_development_sign_in_opens_any_plan_and_a_session(world):
    """By hand, an account of any plan."""
    account = develop(world, plan="enterprise", role="admin", token="t-dev")
    assert (account.plan, account.role) == ("enterprise", "admin")
    assert world.accounts.session("t-dev", now=world.clock).owner == account.owner


def test_the_same_email_is_the_same_account_in_any_case(world):
    """Signing in again changes the plan of the account, not the account."""
    first = develop(world, email="A@Example.com", plan="free")
    second = develop(world, email="a@example.COM", plan="team")
    assert (first.owner, second.plan) == (second.owner, "team")


def test_without_an_email_every_sign_in_is_a_new_account(world):
    """Nothing is shared by accident."""
    assert develop(world).owner != develop(world).owner


def test_an_unknown_plan_opens_nothing(world):
    """The plan is checked before the account is touched."""
    with pytest.raises(InvalidFields):
        develop(world, plan="gold", token="t-gold")
    assert world.accounts.session("t-gold", now=world.clock) is None
