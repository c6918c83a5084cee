"""The Prefer header: how long to wait, and what the answer says of it."""

import pytest

from enhancer.api.http.prefer import read


@pytest.mark.parametrize(
    ("header", "seconds", "applied"),
    [
        ("", 25.0, None), ("wait=10", 10.0, "wait=10"), ("wait=25", 25.0, "wait=25"), ("wait=26", 25.0, "wait=25"),
        ("wait=600", 25.0, "wait=25"), ("wait=999999", 25.0, "wait=25"), ("WAIT=7", 7.0, "wait=7"),
        ("wait = 7", 7.0, "wait=7"), ('wait="7"', 7.0, "wait=7"), ("wait=0", 0.0, "respond-async"),
        ("respond-async", 0.0, "respond-async"), ("Respond-Async", 0.0, "respond-async"),
        ("respond-async, wait=5", 5.0, "wait=5"), ("wait=5, respond-async", 5.0, "wait=5"),
        ("respond-async, wait=0", 0.0, "respond-async"), ("wait=5; x=y", 5.0, "wait=5"),
        ("return=minimal, wait=3", 3.0, "wait=3"), ("wait=3, wait=9", 3.0, "wait=3"),
    ],
)  # fmt: skip
def test_a_wish_we_know_is_granted_within_the_limit(header, seconds, applied):
    """Seconds up to 25; not to wait at all; both together wait as long as was said."""
    wish = read(header)
    assert (wish.seconds, wish.applied) == (seconds, applied)
    assert wish.is_async is (seconds == 0)


@pytest.mark.parametrize(
    "header",
    [
        "wait", "wait=", "wait=-1", "wait=soon", "wait=1.5", "wait=1e3", "wait=9999999", "waits=3", "async",
        "return=minimal", ",", ";;", "respond-asynchronously", "wait=\u0663", "wait=5s",
    ],
)  # fmt: skip
def test_a_wish_we_do_not_understand_is_ignored(header):
    """As the standard asks: the default, and the answer claims nothing."""
    wish = read(header)
    assert (wish.seconds, wish.applied, wish.is_async) == (25.0, None, False)
