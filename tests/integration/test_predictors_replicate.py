"""The Replicate adapter against its stand-in: every model, every fault, and how often the provider was called."""

import time
from dataclasses import replace

import pytest

from enhancer.adapters.predictors import replicate as module
from enhancer.domain import errors
from enhancer.domain.jobs import Prediction
from enhancer.domain.predictions import StillRunning
from tests.support.bucket import job_for, now
from tests.support.images import size_of

PREDICTIONS = "/v1/predictions"


def run(replicate, bucket, alias="real-esrgan", **more):
    job, item = job_for(bucket, alias, **more)
    return replicate.predict(job, item, seconds_max=25), item


def started(replicate, bucket, alias="real-esrgan", **more):
    """A job whose prediction was started and has a name."""
    job, item = job_for(bucket, alias, **more)
    found = replicate.start(job, item)
    return job, replace(item, prediction=Prediction(1, now(), id=found.id))


def collected(replicate, job, item):
    """Wait for its end, then collect."""
    end = time.monotonic() + 90
    while not replicate.ended(job, item) and time.monotonic() < end:
        time.sleep(0.05)
    return replicate.collect(job, item)


@pytest.mark.parametrize(
    ("alias", "more", "size"),
    [
        ("real-esrgan", {"scale": 2}, (64, 48)),
        ("real-esrgan", {"scale": 4, "face": True, "output_format": "webp"}, (128, 96)),
        ("gfpgan", {}, (64, 48)),
        ("topaz", {"output_format": "jpeg"}, (64, 48)),
        ("nano-banana", {}, (1182, 886)),
    ],
)
def test_every_model_delivers_what_was_asked_for(replicate, replicate_api, bucket, alias, more, size):
    """One creation; the input really fetched, the output really delivered, without our token."""
    outcome, item = run(replicate, bucket, alias, **more)
    got = outcome.output
    assert abs(got.width - size[0]) <= 4
    assert abs(got.height - size[1]) <= 4
    assert size_of(bucket.get(item.target)) == (got.width, got.height)
    assert outcome.cost > 0
    assert len(replicate_api.calls("POST", "/predictions")) == 1
    assert [("authorization" in call["headers"]) for call in replicate_api.fetched()] == [False]


def test_a_started_prediction_is_collected_once(replicate, replicate_api, bucket):
    """Start, wait, collect, collect again: one creation, one download."""
    replicate_api.script("outcome", "slow", seconds=1.5)
    job, item = started(replicate, bucket)
    assert replicate.ended(job, item) is False
    with pytest.raises(StillRunning):
        replicate.collect(job, item)
    first = collected(replicate, job, item)
    assert replicate.collect(job, item) == first
    assert (len(replicate_api.calls("POST", PREDICTIONS)), len(replicate_api.fetched())) == (1, 1)


def test_a_canceled_prediction_ends_at_the_provider(replicate, replicate_api, bucket):
    """Our own cancel, seen from the other side as a run that took too long."""
    replicate_api.script("outcome", "slow", seconds=30)
    job, item = started(replicate, bucket)
    replicate.cancel(job, item)
    assert replicate.ended(job, item) is True
    with pytest.raises(errors.ProviderTimeout):
        replicate.collect(job, item)
    replicate.cancel(job, item)
    assert len(replicate_api.calls("POST", "/cancel")) == 2


@pytest.mark.parametrize(
    ("fault", "more"),
    [("reset_after", {}), ("hang_after", {"seconds": 30}), ("hang_mid_body", {"seconds": 30})],
)
def test_a_prediction_whose_answer_was_lost_is_adopted(
    replicate, replicate_api, bucket, monkeypatch, fault, more
):
    """Posted once, found in the list, carried to its end."""
    monkeypatch.setattr(module, "START_SECONDS", 1.5)
    replicate_api.script("create", fault, **more)
    job, item = started(replicate, bucket)
    assert collected(replicate, job, item).output.width == 64
    assert len(replicate_api.calls("POST", PREDICTIONS)) == 1


def test_a_prediction_whose_answer_was_lost_in_a_request_is_finished_in_it(replicate, replicate_api, bucket):
    """The caller notices nothing."""
    replicate_api.script("create", "reset_after")
    outcome, _ = run(replicate, bucket)
    assert outcome.output.width == 64
    assert len(replicate_api.calls("POST", PREDICTIONS)) == 1


def test_a_start_that_died_is_found_by_its_input(replicate, replicate_api, bucket):
    """Whoever comes later knows no name, only when it was claimed."""
    job, item = job_for(bucket, "real-esrgan")
    claimed = replace(item, prediction=Prediction(1, now()))
    replicate.start(job, item)
    assert collected(replicate, job, claimed).output.width == 64


CREATE = {
    "429": ("status", {"status": 429, "headers": {"Retry-After": "7"}, "json": {"detail": "throttled"}},
            errors.ProviderThrottled),
    "429 text": ("status", {"status": 429, "json": {"detail": "Your rate limit resets in ~30s."}},
                 errors.ProviderThrottled),
    "402": ("status", {"status": 402, "json": {"title": "Billing required"}}, errors.ProviderExhausted),
    "401": ("status", {"status": 401, "json": {"title": "Unauthenticated"}, "times": 2}, errors.ProviderForbidden),
    "403": ("status", {"status": 403, "json": {"title": "Forbidden"}}, errors.ProviderForbidden),
    "422": ("status", {"status": 422, "json": {"title": "Input validation failed"}}, errors.ProviderRejected),
    "500": ("html", {"status": 500}, errors.ProviderUnavailable),
    "502": ("html", {"status": 502}, errors.ProviderUnavailable),
    "503": ("status", {"status": 503, "headers": {"Retry-After": "600"}}, errors.ProviderUnavailable),
    "hang": ("hang", {"seconds": 5}, errors.ProviderUnavailable),
    "reset": ("reset", {}, errors.ProviderUnavailable),
}  # fmt: skip


def test_an_account_low_on_credit_says_how_long_to_wait_and_then_lets_one_through(
    replicate, replicate_api, bucket
):
    """Six a minute, a burst of one: the second is refused for ten seconds, and after them it is made."""
    replicate_api.stand_in.control("credit", low=True)
    started(replicate, bucket)
    with pytest.raises(errors.ProviderThrottled) as refused:
        started(replicate, bucket)
    assert 1 <= refused.value.retry_after <= 10
    replicate_api.stand_in.advance(10)
    started(replicate, bucket)
    with pytest.raises(errors.ProviderThrottled):
        started(replicate, bucket)


@pytest.mark.parametrize(("fault", "more", "raised"), CREATE.values(), ids=CREATE)
def test_a_creation_that_failed_is_our_error_and_made_nothing(
    replicate, replicate_api, bucket, monkeypatch, fault, more, raised
):
    """Posted once (twice for a token that is refused); nothing runs at the provider."""
    monkeypatch.setattr(module, "START_SECONDS", 1.0)
    replicate_api.script("create", fault, **more)
    job, item = job_for(bucket, "real-esrgan")
    with pytest.raises(errors.EnhancerError) as failed:
        replicate.start(job, item)
    assert type(failed.value) is raised
    assert len(replicate_api.calls("POST", PREDICTIONS)) == more.get("times", 1)
    assert failed.value.cost == 0


OUTCOMES = {
    "nsfw": ("failed", {"error": "NSFW content detected. Try running it again."}, errors.PromptRefused),
    "sensitive": ("failed", {"error": "The input or output was flagged as sensitive. (E005)"},
                  errors.PromptRefused),
    "memory": ("failed", {"error": "E1001: CUDA out of memory"}, errors.ProviderFailed),
    "unknown": ("failed", {}, errors.ProviderFailed),
    "start": ("failed", {"error": "E6716: start timeout"}, errors.ProviderUnavailable),
    "aborted": ("aborted", {}, errors.ProviderTimeout),
    "canceled": ("canceled", {}, errors.ProviderTimeout),
    "null": ("output", {"value": None}, errors.ProviderOutputInvalid),
    "object": ("output", {"value": {"image": "$URL"}}, errors.ProviderOutputInvalid),
    "quoted": ("output", {"value": '"$URL"'}, errors.ProviderOutputInvalid),
    "empty list": ("output", {"value": []}, errors.ProviderOutputInvalid),
    "number": ("output", {"value": 7}, errors.ProviderOutputInvalid),
    "elsewhere": ("output", {"value": "https://evil.example/x.png"}, errors.ProviderOutputInvalid),
    "black": ("black", {}, errors.ProviderOutputInvalid),
    "tiny": ("tiny", {}, errors.ProviderOutputInvalid),
    "wrong size": ("wrong_size", {}, errors.ProviderOutputInvalid),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "more", "raised"), OUTCOMES.values(), ids=OUTCOMES)
def test_a_prediction_that_ended_badly_is_our_error_with_its_cost(
    replicate, replicate_api, bucket, fault, more, raised
):
    """The same in a request and in the state machine; created once, stored never."""
    replicate_api.script("outcome", fault, **more)
    job, item = started(replicate, bucket)
    with pytest.raises(errors.EnhancerError) as failed:
        collected(replicate, job, item)
    assert type(failed.value) is raised
    assert (failed.value.cost > 0) is (fault != "aborted")
    assert set(failed.value.details) <= {"provider", "model"}
    assert item.target not in bucket.stored
    replicate_api.script("outcome", fault, **more)
    with pytest.raises(raised):
        run(replicate, bucket)
    assert len(replicate_api.calls("POST", PREDICTIONS)) == 2


@pytest.mark.parametrize("value", [["$URL"], ["$URL", "$URL"], "$DATA"])
def test_a_list_and_a_data_url_are_as_good_as_a_url(replicate, replicate_api, bucket, value):
    """By model, and by how long we waited."""
    replicate_api.script("outcome", "output", value=value)
    assert run(replicate, bucket)[0].output.width == 64


def test_an_output_before_its_end_is_waited_for(replicate, replicate_api, bucket):
    """The bill is known at the end only."""
    replicate_api.script("outcome", "processing_with_output", seconds=1.0)
    outcome, _ = run(replicate, bucket)
    assert outcome.output.width == 64
    assert len(replicate_api.calls("POST", PREDICTIONS)) == 1


def test_a_prediction_without_metrics_costs_the_estimate(replicate, replicate_api, bucket):
    """Better too much than nothing."""
    replicate_api.script("outcome", "no_metrics")
    assert run(replicate, bucket)[0].cost == 2_300


DELIVERIES = {
    "403": ("status", {"status": 403}, errors.ProviderOutputInvalid, 1),
    "404": ("status", {"status": 404}, errors.ProviderOutputInvalid, 1),
    "500": ("status", {"status": 500, "times": 2}, errors.ProviderUnavailable, 2),
    "reset": ("reset", {"times": 2}, errors.ProviderUnavailable, 2),
    "truncated": ("truncated", {"times": 2}, errors.ProviderUnavailable, 2),
    "half a picture": ("truncated_image", {}, errors.ProviderOutputInvalid, 1),
    "svg": ("svg", {}, errors.ProviderOutputInvalid, 1),
    "page": ("html", {}, errors.ProviderOutputInvalid, 1),
    "huge": ("oversized", {"bytes": 101_000_000}, errors.ProviderOutputInvalid, 1),
    "bomb": ("oversized_pixels", {}, errors.ProviderOutputInvalid, 1),
    "redirect": ("redirect", {}, errors.ProviderOutputInvalid, 1),
}


@pytest.mark.parametrize(("fault", "more", "raised", "calls"), DELIVERIES.values(), ids=DELIVERIES)
def test_a_delivery_that_failed_is_our_error_with_its_cost(
    replicate, replicate_api, bucket, fault, more, raised, calls
):
    """Nothing is stored, no token travels, and nothing is created again."""
    replicate_api.script("output", fault, **more)
    job, item = started(replicate, bucket)
    with pytest.raises(errors.EnhancerError) as failed:
        collected(replicate, job, item)
    assert type(failed.value) is raised
    assert (failed.value.cost > 0, item.target in bucket.stored) == (True, False)
    assert [call["headers"].get("authorization") for call in replicate_api.fetched()] == [None] * calls
    assert len(replicate_api.calls("POST", PREDICTIONS)) == 1


def test_a_redirect_of_the_api_itself_gets_no_token(replicate, replicate_api, bucket):
    """Whoever it points to hears nothing."""
    elsewhere = {"Location": f"{replicate_api.url}/elsewhere"}
    replicate_api.script("create", "status", status=307, headers=elsewhere)
    job, item = job_for(bucket, "real-esrgan")
    with pytest.raises(errors.ProviderUnavailable):
        replicate.start(job, item)
    assert len(replicate_api.calls("POST")) == 1
    assert (replicate_api.calls("GET", "/elsewhere"), replicate_api.fetched()) == ([], [])


def test_a_picture_whose_type_is_a_lie_is_told_by_its_content(replicate, replicate_api, bucket):
    """It is encoded anew anyway."""
    replicate_api.script("output", "wrong_type")
    assert run(replicate, bucket)[0].output.content_type == "image/png"


def test_a_passing_trouble_of_every_kind_changes_nothing(replicate, replicate_api, bucket):
    """Polls and downloads are repeated, creations are not."""
    replicate_api.script("get", "status", status=503, headers={"Retry-After": "600"})
    replicate_api.script("get", "reset")
    replicate_api.script("output", "html", status=502)
    job, item = started(replicate, bucket)
    assert collected(replicate, job, item).output.width == 64
    assert (len(replicate_api.calls("POST", PREDICTIONS)), len(replicate_api.fetched())) == (1, 2)


def test_a_result_that_was_removed_is_invalid(replicate, replicate_api, bucket):
    """After an hour there is nothing left to fetch."""
    job, item = started(replicate, bucket)
    while not replicate.ended(job, item):
        time.sleep(0.05)
    replicate_api.advance(3700)
    with pytest.raises(errors.ProviderOutputInvalid):
        replicate.collect(job, item)
