"""The composition root: what is built, with which patience, and what it hands out."""

import re
import time

import pytest

from enhancer import runtime
from enhancer.adapters.predictors.embedded import Embedded
from enhancer.api import prefer
from enhancer.domain.models import CATALOGUE
from enhancer.settings import BadSetting
from tests.support import aws
from tests.support.images import png


def config(adapter):
    return adapter._client.meta.config


def test_everything_is_built_once(cloud):
    """A warm function keeps its clients."""
    for name in (
        "settings",
        "table",
        "artifacts",
        "secrets",
        "ledger",
        "jobs",
        "accounts",
        "rates",
        "spend",
        "flags",
        "gate",
        "predictors",
        "workflow",
        "downloads",
        "tools",
    ):
        assert getattr(runtime, name)() is getattr(runtime, name)(), name


def test_the_clock_is_the_worlds_in_milliseconds():
    """UTC epoch milliseconds."""
    before = int(time.time() * 1000)
    assert before - 1 <= runtime.now() <= int(time.time() * 1000) + 1


def test_ids_and_names_are_long_random_and_never_repeat():
    """A thousand of each, all different, all of the shape that keys and URLs expect."""
    ids, names = {runtime.new_id("job") for _ in range(1000)}, {runtime.new_name() for _ in range(1000)}
    assert (len(ids), len(names)) == (1000, 1000)
    assert all(re.fullmatch(r"job_[0-9a-z]{36}", found) for found in ids)
    assert all(re.fullmatch(r"[0-9a-z]{26}", found) for found in names)


def test_a_model_is_waited_for_once_and_within_a_request(cloud):
    """No second paid run behind our back, and an answer before the gateway gives up."""
    assert isinstance(runtime.predictors()["embedded"], Embedded)
    found = runtime.lambda_client(12.5).meta.config
    assert (found.read_timeout, found.retries["total_max_attempts"]) == (12.5, 1)
    assert runtime.lambda_client(12.5) is runtime.lambda_client(12.5)
    assert prefer.WAIT_SECONDS_MAX == runtime.PREDICT_SECONDS_MAX == 25


@pytest.mark.parametrize("adapter", ["table", "secrets", "artifacts", "workflow"])
def test_every_other_call_gives_up_soon_and_is_retried(cloud, adapter):
    """Nothing hangs for longer than a request may."""
    found = config(getattr(runtime, adapter)())
    assert found.connect_timeout == 2
    assert found.read_timeout <= 20
    assert found.retries["total_max_attempts"] == 3


def test_every_provider_of_the_catalogue_has_a_predictor(cloud):
    """Also one that is switched off: what still runs there must be looked at and stopped."""
    assert set(runtime.predictors()) == {model.provider for model in CATALOGUE}


def test_the_signing_key_comes_from_the_secret_store(cloud):
    """By the name in the settings."""
    assert runtime.signing_keys() == [aws.SIGNING_KEY]


@pytest.mark.parametrize("name", ["ENVIRONMENT", "TABLE_NAME", "BUCKET_NAME", "SIGNING_SECRET_NAME"])
def test_nothing_starts_without_a_required_setting(cloud, setting, name):
    """Refused by name, at the first use."""
    setting(**{name: ""})
    with pytest.raises(BadSetting, match=name):
        runtime.settings()


def test_a_picture_is_decoded_within_the_cap():
    """The decoder that handlers are given is the real one."""
    assert runtime.read_photo(png(), pixels_max=48).info.width == 8
