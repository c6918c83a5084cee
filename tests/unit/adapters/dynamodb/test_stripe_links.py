"""What is stored of our users as customers of Stripe, and credits that come when they are gone."""

import pytest

from enhancer.domain.errors import NotFound
from enhancer.domain.ledger import Movement


@pytest.fixture
def account(world):
    return world.person()


def end(world, account):
    world.owner_records.mark_deleted(world.again(account), now=world.clock)


def test_each_turn_of_an_enrolment_is_counted_once(world, account):
    """However many see the same refusal; of an account that is gone nothing is written."""
    for turn in (0, 0, 1, 0, 1):
        world.links.next_enrolment(account.owner, turn=turn)
    assert world.links.enrolment_turn(account.owner) == 2
    stranger = world.caller("free").owner
    world.links.next_enrolment(stranger, turn=0)
    assert world.links.enrolment_turn(stranger) == 0


def test_a_deleted_account_says_since_when(world, account):
    """And no other one does."""
    assert world.links.deleted_at(account.owner) == 0
    end(world, account)
    assert world.links.deleted_at(account.owner) == world.clock


@pytest.mark.parametrize("kind", ["purchase", "grant"])
def test_no_credits_arrive_at_an_account_that_is_gone(world, account, kind):
    """Neither the once-key nor an entry is written, so that the money can go back."""
    end(world, account)
    before = world.records()
    with pytest.raises(NotFound):
        world.ledger.arrive(
            account.owner,
            100,
            kind=kind,
            source="checkout#cs_1",
            movement=Movement("ent_1", world.clock, "x", "y"),
        )
    assert world.records() == before
