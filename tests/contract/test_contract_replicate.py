"""What we rely on at Replicate: inputs, outputs, refusals, cancel, and how a lost prediction is found."""

import time
from contextlib import suppress
from dataclasses import replace
from io import BytesIO

import pytest
import requests
from PIL import Image

from enhancer.domain import errors
from enhancer.domain.jobs import Prediction
from enhancer.domain.models import CATALOGUE
from enhancer.domain.predictions import StillRunning
from tests.contract.conftest import replicate_at
from tests.support.bucket import job_for, now
from tests.support.client import SAMPLES

PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def photo():
    """A small part of a real photo, with a face."""
    image = Image.open(SAMPLES / "astronaut.jpg").convert("RGB").resize((96, 96))
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def started(replicate, bucket, photo, alias, **params):
    job, item = job_for(bucket, alias, size=(96, 96), data=photo, **params)
    found = replicate.start(job, item)
    return job, replace(item, prediction=Prediction(1, now(), id=found.id))


def collected(replicate, job, item):
    end = time.monotonic() + PATIENCE_SECONDS
    while not replicate.ended(job, item):
        assert time.monotonic() < end, "it never ended"
        time.sleep(0.5)
    return replicate.collect(job, item)


@pytest.mark.parametrize(
    ("alias", "params", "size"),
    [
        ("real-esrgan", {"scale": 2}, (192, 192)),
        ("real-esrgan", {"scale": 4, "face": True}, (384, 384)),
        ("gfpgan", {}, (192, 192)),
        ("topaz", {}, (192, 192)),
    ],
)
def test_a_model_that_enlarges_makes_exactly_the_size_ordered(replicate, bucket, photo, alias, params, size):
    """Its input fields are right, its output is fetched from an allowed host, and it tells what it used."""
    job, item = started(replicate, bucket, photo, alias, **params)
    outcome = collected(replicate, job, item)
    assert (outcome.output.width, outcome.output.height) == size
    assert outcome.cost > 0


def test_an_edit_by_prompt_gives_a_picture_of_the_same_shape(replicate, bucket, photo):
    """The list of input pictures and the prompt arrive."""
    job, item = started(replicate, bucket, photo, "nano-banana", prompt="make it a pencil drawing")
    output = collected(replicate, job, item).output
    assert abs(output.width / output.height - 1) < 0.05


def test_a_canceled_prediction_ends_without_a_result(replicate, bucket, photo):
    """It ends soon, and collecting it is an error that may be tried elsewhere, or the result that was faster."""
    job, item = started(replicate, bucket, photo, "gfpgan")
    replicate.cancel(job, item)
    end = time.monotonic() + PATIENCE_SECONDS
    while not replicate.ended(job, item) and time.monotonic() < end:
        time.sleep(0.5)
    assert replicate.ended(job, item)


def test_an_unknown_prediction_is_unavailable(replicate, bucket, photo):
    """A 404 for its id, and nothing to wait for."""
    job, item = job_for(bucket, "gfpgan", size=(96, 96), data=photo)
    nobody = replace(item, prediction=Prediction(1, now(), id="doesnotexist0000000000000"))
    assert replicate.ended(job, nobody)
    with pytest.raises(errors.ProviderUnavailable):
        replicate.collect(job, nobody)


def test_a_running_prediction_is_not_collected(replicate, bucket, photo):
    """Just after its start there is nothing to fetch; a result that is there already is fine, too."""
    job, item = started(replicate, bucket, photo, "topaz")
    with suppress(StillRunning):
        assert replicate.collect(job, item).output.width == 192


def test_a_wrong_token_is_forbidden(replicate, bucket, photo):
    """401, whatever it is asked."""
    stranger = replicate_at(replicate._base_url, "r8_wrong", bucket)
    job, item = job_for(bucket, "gfpgan", size=(96, 96), data=photo)
    with pytest.raises(errors.ProviderForbidden):
        stranger.start(job, item)


def test_an_input_of_the_wrong_kind_is_rejected(replicate, bucket, photo):
    """422, before anything runs or costs."""
    job, item = job_for(bucket, "real-esrgan", size=(96, 96), data=photo, scale="large")
    with pytest.raises(errors.ProviderRejected):
        replicate.start(job, item)


@pytest.mark.parametrize(
    "model", [model for model in CATALOGUE if model.provider == "replicate"], ids=lambda model: model.alias
)
def test_what_we_send_is_in_the_models_own_schema(replicate, model):
    """Each field is known there, what is required is sent, and each fixed value is among those it allows."""
    name = model.slug.partition(":")[0]
    answer = requests.get(
        f"{replicate._base_url}/v1/models/{name}",
        headers={"Authorization": f"Bearer {replicate._token(False)}"},
        timeout=30,
    )
    schemas = answer.json()["latest_version"]["openapi_schema"]["components"]["schemas"]
    known, required = schemas["Input"]["properties"], schemas["Input"].get("required", [])
    assert set(model.input) <= set(known)
    assert set(required) <= set(model.input)
    for field, value in model.input.items():
        named = [entry["$ref"].rpartition("/")[2] for entry in known[field].get("allOf", [])]
        allowed = known[field].get("enum") or [one for ref in named for one in schemas[ref].get("enum", [])]
        assert not allowed or value in allowed, field
