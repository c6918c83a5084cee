"""What administrators do: exact, once, with actor and reason, and never below zero."""

import pytest

from enhancer.accounts import admin
from enhancer.domain.errors import CreditsTooFew, IdempotencyMismatch, InvalidFields, NotFound
from enhancer.domain.ledger import GIFT_CREDITS_MAX, Balance
from enhancer.domain.owners import Owner


@pytest.fixture
def user(world):
    """Somebody without credits."""
    return world.accounts.open(
        Owner("user", world.new_name()), plan="pro", role="user", email=None, now=world.clock
    )


@pytest.fixture
def boss(world):
    """An administrator."""
    return world.accounts.open(
        Owner("user", world.new_name()), plan="free", role="admin", email=None, now=world.clock
    )


def move(world, way, account, boss, amount, *, once=None, reason="as agreed"):
    return getattr(admin, way)(
        account,
        amount,
        reason=reason,
        actor=boss,
        once=once or world.new_name(),
        entry_id=world.new_id("ent"),
        now=world.clock,
        ledger=world.ledger,
    )


def balance(world, account):
    """The totals, which must be what the entries say."""
    found = world.ledger.usage_and_balance(account.owner, now=world.clock).balance
    assert found.difference == 0
    return found


def test_a_grant_adds_exactly_its_credits(world, user, boss):
    """Whole credits, kept in tenths."""
    assert move(world, "grant", user, boss, 7) is True
    assert balance(world, user) == Balance(available=70, granted=70)


def test_a_deduction_takes_exactly_its_credits(world, user, boss):
    """They are clawed back, not spent."""
    move(world, "grant", user, boss, 7)
    assert move(world, "deduct", user, boss, 3) is True
    assert balance(world, user) == Balance(available=40, granted=70, clawed_back=30)


def test_every_movement_says_who_and_why(world, user, boss):
    """In the ledger itself."""
    move(world, "grant", user, boss, 7, reason="a gift")
    move(world, "deduct", user, boss, 3, reason="a mistake")
    assert [(e.kind, e.credits, e.reason, e.actor) for e in world.ledger.entries(user.owner)] == [
        ("grant", 70, "a gift", boss.owner.id),
        ("clawback", 30, "a mistake", boss.owner.id),
    ]


@pytest.mark.parametrize("way", ["grant", "deduct"])
def test_a_repeat_under_the_same_key_changes_nothing(world, user, boss, way):
    """Ten times is once, and said so."""
    move(world, "grant", user, boss, 100)
    assert [move(world, way, user, boss, 7, once="one") for _ in range(10)] == [True] + [False] * 9
    assert len(list(world.ledger.entries(user.owner))) == 2


@pytest.mark.parametrize(("way", "amount"), [("grant", 8), ("deduct", 7)])
def test_a_key_that_stood_for_another_movement_is_refused(world, user, boss, way, amount):
    """Nobody is told that it was done when it was not."""
    move(world, "grant", user, boss, 7, once="one")
    with pytest.raises(IdempotencyMismatch):
        move(world, way, user, boss, amount, once="one")
    assert balance(world, user) == Balance(available=70, granted=70)


def test_a_key_is_the_users_own(world, user, boss):
    """The same one for another user is another movement."""
    assert move(world, "grant", user, boss, 7, once="one") is True
    assert move(world, "grant", boss, boss, 7, once="one") is True


@pytest.mark.parametrize("amount", [8, GIFT_CREDITS_MAX])
def test_more_than_there_is_is_not_taken(world, user, boss, amount):
    """Not even in part; the refusal says what there is, and its key stays free."""
    move(world, "grant", user, boss, 7)
    with pytest.raises(CreditsTooFew) as refused:
        move(world, "deduct", user, boss, amount, once="one")
    assert refused.value.details == {"available": 7.0}
    assert balance(world, user) == Balance(available=70, granted=70)
    assert move(world, "deduct", user, boss, 7, once="one") is True


def test_what_is_held_is_not_taken(world, boss):
    """Running work is paid for; only what is available can go."""
    caller = world.caller("pro")
    account = world.accounts.open(caller.owner, plan="pro", role="user", email=None, now=world.clock)
    world.grant(caller, 100)
    job = world.hold(world.job(caller, [(0, 60)]))
    with pytest.raises(CreditsTooFew):
        move(world, "deduct", account, boss, 5)
    move(world, "deduct", account, boss, 4)
    world.settle(job)
    assert world.balance(caller) == Balance(spent=60, clawed_back=40, granted=100)


def test_nobody_is_found_under_a_foreign_id(world, user):
    """Missing users, guests of that id, and deleted ones."""
    assert admin.find(user.owner.id, accounts=world.accounts) == user
    with pytest.raises(NotFound):
        admin.find("0" * 26, accounts=world.accounts)


def test_a_plan_set_is_a_plan_had(world, user, boss):
    """With an entry that says who and why."""
    admin.set_plan(
        user,
        "team",
        reason="a friend",
        actor=boss,
        entry_id="act_1",
        now=world.clock,
        accounts=world.accounts,
    )
    assert world.accounts.get(user.owner).plan == "team"
    assert world.accounts.audit(user.owner) == [
        {
            "id": "act_1",
            "action": "plan",
            "value": "team",
            "actor": boss.owner.id,
            "reason": "a friend",
            "at": world.clock,
        }
    ]


@pytest.mark.parametrize("plan", ["", "gold", "PRO!", "pro "])
def test_a_plan_that_is_none_is_refused(world, user, boss, plan):
    """Nothing changes, and nothing is written about it."""
    with pytest.raises(InvalidFields):
        admin.set_plan(
            user, plan, reason="why", actor=boss, entry_id="act_1", now=world.clock, accounts=world.accounts
        )
    assert world.accounts.get(user.owner).plan == "pro"
    assert not [record for record in world.records() if record["sk"].startswith("AUDIT#")]


def test_blocking_and_letting_in_again_are_both_kept(world, user, boss):
    """The newest first."""
    for number, blocked in enumerate((True, False)):
        admin.set_blocked(
            user,
            blocked=blocked,
            reason="spam or not",
            actor=boss,
            entry_id=f"act_{number}",
            now=world.clock,
            accounts=world.accounts,
        )
        assert world.accounts.get(user.owner).blocked is blocked
    assert [found["action"] for found in world.accounts.audit(user.owner)] == ["unblock", "block"]
