"""Keys of stored files: kind, owner, format."""

import pytest

from enhancer.domain.artifacts import incoming_key, is_incoming_of, original_key, result_key
from enhancer.domain.owners import Owner

OWNER = Owner("user", "abc")


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
        ("ai-enhancer/incoming/user/abc/", False),
        ("ai-enhancer/incoming/user/abc/../other/x", False),
        ("ai-enhancer/incoming/user/abc//x", False),
        ("ai-enhancer/incoming/user/abc/x\n", False),
        ("ai-enhancer/incoming/user/abc/x\0", False),
        ("ai-enhancer/incoming/user/abc/" + "💥" * 250, False),  # longer than a key of S3
        ("", False),
    ],
)
def test_only_a_callers_own_upload_is_theirs(key, mine):
    """Neither a longer id, another type nor another kind of artifact passes for it."""
    assert is_incoming_of(key, OWNER) is mine
