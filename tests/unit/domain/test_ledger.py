"""Entries and the balance that follows from them."""

import random

import pytest

from enhancer.domain.jobs import Artifact, Item
from enhancer.domain.ledger import Balance, Entry, Hold, add_up, moves

KINDS = ("hold", "settle", "release", "purchase", "grant", "expiry", "clawback")


def entry(kind, credits, *, plan=0):
    return Entry(id="e", kind=kind, at=0, credits=credits, plan=plan)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("hold", {"available": -7, "held": 7}),
        ("settle", {"held": -7, "spent": 7}),
        ("release", {"held": -7, "available": 7}),
        ("purchase", {"available": 7, "purchased": 7}),
        ("grant", {"available": 7, "granted": 7}),
        ("expiry", {"available": -7, "expired": 7}),
        ("clawback", {"available": -7, "clawed_back": 7}),
    ],
)
def test_each_kind_of_entry_moves_exactly_two_totals(kind, changes):
    """Money changes its place; it never appears or vanishes."""
    assert moves(kind, 7) == changes


def test_a_life_of_credits_adds_up():
    """Purchase, holds, settle, release, expiry and clawback end in the balance worked out by hand."""
    kinds = [
        ("purchase", 1000), ("grant", 50), ("hold", 30), ("hold", 20), ("settle", 30), ("release", 20),
        ("hold", 5), ("expiry", 100), ("clawback", 200),
    ]  # fmt: skip
    balance = add_up(entry(kind, amount) for kind, amount in kinds)
    assert balance == Balance(
        available=715, held=5, spent=30, expired=100, clawed_back=200, purchased=1000, granted=50
    )
    assert balance.difference == 0


def test_no_sequence_of_entries_makes_a_difference():
    """Whatever is written in whatever order, both sides of the books stay equal."""
    chance = random.Random(11)  # noqa: S311 - reproducible on purpose
    for _ in range(200):
        entries = [entry(chance.choice(KINDS), chance.randrange(500)) for _ in range(30)]
        assert add_up(entries).difference == 0


def test_plan_credits_are_no_part_of_the_balance():
    """What the plan pays was never bought, so it moves nothing."""
    assert add_up([entry("hold", 0, plan=30), entry("settle", 0, plan=30)]) == Balance()


def test_an_empty_ledger_is_an_empty_balance():
    """Nothing happened, nothing is there."""
    assert add_up([]) == Balance()


@pytest.mark.parametrize(
    "field", ["available", "held", "spent", "expired", "clawed_back", "purchased", "granted"]
)
def test_a_total_that_is_wrong_by_a_tenth_shows(field):
    """A tenth too much anywhere makes the difference."""
    expected = -1 if field in ("purchased", "granted") else 1
    assert Balance(**{field: 1}).difference == expected


@pytest.mark.parametrize(
    ("status", "charge"),
    [("succeeded", 15), ("failed", 0), ("processing", 0), ("queued", 0), ("canceled", 0)],
)
def test_only_a_good_item_is_charged(status, charge):
    """A job that fails, is cancelled or is still open costs nothing."""
    hold = Hold("job", 0, 10, 5, "2026-11-20", "2026-11")
    item = Item(0, status, hold, "d", "r", Artifact("k", "image/png", 1, 1, 1), "t")
    assert item.charge == charge
