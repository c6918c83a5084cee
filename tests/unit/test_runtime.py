"""The composition root: what is built, with which patience, and what it hands out."""

import re
import time
from pathlib import Path

import pytest

from enhancer import runtime
from enhancer.adapters.predictors.embedded import Embedded
from enhancer.adapters.signing import Signer
from enhancer.api import page
from enhancer.api.http import prefer
from enhancer.domain.costs import SPEND_CAP_MICROS
from enhancer.domain.errors import StripeNotConfigured
from enhancer.domain.models import CATALOGUE, model_named
from enhancer.jobs import callbacks
from enhancer.settings import BadSetting
from tests.support import aws
from tests.support.flags import set_flags
from tests.support.images import png
from tests.support.world import World


@pytest.fixture
def world(cloud):
    """On the table that the runtime builds."""
    aws.empty_table()
    return World.in_aws()


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
        "payments",
        "job_deps",
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
    assert (found.read_timeout, found.retries["total_max_attempts"]) == (12, 1)
    assert prefer.WAIT_SECONDS_MAX == runtime.PREDICT_SECONDS_MAX == 25


def test_requests_with_almost_as_much_time_left_share_a_client(cloud):
    """A client takes time to build and is kept for good: a warm function must not gather one per request."""
    assert len({id(runtime.lambda_client(24 + part / 100)) for part in range(100)}) == 1
    assert runtime.lambda_client(0.1).meta.config.read_timeout == 1


@pytest.mark.parametrize("adapter", ["table", "secrets", "artifacts", "workflow"])
def test_every_other_call_gives_up_soon_and_is_retried(cloud, adapter):
    """Nothing hangs for longer than a request may, tries and all."""
    found = config(getattr(runtime, adapter)())
    tries = found.retries["total_max_attempts"]
    assert tries in (2, 3)
    assert tries * (found.connect_timeout + found.read_timeout) <= 21


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


KEYS = {"replicate": "r8_x", "workersAiAccount": "account", "workersAi": "token"}
EVERYTHING = {"ENVIRONMENT": "production", "WORKERS_AI_ENABLED": "1"}


@pytest.fixture
def deployed(world, setting):
    """A deployment with these secrets and settings; everything is read anew."""

    def deploy(secret, **values):
        aws.store_secret(secret, name=aws.PROVIDERS)
        setting(**values)
        _forget()
        return {model.alias for model in CATALOGUE if runtime.enabled(model)}

    yield deploy
    aws.store_secret(aws.PROVIDER_SECRETS, name=aws.PROVIDERS)
    _forget()


def _forget():
    for builder in (runtime.secrets, runtime.flags, runtime.gate, runtime.settings):
        builder.cache_clear()


REPLICATE = {"real-esrgan", "gfpgan", "topaz", "nano-banana"}
WORKERS_AI = {"sd15", "flux-klein"}


@pytest.mark.parametrize(
    ("secret", "values", "hosted"),
    [
        (KEYS, EVERYTHING, REPLICATE | WORKERS_AI),
        (KEYS, EVERYTHING | {"WORKERS_AI_ENABLED": "0"}, REPLICATE),
        (KEYS, EVERYTHING | {"ENVIRONMENT": "development"}, WORKERS_AI),
        (KEYS, EVERYTHING | {"ENVIRONMENT": "testing", "TESTING_ALLOWED_CF_MODELS": "sd15"}, set()),
        (KEYS, EVERYTHING | {"ENVIRONMENT": "testing", "TESTING_ALLOWED_CF_MODELS": "sd15",
                             "TESTING_WORKERS_AI_ALLOW": "1"}, {"sd15"}),
        ({"replicate": "r8_x"}, EVERYTHING, REPLICATE),
        ({"workersAi": "token"}, EVERYTHING, set()),
        (KEYS | {"workersAiAccount": ""}, EVERYTHING, REPLICATE),
        (KEYS | {"replicate": ""}, EVERYTHING, WORKERS_AI),
        ({}, EVERYTHING, set()),
        (KEYS, EVERYTHING | {"PROVIDER_SECRET_NAME": ""}, set()),
    ],
)  # fmt: skip
def test_a_model_runs_where_its_environment_its_key_and_the_operator_let_it(deployed, secret, values, hosted):
    """The embedded one always does."""
    assert deployed(secret, **values) == hosted | {"local", "restore"}


def test_a_flag_switches_a_model_off_and_sets_the_cap(deployed, world):
    """Without a deployment; without a cap of its own the price file's counts."""
    assert deployed(KEYS, **EVERYTHING) == REPLICATE | WORKERS_AI | {"local", "restore"}
    assert runtime.spend_cap() == SPEND_CAP_MICROS
    set_flags(runtime.table(), off=("replicate", "sd15", "local"), spend_cap=0)
    runtime.flags.cache_clear()
    assert {model.alias for model in CATALOGUE if runtime.enabled(model)} == {
        "flux-klein",
        "local",
        "restore",
    }
    assert runtime.spend_cap() == 0


def test_the_embedded_model_is_allowed_without_asking_anybody(world, monkeypatch):
    """The picture of a guest needs no secret and no switch."""
    monkeypatch.setattr(runtime, "flags", None)
    monkeypatch.setattr(runtime, "secrets", None)
    assert runtime.enabled(model_named("local")) is True


@pytest.mark.parametrize(
    ("origin", "replicate", "reachable"),
    [
        ("https://enhance.example", "https://api.replicate.com", True),
        ("http://127.0.0.1:8787", "https://api.replicate.com", False),
        ("http://127.0.0.1:8787", "http://127.0.0.1:9000", True),
        ("", "https://api.replicate.com", False),
    ],
)
def test_a_provider_is_told_a_call_back_only_where_it_can_reach_us(
    deployed, world, origin, replicate, reachable
):
    """Signed with the newest key; where nobody could call, the sweep looks."""
    deployed(KEYS, APP_ORIGIN=origin, REPLICATE_BASE_URL=replicate)
    job = world.job(world.caller())
    path = callbacks.path_of(job, job.items[0], signer=Signer([aws.SIGNING_KEY]))
    assert runtime.callback_url(job, job.items[0]) == (f"{origin}{path}" if reachable else None)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [({}, []), ({"replicateWebhook": "a"}, ["a"]), ({"replicateWebhook": "", "replicateWebhookPrevious": "b"}, ["b"]),
     ({"replicateWebhookPrevious": "b", "replicateWebhook": "a"}, ["a", "b"])],
)  # fmt: skip
def test_the_secrets_of_call_backs_are_newest_first_and_never_empty(deployed, stored, expected):
    """An empty one would be a secret that everybody knows."""
    deployed(stored)
    assert runtime.webhook_secrets() == expected


@pytest.fixture
def stripe_secret(world, setting):
    """What the operator put into the secret of Stripe, and settings."""

    def store(secret, **values):
        aws.store_secret(secret, name=aws.STRIPE)
        setting(**values)
        runtime.secrets.cache_clear()

    yield store
    aws.store_secret(aws.STRIPE_SECRETS, name=aws.STRIPE)
    runtime.secrets.cache_clear()


@pytest.mark.parametrize(
    ("stored", "expected"),
    [({}, []), ({"webhookSecret": "a"}, ["a"]), ({"webhookSecret": "", "webhookSecretPrevious": "b"}, ["b"]),
     ({"webhookSecretPrevious": "b", "webhookSecret": "a"}, ["a", "b"])],
)  # fmt: skip
def test_the_secrets_of_stripes_events_are_newest_first_and_never_empty(stripe_secret, stored, expected):
    """An empty one would be a secret that everybody knows."""
    stripe_secret(stored)
    assert runtime.stripe_webhook_secrets() == expected


def test_the_cashier_has_the_key_of_the_secret_and_notices_another_one(stripe_secret):
    """Filled in or changed without a deployment."""
    stripe_secret({})
    with pytest.raises(StripeNotConfigured):
        runtime.payments().is_live()
    stripe_secret({"secretKey": "sk_live_x"})
    assert runtime.payments().is_live() is True


def test_without_a_secret_there_is_no_cashier(stripe_secret):
    """Nothing is asked of anybody."""
    stripe_secret(aws.STRIPE_SECRETS, STRIPE_SECRET_NAME="")
    assert (runtime.stripe_secret(), runtime.stripe_webhook_secrets()) == ({}, [])
    with pytest.raises(StripeNotConfigured):
        runtime.payments().is_live()


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "photos.s3.eu-central-1.amazonaws.com"),
        (
            "ap-southeast-5",
            "photos.s3.ap-southeast-5.amazonaws.com",
        ),  # opt-in, after 2019: the global host refuses it
        ("mx-central-1", "photos.s3.mx-central-1.amazonaws.com"),
    ],
)
def test_presigned_addresses_name_the_buckets_own_region(cloud, setting, region, host):
    """The global host would redirect, which no signature outlives and our content security policy forbids."""
    setting(AWS_DEFAULT_REGION=region, AWS_REGION=region)
    runtime.artifacts.cache_clear()
    form = runtime.artifacts().upload_form("a/b.png", content_type="image/png", size=8)
    assert form["url"] == f"https://{host}/"
    assert form["fields"]["x-amz-credential"].split("/")[2] == region
    for verb in ("get_object", "put_object", "head_object"):
        signed = runtime.artifacts()._client.generate_presigned_url(
            verb, Params={"Bucket": "photos", "Key": "a/b.png"}
        )
        assert signed.startswith(f"https://{host}/a/b.png?"), verb
        assert f"%2F{region}%2Fs3%2Faws4_request" in signed
    assert runtime.artifacts().link("a/b.png", headers={}).startswith(f"https://{host}/")
    allowed = page.policy("nonce", page.Pages(Path("web"))._bucket_origins)
    assert f"connect-src 'self' https://{host};" in allowed


def test_a_stand_in_of_the_bucket_keeps_its_address(cloud, setting):
    """A bucket's name is no host on this machine."""
    setting(AWS_ENDPOINT_URL="http://127.0.0.1:4566")
    runtime.artifacts.cache_clear()
    assert runtime.artifacts().link("a.png", headers={}).startswith("http://127.0.0.1:4566/photos/a.png?")
    form = runtime.artifacts().upload_form("a.png", content_type="image/png", size=8)
    assert form["url"] == "http://127.0.0.1:4566/photos"
