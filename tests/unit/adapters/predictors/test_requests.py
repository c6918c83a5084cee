"""What each hosted model of the catalogue is sent, held to the schemas that the stand-ins refuse by."""

import contextlib
import itertools
import json
from email.parser import BytesParser
from io import BytesIO

import pytest
from PIL import Image

from enhancer.adapters.predictors.replicate import Replicate
from enhancer.adapters.predictors.results import Results
from enhancer.adapters.predictors.workers_ai import WorkersAi
from enhancer.domain.errors import EnhancerError
from enhancer.domain.models import CATALOGUE, Params, model_named
from enhancer.domain.recovery import _translated
from local.standins.schemas import FOLDER, schema_of, violations
from tests.support.bucket import Bucket, job_for, now
from tests.support.images import png
from tests.support.scripted_server import says
from tests.support.scripted_server import server as server  # noqa: PLC0414 - a fixture

SIZES = ((1, 1), (511, 511), (512, 512), (513, 300), (300, 900), (1920, 1080), (4000, 100))
OPTIONS = {"negative_prompt": (None, "n" * 500), "strength": (None, 0.0, 1.0), "guidance": (None, 1, 12.0),
           "steps": (None, 1, 20)}  # fmt: skip
HOSTED = [model for model in CATALOGUE if model.provider != "embedded"]


def name_of(model):
    """How its schema is called."""
    return model.slug.partition(":")[0].rpartition("/")[2]


def ordered(model):
    """All its parameters: every scale, face and quality, and the ends of every option."""
    known = {name: values for name, values in OPTIONS.items() if name in model.options}
    for scale, face, quality, prompt, *options in itertools.product(
        model.scales or (0,), (False, True) if model.face else (False,), model.qualities,
        ("p", "ü" * 500) + (None,) * bool(model.prompt_default) if model.prompt else (None,), *known.values(),
    ):  # fmt: skip
        yield Params(scale, face, quality, prompt=prompt, **dict(zip(known, options, strict=True)))


def in_place_of_another():
    """What a model is sent when it runs instead of the one that was asked for."""
    for asked in CATALOGUE:
        model = asked
        while model.fallback:
            model = model_named(model.fallback)
            if model.provider != "embedded":
                yield from ((model, _translated(params, asked, model)) for params in ordered(asked))


def sent(server, model, params, size):
    """The input of the one request that this order makes; files of a form as their sizes in pixels."""
    bucket, wanted = Bucket(), {name: getattr(params, name) for name in Params.__slots__}
    job, item = job_for(bucket, model.slug, size=size, **wanted | {"output_format": "png"})
    server.asked.clear()
    if model.provider == "replicate":
        server.on("POST /v1/", says(201, {"id": "p1", "status": "starting"}))
        Replicate(
            base_url=server.url, token=lambda _: "r8", results=Results(bucket), artifacts=bucket,
            callback_url=lambda *_: None, now=now,
        ).start(job, item)  # fmt: skip
        return json.loads(server.asked[0].body)["input"], []
    server.on("POST /accounts/", says(200, png((256, 256)), Content_Type="image/png"))
    adapter = WorkersAi(
        base_url=server.url, credentials=lambda _: ("acc", "token"), results=Results(bucket), artifacts=bucket
    )
    with contextlib.suppress(EnhancerError):
        adapter.predict(job, item, seconds_max=20)
    (asked,) = server.asked
    if not model.multipart:
        return json.loads(asked.body), []
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    fields, pictures = {}, []
    for part in BytesParser().parsebytes(head + asked.body).get_payload():
        name, data = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if part.get_filename():
            pictures.append(Image.open(BytesIO(data)).size)
            fields[name] = ""
        else:
            fields[name] = int(data) if name in ("width", "height") else data.decode()
    return fields, pictures


@pytest.mark.parametrize("model", HOSTED, ids=lambda model: model.alias)
def test_every_order_that_a_model_allows_fits_its_schema(server, model):
    """Every combination of parameters, whatever the stand-in would forgive."""
    for params in ordered(model):
        given, _ = sent(server, model, params, (320, 256))
        assert violations(name_of(model), given) == [], (params, given)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "model", [model for model in HOSTED if model.work_side_max], ids=lambda model: model.alias
)
def test_every_shape_of_picture_fits_the_models_limits(server, model, size):
    """Sides in the schema's range and in whole blocks of the model; a reference is smaller than 512."""
    given, pictures = sent(server, model, Params(0, prompt="p"), size)
    assert violations(name_of(model), given) == [], given
    assert given["width"] % 8 == given["height"] % 8 == 0
    assert all(max(picture) < 512 for picture in pictures)


def test_an_order_translated_for_a_fallback_fits_its_schema(server):
    """What was asked of another model is not sent as it was."""
    orders = {(model.alias, params): model for model, params in in_place_of_another()}
    assert {alias for alias, _ in orders} == {"flux-klein", "sd15"}
    for (_, params), model in orders.items():
        given, _ = sent(server, model, params, (320, 256))
        assert violations(name_of(model), given) == [], (params, given)


@pytest.mark.parametrize("model", HOSTED, ids=lambda model: model.alias)
def test_every_hosted_model_has_a_schema_that_refuses_what_it_does_not_know(model):
    """A new model needs one; no field passes by a slip of the pen."""
    assert schema_of(name_of(model))["additionalProperties"] is False
    assert violations(name_of(model), {"scael": 2})
    assert (FOLDER / f"{name_of(model)}.json").is_file()
