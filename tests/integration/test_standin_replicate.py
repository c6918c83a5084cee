"""The Replicate stand-in keeps to the provider's wire format: calls, checks, states, outputs."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image, ImageChops

from local.processes import STOP_GRACE_S, free_port
from local.standins.pictures import bomb
from local.standins.started import StandIn
from tests.support.images import jpeg, png, size_of

AUTH = {"Authorization": "Bearer r8_local"}
ESRGAN = "42fed1c4974146d4d2414e2be2c5277c7fcf05fcc3a73abf41610695738c1d7b"
GFPGAN = "tencentarc/gfpgan:0fbacf7afc6c144e5be9767cff80f25aff23e52b0708f17e20f9879b2f21516c"
DELIVERY = free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    options = ["--delivery-port", str(DELIVERY), "--seconds", "0.1", "--seed", "one"]
    with StandIn("replicate", options, log=tmp_path_factory.mktemp("standin") / "log") as started:
        yield started


@pytest.fixture
def api(server: StandIn) -> StandIn:
    server.reset()
    return server


def data_url(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


def call(api: StandIn, verb: str, path: str, body: object = None, **headers: str) -> requests.Response:
    return requests.request(verb, api.url + path, json=body, headers=AUTH | headers, timeout=60)


def create(
    api: StandIn, *, version: str = ESRGAN, wait: bool = True, headers: Any = None, **given: Any
) -> requests.Response:
    given = given or {"image": data_url(png((40, 30))), "scale": 2}
    prefer = {"Prefer": "wait"} if wait else {}
    body = {"version": version, "input": given}
    return call(api, "POST", "/v1/predictions", body, **prefer, **(headers or {}))


def output_of(answer: requests.Response) -> bytes:
    return requests.get(answer.json()["output"], timeout=60).content


def until_begun(api: StandIn, prediction_id: str) -> None:
    deadline = time.monotonic() + 90
    while call(api, "GET", f"/v1/predictions/{prediction_id}").json()["status"] == "starting":
        assert time.monotonic() < deadline, "the prediction does not begin"
        time.sleep(0.02)
    assert call(api, "GET", f"/v1/predictions/{prediction_id}").json()["status"] == "processing"


def until_over(api: StandIn, prediction_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        shown = call(api, "GET", f"/v1/predictions/{prediction_id}").json()
        if shown["status"] not in ("starting", "processing"):
            return dict(shown)
        time.sleep(0.02)
    raise AssertionError("the prediction does not end")


def difference(first: bytes, second: bytes) -> float:
    """The mean difference of two pictures, 0 to 255, at the first one's size."""
    with Image.open(BytesIO(first)) as one, Image.open(BytesIO(second)) as other:
        apart = ImageChops.difference(one.convert("RGB"), other.convert("RGB").resize(one.size)).convert("L")
        histogram = apart.histogram()
    return sum(value * count for value, count in enumerate(histogram)) / sum(histogram)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer r8_other"}, {"Authorization": "r8_local"}])
def test_a_call_without_the_token_is_401(api: StandIn, headers: dict[str, str]) -> None:
    """Every route of the API needs the Bearer token, and a refused call is logged too."""
    for verb, path in (("POST", "/v1/predictions"), ("GET", "/v1/predictions/x"), ("POST", "/v1/files")):
        answer = requests.request(verb, api.url + path, headers=headers, timeout=60)
        assert answer.status_code == 401
        assert answer.json()["status"] == 401
    assert len(api.log()) == 3


def test_the_account_is_shown_to_who_has_the_token(api: StandIn) -> None:
    """A read that costs nothing and needs the token."""
    answer = call(api, "GET", "/v1/account")
    assert (answer.status_code, answer.json()["username"]) == (200, "local")
    assert call(api, "GET", "/v1/account", Authorization="Bearer r8_other").status_code == 401


def test_a_prediction_lives_from_starting_to_succeeded(api: StandIn) -> None:
    """201 with Location, then the states by the clock, every field of the object, and times that fit."""
    api.script("outcome", "slow", seconds=100)
    answer = create(api, wait=False)
    made = answer.json()
    assert (answer.status_code, made["status"], made["output"]) == (201, "starting", None)
    assert answer.headers["Location"] == made["urls"]["get"]
    api.advance(21)
    until_begun(api, made["id"])
    while not call(api, "GET", f"/v1/predictions/{made['id']}").json()["logs"]:
        time.sleep(0.02)
    api.advance(100)
    shown = until_over(api, made["id"])
    assert shown["status"] == "succeeded"
    assert shown["metrics"] == {"predict_time": pytest.approx(80), "total_time": pytest.approx(100)}
    assert set(shown) == {
        "id", "model", "version", "input", "output", "error", "logs", "status", "created_at", "started_at",
        "completed_at", "data_removed", "deadline", "metrics", "urls",
    }  # fmt: skip
    assert (shown["model"], shown["version"]) == ("nightmareai/real-esrgan", ESRGAN)


def test_moving_the_clock_ends_a_slow_prediction_at_once(api: StandIn) -> None:
    """States follow the simulated clock: an hour of work takes no hour."""
    api.script("outcome", "slow", seconds=1000)
    made = create(api, wait=False).json()
    api.advance(500)
    until_begun(api, made["id"])
    api.advance(501)
    shown = until_over(api, made["id"])
    assert (shown["status"], shown["metrics"]["total_time"]) == ("succeeded", pytest.approx(1000))


def test_prefer_wait_answers_with_the_result_or_with_how_far_it_is(api: StandIn) -> None:
    """The call is held until the output is there, at most as long as asked."""
    done = create(api).json()
    assert done["status"] == "succeeded"
    api.script("outcome", "slow", seconds=30)
    started = time.monotonic()
    waited = create(api, wait=False, headers={"Prefer": "wait=1"})
    assert waited.json()["status"] in ("starting", "processing")
    assert 0.9 < time.monotonic() - started < 25
    assert create(api, wait=False, headers={"Prefer": "wait=61"}).status_code == 422


@pytest.mark.parametrize(
    ("version", "status", "shown"),
    [
        (ESRGAN, 201, ESRGAN),
        (f"nightmareai/real-esrgan:{ESRGAN}", 201, ESRGAN),
        ("nightmareai/real-esrgan", 201, "hidden"),
        (f"tencentarc/gfpgan:{ESRGAN}", 422, None),
        ("tencentarc/gfpgan", 422, None),
        ("nobody/nothing", 404, None),
        ("0" * 64, 422, None),
        ("not a version", 422, None),
    ],
)
def test_a_version_names_the_model_or_is_refused(
    api: StandIn, version: str, status: int, shown: str | None
) -> None:
    """Ids, names with ids, and names of official models; a community model has to be named with its version."""
    answer = create(api, version=version, wait=False)
    assert answer.status_code == status
    assert answer.json().get("version") == shown


@pytest.mark.parametrize(
    ("name", "status"), [("google/nano-banana", 201), ("tencentarc/gfpgan", 404), ("nobody/nothing", 404)]
)
def test_only_official_models_have_a_route_of_their_own(api: StandIn, name: str, status: int) -> None:
    """A community model and an unknown one are not found there."""
    answer = call(api, "POST", f"/v1/models/{name}/predictions", {"input": {"prompt": "a cat"}})
    assert answer.status_code == status


@pytest.mark.parametrize(
    ("version", "given", "field"),
    [
        (ESRGAN, {"scale": 2}, "input.image"),
        (ESRGAN, {"image": "https://a.example/b.png", "scale": 11}, "input.scale"),
        (ESRGAN, {"image": "https://a.example/b.png", "scale": "2"}, "input.scale"),
        (ESRGAN, {"image": "b.png"}, "input.image"),
        (ESRGAN, {"image": "https://a.example/b.png", "face_enhance": 1}, "input.face_enhance"),
        (GFPGAN, {"image": "https://a.example/b.png"}, "input.img"),
        ("topazlabs/image-upscale", {"image": "https://a.example/b", "upscale_factor": "8x"}, "input.upscale_factor"),
        ("google/nano-banana", {"image_input": []}, "input.prompt"),
        ("google/nano-banana", {"prompt": "x", "image_input": "https://a.example/b"}, "input.image_input"),
        ("google/nano-banana", {"prompt": "x", "output_format": "webp"}, "input.output_format"),
    ],
)  # fmt: skip
def test_an_input_outside_the_schema_is_422(
    api: StandIn, version: str, given: dict[str, Any], field: str
) -> None:
    """Each model has its own fields and ranges, and the answer names the field."""
    answer = create(api, version=version, **given)
    assert answer.status_code == 422
    assert answer.json()["title"] == "Input validation failed"
    assert field in [invalid["field"] for invalid in answer.json()["invalid_fields"]]


@pytest.mark.parametrize(
    ("version", "given", "size"),
    [
        (ESRGAN, {"image": "", "scale": 2}, (80, 60)),
        (ESRGAN, {"image": ""}, (160, 120)),
        (ESRGAN, {"image": "", "scale": 1.5, "face_enhance": True}, (60, 45)),
        (GFPGAN, {"img": ""}, (80, 60)),
        ("topazlabs/image-upscale", {"image": "", "upscale_factor": "6x"}, (240, 180)),
        ("topazlabs/image-upscale", {"image": ""}, (40, 30)),
        ("google/nano-banana", {"prompt": "make it blue", "image_input": [""]}, (1182, 887)),
    ],
)
def test_the_result_has_the_promised_size_and_looks_different(
    api: StandIn, version: str, given: dict[str, Any], size: tuple[int, int]
) -> None:
    """Scale is honoured exactly, real-esrgan's default is 4, and nano-banana keeps the aspect ratio."""
    source = png((40, 30))
    filled = {
        key: [data_url(source)] if value == [""] else value or data_url(source)
        for key, value in given.items()
    }
    answer = create(api, version=version, **filled)
    result = output_of(answer)
    assert size_of(result) == size
    assert difference(source, result) > 1
    assert answer.json()["output"].endswith(".png" if version in (ESRGAN, GFPGAN) else ".jpg")


def test_the_input_is_fetched_without_a_token_and_a_refusal_fails_the_prediction(api: StandIn) -> None:
    """An expired input URL ends as failed with the reason; no token goes to the input's host."""
    first = create(api).json()
    again = create(api, image=first["output"], scale=2)
    assert size_of(output_of(again)) == (160, 120)
    fetched = [entry for entry in api.log() if entry["port"] == DELIVERY]
    assert all("authorization" not in entry["headers"] for entry in fetched)
    api.script("output", "status", status=403)
    failed = create(api, image=first["output"], scale=2).json()
    assert failed["status"] == "failed"
    assert "403" in failed["error"]
    assert failed["output"] is None


@pytest.mark.parametrize(
    ("version", "field", "error"),
    [
        (ESRGAN, "image", "cannot identify image file"),
        (GFPGAN, "img", "'NoneType' object has no attribute 'shape'"),
    ],
)
def test_an_input_that_is_no_picture_fails_with_the_models_odd_words(
    api: StandIn, version: str, field: str, error: str
) -> None:
    """The wire accepts any URL; what is behind it is found out by the model."""
    answer = create(api, version=version, **{field: data_url(b"no picture")})
    assert (answer.status_code, answer.json()["error"]) == (201, error)


def test_a_bomb_for_an_input_fails_and_harms_nobody(api: StandIn) -> None:
    """A picture that would unpack to more than memory holds ends its own prediction only."""
    answer = create(api, image=data_url(bomb()), scale=2)
    assert answer.json()["error"] == "cannot identify image file"


def test_a_picture_larger_than_the_memory_fails(api: StandIn) -> None:
    """Above about two megapixels real-esrgan asks for a smaller picture."""
    answer = create(api, image=data_url(jpeg((1500, 1400))), scale=2)
    assert "total number of pixels 2100000 greater than the max size" in answer.json()["error"]


def test_an_uploaded_file_is_an_input_that_needs_no_host(api: StandIn) -> None:
    """The Files API describes the file, and its URL works as an input."""
    upload = {"content": ("cat.png", png((40, 30)), "image/png")}
    answer = requests.post(f"{api.url}/v1/files", files=upload, headers=AUTH, timeout=60)
    stored = answer.json()
    assert (answer.status_code, stored["name"], stored["content_type"]) == (201, "cat.png", "image/png")
    assert stored["size"] == len(png((40, 30)))
    assert call(api, "GET", f"/v1/files/{stored['id']}").json() == stored
    assert size_of(output_of(create(api, image=stored["urls"]["get"], scale=3))) == (120, 90)
    assert requests.post(f"{api.url}/v1/files", headers=AUTH, timeout=60).status_code == 422


def test_a_canceled_prediction_stays_canceled_and_a_finished_one_finished(api: StandIn) -> None:
    """Canceling ends what runs and does no harm to what is over."""
    api.script("outcome", "never")
    running, done = create(api, wait=False).json(), create(api).json()
    for made, status in ((running, "canceled"), (done, "succeeded")):
        answer = call(api, "POST", f"/v1/predictions/{made['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert call(api, "POST", "/v1/predictions/unknown/cancel").status_code == 404


@pytest.mark.parametrize(("starting", "status"), [(1, "canceled"), (100, "aborted")])
def test_cancel_after_stops_what_runs_and_aborts_what_has_not_begun(
    api: StandIn, starting: int, status: str
) -> None:
    """A deadline is shown, and passes by the clock."""
    api.script("outcome", "slow", seconds=200, starting=starting)
    made = create(api, wait=False, headers={"Cancel-After": "1m"}).json()
    assert made["deadline"] is not None
    api.advance(2)
    if status == "canceled":
        until_begun(api, made["id"])
    api.advance(60)
    assert until_over(api, made["id"])["status"] == status
    assert create(api, wait=False, headers={"Cancel-After": "soon"}).status_code == 422


def test_the_list_is_newest_first_in_pages_of_a_hundred(api: StandIn) -> None:
    """Entries hold the input, so that a lost prediction can be found by it."""
    made = [create(api, wait=False, image="http://127.0.0.1:9/x").json()["id"] for _ in range(101)]
    first = call(api, "GET", "/v1/predictions").json()
    assert [shown["id"] for shown in first["results"]] == made[:0:-1]
    assert first["results"][0]["input"]["image"] == "http://127.0.0.1:9/x"
    second = requests.get(first["next"], headers=AUTH, timeout=60).json()
    assert ([shown["id"] for shown in second["results"]], second["next"]) == (made[:1], None)


def test_an_hour_later_input_and_output_are_gone(api: StandIn) -> None:
    """The prediction stays, its data does not."""
    made = create(api).json()
    assert requests.get(made["output"], timeout=60).status_code == 200
    api.advance(3601)
    shown = call(api, "GET", f"/v1/predictions/{made['id']}").json()
    assert (shown["status"], shown["data_removed"], shown["output"]) == ("succeeded", True, None)
    assert shown["input"] == {}
    assert requests.get(made["output"], timeout=60).status_code == 404


def test_the_log_shows_every_request_until_a_reset(api: StandIn) -> None:
    """Method, path, query, headers, body and port, of the API and of the delivery host."""
    made = create(api).json()
    requests.get(made["output"] + "?a=b", timeout=60)
    requests.post(f"{api.url}/v1/files", data=b"\xff\x00", headers=AUTH, timeout=60)
    first, second, third = api.log()
    assert (first["method"], first["path"], first["port"]) == ("POST", "/v1/predictions", api.port)
    assert first["headers"]["authorization"] == AUTH["Authorization"]
    assert ESRGAN in first["body"]
    assert (second["port"], second["query"], third["body"]) == (DELIVERY, "a=b", "<2 bytes>")
    api.reset()
    assert api.log() == []
    assert call(api, "GET", f"/v1/predictions/{made['id']}").status_code == 404


def test_it_listens_on_loopback_says_so_and_ends_at_once(tmp_path: Path) -> None:
    """One line when it listens, a clean end on TERM even while a call hangs."""
    options = ["--delivery-port", str(free_port())]
    with StandIn("replicate", options, log=tmp_path / "log") as api:
        api.script("get", "hang")
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{api.url}/v1/predictions/x", headers=AUTH, timeout=0.2)
        started = time.monotonic()
        assert api.stop()
        assert time.monotonic() - started < STOP_GRACE_S
    assert (tmp_path / "log").read_text().count("\n") == 1
