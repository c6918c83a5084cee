"""Workers AI: one call per picture, three kinds of answers, and a table of ways to fail. Every call is counted."""

import contextlib
import json
import logging
from base64 import b64decode, b64encode
from dataclasses import replace
from email.message import Message
from email.parser import BytesParser
from io import BytesIO

import pytest
from botocore.exceptions import ClientError
from PIL import Image

from enhancer.adapters.predictors import workers_ai as module
from enhancer.adapters.predictors.results import Results
from enhancer.adapters.predictors.workers_ai import SIDE_MIN, WorkersAi, shape_of, within, work_size
from enhancer.domain import errors
from enhancer.domain.jobs import Prediction
from enhancer.domain.predictions import OutOfTime, StillRunning
from tests.support.bucket import Bucket, job_for, now
from tests.support.images import encoded, jpeg, picture, png
from tests.support.scripted_server import drips, hangs, resets, says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture
from tests.support.scripted_server import stranger as stranger  # noqa: PLC0414

RUN = "POST /client/v4/accounts/acc/ai/run/"
SIZE = (320, 256)


@pytest.fixture
def bucket():
    return Bucket()


class Credentials:
    """A store whose token may have been rotated."""

    def __init__(self, *tokens):
        self.tokens, self.asked = tokens or ("cf_secret",), []

    def __call__(self, fresh):
        self.asked.append(fresh)
        return "acc", self.tokens[-1] if fresh else self.tokens[0]


def adapter(server, bucket, credentials=None, clock=now):
    return WorkersAi(
        base_url=f"{server.url}/client/v4",
        credentials=credentials or Credentials(),
        results=Results(bucket),
        artifacts=bucket,
        now=clock,
    )


def image(data):
    return says(200, data, Content_Type="image/png")


def envelope(result=None, *, success=True, codes=(), status=200, text="secret text", **headers):
    found = [{"code": code, "message": text} for code in codes]
    body = {"result": result, "success": success, "errors": found, "messages": []}
    return says(status, body, **headers)


def form(asked):
    """The parts of a multipart body, by name."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    parts: list[Message] = BytesParser().parsebytes(head + asked.body).get_payload()
    return {
        part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts
    }


def test_a_json_model_gets_the_picture_as_base64_and_every_default(server, bucket):
    """Strength above all: the provider's own default ignores the picture. The bytes of the answer are the result."""
    job, item = job_for(bucket, "sd15", size=SIZE, prompt=None)
    server.on(RUN, image(png(SIZE)))
    outcome = adapter(server, bucket).predict(job, item, seconds_max=25)
    asked = server.asked[0]
    body = json.loads(asked.body)
    sent = Image.open(BytesIO(b64decode(body.pop("image_b64"))))
    assert (sent.format, sent.size, sent.mode) == ("JPEG", SIZE, "RGB")
    assert body == {
        "prompt": job.model_of(item).prompt_default,
        "width": 320,
        "height": 256,
        "strength": 0.3,
        "guidance": 7.5,
        "num_steps": 20,
    }
    assert asked.path == "/client/v4/accounts/acc/ai/run/@cf/runwayml/stable-diffusion-v1-5-img2img"
    assert asked.headers["authorization"] == "Bearer cf_secret"
    assert (outcome.output.width, outcome.output.height, outcome.cost) == (*SIZE, 0)


def test_what_was_asked_for_comes_before_the_defaults(server, bucket):
    """Zero is a value."""
    job, item = job_for(
        bucket, "sd15", size=SIZE, prompt="p", negative_prompt="n", strength=0.0, guidance=1.5, steps=3
    )
    server.on(RUN, image(png(SIZE)))
    adapter(server, bucket).predict(job, item, seconds_max=25)
    body = json.loads(server.asked[0].body)
    assert {
        name: body[name] for name in ("prompt", "negative_prompt", "strength", "guidance", "num_steps")
    } == {
        "prompt": "p",
        "negative_prompt": "n",
        "strength": 0.0,
        "guidance": 1.5,
        "num_steps": 3,
    }


def test_a_form_model_gets_a_small_reference_and_answers_in_an_envelope(server, bucket):
    """Less than 512 pixels a side; the size asked for is the working size; cost by tiles, in and out."""
    job, item = job_for(bucket, "flux-klein", size=(1600, 1200))
    server.on(RUN, envelope({"image": b64encode(jpeg((1024, 768))).decode()}))
    outcome = adapter(server, bucket).predict(job, item, seconds_max=25)
    parts = form(server.asked[0])
    assert {name: value for name, value in parts.items() if name != "input_image_0"} == {
        "prompt": b"make it blue", "width": b"1024", "height": b"768",
    }  # fmt: skip
    assert Image.open(BytesIO(parts["input_image_0"])).size == (511, 383)
    assert (outcome.output.width, outcome.cost) == (1024, 59 + 4 * 287)


def test_transparency_is_shown_to_the_model_on_white(server, bucket):
    """A JPEG has none."""
    source = picture(SIZE).convert("RGBA")
    source.putalpha(0)
    job, item = job_for(bucket, "sd15", size=SIZE, data=encoded(source))
    server.on(RUN, image(png(SIZE)))
    adapter(server, bucket).predict(job, item, seconds_max=25)
    sent = Image.open(BytesIO(b64decode(json.loads(server.asked[0].body)["image_b64"])))
    assert sent.getpixel((9, 9)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("size", "step", "worked", "shape"),
    [
        ((4000, 3000), 8, (768, 576), None),
        ((3000, 4000), 16, (576, 768), None),
        ((700, 500), 8, (704, 496), None),
        ((8, 6), 8, (344, 256), None),
        ((2000, 300), 8, (1704, 256), None),
        ((2400, 240), 16, (1920, 256), (1920, 192)),
        ((5000, 10), 16, (1920, 256), None),
    ],
)
def test_the_working_size_keeps_the_shape_within_the_models_limits(size, step, worked, shape):
    """Reduced, enlarged where it is too small, in steps; the shape that is lost so is given back to the result."""
    assert work_size(size, side_max=768, step=step, limit=1920) == worked
    assert all(side % step == 0 and SIDE_MIN <= side <= 1920 for side in worked)
    assert shape_of(size, worked, step=step) == shape


@pytest.mark.parametrize("size", [(512, 512), (511, 511), (4000, 3000), (300, 900), (1, 1), (9000, 1000)])
def test_stable_diffusion_never_sees_a_side_of_512(server, bucket, size):
    """Its documentation: smaller than 512; what is asked for and what is sent alike."""
    job, item = job_for(bucket, "sd15", size=size)
    server.on(RUN, image(png((256, 256))))
    adapter(server, bucket).predict(job, item, seconds_max=25)
    body = json.loads(server.asked[0].body)
    sent = Image.open(BytesIO(b64decode(body["image_b64"]))).size
    assert sent == (body["width"], body["height"])
    assert all(SIDE_MIN <= side < 512 and side % 8 == 0 for side in sent)


def test_a_picture_too_long_for_the_model_keeps_its_shape(server, bucket):
    """Three times as long as wide: drawn at twice, and brought back."""
    job, item = job_for(bucket, "sd15", size=(900, 300))
    server.on(RUN, image(png((504, 256))))
    output = adapter(server, bucket).predict(job, item, seconds_max=25).output
    stored = Image.open(BytesIO(bucket.stored[item.target][0]))
    assert (output.width, output.height) == stored.size == (504, 168)


def test_a_reference_is_only_ever_reduced():
    """Small ones stay."""
    assert (within((1024, 256), 512), within((300, 200), 512)) == ((512, 128), (300, 200))


FAILURES = {
    "3036": (envelope(success=False, codes=[3036], status=429), errors.ProviderExhausted),
    "4006": (envelope(success=False, codes=[4006], status=429), errors.ProviderExhausted),
    "allowance text": (
        envelope(success=False, codes=[9999], status=429, text="your Daily Free Allocation is used"),
        errors.ProviderExhausted,
    ),
    "3040": (envelope(success=False, codes=[3040], status=429), errors.ProviderThrottled),
    "429 plain": (says(429, b"slow down"), errors.ProviderThrottled),
    "401": (envelope(success=False, codes=[10000], status=401), errors.ProviderForbidden),
    "403": (says(403, b"<html>"), errors.ProviderForbidden),
    "10000 with 400": (envelope(success=False, codes=[10000], status=400), errors.ProviderForbidden),
    **{
        str(code): (envelope(success=False, codes=[code], status=403), errors.ProviderForbidden)
        for code in (5016, 5018, 3023, 3041)
    },
    "3030": (envelope(success=False, codes=[3030], status=400), errors.PromptRefused),
    **{
        str(code): (envelope(success=False, codes=[code], status=http), errors.ProviderRejected)
        for code, http in
        {3003: 400, 3006: 413, 3042: 404, 5004: 400, 5005: 405, 5006: 400, 5007: 400, 7003: 404}.items()
    },
    "413 plain": (says(413, b""), errors.ProviderRejected),
    "3007": (envelope(success=False, codes=[3007], status=408), errors.ProviderUnavailable),
    "3008": (envelope(success=False, codes=[3008], status=408), errors.ProviderUnavailable),
    "408 plain": (says(408, b""), errors.ProviderUnavailable),
    "500 html": (says(500, b"<html>"), errors.ProviderUnavailable),
    "502 html": (says(502, b"<html>"), errors.ProviderUnavailable),
    "500 list": (says(500, [{"code": 3040, "message": "x"}]), errors.ProviderThrottled),
    "500 odd list": (says(500, ["x"]), errors.ProviderUnavailable),
    "500 errors null": (says(500, {"errors": None}), errors.ProviderUnavailable),
    "broken json": (says(500, b"{", Content_Type="application/json"), errors.ProviderUnavailable),
    "no success at 200": (envelope(success=False, codes=[5007]), errors.ProviderRejected),
    "no success, no code": (envelope(success=False), errors.ProviderUnavailable),
    "reset": (resets, errors.ProviderUnavailable),
    "cut": (says(200, b"{", Content_Length="99"), errors.ProviderUnavailable),
    "no image": (envelope({}), errors.ProviderOutputInvalid),
    "null": (envelope(None), errors.ProviderOutputInvalid),
    "list at 200": (says(200, [1]), errors.ProviderOutputInvalid),
    "bad base64": (envelope({"image": "not *base64*!"}), errors.ProviderOutputInvalid),
    "number": (envelope({"image": 5}), errors.ProviderOutputInvalid),
    "html at 200": (says(200, b"<!DOCTYPE html>"), errors.ProviderOutputInvalid),
    "empty": (image(b""), errors.ProviderOutputInvalid),
    "truncated": (image(png(SIZE)[:100]), errors.ProviderOutputInvalid),
    "black": (image(encoded(Image.new("RGB", SIZE))), errors.ProviderOutputInvalid),
    "tiny": (image(png((1, 1))), errors.ProviderOutputInvalid),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "raised"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_our_error_after_one_call(server, bucket, answer, raised):
    """By code, then by status; nothing of the provider's words is shown, nothing is stored."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    server.on(RUN, answer)
    with pytest.raises(errors.EnhancerError) as failed:
        adapter(server, bucket).start(job, item)
    assert type(failed.value) is raised
    assert set(failed.value.details) <= {"provider", "model"}
    assert (len(server.asked), item.target in bucket.stored) == (1, False)


def test_what_was_made_is_paid_even_if_it_is_no_use(server, bucket):
    """The tiles of an answer without a picture."""
    job, item = job_for(bucket, "flux-klein", size=SIZE)
    server.on(RUN, envelope({"image": "no"}))
    with pytest.raises(errors.ProviderOutputInvalid) as failed:
        adapter(server, bucket).start(job, item)
    assert failed.value.cost == 59 + 287


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_that_the_provider_asks_for_is_told(server, bucket, status):
    """Where it says so."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    server.on(RUN, says(status, b"", Retry_After="9"))
    with pytest.raises(errors.ProviderError) as failed:
        adapter(server, bucket).start(job, item)
    assert failed.value.retry_after == 9


def test_rotated_credentials_are_picked_up_with_one_more_call(server, bucket):
    """The old ones are refused once, the new ones are read from the store."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    server.on(RUN, envelope(success=False, codes=[10000], status=401), image(png(SIZE)))
    credentials = Credentials("cf_old", "cf_new")
    assert adapter(server, bucket, credentials).start(job, item).ended is True
    assert [call.headers["authorization"] for call in server.asked] == ["Bearer cf_old", "Bearer cf_new"]
    assert credentials.asked == [False, True]


def test_without_a_token_nothing_is_sent(server, bucket):
    """It could only be refused."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    with pytest.raises(errors.ProviderForbidden):
        adapter(server, bucket, lambda fresh: ("", "")).start(job, item)
    assert server.asked == []


def test_a_redirect_is_not_followed_and_gets_no_token(server, stranger, bucket):
    """The other host hears nothing."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    server.on(RUN, says(307, b"", Location=f"{stranger.url}/x"))
    with pytest.raises(errors.ProviderUnavailable):
        adapter(server, bucket).start(job, item)
    assert (len(server.asked), stranger.asked) == (1, [])


@pytest.mark.parametrize("trouble", [hangs(6), drips(6)])
def test_a_request_that_runs_out_of_time_leaves_nothing_running(server, bucket, trouble):
    """Silence and single bytes alike."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    server.on(RUN, trouble)
    with pytest.raises(OutOfTime):
        adapter(server, bucket).predict(job, item, seconds_max=3.2)
    assert len(server.asked) == 1


def test_too_little_time_starts_nothing(server, bucket):
    """Nothing is sent, nothing is billed."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    with pytest.raises(OutOfTime):
        adapter(server, bucket).predict(job, item, seconds_max=2)
    assert server.asked == []


def test_a_call_that_takes_too_long_is_a_timeout_with_its_cost(server, bucket, monkeypatch):
    """It may have been made; it is not started again."""
    monkeypatch.setattr(module, "CALL_SECONDS_MAX", 0.4)
    job, item = job_for(bucket, "flux-klein", size=SIZE)
    server.on(RUN, hangs(2))
    with pytest.raises(errors.ProviderTimeout) as failed:
        adapter(server, bucket).start(job, item)
    assert (failed.value.cost, len(server.asked)) == (59 + 287, 1)


@pytest.mark.parametrize(("age", "lost"), [(0, False), (121_000, True)])
def test_a_run_without_a_result_is_lost_after_two_minutes(server, bucket, age, lost):
    """The function that waited for it died; until then it may still come."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    running = replace(item, prediction=Prediction(1, now() - age))
    predictor = adapter(server, bucket)
    assert predictor.ended(job, running) is lost
    with pytest.raises(errors.ProviderUnavailable if lost else StillRunning):
        predictor.collect(job, running)
    assert server.asked == []


def test_a_result_that_is_stored_is_collected_without_a_call(server, bucket):
    """As often as one likes; a cancel has nothing to send."""
    job, item = job_for(bucket, "sd15", size=SIZE)
    server.on(RUN, image(png(SIZE)))
    predictor = adapter(server, bucket)
    assert predictor.start(job, item).ended is True
    assert predictor.collect(job, item) == predictor.collect(job, item)
    assert predictor.ended(job, item) is True
    predictor.cancel(job, item)
    assert len(server.asked) == 1


def test_no_log_line_names_token_account_prompt_or_url(server, bucket, caplog, logs):
    """Neither ours nor the HTTP client's, whatever goes wrong."""
    caplog.set_level(logging.INFO)
    job, item = job_for(bucket, "flux-klein", size=SIZE)
    for answer, _ in FAILURES.values():
        server.on(RUN, answer)
        with contextlib.suppress(errors.EnhancerError):
            adapter(server, bucket).start(job, item)
    written = caplog.text + logs.text
    assert "provider exhausted" in written
    for secret in ("cf_secret", "accounts/acc", "make it blue", "secret text", "http://", item.input.key):
        assert secret not in written


def test_a_result_that_the_bucket_did_not_take_is_tried_again_at_its_cost(server, bucket, monkeypatch):
    """Nothing is left to fetch, so another run is needed; what this one cost is known."""
    job, item = job_for(bucket, "flux-klein", size=SIZE)
    server.on(RUN, envelope({"image": b64encode(jpeg(SIZE)).decode()}))

    def refused(*_given, **_more):
        raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")

    monkeypatch.setattr(bucket, "put", refused)
    with pytest.raises(errors.ProviderUnavailable) as failed:
        adapter(server, bucket).predict(job, item, seconds_max=25)
    assert (failed.value.made, failed.value.cost) == (False, 59 + 287)
