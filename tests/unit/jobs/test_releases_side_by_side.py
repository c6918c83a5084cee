"""Two releases on one table: the older reads what the newer wrote, while both answer and after going back."""

import copy

import pytest

from enhancer.adapters.dynamodb.table import known
from enhancer.domain.owners import Owner
from enhancer.domain.subscriptions import Subscription

LATER = {"from_a_later_release": "a word", "more_of_it": {"deep": [1]}}


def later(value, depth=0):
    """A record as a later release might write it: a field more in it and in everything that it holds."""
    if isinstance(value, dict):
        return {name: later(one, depth + 1) for name, one in value.items()} | (LATER if value else {})
    if isinstance(value, list):
        return [later(one, depth + 1) for one in value]
    return value


def write_all_later(world, *prefixes):
    """Put a field more into all records whose sort key begins like this; return how many."""
    count = 0
    for partition in world.table.stored.values():
        for sk, record in partition.items():
            if sk.startswith(prefixes):
                partition[sk] = later(copy.deepcopy(record))
                count += 1
    return count


@pytest.fixture
def half(world):
    """A caller, and their job of three pictures of which the second failed."""
    caller = world.caller("pro")
    return caller, world.execute(world.batch(caller, 3), errors={1: "ProviderFailed"})


def test_a_job_that_a_later_release_wrote_is_read_and_run_again(world, half):
    """With its items, holds, parameters, artifacts and errors; unknown fields are left out."""
    caller, job = half
    before = world.stored(job)
    assert write_all_later(world, "JOB#") >= 1
    assert world.stored(job) == before
    again = world.retry(before, caller)
    assert world.execute(again).status == "succeeded"
    assert [item.status for item in world.stored(job).items] == ["succeeded"] * 3
    assert world.usage_and_balance(caller)[:2] == (3, 30)


def test_accounts_of_a_later_release_are_read(world, half):
    """What was used and what is left stays the same."""
    caller, _ = half
    before = world.usage_and_balance(caller)
    assert write_all_later(world, "ACCOUNT", "USAGE", "LOT") >= 1
    assert world.usage_and_balance(caller) == before


def test_a_field_that_an_older_release_did_not_write_has_its_default():
    """And the one that has none is still an error that names it."""
    assert known(Owner, {"type": "user", "id": "ada", "extra": 1}) == Owner("user", "ada")
    with pytest.raises(TypeError, match="id"):
        known(Owner, {"type": "user"})


@pytest.mark.parametrize("kind", [Subscription, Owner])
def test_what_is_read_by_hand_wins(kind):
    """Fields that are no plain values are given already read."""
    record = dict.fromkeys(kind.__slots__, 1)
    assert getattr(known(kind, record, **{kind.__slots__[0]: "read"}), kind.__slots__[0]) == "read"
