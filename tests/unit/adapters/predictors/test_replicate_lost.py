"""What is made at Replicate and must not be lost: predictions without an answer, results that nobody stored."""

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from enhancer.adapters.predictors import replicate as module
from enhancer.domain import errors
from enhancer.domain.jobs import Prediction
from enhancer.domain.predictions import StillRunning
from tests.support.bucket import Bucket, job_for, now
from tests.support.replicate_answers import CREATE, GET, LIST, adapter, ready, told
from tests.support.scripted_server import resets, says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.scripted_server import stranger as stranger  # noqa: PLC0414


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)


@pytest.fixture
def bucket():
    return Bucket()


def page(server, runs, cursor="", host=None):
    return says(200, {"results": runs, "next": f"{host or server.url}/v1/predictions?cursor={cursor}"})


def test_a_lost_prediction_is_looked_for_beyond_the_newest_hundred(server, bucket):
    """Page after page, as far back as it can have been made."""
    job, item = job_for(bucket, "real-esrgan")
    others = [told("starting", id=f"other{number}", at=1) for number in range(100)]
    mine = told("starting", id="mine", at=0.5, input={"image": item.input.key})
    server.on(CREATE, resets)
    server.on(LIST, page(server, others, "second"))
    server.on(f"{LIST}?cursor=second", page(server, [*others[:9], mine, told(id="old", at=-90)], "third"))
    assert adapter(server, bucket).start(job, item).id == "mine"
    assert [call.path.partition("cursor=")[2] for call in server.calls(LIST)] == ["", "second"]


def test_a_list_that_leads_elsewhere_gets_no_token(server, stranger, bucket):
    """The next page is on the same host, or there is none."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, resets)
    server.on(LIST, page(server, [told("starting", id="other", at=1)], "x", stranger.url))
    with pytest.raises(errors.ProviderUnavailable):
        adapter(server, bucket).start(job, item)
    assert stranger.asked == []


def test_an_endless_list_is_left_in_time(server, bucket):
    """A thousand predictions at most."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(LIST, page(server, [told("starting", id="other", at=1)], "again"))
    nobody = replace(item, prediction=Prediction(1, now()))
    assert adapter(server, bucket).ended(job, nobody) is False
    assert len(server.calls(LIST)) == 10


class Full(Bucket):
    """A bucket that does not take the next results."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def put(self, key, data, content_type, *, facts=None):
        if facts and self.times:
            self.times -= 1
            raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
        super().put(key, data, content_type, facts=facts)


def test_a_result_that_the_bucket_did_not_take_is_left_to_the_state_machine(server):
    """The picture is made and billed: the request hands it over, and the next look stores it."""
    bucket = Full(times=1)
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, says(201, ready(server)))
    server.on(GET, says(200, ready(server)))
    with pytest.raises(StillRunning) as running:
        adapter(server, bucket).predict(job, item, seconds_max=25)
    assert running.value.prediction_id == "p1"
    named = replace(item, prediction=Prediction(1, now(), id="p1"))
    assert adapter(server, bucket).collect(job, named).output.width == 64
    assert len(server.calls(CREATE)) == 1


def test_a_bucket_that_takes_nothing_is_told_with_what_the_picture_cost(server, caplog):
    """Made already: only fetching it is tried again. The log names the prediction."""
    bucket = Full(times=99)
    job, item = job_for(bucket, "real-esrgan", prediction=Prediction(1, now(), id="p1"))
    server.on(GET, says(200, ready(server)))
    with pytest.raises(errors.ProviderUnavailable) as failed:
        adapter(server, bucket).collect(job, item)
    assert (failed.value.made, failed.value.cost) == (True, 450)
    assert [record.predictionId for record in caplog.records if hasattr(record, "predictionId")] == ["p1"]


def test_a_name_that_cannot_be_stored_ends_the_wait(server, bucket):
    """Whoever asked for it stops the prediction; nothing else is done with it."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, says(201, told("starting")))

    def named(prediction_id):
        raise KeyError(prediction_id)

    with pytest.raises(KeyError, match="p1"):
        adapter(server, bucket).predict(job, item, seconds_max=25, named=named)
    assert len(server.asked) == 1
