"""`make owner`: the administrator's deeds from a shell, with the same books and the same refusals."""

from types import SimpleNamespace

import pytest

from ops import owners
from ops.stack import StackError

ARN = "arn:aws:sts::123456789012:assumed-role/operator/ada"


@pytest.fixture
def user(world):
    """Somebody with an e-mail address of their own."""
    return world.accounts.open(
        world.caller("free").owner, plan="free", role="user", email="ada@example.com", now=world.clock
    )


@pytest.fixture
def say(world, capsys):
    """Type a command; return its exit code and what it wrote."""

    def typed(**variables):
        stack = SimpleNamespace(table=lambda: world.table, caller=lambda: ARN)
        code = owners.main(
            [], {"ENV": "x", **variables}, stack_named=lambda _: stack, now=lambda: world.clock
        )
        said = capsys.readouterr()
        return code, said.out + said.err

    return typed


def test_looking_changes_nothing_and_shows_the_difference(world, user, say):
    """By address or by id: plan, totals, and whether they add up."""
    before = world.records()
    for who in ("ada@example.com", "Ada@Example.com ", user.owner.id):
        code, said = say(WHO=who)
        assert (code, user.owner.id in said, "difference 0.0" in said) == (0, True, True)
    assert world.records() == before


def test_a_grant_is_in_the_ledger_with_reason_and_actor_and_once_per_ticket(world, user, say):
    """Repeating it with its ticket does nothing; without one it is another grant."""
    wish = {"WHO": user.owner.id, "DO": "grant", "AMOUNT": "50", "REASON": "ticket 4711", "TICKET": "4711"}
    assert "grant 50 credits" in say(**wish)[1]
    assert "done before" in say(**wish)[1]
    say(**{**wish, "TICKET": ""})
    entries = list(world.ledger.entries(user.owner))
    assert [(one.kind, one.credits, one.reason, one.actor) for one in entries] == [
        ("grant", 500, "ticket 4711", ARN)
    ] * 2
    code, said = say(WHO=user.owner.id, DO="history")
    assert (code, said.count("ticket 4711")) == (0, 2)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"DO": "grant", "AMOUNT": "5"}, "Say why"),
        ({"DO": "block", "REASON": "x"}, "Say why, in 3 to 300 characters"),
        ({"DO": "grant", "AMOUNT": "5", "REASON": "x" * 301}, "3 to 300 characters"),
        ({"DO": "grant", "REASON": "why"}, "AMOUNT=50"),
        ({"DO": "deduct", "AMOUNT": "-5", "REASON": "why"}, "AMOUNT=50"),
        ({"DO": "grant", "AMOUNT": "100001", "REASON": "why"}, "100000 at most"),
        ({"DO": "deduct", "AMOUNT": "100001", "REASON": "why"}, "100000 at most"),
        ({"DO": "deduct", "AMOUNT": "5", "REASON": "why"}, "Nothing was changed"),
        ({"AMOUNT": "5", "REASON": "why"}, "add DO=grant"),
        ({"DO": "grant", "AMOUNT": "5", "PLAN": "pro", "REASON": "why"}, "PLAN is for DO=plan"),
        ({"DO": "plan", "PLAN": "gold", "REASON": "why"}, "PLAN is one of"),
        ({"WHO": "nobody@example.com"}, "Nobody has signed in with nobody@example.com: check"),
        ({"WHO": "no-such-id"}, "There is no account no-such-id: check"),
        ({"WHO": ""}, "Say who"),
        ({"DO": "delete"}, "DO is one of"),
    ],
)
def test_what_cannot_be_done_says_why_and_changes_nothing(world, user, say, wish, told):
    """Exit code 1, a way on, and the table as it was."""
    before = world.records()
    code, said = say(**{"WHO": user.owner.id, **wish})
    assert (code, told in said) == (1, True), said
    assert world.records() == before


def test_a_reason_cannot_steer_the_terminal(user, say):
    """An administrator may have written anything."""
    say(WHO=user.owner.id, DO="grant", AMOUNT="5", REASON="fine\x1b[2J\nforged")
    code, said = say(WHO=user.owner.id, DO="history")
    assert (code, "fine\\x1b[2J\\nforged" in said, "\x1b" in said) == (0, True, False)


def test_an_address_of_several_accounts_is_not_guessed(world, user, say):
    """Their ids are named, so that the next command can say which."""
    other = world.accounts.open(
        world.caller("free").owner, plan="free", role="user", email="ada@example.com", now=world.clock
    )
    code, said = say(WHO="ada@example.com", DO="block", REASON="why")
    assert (code, user.owner.id in said, other.owner.id in said) == (1, True, True)
    assert not world.again(user).blocked


def test_blocking_and_plans_are_audited(world, user, say):
    """Each with who and why; seen at once."""
    assert "blocked" in say(WHO=user.owner.id, DO="block", REASON="loop")[1]
    assert world.again(user).blocked
    say(WHO=user.owner.id, DO="unblock", REASON="mended")
    say(WHO=user.owner.id, DO="plan", PLAN="pro", REASON="gift")
    assert (world.again(user).blocked, world.again(user).plan) == (False, "pro")
    kept = [(one["action"], one["actor"], one["reason"]) for one in world.accounts.audit(user.owner)]
    assert sorted(kept) == [("block", ARN, "loop"), ("plan", ARN, "gift"), ("unblock", ARN, "mended")]


def test_a_stack_that_is_not_there_is_told(capsys):
    """No traceback at night."""

    def lost(_env):
        raise StackError("The stack cannot be read.")

    assert owners.main([], {"WHO": "x"}, stack_named=lost) == 1
    assert capsys.readouterr().err == "The stack cannot be read.\n"
