"""The Workers AI stand-in keeps to Cloudflare's wire format, and every fault does what its name says, once."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image, ImageChops, ImageStat

from local.standins.started import StandIn
from tests.support.images import jpeg, png, size_of

AUTH = {"Authorization": "Bearer cf_local"}
SD15 = "@cf/runwayml/stable-diffusion-v1-5-img2img"
SDXL = "@cf/stabilityai/stable-diffusion-xl-base-1.0"
FLUX = "@cf/black-forest-labs/flux-2-klein-4b"
PHOENIX = "@cf/leonardo/phoenix-1.0"
PHOTO = jpeg((300, 200))
IMAGE = base64.b64encode(PHOTO).decode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with StandIn(
        "workers_ai", ["--seconds", "0.02"], log=tmp_path_factory.mktemp("standin") / "log"
    ) as started:
        yield started


@pytest.fixture
def api(server: StandIn) -> StandIn:
    server.reset()
    return server


def url(api: StandIn, model: str, account: str = "local") -> str:
    return f"{api.url}/client/v4/accounts/{account}/ai/run/{model}"


def run(api: StandIn, model: str = SD15, *, timeout: float = 60, **fields: Any) -> requests.Response:
    body = {"prompt": "photo restoration"} | fields
    return requests.post(url(api, model), json=body, headers=AUTH, timeout=timeout)


def edit(api: StandIn, *images: bytes, **fields: str) -> requests.Response:
    """A call of FLUX, which takes a form."""
    body: dict[str, Any] = {f"input_image_{number}": ("a.png", image) for number, image in enumerate(images)}
    body |= {name: (None, value) for name, value in ({"prompt": "make it blue"} | fields).items()}
    return requests.post(url(api, FLUX), files=body, headers=AUTH, timeout=60)


def error(answer: requests.Response) -> tuple[int, int]:
    """Status and code of a refusal, which has the whole envelope."""
    document = answer.json()
    assert set(document) == {"result", "success", "errors", "messages"}
    assert (document["result"], document["success"], document["messages"]) == (None, False, [])
    assert document["errors"][0]["message"]
    return answer.status_code, document["errors"][0]["code"]


def difference(first: bytes, second: bytes) -> float:
    """The mean difference of two pictures, 0 to 255, at the first one's size."""
    with Image.open(BytesIO(first)) as one, Image.open(BytesIO(second)) as other:
        apart = ImageChops.difference(one.convert("RGB"), other.convert("RGB").resize(one.size)).convert("L")
    return float(ImageStat.Stat(apart).mean[0])


@pytest.mark.parametrize(
    ("headers", "account", "model", "expected"),
    [
        ({}, "local", SD15, (401, 10000)),
        ({"Authorization": "Bearer other"}, "local", SD15, (401, 10000)),
        (AUTH, "other", SD15, (404, 7003)),
        (AUTH, "local", "@cf/nobody/nothing", (400, 5007)),
        (AUTH, "local", SD15.replace("@", "%40"), (404, 7003)),
        (AUTH, "local", SD15.replace("/", "%2F"), (404, 7003)),
    ],
)
def test_token_account_and_model_have_to_be_right(
    api: StandIn, headers: dict[str, str], account: str, model: str, expected: tuple[int, int]
) -> None:
    """Each has its own code, and the model stands in the path unescaped."""
    answer = requests.post(url(api, model, account), json={"prompt": "x"}, headers=headers, timeout=60)
    assert error(answer) == expected


def test_another_verb_is_405(api: StandIn) -> None:
    """Only POST runs a model."""
    assert error(requests.get(url(api, SD15), headers=AUTH, timeout=60)) == (405, 5019)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (SD15, {"prompt": ""}),
        (SD15, {"width": 255}),
        (SD15, {"height": 512}),
        (SDXL, {"height": 2049}),
        (SD15, {"image_b64": base64.b64encode(jpeg((512, 100))).decode()}),
        (SD15, {"num_steps": 21}),
        (SD15, {"strength": 1.1}),
        (SD15, {"strength": True}),
        (SD15, {"seed": "x"}),
        (SD15, {"width": 300.5}),
        (SD15, {"negative_prompt": 1}),
        (SD15, {"steps": 4}),
        (SD15, {"image": [1, 2, 256]}),
        (SD15, {"image": list(b"no picture")}),
        (SDXL, {"width": 100}),
        (PHOENIX, {"guidance": 11}),
        (PHOENIX, {"num_steps": 51}),
        (PHOENIX, {"image_b64": IMAGE}),
    ],
)
def test_an_input_outside_the_schema_is_400(api: StandIn, model: str, fields: dict[str, Any]) -> None:
    """Each model has its own fields and ranges."""
    assert error(run(api, model, **fields)) == (400, 5006)


def test_bad_base64_and_a_broken_body_have_codes_of_their_own(api: StandIn) -> None:
    """5004 and 3003."""
    assert error(run(api, image_b64="*")) == (400, 5004)
    headers = AUTH | {"Content-Type": "application/json"}
    assert error(requests.post(url(api, SD15), data="{", headers=headers, timeout=60)) == (400, 3003)


def test_a_body_of_the_wrong_kind_is_400(api: StandIn) -> None:
    """JSON models take no form, form models no JSON."""
    form = requests.post(url(api, SD15), files={"prompt": (None, "x")}, headers=AUTH, timeout=60)
    assert error(form) == (400, 5006)
    assert error(run(api, FLUX)) == (400, 5006)


@pytest.mark.parametrize("model", [SD15, SDXL])
def test_diffusion_answers_with_a_raw_png_of_the_size_asked_for(api: StandIn, model: str) -> None:
    """512 × 512 without a size; the picture as base64 or as integers is the same picture."""
    plain = run(api, model, image_b64=IMAGE, strength=0.3)
    assert (plain.headers["Content-Type"], size_of(plain.content)) == ("image/png", (512, 512))
    sized = run(
        api, model, image=list(PHOTO), strength=0.3, width=480, height=320, num_steps=20, guidance=7.5
    )
    assert size_of(sized.content) == (480, 320)
    assert sized.content == run(api, model, image_b64=IMAGE, strength=0.3, width=480, height=320).content


def test_strength_goes_from_the_original_to_nothing_of_it(api: StandIn) -> None:
    """The more strength the more difference; the default ignores the input; another prompt, another look."""
    sized = {"width": 480, "height": 320, "image_b64": IMAGE}
    apart = [difference(run(api, **sized, strength=value).content, PHOTO) for value in (0.1, 0.3, 0.9)]
    assert 1 < apart[0] < apart[1] < apart[2]
    other = base64.b64encode(png((300, 200), shade=255)).decode()
    assert run(api, **sized).content == run(api, **sized | {"image_b64": other}).content
    changed = run(api, **sized, strength=0.3, prompt="as a painting").content
    assert difference(changed, run(api, **sized, strength=0.3).content) > 1


def test_flux_takes_a_form_and_answers_base64_in_the_envelope(api: StandIn) -> None:
    """1024 × 1024 without a size, with and without reference images."""
    answer = edit(api, png((300, 200)), width="640", height="480")
    document = answer.json()
    assert (answer.status_code, document["success"], document["errors"]) == (200, True, [])
    assert size_of(base64.b64decode(document["result"]["image"])) == (640, 480)
    assert size_of(base64.b64decode(edit(api).json()["result"]["image"])) == (1024, 1024)


@pytest.mark.parametrize("fields", [{"steps": "4"}, {"width": "2000"}, {"height": "x"}, {"prompt": ""}])
def test_a_form_outside_the_schema_is_400(api: StandIn, fields: dict[str, str]) -> None:
    """Steps are fixed, and sizes end at 1920."""
    assert error(edit(api, **fields)) == (400, 5006)


def test_a_reference_image_of_512_is_400(api: StandIn) -> None:
    """Whoever sends references has to make them small first."""
    assert edit(api, png((511, 511)), png((511, 511))).status_code == 200
    assert error(edit(api, png((511, 511)), png((512, 100)))) == (400, 5006)
    assert error(edit(api, b"no picture")) == (400, 5006)


def test_phoenix_answers_with_a_raw_jpeg(api: StandIn) -> None:
    """Text to image: the same prompt, the same picture."""
    answer = run(api, PHOENIX, width=640, height=480)
    assert (answer.headers["Content-Type"], size_of(answer.content)) == ("image/jpeg", (640, 480))
    assert answer.content == run(api, PHOENIX, width=640, height=480).content


@pytest.mark.parametrize(
    ("code", "status"),
    [(3036, 429), (4006, 429), (3040, 429), (5006, 400), (5007, 400), (3030, 400), (3007, 408), (10000, 401),
     (7003, 404), (3006, 413)],
)  # fmt: skip
def test_a_code_comes_with_its_status_unless_told_otherwise(api: StandIn, code: int, status: int) -> None:
    """Every documented error, in the envelope, once."""
    api.script("run", "code", code=code)
    api.script("run", "code", code=code, status=418, message="as told")
    assert error(run(api)) == (status, code)
    told = run(api)
    assert (error(told), told.json()["errors"][0]["message"]) == ((418, code), "as told")
    assert run(api).status_code == 200


def test_a_failure_may_come_as_200(api: StandIn) -> None:
    """Success false in an answer that looks fine."""
    api.script("run", "success_false")
    assert error(run(api)) == (200, 3040)


def test_an_error_may_be_a_json_list(api: StandIn) -> None:
    """No envelope at all."""
    api.script("run", "json_error_list")
    answer = run(api)
    assert (answer.status_code, type(answer.json())) == (500, list)


@pytest.mark.parametrize("model", [SD15, PHOENIX])
def test_an_envelope_may_hold_no_picture(api: StandIn, model: str) -> None:
    """No image, or something that is not base64."""
    api.script("run", "no_image")
    assert run(api, model).json()["result"] == {}
    api.script("run", "bad_base64")
    with pytest.raises(ValueError, match="base64"):
        base64.b64decode(run(api, model).json()["result"]["image"], validate=True)


def test_a_page_may_come_with_200(api: StandIn) -> None:
    """HTML where a picture should be."""
    api.script("run", "wrong_type")
    answer = run(api)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=UTF-8")


def test_a_picture_may_be_worthless(api: StandIn) -> None:
    """Half of it, all black, or one pixel; raw or in the envelope."""
    api.script("run", "truncated_image")
    with Image.open(BytesIO(run(api).content)) as half, pytest.raises(OSError, match="trunc"):
        half.load()
    api.script("run", "black")
    with Image.open(BytesIO(run(api).content)) as dark:
        assert (dark.size, dark.convert("L").getextrema()) == ((512, 512), (0, 0))
    api.script("run", "tiny")
    assert size_of(base64.b64decode(edit(api).json()["result"]["image"])) == (1, 1)


def test_the_connection_may_break_or_hang(api: StandIn) -> None:
    """The transport faults are those of every stand-in."""
    api.script("run", "html", status=502)
    assert run(api).headers["Content-Type"] == "text/html"
    api.script("run", "status", status=429, headers={"Retry-After": "7"}, text="slow down")
    throttled = run(api)
    assert (throttled.status_code, throttled.headers["Retry-After"], throttled.text) == (
        429,
        "7",
        "slow down",
    )
    for fault in ("reset", "reset_after"):
        api.script("run", fault)
        with pytest.raises(requests.ConnectionError, match="reset by peer"):
            run(api)
    for fault in ("hang", "hang_after", "hang_mid_body"):
        api.script("run", fault, seconds=5)
        with pytest.raises((requests.ReadTimeout, requests.ConnectionError)):
            run(api, timeout=0.3)


def test_the_log_shows_what_was_sent_and_the_clock_can_be_moved(api: StandIn) -> None:
    """Headers and JSON as text, forms with pictures as a number of bytes; a moved clock is reset."""
    run(api, seed=7)
    edit(api, PHOTO)
    first, second = api.log()
    assert (first["path"], first["headers"]["authorization"]) == (
        f"/client/v4/accounts/local/ai/run/{SD15}",
        AUTH["Authorization"],
    )
    assert '"seed": 7' in first["body"]
    assert second["body"].endswith(" bytes>")
    api.advance(3600)
    assert abs(api.control("clock", advance=0)["now"] - time.time() - 3600) < 5
    api.reset()
    assert api.log() == []


def test_models_are_listed_a_page_at_a_time_for_who_has_the_token(api: StandIn) -> None:
    """In the envelope; another token, and another account, are refused like a run."""
    place = f"{api.url}/client/v4/accounts/local/ai/models/search?per_page=1"
    answer = requests.get(place, headers=AUTH, timeout=60)
    assert (answer.status_code, len(answer.json()["result"]), answer.json()["success"]) == (200, 1, True)
    foreign = requests.get(place, headers={"Authorization": "Bearer cf_other"}, timeout=60)
    assert (foreign.status_code, *error(foreign)) == (401, 401, 10000)
    elsewhere = requests.get(place.replace("/local/", "/other/"), headers=AUTH, timeout=60)
    assert (elsewhere.status_code, *error(elsewhere)) == (404, 404, 7003)
