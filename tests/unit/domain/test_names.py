"""Ids, names of artifacts and rules about pictures."""

import random
import re

import pytest

from enhancer.domain import images
from enhancer.domain.artifacts import incoming_key, is_incoming_of, original_key, result_key
from enhancer.domain.errors import FileTooLarge, ImageFormatUnsupported, OutputTooLarge
from enhancer.domain.ids import RANDOM_BYTES, ordered_id, random_name
from enhancer.domain.owners import Owner
from tests.support.world import at

OWNER = Owner("user", "abc")


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


def test_keys_say_kind_owner_and_format():
    """Where an artifact lies follows from what it is and whose it is."""
    assert original_key(OWNER, "n", "jpeg") == "ai-enhancer/uploads/user/abc/n.jpg"
    assert result_key(OWNER, "n", "webp") == "ai-enhancer/results/user/abc/n.webp"
    assert incoming_key(OWNER, "n") == "ai-enhancer/incoming/user/abc/n"


@pytest.mark.parametrize(
    ("key", "mine"),
    [
        ("ai-enhancer/incoming/user/abc/x", True),
        ("ai-enhancer/incoming/user/abcd/x", False),
        ("ai-enhancer/incoming/guest/abc/x", False),
        ("ai-enhancer/results/user/abc/x", False),
        ("/ai-enhancer/incoming/user/abc/x", False),
        ("ai-enhancer/incoming/user/abc", False),
    ],
)
def test_only_a_callers_own_upload_is_theirs(key, mine):
    """Neither a longer id, another type nor another kind of artifact passes for it."""
    assert is_incoming_of(key, OWNER) is mine


@pytest.mark.parametrize(
    ("requested", "source", "alpha", "result"),
    [
        ("same", "jpeg", False, "jpeg"), ("same", "jpeg", True, "png"), ("same", "png", True, "png"),
        ("same", "webp", True, "webp"), ("same", "avif", False, "avif"), ("jpeg", "png", True, "jpeg"),
        ("png", "jpeg", False, "png"), ("webp", "avif", True, "webp"),
    ],
)  # fmt: skip
def test_the_result_keeps_its_format_unless_told_or_transparent(requested, source, alpha, result):
    """A wish wins; "same" never loses transparency."""
    assert images.output_format(requested, source, alpha=alpha) == result


@pytest.mark.parametrize("content_type", ["image/jpeg", "image/png", "image/webp", "image/avif"])
def test_an_upload_of_an_accepted_type_up_to_25_mb_is_prepared(content_type):
    """The limit itself is allowed."""
    assert images.check_upload(content_type, 25_000_000) is None


def test_an_upload_one_byte_too_large_is_refused():
    """The refusal says size and limit."""
    with pytest.raises(FileTooLarge) as refused:
        images.check_upload("image/png", 25_000_001)
    assert refused.value.details == {"field": "size", "size": 25_000_001, "limit": 25_000_000}


@pytest.mark.parametrize(
    "content_type", ["", "image/gif", "image/svg+xml", "IMAGE/PNG", "image/png; a=b", "text/html"]
)
def test_an_upload_of_another_type_is_refused(content_type):
    """What could never become a picture is refused before it is uploaded."""
    with pytest.raises(ImageFormatUnsupported):
        images.check_upload(content_type, 1)


@pytest.mark.parametrize(
    ("width", "height", "limit"), [(65_536, 1, 65_535), (1, 65_536, 65_535), (16_000, 16_001, 256_000_000)]
)
def test_a_result_beyond_side_or_total_is_refused(width, height, limit):
    """Side and total are two limits; the refusal names the one that was hit."""
    with pytest.raises(OutputTooLarge) as refused:
        images.check_output_size(width, height, file_format="png")
    assert refused.value.details == {"width": width, "height": height, "limit": limit}


def test_a_result_at_its_limits_is_made():
    """Exactly the limits are allowed."""
    assert images.check_output_size(16_000, 16_000, file_format="png") is None
    assert images.check_output_size(65_500, 1, file_format="jpeg") is None
