"""The way from a laptop to the real Replicate: what only the laptop can reach is taken along, the rest passes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from enhancer.adapters.predictors.replicate import Replicate
from enhancer.adapters.predictors.results import Results
from enhancer.domain.errors import ProviderThrottled
from local.standins.started import StandIn
from tests.support.bucket import Bucket, job_for, now, serving


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    """A bucket on this machine."""
    with serving(Bucket()) as served:
        yield served


@pytest.fixture
def relay(replicate_api, tmp_path) -> Iterator[StandIn]:
    """The relay in front of the stand-in, which plays the real service."""
    with StandIn("relay", ["--real", replicate_api.url], log=tmp_path / "relay.log") as started:
        yield started


@pytest.fixture
def through(relay, bucket) -> Replicate:
    """The product's adapter, pointed at the relay."""
    return Replicate(
        base_url=relay.url,
        token=lambda _: "r8_local",
        results=Results(bucket),
        artifacts=bucket,
        callback_url=lambda *_: "http://127.0.0.1:8787/api/provider-webhook/replicate/x",
        now=now,
    )


def test_a_local_picture_is_uploaded_on_the_way(through, replicate_api, bucket):
    """The service gets a file of its own instead of a URL it could never fetch; the result comes back."""
    job, item = job_for(bucket, "real-esrgan")
    assert through.predict(job, item, seconds_max=25).output.width == 64
    assert len(replicate_api.calls("POST", "/v1/files")) == 1
    assert bucket.url not in replicate_api.calls("POST", "/predictions")[0]["body"]


def test_a_call_back_that_could_never_arrive_is_left_out(through, replicate_api, bucket):
    """The real service refuses a webhook that is not https."""
    job, item = job_for(bucket, "real-esrgan")
    assert through.start(job, item).id
    assert "webhook" not in replicate_api.calls("POST", "/predictions")[0]["body"]


def test_a_refusal_passes_with_its_wait(through, replicate_api, bucket):
    """Status and Retry-After are the provider's own."""
    replicate_api.script("create", "status", status=429, headers={"Retry-After": "7"})
    job, item = job_for(bucket, "real-esrgan")
    with pytest.raises(ProviderThrottled) as refused:
        through.start(job, item)
    assert refused.value.retry_after == 7
