"""Ids and names: their order, their form, their randomness."""

import random
import re

from enhancer.domain.ids import RANDOM_BYTES, ordered_id, random_name
from tests.support.world import at


def test_ids_sort_by_time_whatever_their_random_part():
    """As text, a later id comes after an earlier one, over the whole life of the product."""
    chance = random.Random(5)  # noqa: S311 - reproducible on purpose
    moments = sorted(
        chance.randrange(at("2020-01-01 00:00:00"), at("2100-01-01 00:00:00")) for _ in range(500)
    )
    extremes = (bytes(16), b"\xff" * 16)
    ids = [
        ordered_id("job", moment, extremes[place % 2]) for place, moment in enumerate(dict.fromkeys(moments))
    ]
    assert ids == sorted(ids)


def test_an_id_carries_its_prefix_and_128_random_bits():
    """Two ids of one millisecond differ wherever their random bits differ, the lowest and highest included."""
    now = at("2026-11-20 12:00:00")
    base = ordered_id("job", now, bytes(16))
    assert re.fullmatch(r"job_[0-9a-z]{36}", base)
    changed = {ordered_id("job", now, (1 << bit).to_bytes(16)) for bit in range(128)}
    assert len(changed | {base}) == 129


def test_a_name_keeps_all_of_its_128_bits():
    """No bit of randomness is lost in a name of 26 characters."""
    names = {random_name((1 << bit).to_bytes(16)) for bit in range(128)} | {random_name(bytes(16))}
    assert len(names) == 129
    assert all(re.fullmatch(r"[0-9a-z]{26}", name) for name in names)
    assert RANDOM_BYTES * 8 == 128
