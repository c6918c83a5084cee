"""Secrets: fetched once, kept for a while, rotated without a deploy."""

import json

import pytest

from enhancer.adapters.aws import secrets as module
from enhancer.adapters.aws.secrets import FORCED_SECONDS, FRESH_SECONDS, Secrets


class Store:
    """Secrets Manager with one secret, counting its reads."""

    def __init__(self, **value):
        self.value, self.reads = value, 0

    def get_secret_value(self, *, SecretId):  # noqa: N803 - the client's own spelling
        assert SecretId == "signing"
        self.reads += 1
        return {"SecretString": json.dumps(self.value)}


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that moves when told."""
    time = {"now": 1000.0}
    monkeypatch.setattr(module.time, "monotonic", lambda: time["now"])
    return time


def test_a_secret_is_fetched_once_while_fresh(clock):
    """A warm function does not ask again for five minutes."""
    store = Store(signing="one")
    secrets = Secrets(store)
    for _ in range(5):
        assert secrets.signing_keys("signing") == [b"one"]
    clock["now"] += FRESH_SECONDS
    secrets.get("signing")
    assert store.reads == 1


def test_a_rotation_is_picked_up_without_a_deploy(clock):
    """Soon after a rotation the new key signs, and the one before it still verifies."""
    store = Store(signing="one")
    secrets = Secrets(store)
    secrets.get("signing")
    store.value = {"signing": "two", "previous": "one"}
    clock["now"] += FRESH_SECONDS + 1
    assert secrets.signing_keys("signing") == [b"two", b"one"]
    assert store.reads == 2


def test_an_empty_previous_key_is_no_key(clock):
    """An empty string never verifies anything."""
    assert Secrets(Store(signing="one", previous="")).signing_keys("signing") == [b"one"]


def test_a_secret_that_was_refused_is_read_anew(clock):
    """Before its time, so that a rotated token is picked up at once."""
    store = Store(signing="one")
    secrets = Secrets(store)
    secrets.get("signing")
    store.value = {"signing": "two"}
    clock["now"] += FORCED_SECONDS + 1
    assert secrets.get("signing", fresh=True) == {"signing": "two"}
    assert (secrets.get("signing"), store.reads) == ({"signing": "two"}, 2)


def test_a_flood_of_refusals_reads_a_secret_once(clock):
    """However many ask, the store is asked once in five seconds."""
    store = Store(signing="one")
    secrets = Secrets(store)
    for _ in range(50):
        secrets.get("signing", fresh=True)
        clock["now"] += FORCED_SECONDS / 50
    assert store.reads == 1
