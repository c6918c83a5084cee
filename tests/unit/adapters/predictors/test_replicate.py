"""Replicate's traps: its client's waits and retries, lost answers, odd bodies. Every call is counted."""

import contextlib
import json
import logging
import time
from dataclasses import replace

import pytest

from enhancer.adapters.predictors import replicate as module
from enhancer.domain import errors
from enhancer.domain.jobs import Prediction
from enhancer.domain.predictions import OutOfTime, StillRunning
from tests.support.bucket import Bucket, job_for, now
from tests.support.replicate_answers import CREATE, GET, LIST, Tokens, adapter, ready, told
from tests.support.scripted_server import drips, hangs, resets, says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture

OFFICIAL = "POST /v1/models/google/nano-banana/predictions"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)


@pytest.fixture
def bucket():
    return Bucket()


def test_a_prediction_is_created_with_everything_said(server, bucket):
    """Version, scale, face, the shortest wait, a deadline at the provider, and where to call back."""
    job, item = job_for(bucket, "real-esrgan", face=True, scale=2)
    server.on(CREATE, says(201, ready(server)))
    outcome = adapter(server, bucket, callback="https://us.example/back").predict(job, item, seconds_max=25)
    asked = server.calls(CREATE)[0]
    body = json.loads(asked.body)
    assert body.pop("input") == {
        "image": bucket.link(item.input.key, headers={}, seconds=3600),
        "scale": 2,
        "face_enhance": True,
    }
    assert body == {
        "version": job.model_of(item).version,
        "webhook": "https://us.example/back",
        "webhook_events_filter": ["start", "completed"],
    }
    headers = {name: asked.headers[name] for name in ("prefer", "cancel-after", "authorization")}
    assert headers == {"prefer": "wait=1", "cancel-after": "5m", "authorization": "Bearer r8_secret"}
    assert (outcome.output.width, outcome.cost, len(server.asked)) == (64, 450, 2)
    assert "authorization" not in server.calls("GET /out.png")[0].headers


def test_an_official_model_is_created_by_its_name(server, bucket):
    """No version, no call-back where there is none; the wait is sent all the same."""
    job, item = job_for(bucket, "nano-banana")
    server.on(OFFICIAL, says(201, ready(server)))
    outcome = adapter(server, bucket).predict(job, item, seconds_max=10)
    body = json.loads(server.asked[0].body)
    assert set(body) == {"input"}
    assert body["input"]["prompt"] == "make it blue"
    assert (server.asked[0].headers["prefer"], outcome.cost) == ("wait=1", 39_000)


def test_a_running_prediction_is_polled_to_its_end(server, bucket):
    """Also one whose output is there before its status says so."""
    job, item = job_for(bucket, "real-esrgan")
    done = ready(server)
    server.on(CREATE, says(201, told("starting")))
    server.on(GET, says(200, told("processing")), says(200, done | {"status": "processing"}), says(200, done))
    assert adapter(server, bucket).predict(job, item, seconds_max=25).output.height == 48
    assert (len(server.calls(CREATE)), len(server.calls(GET))) == (1, 3)


def test_what_takes_longer_than_the_request_is_still_running(server, bucket):
    """With its name, and nothing is created again."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, says(201, told("starting")))
    server.on(GET, says(200, told("processing")))
    with pytest.raises(StillRunning) as running:
        adapter(server, bucket).predict(job, item, seconds_max=3.2)
    assert (running.value.prediction_id, len(server.calls(CREATE))) == ("p1", 1)


def test_too_little_time_starts_nothing(server, bucket):
    """Nothing is sent, nothing is billed."""
    job, item = job_for(bucket, "real-esrgan")
    with pytest.raises(OutOfTime):
        adapter(server, bucket).predict(job, item, seconds_max=0.5)
    assert server.asked == []


@pytest.mark.parametrize("trouble", [says(429, {}, Retry_After="3600"), says(503, b"<html>"), resets])
def test_trouble_with_looking_is_no_reason_to_run_it_again(server, bucket, trouble):
    """One that runs is still running; the client's own retries and sleeps never happen."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, says(201, told("starting")))
    server.on(GET, trouble)
    started = time.monotonic()
    with pytest.raises(StillRunning) as running:
        adapter(server, bucket).predict(job, item, seconds_max=3.1)
    assert time.monotonic() - started < 20
    assert (running.value.prediction_id, len(server.calls(CREATE))) == ("p1", 1)


def test_trouble_with_the_delivery_is_no_reason_to_run_it_again(server, bucket):
    """The result is there; somebody with more time fetches it."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, says(201, ready(server)))
    server.on("GET /out.png", says(502, b"<html>"))
    with pytest.raises(StillRunning):
        adapter(server, bucket).predict(job, item, seconds_max=10)
    assert len(server.calls("GET /out.png")) == 2


REFUSED = {
    "400": (says(400, {"detail": "secret text"}), errors.ProviderRejected, 1),
    "401": (says(401, {"detail": "x"}), errors.ProviderForbidden, 2),
    "402": (says(402, {"title": "Billing required"}), errors.ProviderExhausted, 1),
    "403": (says(403, {"detail": "x"}), errors.ProviderForbidden, 1),
    "422": (says(422, {"title": "Input validation failed"}), errors.ProviderRejected, 1),
    "list": (says(422, ["odd"]), errors.ProviderRejected, 1),
    "429": (says(429, {"detail": "Your rate limit resets in ~30s."}), errors.ProviderThrottled, 1),
}


@pytest.mark.parametrize(("answer", "raised", "calls"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_is_our_error_and_is_not_repeated(server, bucket, answer, raised, calls):
    """Nothing was made, so nothing is looked for; only a token is looked up anew."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, answer)
    with pytest.raises(errors.EnhancerError) as failed:
        adapter(server, bucket).start(job, item)
    assert type(failed.value) is raised
    assert len(server.asked) == calls
    assert set(failed.value.details) <= {"provider", "model"}


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (says(429, {}, Retry_After="7"), 7),
        (says(429, {"detail": "resets in ~30s."}), 30),
        (says(429, {"detail": "slow down", "status": 429, "retry_after": 9}), 9),
        (says(429, {"detail": "resets in ~30s."}, Retry_After="7"), 7),
        (says(429, b"slow down"), None),
    ],
)
def test_a_throttled_provider_says_how_long(server, bucket, answer, seconds):
    """By header, else by its text, else not at all."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, answer)
    with pytest.raises(errors.ProviderThrottled) as failed:
        adapter(server, bucket).start(job, item)
    assert failed.value.retry_after == seconds


def test_a_rotated_token_is_picked_up_with_one_more_call(server, bucket):
    """The old one is refused once, the new one is read from the store."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, says(401, {"detail": "x"}), says(201, told("starting")))
    tokens = Tokens("r8_old", "r8_new")
    assert adapter(server, bucket, token=tokens).start(job, item).id == "p1"
    assert [call.headers["authorization"] for call in server.asked] == ["Bearer r8_old", "Bearer r8_new"]
    assert tokens.asked == [False, True]


def test_without_a_token_nothing_is_sent(server, bucket, monkeypatch):
    """Not even one that lies in the environment."""
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_environment")
    job, item = job_for(bucket, "real-esrgan")
    with pytest.raises(errors.ProviderForbidden):
        adapter(server, bucket, token=lambda fresh: "").start(job, item)
    assert server.asked == []


AMBIGUOUS = {
    "reset": resets,
    "html": says(502, b"<html>"),
    "unavailable": says(503, {"detail": "x"}),
    "empty": says(500, b""),
    "not json": says(201, b"<html>"),
    "cut": says(201, b'{"id":', Content_Length="500"),
    "list": says(201, [1]),
    "bad id": says(201, {"id": "../../x", "status": "starting"}),
}


@pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_lost_answer_is_looked_for_and_not_sent_again(server, bucket, answer):
    """The prediction with our input, newer than the call, is ours; the others are not."""
    job, item = job_for(bucket, "real-esrgan")
    mine = {"image": f"https://bucket/{item.input.key}?signature"}
    listed = [
        told("starting", id="other", input={"image": "https://bucket/another"}),
        told("aborted", id="aborted", input={}, output=None),
        told("failed", id="earlier", at=-3, input=mine),
        told("starting", id="older", at=-60, input=mine),
    ]
    ours = told("processing", id="ours", at=0.5, input=mine)
    server.on(CREATE, answer)
    server.on(LIST, says(200, {"results": [listed[0], ours, *listed[1:]], "next": None}))
    assert adapter(server, bucket).start(job, item).id == "ours"
    assert (len(server.calls(CREATE)), len(server.calls(LIST))) == (1, 1)


@pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_lost_answer_without_a_prediction_is_unavailable(server, bucket, answer):
    """Looked for twice, because a list may lag; posted once."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, answer)
    server.on(LIST, says(200, {"results": []}))
    with pytest.raises(errors.ProviderUnavailable):
        adapter(server, bucket).start(job, item)
    assert (len(server.calls(CREATE)), len(server.calls(LIST))) == (1, 2)


@pytest.mark.parametrize("trouble", [hangs(60), drips(60)])
def test_an_answer_that_never_ends_is_looked_for_in_time(server, bucket, trouble, monkeypatch):
    """The client's own time-outs do not decide."""
    monkeypatch.setattr(module, "START_SECONDS", 1.5)
    job, item = job_for(bucket, "real-esrgan")
    server.on(CREATE, trouble)
    server.on(LIST, says(200, {"results": [told("starting", input={"i": item.input.key})]}))
    started = time.monotonic()
    assert adapter(server, bucket).start(job, item).id == "p1"
    assert time.monotonic() - started < 20


def test_nobody_there_is_unavailable_and_not_looked_for(bucket, server):
    """What was never sent made nothing."""
    job, item = job_for(bucket, "real-esrgan")
    server.url = "http://127.0.0.1:9"
    with pytest.raises(errors.ProviderUnavailable):
        adapter(server, bucket).start(job, item)
    assert server.asked == []


def named(item, id="p1", age=0):
    return replace(item, prediction=Prediction(1, now() - age, id=id))


@pytest.mark.parametrize("status", ["succeeded", "failed", "canceled", "aborted"])
def test_every_final_status_has_ended(server, bucket, status):
    """Also the one that the client does not know; no result is fetched."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(GET, says(200, told(status)))
    assert adapter(server, bucket).ended(job, named(item)) is True
    assert len(server.asked) == 1


def test_what_cannot_be_asked_has_not_ended(server, bucket):
    """Three calls, then it is as if it still ran."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(GET, says(503, b"", Retry_After="600"))
    assert adapter(server, bucket).ended(job, named(item)) is False
    assert len(server.asked) == 3


@pytest.mark.parametrize(("age", "lost"), [(0, False), (61_000, True)])
def test_a_prediction_without_a_name_is_lost_after_a_minute(server, bucket, age, lost):
    """Until then it may show up in the list."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(LIST, says(200, {"results": []}))
    predictor = adapter(server, bucket)
    assert predictor.ended(job, named(item, id=None, age=age)) is lost
    with pytest.raises(errors.ProviderUnavailable if lost else StillRunning):
        predictor.collect(job, named(item, id=None, age=age))


def test_a_prediction_without_a_name_is_found_by_its_input(server, bucket):
    """Even between entries that the client cannot read."""
    job, item = job_for(bucket, "real-esrgan")
    done = ready(server, input={"image": f"https://b/{item.input.key}"})
    server.on(LIST, says(200, {"results": [told("aborted", id="a"), done]}))
    assert adapter(server, bucket).collect(job, named(item, id=None)).output.width == 64


def test_a_prediction_that_the_provider_forgot_is_unavailable(server, bucket):
    """There is nothing to wait for."""
    job, item = job_for(bucket, "real-esrgan")
    predictor = adapter(server, bucket)
    assert predictor.ended(job, named(item)) is True
    with pytest.raises(errors.ProviderUnavailable):
        predictor.collect(job, named(item))


def test_a_result_that_is_stored_costs_no_call(server, bucket):
    """Collecting twice fetches once."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(GET, says(200, ready(server)))
    predictor = adapter(server, bucket)
    first = predictor.collect(job, named(item))
    assert predictor.collect(job, named(item)) == first
    assert predictor.ended(job, named(item)) is True
    assert len(server.asked) == 2


def test_what_runs_cannot_be_collected(server, bucket):
    """It says so, with its name."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(GET, says(200, told("processing")))
    with pytest.raises(StillRunning) as running:
        adapter(server, bucket).collect(job, named(item))
    assert running.value.prediction_id == "p1"


@pytest.mark.parametrize(
    ("answer", "calls"), [(says(200, told("canceled")), 1), (says(500, b""), 1), (resets, 1)]
)
def test_a_cancel_is_one_call_that_never_fails(server, bucket, answer, calls):
    """Whatever the provider says."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(f"{CREATE}/p1/cancel", answer)
    adapter(server, bucket).cancel(job, named(item))
    assert len(server.asked) == calls


def test_a_cancel_without_a_name_finds_the_prediction(server, bucket):
    """By its input; what ended is left alone."""
    job, item = job_for(bucket, "real-esrgan")
    server.on(LIST, says(200, {"results": [told("processing", input={"i": item.input.key})]}))
    server.on(f"{CREATE}/p1/cancel", says(200, told("canceled")))
    adapter(server, bucket).cancel(job, named(item, id=None))
    assert len(server.calls(f"{CREATE}/p1/cancel")) == 1


def test_no_log_line_names_token_prompt_or_url(server, bucket, caplog, logs):
    """Neither ours nor the HTTP client's, whatever goes wrong."""
    caplog.set_level(logging.INFO)
    job, item = job_for(bucket, "nano-banana")
    for answer in (says(402, {"detail": "secret text"}), says(401, {}), resets, says(201, ready(server))):
        server.on(OFFICIAL, answer)
        with contextlib.suppress(errors.EnhancerError):
            adapter(server, bucket).predict(job, item, seconds_max=10)
    adapter(server, bucket).cancel(job, named(item))
    written = caplog.text + logs.text
    assert "provider refuses us" in written
    for secret in ("r8_secret", "make it blue", "secret", "http://", item.input.key, "out.png"):
        assert secret not in written
