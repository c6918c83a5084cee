"""Lots: how long they last, what is left of them, what goes back with a part of the price."""

import random

import pytest

from enhancer.domain.credits import Expiring, Lot, expired, expiring, expiry_of, to_take_back
from tests.support.world import at

NOW = at("2026-11-20 12:00:00")


def test_credits_last_six_months_and_fourteen_days():
    """Also from the end of a long month."""
    assert expiry_of(at("2026-01-10 08:30:00")) == at("2026-07-24 08:30:00")
    assert expiry_of(at("2026-08-31 00:00:00")) == at("2027-03-14 00:00:00")


def lots(*sizes):
    """Lots of these sizes, the oldest has expired."""
    return [Lot(f"l{number}", size, NOW + 2 * number - 1) for number, size in enumerate(sizes)]


@pytest.mark.parametrize(("available", "gone"), [(300, 100), (250, 50), (200, 0), (0, 0), (201, 1)])
def test_oldest_credits_are_spent_first_so_only_the_rest_expires(available, gone):
    """Of 100 + 100 + 100 the first has expired: what does not fit into the others is left of it."""
    assert expired(available, lots(100, 100, 100), NOW) == gone


def test_a_lot_taken_back_holds_nothing():
    """Its credits are gone, so what is available lies elsewhere."""
    found = [Lot("old", 100, NOW - 1), Lot("new", 100, NOW + 1, owed_back=100, clawed_back=100)]
    assert expired(100, found, NOW) == 100


def test_what_is_left_of_each_lot_is_shown_first_to_expire_first():
    """From the newest backwards."""
    found = [Lot("a", 100, NOW + 1), Lot("b", 100, NOW + 2), Lot("c", 100, NOW + 3)]
    assert expiring(150, found, NOW) == [Expiring(50, NOW + 2), Expiring(100, NOW + 3)]
    assert expiring(300, found, NOW)[0] == Expiring(100, NOW + 1)
    assert expiring(0, found, NOW) == []


def test_what_expires_and_what_is_left_is_what_is_available():
    """For random lots and balances."""
    chance = random.Random(3)  # noqa: S311
    for _ in range(500):
        found = [
            Lot(f"{n}", chance.randrange(1, 500), NOW + chance.randrange(-5, 6))
            for n in range(chance.randrange(6))
        ]
        available = chance.randrange(sum(lot.credits for lot in found) + 1)
        left = expiring(available, found, NOW)
        assert expired(available, found, NOW) + sum(one.credits for one in left) == available
        assert [one.at for one in left] == sorted(one.at for one in left)


@pytest.mark.parametrize(
    ("taken", "back"), [(0, 0), (1, 2), (1000, 1250), (3999, 4999), (4000, 5000), (9999, 5000)]
)
def test_a_part_of_the_price_takes_that_part_back_rounded_up(taken, back):
    """Of 500 credits for 40 dollars, in tenths."""
    assert to_take_back(5000, amount=4000, taken_back=taken) == back


def test_what_cost_nothing_goes_back_whole():
    """Nothing to divide by."""
    assert to_take_back(5000, amount=0, taken_back=0) == 5000
