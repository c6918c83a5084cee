"""What Replicate's adapter leaves alone within a request: connections of old, and results that take too long."""

import pytest

from enhancer.domain.predictions import StillRunning
from tests.support.bucket import Bucket, job_for
from tests.support.scripted_server import says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.unit.adapters.predictors.test_replicate import CREATE, adapter, ready, told


@pytest.fixture
def bucket():
    return Bucket()


def test_no_request_goes_into_a_connection_that_was_kept(server, bucket):
    """One that died while the function was frozen would swallow a POST, and who knows whether it was heard."""
    server.keeps = True
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, says(201, told("starting")))
    ours = adapter(server, bucket)
    for _ in range(3):
        ours.start(job, item)
    assert len(server.sockets) == 3


def test_a_result_too_large_for_what_is_left_of_a_request_is_left_to_somebody_with_more_time(server, bucket):
    """It ended in time, but 64 megapixels are not decoded, encoded and stored in ten seconds."""
    job, item = job_for(bucket, "real-esrgan", size=(1000, 1000), scale=8)
    server.on(CREATE, says(201, ready(server)))
    with pytest.raises(StillRunning) as running:
        adapter(server, bucket).predict(job, item, seconds_max=10)
    assert (running.value.prediction_id, server.calls("GET /out.png")) == ("p1", [])
    assert server.asked[0].headers["prefer"] == "wait=1"
